/*
 * Trails: what it takes to rewind threads, where they are kept and how they
 * are searched. Private to translate/.
 */
#ifndef TRANSLATE_TRAIL_H
#define TRANSLATE_TRAIL_H

#include "translate/cache.h"

/* Of sp->by's process, as a whole. */
void trails_init(struct space *sp);
void trails_fini(struct space *sp);

/* That of the region which is about to be added. */
void trail_add(struct space *sp, struct region *rg);

/* Of marks that ascend: how many come up to the offset. */
size_t marks_up_to(const struct mark *marks, size_t n, uint32_t at);

/* Threads of the lower process may be in the cache from now on: they are
 * rewound if we die. And the opposite. */
void trails_guard(struct space *sp, struct process *lower);
void trails_unguard(struct space *sp, struct process *lower);

#endif
