/*
 * A thread runs a function of its program, and comes back to where it was: for
 * the layer above. It need not be followed; one that is runs the function from
 * translated code.
 *
 * The thread gets all its registers back, those of the vector unit too. A
 * system call that it was blocked in is made again, if the kernel would do so
 * after a signal without a handler. What the function does to memory, to locks
 * and to errno stays done. Signals, breakpoints and whatever else meanwhile are
 * seen to as ever, and told: the thread is then in the function, goes on in it
 * when it is resumed, and comes back at its end.
 *
 * The function returns to the program's entry point, where a breakpoint waits
 * for it, that nobody is told of; so it must not fork by itself, or the child
 * begins there anew. It gets a stack aligned as at a call, below the red zone.
 */
#ifndef TRANSLATE_RUN_H
#define TRANSLATE_RUN_H

#include <stdint.h>

#include "base/ptid.h"

struct target;
struct thread;

#define RUN_ARGS_MAX 6

struct run_call {
	uint64_t function;
	uint64_t args[RUN_ARGS_MAX]; /* integers and pointers */
	unsigned n_args;
};

/*
 * How it ended. r 0: value is what it returned, as an integer, and the thread
 * has been put back. Else value is 0:
 *	-ESRCH	   the thread has ended, or runs another program
 *	-ECANCELED it was put back before the function's end: its process is let
 *		   go of
 *	-EFAULT	   there is no stack to call the function on
 * What holds for a callout (transform.h) holds here; with -ESRCH the target may
 * not be called at all.
 */
typedef void run_fn(void *user, struct target *t, struct ptid who, int r,
		    uint64_t value);

/*
 * The thread runs the function as soon as it can: at once if it runs, and
 * before anything else when it is continued if it is stopped. done (or NULL) is
 * called once, within an operation of the target, unless this returns an error:
 *	-EBUSY	 it has another to run
 *	-ENOTSUP it is no x86-64 program
 *	-EINVAL	 too many arguments
 */
int translate_run(struct target *t, struct thread *th,
		  const struct run_call *call, run_fn *done, void *user);

/*
 * The same, and waits for it: the thread is stopped afterwards if it was so
 * before. Other threads of the target run on, if they do; what happens to them
 * is told by next_event(), which is to be called until there is nothing more:
 * event_fd() may say nothing of it. Returns 0, what run_fn is told, the errors
 * above, or
 *	-EINTR	   the thread was stopped in the function, and next_event() says
 *		   why; it will come back as from translate_run()
 *	-ETIMEDOUT not within so many milliseconds (below 0: no limit); it was
 *		   put back
 */
int translate_run_sync(struct target *t, struct thread *th,
		       const struct run_call *call, int timeout_ms,
		       uint64_t *value);

#endif
