/*
 * Changing a program's code as it is translated: for the layer above. A
 * transformer sees the instructions of each block, once, when the block is
 * compiled for all threads of its process, and says what becomes of each: it is
 * kept, or dropped, and things are put before it.
 *
 * What is put belongs to the instruction before which it stands. A thread that
 * is stopped there is shown at that instruction's pc, with the registers that
 * it has, and what it has done of it by then it does not do again when it goes
 * on, be it from a signal's handler. Nothing of all this is seen by the
 * program, or by a debugger, who read the original code; and what runs natively
 * (steps that the layer above asks for, excluded calls, restartable sequences)
 * is not transformed.
 *
 * A block ends with the first instruction that may go elsewhere, before a
 * breakpoint, and after 128. Blocks are compiled ahead, so that one the
 * transformer has seen may never run; and code is compiled anew after it has
 * changed, and from wherever somebody jumps to or has been stopped at. So what
 * becomes of an instruction should depend on nothing but it and its place.
 *
 * Flags are as the instructions that are left have them: what nobody reads of
 * the original ones is not lost.
 */
#ifndef TRANSLATE_TRANSFORM_H
#define TRANSLATE_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct target;
struct thread;
struct transform;
struct x86_instr;

/*
 * The thread, of the translator's target, has come to a callout. It is at the
 * original pc, with its original registers: they are read and written as those
 * of a stopped thread, and it goes on with what fn has left there; at another
 * pc if there is one. Nothing is told of it to the layer above.
 *
 * fn may read and write registers and memory, add and drop probes, set a
 * transformer or a redirection, ask a thread to run a function, and say that
 * the process is followed no more, which then happens once fn has returned. It
 * may not resume, detach from or kill anything.
 */
typedef void callout_fn(void *user, struct target *t, struct thread *th);

/* Executions that transform_count() has counted since they were told last:
 * where the condition held, and where it could not be evaluated. */
typedef void transform_count_fn(void *user, int id, uint64_t held,
				uint64_t failed);

/* There is one listener; fn may be NULL. It is told when code is dropped, and
 * by translate_counts(), which may be called while threads run. */
void translate_on_count(struct target *t, transform_count_fn *fn, void *user);
void translate_counts(struct target *t);

/* Within a callout: the thread stops behind it, for the layer above, as by a
 * SIGTRAP of its own. What it has done of what was put is not done again. */
void translate_callout_stop(struct target *t);

/* Of a block that is compiled. The same holds as for callouts. */
typedef void transform_fn(void *user, struct transform *it);

/*
 * All code of followed processes, now and from now on, is transformed so. fn
 * NULL: none of it. What was translated is dropped; the callouts that it was
 * compiled with may be called until this returns, or, if a callback called it,
 * until the target's operation does.
 */
void translate_transform(struct target *t, transform_fn *fn, void *user);

/* --- within a transformer ------------------------------------------------ */

struct transform_insn {
	uint64_t pc;
	const uint8_t *bytes;	    /* in->length of them */
	const struct x86_instr *in; /* borrowed until fn returns */
	bool ok; /* false: it cannot be read or decoded, and will fault */
};

/* The process whose code it is. */
pid_t transform_pid(const struct transform *it);

/* The next instruction is the current one. False: there is none. Those that
 * are never asked for are kept. */
bool transform_next(struct transform *it, struct transform_insn *out);

/* The current one is executed, as it would be without a transformer. One that
 * is not kept is dropped: control goes on behind it, of a branch too. */
void transform_keep(struct transform *it);

/*
 * Before the current instruction, which has not been kept yet, and behind what
 * was put there before. All return 0, or
 *	-EINVAL	there is no such instruction, or these bytes cannot be put
 *	-ENOSPC	there is too much in this block: 256 are never refused
 */

/* These instructions, as they are, which must not branch, use gs, or have an
 * operand relative to rip. */
int transform_put(struct transform *it, const void *code, size_t n);
/* A call of fn, in place of which no code of the program's is executed. */
int transform_callout(struct transform *it, callout_fn *fn, void *user);
/* The same if the expression holds, or may: fn looks again. What can be compiled
 * of it is in the code, so nothing is called where it does not hold. when is
 * borrowed; NULL: always. A thread that blocks or ignores SIGSEGV when the
 * expression reads memory that is not there has its action for it reset, as the
 * kernel does for any fault then. */
struct ax_program;
int transform_callout_if(struct transform *it, const struct ax_program *when,
			 callout_fn *fn, void *user);
/* Counts, for that id, how often the expression holds (NULL: always). -ENOTSUP:
 * it cannot be compiled. */
int transform_count(struct transform *it, const struct ax_program *when,
		    int id);
/*
 * Collects what the spec says, but for its pc, which is not looked at; hits are
 * told to its own function. The spec is borrowed until the transformer has been
 * replaced. What cannot be compiled takes a stop: collect.h says what that is.
 */
struct collect_spec;
int transform_collect(struct transform *it, const struct collect_spec *spec);
/* The register of gdb's number reg becomes the value, if `when` holds (NULL: it
 * does). Counted as by transform_count(), a value that cannot be evaluated as
 * failed, too. -ENOTSUP: they cannot be compiled, or it is no general one. */
int transform_set(struct transform *it, const struct ax_program *when,
		  unsigned reg, const struct ax_program *value, int id);
/* A return to the caller: instead of the current instruction, if there is a
 * jump to what would return. It ends the block. */
int transform_return(struct transform *it);

#endif
