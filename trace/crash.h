/* When a signal ends a program, the branches that led there are told: at once
 * (`--on-crash=report`), or of a story (`--format=crash`). */
#ifndef TRACE_CRASH_H
#define TRACE_CRASH_H

#include <signal.h>

#include "base/err.h"
#include "target/target.h"
#include "trace/story.h"

struct crash {
	bool wanted;
	const char *path;  /* NULL: stderr; borrowed */
	unsigned branches; /* how many */
	/* The rest is its own. */
	FILE *out;
	struct story *story;
	struct tails *last;
	struct ptid who; /* who took the last signal that may be one */
	uint64_t pc;	 /* ... and where it was */
	bool known;
};

/* "report" or "report:FILE"; false: it is neither. */
bool crash_parse(struct crash *c, const char *text);

/* Before anything is told. Opens the file. */
int crash_begin(struct crash *c, struct story *s, struct err *e);
void crash_fini(struct crash *c);

/* Signals that have to be reported to whoever calls these leave the set. */
void crash_want(const struct crash *c, sigset_t *pass);
/* A thread, which is stopped, is about to take a signal. */
void crash_signal(struct crash *c, struct target *t, const struct stop *ev);
/* What is known of the process's death, a STOP_KILLED. */
struct story_death crash_death(struct crash *c, const struct stop *ev);
/* It is told of. */
void crash_killed(struct crash *c, const struct story_death *d);

#endif
