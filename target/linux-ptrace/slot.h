/*
 * Stepping over a breakpoint out of line: the instruction that it covers is
 * relocated into a slot of a region injected into the process, and ends in a
 * jump to the next original instruction. The breakpoint is never lifted and
 * no other thread is stopped. Where nothing may be injected, or the
 * instruction cannot run elsewhere, the others are stopped and the breakpoint
 * lifted for a step.
 */
#ifndef TARGET_LINUX_PTRACE_SLOT_H
#define TARGET_LINUX_PTRACE_SLOT_H

#include "target/linux-ptrace/lwp.h"

/*
 * The stopped lwp, whose pc is the inserted breakpoint pt, executes the
 * instruction beneath it and goes on as it was last resumed.
 */
void slot_step_over(struct linux_target *lt, struct lwp *lwp,
		    const struct point *pt);

/* A single step of an lwp that is in_slot ended: true when the instruction
 * is done and the pc is original; false: it was set going again. */
bool slot_step_done(struct linux_target *lt, struct lwp *lwp);

/* A signal that is to be passed on has stopped the lwp. True: it is in a slot,
 * executes that first, and has the signal then; it was set going. */
bool slot_goes_first(struct linux_target *lt, struct lwp *lwp, int sig);
/* At any stop of it: what was put off so comes next. */
void slot_signals_back(struct lwp *lwp);

/* If the stopped lwp's pc lies in a slot, brings it, and what else shows, to
 * where the original program would be. */
void slot_leave(struct lwp *lwp);

/* For a forked child, whose memory holds the regions as well: a copy, or
 * the same when the memory is the same. NULL gives NULL. */
struct slots *slots_share(struct slots *s, bool same_memory);

/* Takes the regions out again; all lwps of the process are stopped. */
void slots_remove(struct linux_target *lt, struct process *p);

/* The first region that meets lo..hi: where it begins, and in *end where it
 * ends; hi when there is none. NULL is allowed. */
uint64_t slots_in(const struct slots *s, uint64_t lo, uint64_t hi,
		  uint64_t *end);

/* The records alone; NULL is allowed. */
void slots_free(struct slots *s);

#endif
