#include "arch/arch.h"

#include <stdlib.h>
#include <string.h>

void arch_free(struct arch *a)
{
	free(a);
}

int arch_reg_find(const struct arch *a, const char *name)
{
	for (size_t i = 0; i < a->n_regs; i++)
		if (!strcmp(a->regs[i].name, name))
			return (int)i;
	return -1;
}
