/*
 * Calls to the layer above, while a thread is in the midst of something:
 * private to translate/. What cannot be done then is done when the event that
 * it came by has been seen to.
 */
#ifndef TRANSLATE_CALLBACK_H
#define TRANSLATE_CALLBACK_H

#include "translate/cache.h"

struct compiler;
struct translator;

/* Is the code of the space transformed? */
bool transforms(const struct space *sp);

/* Calls the transformer; nothing is compiled or dropped meanwhile. */
void callback_transform(struct space *sp, struct transform *it);

/* A number for the callout, in the region. */
uint32_t callout_new(struct region *rg, const struct callout *k);
/* The upper thread is there, rewound. The registers that it gets are written
 * back. True: it is to stop. */
bool callback_callout(struct translator *tr, struct thread *th,
		      const struct callout *k);

/* Code of the space (NULL: of all) was compiled by what holds no more: it is
 * dropped as soon as can be. */
void callbacks_outdate(struct translator *tr, struct space *sp);

/* activate.c: all are stopped. */
void activation_settle(struct translator *tr, struct process *p);

/* What was left for later: between events. */
void callbacks_settle(struct translator *tr);

#endif
