/*
 * Room in a full cache: private to translate/.
 *
 * Regions are used again in the order in which they were begun. So what the
 * program needs at present is translated again at most once in each round, and
 * stays if it fits. What lies in other regions is left as it is, but for what
 * leads into the one that goes: that leads to exits again.
 */
#ifndef TRANSLATE_EVICT_H
#define TRANSLATE_EVICT_H

#include "translate/cache.h"

/* Is there room for code at pc, or can space_evict() make any? */
bool space_can_evict(struct space *sp, uint64_t pc);

/*
 * Makes room for code at pc in place of the oldest, and evicts what is worn.
 * All threads of the space are stopped and have been rewound. False: there is
 * no room all the same.
 */
bool space_evict(struct space *sp, uint64_t pc);

/* Regions of which all blocks were dropped are as new, for all threads as
 * above. */
void space_collect(struct space *sp);

/* Looks how many bytes the space's records take here, without what is mapped
 * there too: own_bytes is the most that was seen. */
void space_measure(const struct space *sp);

#endif
