/* What compiling has to know of probes: private to translate/. */
#ifndef TRANSLATE_PROBES_H
#define TRANSLATE_PROBES_H

#include "translate/cache.h"
#include "translate/probe.h"

/* Is there any at pc? Then a block begins there. */
bool probe_is_at(const struct space *sp, uint64_t pc);

/* The callout that is before what they are at; user is the space. */
void probes_met(void *user, struct target *t, struct thread *th);

/* The same as the public ones, for a space. */
int probe_add(struct space *sp, uint64_t pc, probe_fn *fn, void *user);
int probe_drop(struct space *sp, int number);

void probes_free(struct space *sp);

#endif
