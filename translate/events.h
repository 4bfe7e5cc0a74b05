/*
 * Events of followed threads: for the layer above. Translated code writes them
 * to a ring of the thread's own, in memory that it has in common with us; so
 * none is lost, however the program ends. They come in batches, in the order
 * in which the thread executed them.
 */
#ifndef TRANSLATE_EVENTS_H
#define TRANSLATE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/ptid.h"

struct target;

enum event_kind {
	EVENT_CALL = 1 << 0,	/* at from, to `to` */
	EVENT_RET = 1 << 1,	/* the same */
	EVENT_EXEC = 1 << 2,	/* an instruction at from; rep counts once */
	EVENT_BLOCK = 1 << 3,	/* begun at from; `to` is behind its end */
	EVENT_COMPILE = 1 << 4, /* the same block, translated */
};

/*
 * Each is told before what it tells of has happened. A thread that a signal or
 * a fault keeps from it goes on elsewhere, and may tell of it again later.
 * depth is that of the calls since the thread was followed: a call tells of
 * what it leaves, a return so too, so a call's is one less than its return's.
 */
struct translate_event {
	uint32_t kind; /* one of EVENT_* */
	int32_t depth;
	uint64_t from, to;
};

struct translate_sink {
	unsigned mask; /* EVENT_* that are wanted */
	void (*batch)(void *user, struct ptid who,
		      const struct translate_event *all, size_t n);
	void *user;
};

/* Of what is followed with MODE_TRACE from now on; copied. batch may not call
 * the target. */
void translate_set_sink(struct target *t, const struct translate_sink *sink);

/* What has been written so far is told; threads may be running. */
void translate_drain(struct target *t);

#endif
