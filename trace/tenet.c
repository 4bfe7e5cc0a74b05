/*
 * Tenet's text traces, of the program counter alone: a line `rip=0x...` for
 * each instruction that the first thread executed. The addresses are those of
 * the run (or with drcov, which has none, of nowhere): --disable-randomization
 * makes them the same each time.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "trace/format.h"

struct tenet {
	struct story *story;
	const struct globs *globs;
	FILE *out;
	unsigned slot;
	uint32_t pending; /* the block that may still be cut; 0: none */
	uint32_t image;
};

static void put_block(struct tenet *t, uint32_t block, size_t most)
{
	uint64_t places[STORY_PLACES_MAX];
	const struct story_block *b = &t->story->blocks[block];
	const char *path = t->story->objects[place_object(b->begin)].path;
	uint64_t base = story_address(t->story, t->image, b->begin);
	size_t n;

	if (!block || (t->globs && !globs_want(t->globs, path)))
		return;
	n = story_places(t->story, block, places);
	for (size_t i = 0; i < n && i < most; i++)
		fprintf(t->out, "rip=0x%lx\n", base + places[i] - b->begin);
}

static void take_path(void *user, struct story_thread *th,
		      const uint32_t *blocks, size_t n)
{
	struct tenet *t = user;

	if (th->number != 1 || !n)
		return;
	put_block(t, t->pending, SIZE_MAX);
	t->image = th->image;
	for (size_t i = 0; i + 1 < n; i++)
		put_block(t, blocks[i], SIZE_MAX);
	t->pending = blocks[n - 1];
}

static void take_cut(void *user, struct story_thread *th, uint32_t instructions)
{
	struct tenet *t = user;

	if (th->number != 1)
		return;
	put_block(t, t->pending, instructions);
	t->pending = 0;
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct tenet *t = xcalloc(1, sizeof(*t));

	(void)e;
	t->story = s;
	t->globs = args->globs;
	t->out = args->out;
	t->slot = story_add_sink(s, &(struct story_sink){
					    .path = take_path,
					    .cut = take_cut,
					    .user = t,
				    });
	return t;
}

static void write_rest(void *state, FILE *out)
{
	struct tenet *t = state;

	(void)out;
	put_block(t, t->pending, SIZE_MAX);
	t->pending = 0;
}

static void free_tenet(void *state)
{
	free(state);
}

const struct format format_tenet = {
	.name = "tenet",
	.help = "each instruction of the first thread, for Tenet",
	.stream = true,
	.begin = begin,
	.write = write_rest,
	.free = free_tenet,
};
