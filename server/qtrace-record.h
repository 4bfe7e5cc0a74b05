/*
 * All that programs execute, kept in memory as a trace file of our own
 * (doc/trace-file.md), so that any of the formats of trace/format.h can be made
 * of it at any time. Private to server/qtrace*.c.
 */
#ifndef SERVER_QTRACE_RECORD_H
#define SERVER_QTRACE_RECORD_H

#include <stdio.h>

#include "server/qtrace.h"

#define RECORD_DEFAULT (UINT64_C(256) << 20) /* bytes of the file, at most */

/* What is followed with MODE_FLOW from now on is recorded; most: for all. An
 * error has its text in e. */
int record_begin(struct qtrace *q, uint64_t most, struct err *e);

/* What was recorded is forgotten. */
void record_end(struct qtrace *q);

/* The format of that name, of all until now. */
int record_write(struct qtrace *q, const char *format, FILE *out,
		 struct err *e);
/* The trace file itself. */
int record_write_raw(struct qtrace *q, FILE *out, struct err *e);

/* Bytes that are kept, and that had no room. */
void record_sizes(const struct qtrace *q, uint64_t *kept, uint64_t *lost);

#endif
