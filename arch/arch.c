#include "arch/arch.h"

#include <stdlib.h>

void arch_free(struct arch *a)
{
	free(a);
}
