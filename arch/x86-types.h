/* The register types of gdb's i386 features; private to arch/. */
#ifndef ARCH_X86_TYPES_H
#define ARCH_X86_TYPES_H

#include "base/regdesc.h"

#define X86_64_N_TYPES 26
#define I386_N_TYPES   17

extern const struct regtype x86_64_types[X86_64_N_TYPES];
extern const struct regtype i386_types[I386_N_TYPES];

#endif
