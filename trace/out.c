#include "trace/out.h"

#include <errno.h>
#include <string.h>

FILE *out_open(const char *path)
{
	return strcmp(path, "-") ? fopen(path, "we") : stderr;
}

bool out_close(FILE *f)
{
	bool lost = ferror(f);

	if ((f == stdout || f == stderr ? fflush : fclose)(f) != 0)
		return false;
	/* Why, errno said then. */
	if (lost)
		errno = EIO;
	return !lost;
}
