/*
 * Agent expressions in translated code: private to translate/x86_64.
 *
 * What is compiled gives what ax_eval() gives, or fails where it cannot: where
 * it meets memory that cannot be read, divides by zero, or goes round for too
 * long. A thread's rax, rcx, rdx and flags are in its window meanwhile.
 *
 * Not compiled are expressions that print, have floating point, variables but
 * the thread's id, other registers than the general ones and rip, or are too long; nor those
 * that trace, but for what records them.
 */
#ifndef TRANSLATE_X86_64_EXPRESSION_H
#define TRANSLATE_X86_64_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/x86_64/emit.h"
#include "translate/x86_64/rewind.h"

struct ax_program;

/* --- one, of many that share what is saved -------------------------------- */

/* How a thread within is rewound. */
#define SAVED (REWIND_RCX | REWIND_RAX | REWIND_RDX | REWIND_FLAGS)

/* An instruction, and how a thread before it is rewound. */
#define STEP(w, how, text) (w_mark(w, how, 0), w_code(w, text))
#define OP(w, text)	   STEP(w, SAVED, text)

#define EXPRESSION_INSNS   96

/*
 * Writes what instruction n traces, memory at rax: any register that is saved
 * is its own.
 */
struct expression_tracer {
	void (*fn)(void *user, size_t n);
	void *user;
};

struct expression {
	struct writer *w;
	const struct ax_program *p;
	const struct expression_tracer *tracer; /* NULL: it traces nothing */
	uint32_t at[EXPRESSION_INSNS];	  /* where each begins in the stream */
	uint32_t jumps[EXPRESSION_INSNS]; /* ends of displacements, or 0 ... */
	uint32_t to[EXPRESSION_INSNS];	  /* ... and which they lead to */
	uint32_t faults[EXPRESSION_INSNS];
	uint32_t fails[EXPRESSION_INSNS]; /* ends of displacements */
	unsigned n_faults, n_fails;
};

/* Before the first, with the thread's own registers; and its registers again,
 * but rcx. */
void expression_save(struct writer *w);
void expression_restore(struct writer *w);

/* The thread's general register of gdb's number n, to rax. */
void expression_register(struct writer *w, unsigned n);
/* ... and to it, with one instruction. */
void expression_register_set(struct writer *w, unsigned n);

void expression_begin(struct expression *e, struct writer *w,
		      const struct ax_program *p);
void expression_code(struct expression *e);
/* It goes on here, with its value in rax; and where it fails. */
void expression_ends_here(struct expression *e);
void expression_fails_here(struct expression *e);
/* ... or at that offset of the region. */
void expression_fails_at(struct expression *e, uint32_t at);

/* Does instruction n jump back? */
bool expression_goes_back(const struct ax_program *p, size_t n);

/* The bytes of memory that instruction n traces, if that is known; 0: it traces
 * none, or it is not. */
uint64_t expression_trace(const struct ax_program *p, size_t n);

/* Does instruction n print? Its arguments lie in the window when
 * the tracer is called for it, the first one below two more. */
bool expression_prints(const struct ax_program *p, size_t n);

/* As expression_size(). One that does not have a value may end without, and
 * what the tracer writes comes to it. */
enum expression_use {
	EXPRESSION_VALUE,
	EXPRESSION_TRACES,
	EXPRESSION_PRINTS,
};
size_t expression_size_for(const struct ax_program *p, enum expression_use use);

/* The displacement of 4 bytes that ends there leads to that place. */
void w_patch(struct writer *w, uint32_t end_of, uint32_t to);

/* --- conditions ----------------------------------------------------------- */

/* How many bytes its code takes at most; 0: it is not compiled. */
size_t expression_size(const struct ax_program *p);

/*
 * Code for the writer's instruction: with the thread's registers as they are,
 * it falls through if p holds, or fails: who is called then evaluates it again,
 * and knows better. Where it does not hold it jumps: returns where in the
 * stream the displacement (4 bytes, of zero yet) of that is, with rcx spilled
 * on that way alone.
 */
uint32_t expression_write(struct writer *w, const struct ax_program *p);
/* ... to here, where rcx is filled again. */
void expression_lands(struct writer *w, uint32_t jump);

/* A register that gets a value; when may be NULL. */
struct setting {
	const struct ax_program *when, *value;
	unsigned reg; /* gdb's number of a general one */
};

/* Sets it, and counts as expression_count() does; the value, too, may fail. */
void setting_write(struct writer *w, const struct setting *what,
		   uint32_t counters, uint16_t done);

/* Counts in the first counter at that offset how often p holds (NULL: always),
 * in the second how often it fails. A thread that has counted has done `done`
 * of what is put. */
void expression_count(struct writer *w, const struct ax_program *p,
		      uint32_t counters, uint16_t done);

#endif
