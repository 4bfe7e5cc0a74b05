#include "trace/demangle.h"

#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "base/mem.h"

typedef char *demangle_fn(const char *name, char *buffer, size_t *length,
			  int *status);

static demangle_fn *demangler(void)
{
	static const char *const libraries[] = { "libstdc++.so.6",
						 "libc++abi.so.1" };
	static demangle_fn *found;
	static bool looked;
	const struct library_function wanted = { "__cxa_demangle", &found };

	for (unsigned i = 0; !looked && !found && i < ARRAY_SIZE(libraries);
	     i++)
		library_load(libraries[i], &wanted, 1);
	looked = true;
	return found;
}

char *demangle(const char *name)
{
	size_t length = strcspn(name, "@");
	demangle_fn *call;
	char *mangled, *plain, *out;
	int status;

	if (strncmp(name, "_Z", 2) != 0)
		return NULL;
	call = demangler();
	if (!call)
		return NULL;
	mangled = xstrndup(name, length);
	plain = call(mangled, NULL, NULL, &status);
	free(mangled);
	if (!plain)
		return NULL;
	out = xasprintf("%s%s", plain, name + length);
	free(plain);
	return out;
}
