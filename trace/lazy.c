#include "trace/lazy.h"

#include "base/library.h"
#include "base/mem.h"

const struct elfutils *elfutils(void)
{
	static struct elfutils table;
	static int state; /* 1: it is there; -1: it is not */
	static const struct library_function all[] = {
#define FUNCTION(name) { #name, &table.name },
#include "trace/elfutils.def"
#undef FUNCTION
	};

	if (!state)
		state = library_load("libdw.so.1", all, ARRAY_SIZE(all)) ? 1
									 : -1;
	return state > 0 ? &table : NULL;
}

const struct zstd *zstd(void)
{
	static struct zstd table;
	static int state;
	static const struct library_function all[] = {
#define FUNCTION(name) { #name, &table.name },
#include "trace/zstd.def"
#undef FUNCTION
	};

	if (!state)
		state = library_load("libzstd.so.1", all, ARRAY_SIZE(all)) ? 1
									   : -1;
	return state > 0 ? &table : NULL;
}
