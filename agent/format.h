/*
 * The formats of the printf bytecode: read once when a program is loaded,
 * then printed with values from its stack. The text is the client's and never
 * reaches the C library; what does is a specification built here.
 *
 * Conversions: d i u o x X with h hh l ll z j t, and c s p, with the flags
 * and precisions that go with each, a width and a precision of 1023 at most.
 * Escapes as in C source: \\ \" \a \b \e \f \n \r \t \v. Not taken: n, * and
 * floating point (gdb compiles no such argument, so the value would be a
 * wrong one), wide characters.
 */
#ifndef AGENT_FORMAT_H
#define AGENT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define FORMAT_STRING_MAX 8192 /* bytes of a %s, the rest is "..." */

struct ax_env;
struct ax_format;

/*
 * From len bytes without the final zero. NULL: e says why. n_args is the
 * number of values that it is to be printed with.
 */
struct ax_format *format_new(const char *text, size_t len, unsigned n_args,
			     struct err *e);
void format_free(struct ax_format *f);
unsigned format_args(const struct ax_format *f);
/* Does printing that argument, from 0, read memory; and how many do? */
bool format_reads(const struct ax_format *f, unsigned argument);
unsigned format_strings(const struct ax_format *f);

/*
 * Appends to out. args points at the first argument, each next one is below
 * it, as they lie on the stack. %s reads memory through env and fails as that
 * does; a null pointer is "(null)". -EFBIG when out grows over max bytes.
 */
int format_put(const struct ax_format *f, const uint64_t *args,
	       const struct ax_env *env, size_t max, struct buf *out);

#endif
