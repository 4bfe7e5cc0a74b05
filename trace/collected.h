/*
 * Values that were collected where threads came by, in the order in which they
 * were told, in so many bytes; what does not fit is counted.
 */
#ifndef TRACE_COLLECTED_H
#define TRACE_COLLECTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ptid.h"

#define VALUES_MAX 16

struct values {
	struct ptid who;
	int32_t rule;	 /* whose they are */
	uint32_t n;	 /* VALUES_MAX at most */
	uint32_t failed; /* a bit each: it could not be had */
	uint64_t pc;
	int64_t all[VALUES_MAX];
};

/* Zero-initialised is empty, but for most. */
struct collected {
	uint64_t most;	    /* bytes */
	bool stops;	    /* full: the newest are lost, not the oldest */
	uint8_t *ring;	    /* owned */
	size_t cap, n;	    /* bytes; n in use */
	size_t first, next; /* where the oldest is, and the next will be */
	uint64_t lost;
};

/* Forgets all, and keeps the settings. */
void collected_clear(struct collected *c);
void collected_put(struct collected *c, const struct values *v);

/* Calls fn for each, the oldest first. */
typedef void collected_fn(void *user, const struct values *v);
void collected_each(const struct collected *c, collected_fn *fn, void *user);

#endif
