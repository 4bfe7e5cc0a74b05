/*
 * What has to hold at a breakpoint beyond the conditions that a client sends:
 * it is asked for in other ways (monitor condition), for breakpoints that are
 * there or will be, and counts over all of them and all processes.
 *
 * Of threads that meet the breakpoint, those of which all holds are hits. They
 * have numbers from 1; the first `ignore` do not stop, and of those behind them
 * each `every`th does.
 */
#ifndef TARGET_FILTER_H
#define TARGET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct ax_program;
struct target;
struct thread;

struct point_filter {
	unsigned refs;
	struct ax_program **when; /* owned, and so are the programs: all of
				   * them hold, or cannot be evaluated */
	size_t n_when;
	char *thread;		/* owned: the thread's name; NULL: any */
	uint64_t ignore, every; /* every: 1 at least */
	uint64_t hits, stops;
	struct list grants; /* of struct filter_grant */
};

/*
 * Hits that may go by without a stop, and without being told here: so many as
 * *word says, which threads of the program count down themselves. One that
 * takes it below zero has taken nothing.
 */
struct filter_grant {
	struct list node; /* in the filter's grants */
	int64_t *word;	  /* in memory that is shared; borrowed */
	int64_t given;
};

/* One that lets everything pass, with a single reference. */
struct point_filter *filter_new(void);
/* Freed with its last reference; f may be NULL. */
void filter_unref(struct point_filter *f);

/* Does it count, so that a hit is a stop or not? */
bool filter_counts(const struct point_filter *f);

/* The thread has met the point, and all else holds: is it to stop? Counts. f
 * may be NULL: always. */
bool filter_stops(struct target *t, struct thread *th, struct point_filter *f);

/* Hits so far, those included that were not told. */
uint64_t filter_hits(const struct point_filter *f);

/* A grant of nothing; until it is dropped, before word goes. */
void filter_grant_add(struct point_filter *f, struct filter_grant *g,
		      int64_t *word);
void filter_grant_drop(struct point_filter *f, struct filter_grant *g);
/* All that may go by before the next stop is granted to that one. */
void filter_grant(struct point_filter *f, struct filter_grant *g);

#endif
