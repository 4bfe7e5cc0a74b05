/*
 * The files that a run can be made into: one row a format, one file of trace/
 * for each. A format is a sink of the run (trace/story.h): it is begun before
 * anything is told, and written when somebody wants it.
 *
 *	state = f->begin(run, &args);
 *	... the run is told what happens ...
 *	f->write(state, out);		as often as it is wanted
 *	story_finish(run);
 *	f->write(state, out);
 *	f->free(state);
 *
 * Those that are told of while they happen (streams) write to args.out as they
 * go, from begin() on; write() then adds what ends the file, once.
 */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "trace/hits.h"
#include "trace/story.h"

struct format_args {
	const struct globs *globs; /* modules that are wanted; or NULL: all */
	unsigned drcov_version;	   /* 2, or 3; 0 is 2 */
	FILE *out;		   /* of a stream; stays the caller's */
};

struct format {
	const char *name; /* --format=NAME, --NAME=FILE */
	const char *help; /* one line for --help */
	bool stream;
	bool calls; /* it takes struct story_sink's `events` for paths */
	/* NULL: it cannot be, for that reason. All that it is given is borrowed
	 * until free(). */
	void *(*begin)(struct story *r, const struct format_args *args,
		       struct err *e);
	/* Errors are the FILE's. */
	void (*write)(void *state, FILE *out);
	void (*free)(void *state);
};

/* The n-th, or NULL; by name, or NULL. */
const struct format *format_at(size_t n);
const struct format *format_find(const char *name);

extern const struct format format_afl, format_branches, format_callgrind,
	format_counts, format_crash, format_drcov, format_folded, format_fxt,
	format_html, format_lcov, format_perfetto, format_record, format_tenet;

#endif
