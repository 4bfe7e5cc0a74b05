/*
 * What a program does with SIGTRAP, whose traps are ours too: private to
 * translate/.
 *
 * A trap, and the end of a step, force the signal on the thread: where that is
 * blocked, as in its handler, or ignored, the kernel makes the action the
 * default one and unblocks it, before we are told (force_sig_info_to_task() in
 * its signal.c). So the program's action is remembered when it is set, and put
 * back, with the mask, when it is found gone. That costs a system call per
 * trap, of programs that handle SIGTRAP only.
 *
 * What is not mended: a thread that blocks SIGTRAP has it unblocked when nobody
 * handles it; and a program that ignores it is told the default action when it
 * asks. It does ignore it.
 */
#ifndef TRANSLATE_SIGTRAP_H
#define TRANSLATE_SIGTRAP_H

#include <stdint.h>

struct process;
struct space;
struct thread;
struct translator;

/* As the kernel has it. */
struct trap_action {
	uint64_t handler, flags, restorer, mask;
};

/* The upper process, of which threads are followed from now on, has whatever
 * action it has; by is a stopped thread of its lower one. */
void sigtrap_learn(struct translator *tr, struct process *p, struct thread *by);

/* The upper thread has made the call that sets it, with that result. */
void sigtrap_set(struct thread *th, const struct trap_action *action,
		 int64_t result);

/* The upper thread, which is stopped, has met a trap or made a step. */
void sigtrap_mend(struct translator *tr, struct thread *th);

/* It is to take the signal, of the program's own. Returns what it takes: 0,
 * if that is ignored. */
int sigtrap_deliver(struct translator *tr, struct thread *th, int signo);

#endif
