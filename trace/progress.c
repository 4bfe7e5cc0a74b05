#include "trace/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "translate/translate.h"

#define FIRST_MS 2000 /* what is over sooner needs none */
#define EVERY_MS 500

/* Back to the line's beginning, and nothing in it: ECMA-48, EL. */
#define CLEAR "\r\033[K"

/* The target's tick (target/linux-ptrace/status.c) may interrupt a write to a
 * terminal before anything of it is there, and stdio gives up then. */
static void show(const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	do {
		n = write(STDERR_FILENO, text, len);
	} while (n < 0 && errno == EINTR);
}

void progress_begin(struct progress *p, bool own_output)
{
	p->wanted =
		isatty(STDERR_FILENO) && !(own_output && isatty(STDOUT_FILENO));
	p->begun = clock_ms();
	p->due = p->begun + FIRST_MS;
}

int progress_tick(struct progress *p, const struct target *t)
{
	const struct translate_stats *s = translate_stats(t);
	char line[256];
	int64_t now;

	if (!p->wanted)
		return -1;
	now = clock_ms();
	if (now >= p->due) {
		snprintf(line, sizeof(line),
			 CLEAR "tracestub: %ld s, %lu threads followed, "
			       "%lu blocks translated, %lu stops",
			 (long)(now - p->begun) / 1000, s->threads, s->blocks,
			 s->stops);
		show(line);
		p->shown = true;
		p->due = now + EVERY_MS;
	}
	return (int)(p->due - now);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		show(CLEAR);
	p->shown = false;
}
