/*
 * Trace files made by hand (doc/trace-file.md), frame by frame, and what the
 * reader tells of them.
 */
#ifndef TEST_TRACEFILE_MADE_H
#define TEST_TRACEFILE_MADE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "trace/reader.h"
#include "trace/tracefile.h"

#define PID 70
#define TID 71

/* --- making --------------------------------------------------------------- */

static inline void put_head(struct buf *f, uint32_t version)
{
	struct tracefile_head h = { .version = version };

	memcpy(h.magic, TRACEFILE_MAGIC, sizeof(h.magic));
	buf_put(f, &h, sizeof(h));
}

static inline void put_bytes(struct buf *f, uint32_t kind, uint32_t thread,
			     const void *bytes, size_t n)
{
	struct frame_head h = { .kind = kind,
				.stored = (uint32_t)n,
				.thread = thread };

	buf_put(f, &h, sizeof(h));
	buf_put(f, bytes, n);
}

#define LAST (-1LL) /* behind the numbers of a frame */

static inline void put_frame(struct buf *f, uint32_t kind, uint32_t thread,
			     const long long *numbers)
{
	uint8_t bytes[40 * VARINT_MAX], *end = bytes;

	for (; *numbers != LAST; numbers++)
		end = put_varint(end, (uint64_t)*numbers);
	put_bytes(f, kind, thread, bytes, (size_t)(end - bytes));
}

#define FRAME(f, kind, thread, ...) \
	put_frame(f, kind, thread, (const long long[]){ __VA_ARGS__, LAST })

/* A miss of a path: from one way to another. */
#define MISS(from, to) (1 + (long long)zigzag((to) - (from)))

static inline void put_object(struct buf *f)
{
	put_bytes(f, FRAME_OBJECT, 0, "\x80\x20\x80\x20\0/none", 10);
}

/* An object; two blocks of it, of 4 bytes and 2 instructions; the ways 1, which
 * is both, and 2, the second; a thread. */
static inline void put_names(struct buf *f)
{
	put_head(f, TRACEFILE_VERSION);
	put_object(f);
	FRAME(f, FRAME_BLOCKS, 0, 1, 0x10, 2, 4, 2, 0, 1, 0x20, 2, 4, 2, 3);
	FRAME(f, FRAME_WAYS, 0, 2, zigzag(1), zigzag(1), 1, 0);
	FRAME(f, FRAME_THREAD, 5, 1, PID, TID);
}

/* --- what is told --------------------------------------------------------- */

struct told {
	struct story *story;
	unsigned cuts, losses, ends, deaths;
	int64_t until;
	size_t n;
	uint64_t offsets[4096];
};

static inline void see_path(void *user, struct story_thread *th,
			    const uint32_t *blocks, size_t n)
{
	struct told *t = user;

	t->until = th->until;
	for (size_t i = 0; i < n && t->n < ARRAY_SIZE(t->offsets); i++)
		t->offsets[t->n++] =
			place_offset(t->story->blocks[blocks[i]].begin);
}

static inline void see_cut(void *user, struct story_thread *th,
			   uint32_t instructions)
{
	(void)th;
	(void)instructions;
	((struct told *)user)->cuts++;
}

static inline void see_lost(void *user, struct story_thread *th)
{
	(void)th;
	((struct told *)user)->losses++;
}

static inline void see_end(void *user, struct story_thread *th)
{
	(void)th;
	((struct told *)user)->ends++;
}

static inline void see_killed(void *user, const struct story_death *d)
{
	(void)d;
	((struct told *)user)->deaths++;
}

struct result {
	struct told told;
	uint64_t lost;
	int err;
	struct err e;
};

/* The bytes lie at the end of their memory, for sanitizers to see. */
static inline const struct result *read_bytes(const void *bytes, size_t n)
{
	static struct result r;
	char *copy = memcpy(xmalloc(n + 1), bytes, n);

	r = (struct result){ .told.story = story_new() };
	story_add_sink(r.told.story, &(struct story_sink){
					     .path = see_path,
					     .cut = see_cut,
					     .lost = see_lost,
					     .end = see_end,
					     .killed = see_killed,
					     .user = &r.told,
				     });
	r.err = story_read_bytes(r.told.story, copy, n, &r.lost, &r.e);
	assert_int_equal(r.told.story->threads.count, 0);
	story_free(r.told.story);
	free(copy);
	return &r;
}

static inline const struct result *read_file(struct buf *f)
{
	const struct result *r = read_bytes(f->data, f->len);

	buf_fini(f);
	return r;
}

/* It is refused for that reason, and so many blocks were told before. */
static inline void is_refused(struct buf *f, const char *why, size_t blocks)
{
	const struct result *r = read_file(f);

	assert_int_equal(r->err, -EINVAL);
	assert_string_equal(r->e.text, why);
	assert_int_equal(r->told.n, blocks);
}

#endif
