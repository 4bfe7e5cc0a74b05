/*
 * Calls on a time axis, for formats that show such: when each began and ended.
 * What is known is when a thread's log was read; in between time passes with
 * the instructions. Stubs of the PLT, and the linker behind them, are left out.
 */
#ifndef TRACE_TIMELINE_H
#define TRACE_TIMELINE_H

#include "trace/format.h"
#include "trace/story.h"

struct timeline;

/* How they are written: each to t->out. Times of a thread never go back. */
struct timeline_writer {
	void (*head)(struct timeline *t);
	void (*thread)(struct timeline *t, const struct story_thread *th);
	void (*begin)(struct timeline *t, const struct story_thread *th,
		      int64_t ns, uint32_t function);
	void (*end)(struct timeline *t, const struct story_thread *th,
		    int64_t ns, uint32_t function);
	void (*tail)(struct timeline *t);
};

struct timeline {
	struct story *story;
	const struct timeline_writer *writer;
	FILE *out;
	unsigned slot;
	int64_t origin; /* ns of the first event */
	bool any;	/* something has been written */
	void *own;	/* the writer's */
};

/* A stream: see trace/format.h. */
struct timeline *timeline_begin(struct story *s, const struct format_args *args,
				const struct timeline_writer *w);
/* ... its write, which has what is left and the tail, and its free. */
void timeline_write(void *timeline, FILE *out);
void timeline_free(void *timeline);

#endif
