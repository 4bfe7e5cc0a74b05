/*
 * Bystanders, threads of a followed process that are not followed themselves:
 * private to translate/.
 *
 * They run the program's original code, but can change what is translated of
 * it. What they write is noticed as that of anybody (gate.h). Of their system
 * calls the lower target tells those that are watched (watch.h), at entry and
 * return (THREAD_TELL_CALLS): while such a one stands at the return nothing has
 * come of the call but in the kernel, and what was translated there is dropped.
 * That makes each system call of theirs two stops of the lower target.
 *
 * Breakpoints that we have set in the original code for followed threads, where
 * excluded calls return to and restartable sequences end, are passed by.
 */
#ifndef TRANSLATE_BYSTANDER_H
#define TRANSLATE_BYSTANDER_H

#include "translate/follow.h"

/* Some thread of the process is followed now, or is no more; or none is. */
void bystanders_note(struct translator *tr, struct process *p);

/* The upper thread has just been made, by a bystander for all we know; it is
 * followed after all; its memory is another; it is gone. */
void bystander_begin(struct translator *tr, struct thread *th);
void bystander_end(struct translator *tr, struct thread *th);

/*
 * The lower target tells of a thread that is a bystander, or has been one when
 * it ran last. True: the event is to be seen to as any. False: it has been.
 */
bool bystander_event(struct translator *tr, struct thread *th, struct stop *ev);

/* struct target's passes_point, of the lower one. */
bool bystander_passes(void *user, struct thread *low, uint64_t addr);

#endif
