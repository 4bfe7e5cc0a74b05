/*
 * A conversation as a file of test/proto/. A line begins with
 *
 *	>	a packet's payload that the client sends
 *	<	what the server answers to it, in order; several may follow
 *	!	the debuggee's world, and what happens in it (fake_script())
 *	=	a line that the fake target's log shows, after the last such one
 *	:	something of the connection: words for proto.c, which see
 *	#	a comment; so are empty lines
 *
 * and goes on after one blank. In a payload \xHH is a byte and \\ a backslash.
 * In an answer "..." stands for any bytes, and one that is /.../ is an
 * extended regular expression for the whole of it.
 */
#ifndef TEST_TRANSCRIPT_H
#define TEST_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct transcript_line {
	char kind;  /* > < ! = : */
	char *text; /* of len bytes, escapes resolved but in answers */
	size_t len;
	unsigned number; /* in the file, from 1 */
};

struct transcript {
	struct transcript_line *lines;
	size_t n;
};

/* -errno with text; t is then empty. */
int transcript_load(struct transcript *t, const char *path, struct err *e);
void transcript_fini(struct transcript *t);

/* Is it the answer that the line asks for? */
bool transcript_match(const struct transcript_line *line, const char *answer,
		      size_t len);

#endif
