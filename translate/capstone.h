/*
 * libcapstone, of which functions have their own names in a table, and which is
 * loaded when it is wanted first: see base/library.h.
 */
#ifndef TRANSLATE_CAPSTONE_H
#define TRANSLATE_CAPSTONE_H

#include <capstone/capstone.h>

#define FUNCTION(name) __typeof__(name) *name;

struct capstone {
#include "translate/capstone.def"
};

#undef FUNCTION

/* NULL: it is not installed. */
const struct capstone *capstone(void);

#endif
