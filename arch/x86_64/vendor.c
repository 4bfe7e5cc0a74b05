/* Whose processor this is. */
#include <cpuid.h>
#include <string.h>

#include "arch/x86_64/decode.h"

enum x86_vendor x86_vendor = X86_INTEL;

enum x86_vendor x86_vendor_here(void)
{
	unsigned a, name[3];

	if (!__get_cpuid(0, &a, &name[0], &name[2], &name[1]))
		return X86_INTEL;
	return memcmp(name, "AuthenticAMD", sizeof(name)) &&
			       memcmp(name, "HygonGenuine", sizeof(name))
		       ? X86_INTEL
		       : X86_AMD;
}
