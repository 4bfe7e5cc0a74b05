#include <cpuid.h>

#include "arch/arch.h"
#include "arch/x86.h"

#define CPUID_FEATURES 1
#define CPUID_XSAVE    0xd
#define OSXSAVE	       (1u << 27) /* leaf 1, ecx: XGETBV may be used */

static uint64_t xcr0_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

void xsave_layout_read(struct xsave_layout *l)
{
	unsigned a, b, c, d;

	*l = (struct xsave_layout){ .size = X86_LEGACY_SIZE };
	if (!__get_cpuid(CPUID_FEATURES, &a, &b, &c, &d) || !(c & OSXSAVE) ||
	    !__get_cpuid_count(CPUID_XSAVE, 0, &a, &b, &c, &d))
		return;
	l->features = xcr0_read();
	l->size = b;
	/* x87 and SSE have no leaf: they are the legacy region. */
	for (unsigned i = X86_AVX; i < 63; i++) {
		if (!(l->features >> i & 1))
			continue;
		/* __get_cpuid_count() asks for two leaves; in a virtual machine
		 * each takes microseconds. */
		__cpuid_count(CPUID_XSAVE, i, a, b, c, d);
		l->offset[i] = b;
	}
}
