#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

unsigned log_mask;
static FILE *stream;
static bool no_times;

static const struct {
	const char *name, *help;
} areas[LOG_N_AREAS] = {
#define LOG_ROW(id, name, help) { name, help },
	LOG_AREAS(LOG_ROW)
#undef LOG_ROW
};

static unsigned mask_of(const char *name, size_t len)
{
	if (len == 3 && !memcmp(name, "all", 3))
		return (1u << LOG_N_AREAS) - 1;
	for (unsigned i = 0; i < LOG_N_AREAS; i++) {
		if (strlen(areas[i].name) == len &&
		    !memcmp(areas[i].name, name, len))
			return 1u << i;
	}
	return 0;
}

int log_select(const char *list)
{
	unsigned mask = log_mask;

	while (*list) {
		bool off = *list == '-';
		const char *name = list + off;
		size_t len = strcspn(name, ",");
		unsigned bits = mask_of(name, len);

		if (len == 4 && !memcmp(name, "none", 4))
			mask = 0;
		else if (!bits)
			return -EINVAL;
		mask = off ? mask & ~bits : mask | bits;
		list = name + len + (name[len] == ',');
	}
	log_mask = mask;
	return 0;
}

const char *log_area_name(enum log_area a)
{
	return areas[a].name;
}

const char *log_area_help(enum log_area a)
{
	return areas[a].help;
}

void log_stream(FILE *f)
{
	stream = f;
}

void log_times(bool on)
{
	no_times = !on;
}

void log_write(enum log_area a, const char *fmt, ...)
{
	FILE *f = stream ? stream : stderr;
	struct timespec now;
	char line[1024];
	va_list ap;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	n = no_times ? 0
		     : snprintf(line, sizeof(line), "%ld.%06ld ", now.tv_sec,
				now.tv_nsec / 1000);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s: ",
		      areas[a].name);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	/* One write a line, so that lines of two servers do not mix. */
	fprintf(f, "%s\n", line);
	fflush(f);
}
