#include "base/library.h"

#include <dlfcn.h>

bool library_load(const char *library, const struct library_function *all,
		  size_t n)
{
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < n; i++) {
		void *f = dlsym(lib, all[i].name);

		if (!f)
			return false;
		/* POSIX has it that both kinds of pointers are alike. */
		*(void **)all[i].at = f;
	}
	return lib != NULL;
}
