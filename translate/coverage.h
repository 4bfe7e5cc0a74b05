/* Coverage that removes itself: private to translate/. */
#ifndef TRANSLATE_COVERAGE_H
#define TRANSLATE_COVERAGE_H

#include "translate/cache.h"

/* A block whose store is there: offsets into its region. */
struct waiting {
	uint32_t block, at, slot;
	uint8_t region;
};

/* The block was given a store. */
void coverage_wait(struct space *sp, const struct waiting *w);

/* The region's blocks are no more. */
void coverage_forget(struct space *sp, unsigned region);

/* A process is followed for its coverage from now on. */
void coverage_begin(struct translator *tr);

/* Takes away what has been run, if it is time to look. Returns in how many
 * milliseconds it wants to be called again; -1: never. */
int coverage_tick(struct translator *tr);

#endif
