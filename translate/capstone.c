#include "translate/capstone.h"

#include "base/library.h"
#include "base/mem.h"

#define TEXT(x)	  #x
#define NUMBER(x) TEXT(x)

const struct capstone *capstone(void)
{
	static struct capstone table;
	static int state;
	static const struct library_function all[] = {
#define FUNCTION(name) { #name, &table.name },
#include "translate/capstone.def"
#undef FUNCTION
	};

	if (!state)
		state = library_load("libcapstone.so." NUMBER(CS_API_MAJOR),
				     all, ARRAY_SIZE(all))
				? 1
				: -1;
	return state > 0 ? &table : NULL;
}
