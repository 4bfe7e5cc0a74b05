/*
 * Stepping over a breakpoint out of line: the instruction that it covers is
 * relocated into a slot of a page injected into the process, and ends in a
 * jump to the next original instruction. The breakpoint is never lifted and
 * no other thread is stopped.
 */
#ifndef TARGET_LINUX_PTRACE_SLOT_H
#define TARGET_LINUX_PTRACE_SLOT_H

#include "target/linux-ptrace/lwp.h"

/*
 * The stopped lwp, whose pc is the inserted breakpoint pt, executes the
 * instruction beneath it and goes on as it was last resumed. When that is to
 * continue it runs freely at once; else it is stepped through the slot and
 * slot_step_done() has to be asked at its next trap.
 */
void slot_step_over(struct linux_target *lt, struct lwp *lwp,
		    const struct point *pt);

/* A single step of an lwp that is in_slot ended: true when the instruction
 * is done and the pc is original; false: it was set going again. */
bool slot_step_done(struct linux_target *lt, struct lwp *lwp);

/* If the stopped lwp's pc lies in a slot, brings it to where the original
 * program would be. Its registers are fresh. */
void slot_leave(struct linux_target *lt, struct lwp *lwp);

/* For a forked child, whose memory holds the page as well. NULL gives NULL. */
struct slots *slots_share(const struct slots *s);

/* Takes the page out again; all lwps of the process are stopped, and have
 * left their slots. */
void slots_remove(struct linux_target *lt, struct process *p);

#endif
