/*
 * Places in the program, and expressions, as people type them behind `monitor`.
 *
 *	0x401136  *0x401136	an address
 *	NAME  'NAME'		a function: its first instruction, or for what
 *				is about breakpoints there, those up to where a
 *				debugger sets one: behind its prologue. Of C++,
 *				with its scope and without its arguments
 */
#ifndef SERVER_LOCATION_H
#define SERVER_LOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct ax_program;
struct session;

/* lo to hi, both included; *text is behind it. An error has its text in
 * s->err. */
int take_location(struct session *s, const char **text, uint64_t *lo,
		  uint64_t *hi);

/*
 * An expression of agent/source.h, with the registers of the current process
 * and arg1 to arg6, or an agent expression as packets have them, X<length>,
 * <bytecodes>: code that leaves its value.
 */
int take_value_of(struct session *s, const char **text, struct buf *code);

/* The code, with an end, is a program; code is empty again. */
int make_program(struct session *s, struct buf *code, struct ax_program **out);

void skip_spaces(const char **text);
/* A word, and a blank or the end behind it. */
bool take_keyword(const char **text, const char *word);
/* A number in decimal, likewise. */
bool take_decimal(const char **text, uint64_t *v);

/* --- qtrace-symbols.c ----------------------------------------------------- */

/* The function of that name, of the program or of what it has loaded: where it
 * begins and, in *hi, where its prologue ends, as far as that is known.
 * -ENOENT.
 */
int function_find(struct session *s, const char *name, uint64_t *lo,
		  uint64_t *hi);

#endif
