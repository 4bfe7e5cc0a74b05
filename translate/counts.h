/*
 * Hits that threads count themselves: private to translate/.
 *
 * Each filter that counts (target/filter.h) has a word among the tables of the
 * space: how many hits may still go by. A thread that has met all else takes it
 * down by one, in one instruction; one that finds it used up comes to the stub
 * of the breakpoint, where the server counts, and grants more. A thread that
 * has counted, and is stopped before it goes on, does not count again: that is
 * something put before the instruction (struct mark, puts).
 */
#ifndef TRANSLATE_COUNTS_H
#define TRANSLATE_COUNTS_H

#include "translate/cache.h"

struct point_filter;

/* Where its word is, by %gs; it is made when there is none. 0: there are too
 * many. */
uint32_t counts_word(struct space *sp, struct point_filter *f);

/* Hits may go by up to the next one that stops, if it has a word there. */
void counts_grant(struct space *sp, struct point_filter *f);

/* The words go. */
void counts_free(struct space *sp);

#endif
