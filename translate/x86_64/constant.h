/*
 * Pointers that code was translated by because nobody could write to them:
 * private to translate/. Such code has to go when that ends, but for code that
 * goes with its pointer, as a library's does when it is unloaded.
 */
#ifndef TRANSLATE_X86_64_CONSTANT_H
#define TRANSLATE_X86_64_CONSTANT_H

#include "translate/cache.h"

/* The instruction at pc relies on the page that holds `at`. */
void constant_use(struct space *sp, uint64_t at, uint64_t pc);

/* Is there a page in lo..hi that is relied on? */
bool constants_in(const struct space *sp, uint64_t lo, uint64_t hi);
/* The same, by code that is elsewhere. Otherwise all goes together and is
 * forgotten. */
bool constants_go(struct space *sp, uint64_t lo, uint64_t hi);

void constants_fini(struct space *sp);

#endif
