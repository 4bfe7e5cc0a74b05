/*
 * The debug log: nothing unless asked for by area (--debug=AREA,...). This is
 * the one mutable state of the program
 * that is global.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdio.h>

#define LOG_AREAS(X)                                                  \
	X(REMOTE, "remote", "every packet received and sent")         \
	X(EVENT, "event", "what the kernel reported of the debuggees") \
	X(RESUME, "resume", "every resume and stop asked for")        \
	X(POINT, "point", "breakpoints and watchpoints")              \
	X(MEMORY, "memory", "memory reads and writes")                \
	X(SESSION, "session", "connections and the life of processes")

enum log_area {
#define LOG_ENUM(id, name, help) LOG_##id,
	LOG_AREAS(LOG_ENUM)
#undef LOG_ENUM
	LOG_N_AREAS
};

extern unsigned log_mask; /* a bit per area */

static inline bool log_on(enum log_area a)
{
	return log_mask >> a & 1;
}

/* "remote,event"; "all", "none"; "-event" takes one out. -EINVAL, and no
 * change, on an unknown name. */
int log_select(const char *areas);

const char *log_area_name(enum log_area a);
const char *log_area_help(enum log_area a);

/* Where it goes, stderr at first; the stream stays the caller's. */
void log_stream(FILE *f);

/* Whether each line begins with the time; it does at first. */
void log_times(bool on);

void log_write(enum log_area a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define debug(area, ...)                                     \
	do {                                               \
		if (log_on(LOG_##area))                    \
			log_write(LOG_##area, __VA_ARGS__); \
	} while (0)

#endif
