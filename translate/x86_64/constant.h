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

/* Is there a page in lo..hi that is relied on? gone: of code in lo..hi it does
 * not matter. */
bool constants_in(const struct space *sp, uint64_t lo, uint64_t hi, bool gone);

void constants_fini(struct space *sp);

#endif
