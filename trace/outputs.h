/* The files that somebody asked for, each in a format of trace/format.h, all
 * of one run. */
#ifndef TRACE_OUTPUTS_H
#define TRACE_OUTPUTS_H

#include "base/err.h"
#include "trace/format.h"

#define OUTPUTS_MAX 8

struct outputs {
	struct output {
		const struct format *format;
		const char *path; /* borrowed; "-": stderr; NULL: stdout */
		FILE *file;	  /* NULL: not open */
		void *state;	  /* NULL: not begun */
	} all[OUTPUTS_MAX];
	unsigned n;
	struct format_args args; /* but for out; of all */
};

/* -ENOSPC: there are OUTPUTS_MAX already. */
int outputs_add(struct outputs *o, const struct format *f, const char *path);

/* Opens the files and begins. An error has a reason; outputs_close() then. */
int outputs_open(struct outputs *o, struct story *r, struct err *e);

/* Writes what is not written yet, and closes. What failed is said on stderr and
 * counted. */
unsigned outputs_close(struct outputs *o);

#endif
