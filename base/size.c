#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int shift_of(const char *unit)
{
	static const char units[] = "kMG";
	const char *at = *unit ? strchr(units, *unit) : NULL;

	if (!*unit)
		return 0;
	return at && !unit[1] ? 10 * (int)(at - units + 1) : -EINVAL;
}

int size_parse(const char *text, uint64_t *out)
{
	char *end;
	uint64_t n;
	int shift;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	shift = shift_of(end);
	if (shift < 0)
		return shift;
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*out = n << shift;
	return 0;
}
