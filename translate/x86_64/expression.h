/*
 * Agent expressions in translated code: private to translate/x86_64.
 *
 * An expression is compiled as a condition before something that is put
 * (transform.h). What is compiled gives what ax_eval() gives, or goes on as if
 * the condition held where it cannot: who is called then evaluates it again,
 * and knows better. That is so when it meets memory that cannot be read.
 *
 * Not compiled are expressions that jump back, divide, print, trace, have
 * variables or floating point, other registers than the general ones and rip,
 * or are too long.
 */
#ifndef TRANSLATE_X86_64_EXPRESSION_H
#define TRANSLATE_X86_64_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/x86_64/emit.h"

struct ax_program;

/* How many bytes its code takes at most; 0: it is not compiled. */
size_t expression_size(const struct ax_program *p);

/*
 * Code for the writer's instruction: with the thread's registers as they are,
 * it falls through if p holds. Where it does not it jumps: returns where in the
 * stream the displacement (4 bytes, of zero yet) of that is, with rcx spilled
 * on that way alone.
 */
uint32_t expression_write(struct writer *w, const struct ax_program *p);
/* ... to here, where rcx is filled again. */
void expression_lands(struct writer *w, uint32_t jump);

/* Counts in the first counter at that offset how often p holds (NULL: always),
 * in the second how often it meets memory that cannot be read. A thread that
 * has counted has done `done` of what is put. */
void expression_count(struct writer *w, const struct ax_program *p,
		      uint32_t counters, uint16_t done);

#endif
