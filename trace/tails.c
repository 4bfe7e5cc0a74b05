#include "trace/tails.h"

#include <stdlib.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/where.h"

#define BLOCKS 8192 /* that are kept of a thread: a power of 2 */

struct tails {
	struct story *story;
	unsigned n, slot;
	struct map tails; /* tid -> struct tail */
};

/* What it executed last. */
struct tail {
	struct ptid id;
	uint32_t image;
	uint64_t n;    /* in all */
	uint32_t left; /* instructions of the last block; 0: all of it */
	uint32_t blocks[BLOCKS];
};

/* --- gathering ------------------------------------------------------------ */

static struct tail *tail_of(struct tails *b, struct story_thread *th)
{
	struct tail *t = th->of[b->slot];

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->id = th->id;
	t->image = th->image;
	free(map_drop(&b->tails, (uint64_t)th->id.tid));
	map_set(&b->tails, (uint64_t)th->id.tid, t);
	th->of[b->slot] = t;
	return t;
}

static void take_path(void *user, struct story_thread *th,
		      const uint32_t *blocks, size_t n)
{
	struct tail *t = tail_of(user, th);

	if (n > BLOCKS) {
		blocks += n - BLOCKS;
		n = BLOCKS;
	}
	for (size_t i = 0; i < n; i++)
		t->blocks[t->n++ % BLOCKS] = blocks[i];
	t->left = 0;
}

static void take_cut(void *user, struct story_thread *th, uint32_t instructions)
{
	tail_of(user, th)->left = instructions;
}

/* --- telling -------------------------------------------------------------- */

/* A branch from the end of one block to the begin of another, so often one
 * after the other. */
struct taken {
	uint32_t from, to;
	unsigned times;
};

static bool is_branch(const struct story *s, uint32_t from, uint32_t to)
{
	const struct story_block *a = &s->blocks[from];

	return a->end != END_FALLS ||
	       a->begin + a->bytes != s->blocks[to].begin;
}

/* Blocks that begin apart may end together. */
static bool is_same(const struct story *s, const struct taken *br,
		    uint32_t from, uint32_t to)
{
	return s->blocks[br->from].last == s->blocks[from].last &&
	       s->blocks[br->to].begin == s->blocks[to].begin;
}

/* From the end back; returns how many. */
static unsigned collect(const struct tails *b, const struct tail *t,
			struct taken *all)
{
	uint64_t oldest = t->n > BLOCKS ? t->n - BLOCKS : 0;
	unsigned n = 0;

	for (uint64_t i = t->n; i > oldest + 1 && n <= b->n; i--) {
		uint32_t to = t->blocks[(i - 1) % BLOCKS];
		uint32_t from = t->blocks[(i - 2) % BLOCKS];

		if (!is_branch(b->story, from, to))
			continue;
		if (n && is_same(b->story, &all[n - 1], from, to))
			all[n - 1].times++;
		else if (n++ < b->n)
			all[n - 1] = (struct taken){ from, to, 1 };
	}
	return n < b->n ? n : b->n;
}

static void put_branch(struct tails *b, const struct taken *br, FILE *out)
{
	const struct story_block *blocks = b->story->blocks;
	struct buf line = { 0 };

	buf_puts(&line, "  ");
	where_put(&line, b->story, blocks[br->from].last);
	buf_puts(&line, " -> ");
	where_put(&line, b->story, blocks[br->to].begin);
	if (br->times > 1)
		buf_printf(&line, ", %u times", br->times);
	fprintf(out, "%s\n", buf_str(&line));
	buf_fini(&line);
}

/* The last instruction that it executed. */
static void put_end(struct tails *b, const struct tail *t, FILE *out)
{
	uint64_t places[STORY_PLACES_MAX];
	uint32_t block = t->blocks[(t->n - 1) % BLOCKS];
	size_t n = story_places(b->story, block, places);
	struct buf line = { 0 };

	buf_puts(&line, "  last executed: ");
	where_put(&line, b->story,
		  t->left && t->left < n ? places[t->left]
					 : b->story->blocks[block].last);
	fprintf(out, "%s\n", buf_str(&line));
	buf_fini(&line);
}

bool tails_put(struct tails *b, pid_t tid, FILE *out)
{
	const struct tail *t = map_find(&b->tails, (uint64_t)tid);
	struct taken *all;
	unsigned n;

	if (!t || !t->n)
		return false;
	all = xcalloc(b->n + 1, sizeof(*all));
	n = collect(b, t, all);
	while (n--)
		put_branch(b, &all[n], out);
	put_end(b, t, out);
	free(all);
	return true;
}

uint32_t tails_image(const struct tails *b, pid_t tid)
{
	const struct tail *t = map_find(&b->tails, (uint64_t)tid);

	return t ? t->image : 0;
}

/* --- beginning and end ---------------------------------------------------- */

struct tails *tails_new(struct story *s, unsigned n)
{
	struct tails *b = xcalloc(1, sizeof(*b));

	b->story = s;
	b->n = n;
	b->slot = story_add_sink(s, &(struct story_sink){
					    .path = take_path,
					    .cut = take_cut,
					    .user = b,
				    });
	return b;
}

void tails_free(struct tails *b)
{
	for (size_t i = 0; b->tails.slots && i <= b->tails.mask; i++)
		free(b->tails.slots[i].key ? b->tails.slots[i].value : NULL);
	map_fini(&b->tails);
	free(b);
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	(void)args;
	(void)e;
	return tails_new(s, TAILS_DEFAULT);
}

static void write_tails(void *state, FILE *out)
{
	struct tails *b = state;

	for (size_t i = 0; b->tails.slots && i <= b->tails.mask; i++) {
		const struct tail *t = b->tails.slots[i].value;

		if (!b->tails.slots[i].key)
			continue;
		fprintf(out, "thread %d of process %d:\n", t->id.tid,
			t->id.pid);
		tails_put(b, t->id.tid, out);
	}
}

static void free_tails(void *state)
{
	tails_free(state);
}

const struct format format_branches = {
	.name = "branches",
	.help = "the last branches of each thread, as text",
	.begin = begin,
	.write = write_tails,
	.free = free_tails,
};
