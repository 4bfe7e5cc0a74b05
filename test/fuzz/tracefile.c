/*
 * Any bytes as a trace file or as drcov, with all formats listening: it is read
 * or refused with a reason, and what was told of it is written as a trace file
 * that tells the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/reader.h"

#define FORMATS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

/* --- what is told, as a number -------------------------------------------- */

/* Threads are only in order each by itself: their sums are added up. */
struct told {
	struct story *story;
	unsigned slot;
	uint64_t sum;
};

static uint64_t mixed(uint64_t sum, uint64_t v)
{
	sum = (sum ^ v) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 29;
}

/* Threads of which nothing is told are in no file. */
static uint64_t *sum_of(struct told *t, struct story_thread *th)
{
	uint64_t *sum = th->of[t->slot];

	if (sum)
		return sum;
	sum = th->of[t->slot] = xcalloc(1, sizeof(*sum));
	*sum = mixed((uint64_t)th->id.pid, (uint64_t)th->id.tid);
	*sum = mixed(*sum, th->image);
	return sum;
}

static uint64_t with_block(const struct story *s, uint64_t sum, uint32_t block)
{
	const struct story_block *b = &s->blocks[block];
	const char *p = s->objects[place_object(b->begin)].path;

	sum = mixed(mixed(sum, b->begin), b->last);
	sum = mixed(mixed(sum, b->bytes), b->instructions);
	sum = mixed(sum, b->end);
	for (uint32_t i = 0; b->code && i < b->bytes; i++)
		sum = mixed(sum, b->code[i]);
	while (*p)
		sum = mixed(sum, (uint64_t)*p++);
	return sum;
}

static void take_path(void *user, struct story_thread *th,
		      const uint32_t *blocks, size_t n)
{
	struct told *t = user;
	uint64_t *sum = sum_of(t, th);

	for (size_t i = 0; i < n; i++)
		*sum = with_block(t->story, *sum, blocks[i]);
}

static void take_cut(void *user, struct story_thread *th, uint32_t instructions)
{
	uint64_t *sum = sum_of(user, th);

	*sum = mixed(*sum, instructions);
}

static void take_lost(void *user, struct story_thread *th)
{
	uint64_t *sum = sum_of(user, th);

	*sum = mixed(*sum, UINT64_MAX);
}

static void take_end(void *user, struct story_thread *th)
{
	struct told *t = user;
	uint64_t *sum = th->of[t->slot];

	t->sum += sum ? *sum : 0;
	free(sum);
}

static void take_killed(void *user, const struct story_death *d)
{
	struct told *t = user;

	t->sum +=
		mixed(mixed((uint64_t)d->who.pid, (uint64_t)d->signal), d->pc);
}

static void listen(struct told *t, struct story *s)
{
	t->story = s;
	t->slot = story_add_sink(s, &(struct story_sink){
					    .path = take_path,
					    .cut = take_cut,
					    .lost = take_lost,
					    .end = take_end,
					    .killed = take_killed,
					    .user = t,
				    });
}

/* --- formats -------------------------------------------------------------- */

struct sink {
	const struct format *format;
	void *state;
	FILE *out;
	char *text;
	size_t length;
};

static void begin(struct sink *k, struct story *s, const struct format *f)
{
	struct format_args args = { .globs = NULL };
	struct err e = { "" };

	k->format = f;
	k->out = args.out = open_memstream(&k->text, &k->length);
	k->state = f->begin(s, &args, &e);
	check(k->state != NULL);
}

static void finish(struct sink *k)
{
	k->format->write(k->state, k->out);
	k->format->free(k->state);
	fclose(k->out);
}

/* --- the seam ------------------------------------------------------------- */

static void read_again(const struct sink *k, uint64_t sum)
{
	struct story *s = story_new();
	struct told t = { 0 };
	struct err e = { "" };
	uint64_t lost;

	listen(&t, s);
	check(story_read_bytes(s, k->text, k->length, &lost, &e) == 0);
	check(lost == 0 && t.sum == sum);
	story_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink sinks[FORMATS_MAX], *record = NULL;
	struct story *s = story_new();
	struct told t = { 0 };
	struct err e = { "" };
	uint64_t lost;
	size_t n = 0;
	int err;

	listen(&t, s);
	for (; format_at(n); n++) {
		check(n < FORMATS_MAX);
		begin(&sinks[n], s, format_at(n));
		if (format_at(n) == &format_record)
			record = &sinks[n];
	}
	err = story_read_bytes(s, (const char *)data, size, &lost, &e);
	check(err < 0 ? e.text[0] != '\0' : lost <= size);
	story_finish(s);
	for (size_t i = 0; i < n; i++)
		finish(&sinks[i]);
	story_free(s);
	read_again(record, t.sum);
	for (size_t i = 0; i < n; i++)
		free(sinks[i].text);
	return 0;
}
