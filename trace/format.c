#include "trace/format.h"

#include <string.h>

#include "base/mem.h"

static const struct format *const formats[] = {
	&format_record, &format_callgrind, &format_folded, &format_lcov,
	&format_html,	&format_perfetto,  &format_fxt,	   &format_drcov,
	&format_counts, &format_branches,  &format_afl,	   &format_tenet,
	&format_crash,
};

const struct format *format_at(size_t n)
{
	return n < ARRAY_SIZE(formats) ? formats[n] : NULL;
}

const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	}
	return NULL;
}
