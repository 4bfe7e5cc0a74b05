#include "trace/out.h"

#include <string.h>

FILE *out_open(const char *path)
{
	return strcmp(path, "-") ? fopen(path, "we") : stderr;
}

bool out_close(FILE *f)
{
	bool bad = ferror(f);

	bad |= (f == stdout || f == stderr ? fflush : fclose)(f) != 0;
	return !bad;
}
