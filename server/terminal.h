/*
 * The terminal of a program that lldb launches without saying where its output
 * goes: what the program writes is sent to the client as O packets while it
 * runs, and as %Stdio notifications in non-stop mode; what lldb sends as I is
 * its input. Sessions have one at most, that of the last program.
 */
#ifndef SERVER_TERMINAL_H
#define SERVER_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct session;

struct terminal {
	int fd;		   /* our end; -1: none */
	char *path;	   /* owned: the program's end */
	struct buf untold; /* non-stop: what comes with the next vStdio, and
			    * whether (told) one was sent before */
	bool told;
};

void terminal_init(struct terminal *t);
void terminal_fini(struct terminal *t);

/* A new one; the one before is given up. */
int terminal_open(struct terminal *t, struct err *e);

/* What to wait for input on now, or -1: output of programs that stand still is
 * kept for when they run, as the client then expects it. */
int terminal_fd(const struct session *s);

/* Tells the client of that, as of what the program has written: while programs
 * run, and not in non-stop mode if it is none that is lldb. */
void terminal_tell(struct session *s, const char *data, size_t n);

/* Tells the client of all that is there: before a stop too. */
void terminal_flush(struct session *s);

#endif
