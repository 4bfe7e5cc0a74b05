#include "trace/lazy.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "base/mem.h"

struct function {
	const char *name;
	void *at; /* of the pointer to it */
};

/* All of them, or false. */
static bool load(const char *library, const struct function *all, size_t n)
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

const struct elfutils *elfutils(void)
{
	static struct elfutils table;
	static int state; /* 1: it is there; -1: it is not */
	static const struct function all[] = {
#define FUNCTION(name) { #name, &table.name },
#include "trace/elfutils.def"
#undef FUNCTION
	};

	if (!state)
		state = load("libdw.so.1", all, ARRAY_SIZE(all)) ? 1 : -1;
	return state > 0 ? &table : NULL;
}

const struct zstd *zstd(void)
{
	static struct zstd table;
	static int state;
	static const struct function all[] = {
#define FUNCTION(name) { #name, &table.name },
#include "trace/zstd.def"
#undef FUNCTION
	};

	if (!state)
		state = load("libzstd.so.1", all, ARRAY_SIZE(all)) ? 1 : -1;
	return state > 0 ? &table : NULL;
}

#define TEXT(x)	  #x
#define NUMBER(x) TEXT(x)

const struct capstone *capstone(void)
{
	static struct capstone table;
	static int state;
	static const struct function all[] = {
#define FUNCTION(name) { #name, &table.name },
#include "trace/capstone.def"
#undef FUNCTION
	};

	if (!state)
		state = load("libcapstone.so." NUMBER(CS_API_MAJOR), all,
			     ARRAY_SIZE(all))
				? 1
				: -1;
	return state > 0 ? &table : NULL;
}
