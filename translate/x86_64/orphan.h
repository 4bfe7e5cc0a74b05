/*
 * Threads that we leave in the cache when we are killed: how they are put
 * back. Private to translate/.
 */
#ifndef TRANSLATE_X86_64_ORPHAN_H
#define TRANSLATE_X86_64_ORPHAN_H

#include "target/target.h"

/* The data is a struct trails. */
extern const struct orphan_ops orphan_ops;

#endif
