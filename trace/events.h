/*
 * Events as text, one a line:
 *
 *	TID KIND DEPTH FROM TO
 *
 * KIND is call, ret, exec, block or compile; FROM and TO are addresses in hex,
 * as translate/events.h says. Lines of one thread are in the order in which it
 * executed them; those of several come in pieces. When a process ends, or
 * executes another program, lines tell what files its addresses were of:
 *
 *	# module PID BASE SIZE PATH
 */
#ifndef TRACE_EVENTS_H
#define TRACE_EVENTS_H

#include <stdio.h>

#include "base/err.h"
#include "translate/events.h"
#include "translate/record.h"

/* "call,ret" to EVENT_* bits. */
int events_parse(const char *list, unsigned *mask, struct err *e);

/* struct translate_sink's batch; file is a FILE. */
void events_write(void *file, struct ptid who,
		  const struct translate_event *all, size_t n);

void events_write_modules(FILE *f, pid_t pid, const struct space *sp);

#endif
