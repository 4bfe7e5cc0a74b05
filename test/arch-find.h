/* Registers by the name that gdb shows, for tests. */
#ifndef TEST_ARCH_FIND_H
#define TEST_ARCH_FIND_H

#include <string.h>

#include "arch/arch.h"

/* The register's number, or -1. */
static inline int arch_reg_find(const struct arch *a, const char *name)
{
	for (size_t i = 0; i < a->n_regs; i++) {
		if (!strcmp(a->regs[i].name, name))
			return (int)i;
	}
	return -1;
}

#endif
