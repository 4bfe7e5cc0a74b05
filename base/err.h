/*
 * Errors. A function returns >= 0 (0 or a count) on success and a negative
 * errno on failure. Two values mean the same everywhere:
 *
 *	-ENOTSUP	there is no such thing here: the client gets ""
 *	-EPROTO		the request itself is malformed: E01
 *
 * Where a person will read the reason, a struct err carries one line of text
 * beside the code.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <errno.h>
#include <stdnoreturn.h>

struct err {
	char text[400]; /* "" when nobody said more than the code */
};

/*
 * Returns code, so that a failure is one line:
 *	return err_set(e, -errno, "cannot open %s", path);
 * e may be NULL. A trailing newline is not wanted.
 */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Out of memory, and our own broken invariants: one line, then abort(). */
noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
