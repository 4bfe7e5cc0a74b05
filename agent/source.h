/*
 * Expressions as people write them, to agent expressions: C's operators over
 * numbers, registers and memory, as a user of gdb would write them there.
 *
 *	rdi == 0 && *(int *)(rsp + 8) > 3
 *	streq(*(char **)(rdi + 16), "left") || ((unsigned char *)rsi)[2] & 0x80
 *
 *	||  &&  |  ^  &  == !=  < <= > >=  << >>  + -  * / %	as in C
 *	- + ! ~ *  (TYPE)  [ ]					as in C
 *	12 0x1f 017 'a'		numbers
 *	rdi $rdi edi		registers: a name that e begins, or that ends
 *				in d, is the lower half, with its sign
 *	tid			the thread's id, as the kernel counts
 *	streq(P, "text")	is that the string at P? $_streq too
 *	TYPE			char short int long, signed and unsigned, void,
 *				int8_t to uint64_t, size_t, and * behind it
 *
 * All values have 64 bits. They are signed, as registers are; pointers, and
 * what unsigned 64-bit types give, are compared, divided and shifted as
 * unsigned. A pointer counts in what it points to; what is none is one to long
 * when it is dereferenced. The right side of && and || is evaluated where C
 * does.
 */
#ifndef AGENT_SOURCE_H
#define AGENT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SOURCE_TEXT_MAX 1000  /* bytes of a text */
#define SOURCE_CODE_MAX 32768 /* bytes of code */

/* The register of that name, without its $: its number and how many bits of it
 * are meant, 64 or 32. False: there is none. */
typedef bool source_reg_fn(void *user, const char *name, size_t len,
			   unsigned *number, unsigned *bits);

struct source_names {
	source_reg_fn *reg;
	void *user;
};

/*
 * Appends to code what leaves the value of the expression at *text on the
 * stack, without an end; *text is behind it then. What is in code already may
 * be no more than code that leaves nothing. -EINVAL, with the reason in e, and
 * -E2BIG; then code has something of it.
 */
int source_compile(const char **text, const struct source_names *names,
		   struct buf *code, struct err *e);

/* The same of whether the string that the value on top points to is a text. */
int source_streq(const char *text, size_t len, struct buf *code, struct err *e);

/* "text", with escapes as in C, appended to out without them. */
int source_text(const char **text, struct buf *out, struct err *e);

/* A client's program, which leaves a value: its jumps lead to the same places,
 * and its end is left out. -EINVAL: it is none that can be a part of others. */
int source_append(const uint8_t *program, size_t len, struct buf *code,
		  struct err *e);

/* An agent expression's byte, and a number in as few bytes as there are
 * bytecodes for. */
void source_op(struct buf *code, unsigned op);
void source_number(struct buf *code, uint64_t v);

#endif
