/*
 * What a long run is doing, in one line of the terminal that goes again: on
 * stderr, and only where the program's own stdout is on no terminal. Its stderr
 * is the same as ours, and comes in between.
 */
#ifndef TRACE_PROGRESS_H
#define TRACE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct target;

struct progress {
	bool wanted, shown;
	int64_t begun, due; /* ms, of a clock of ours */
};

/* own_output: the program writes to our stdout. */
void progress_begin(struct progress *p, bool own_output);

/* Shows it if that is due. Returns in how many milliseconds it is next; -1:
 * never. */
int progress_tick(struct progress *p, const struct target *t);

/* The line is empty again. */
void progress_end(struct progress *p);

#endif
