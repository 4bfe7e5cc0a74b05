/*
 * A signal comes while a thread is about to execute the instruction that a
 * breakpoint covers. Delivered there it leads to a handler, and that back to
 * the breakpoint: where signals come more often than that takes, the thread
 * would never get on. So it is put off until the instruction is executed: one
 * that is blocked when its thread goes on with it is put back to those that
 * wait, as it is (ptrace_signal() in the kernel's signal.c).
 *
 * Not put off are those of the instruction itself and those that stop,
 * real-time ones, which others of their number would overtake, and any where
 * the instruction is a system call, which might look at the mask.
 */
#include <signal.h>
#include <sys/ptrace.h>

#include "target/linux-ptrace/slot-private.h"
#include "target/linux-ptrace/syscall.h"

#define FIRST_REAL_TIME 32 /* the kernel's */

static bool may_wait(int sig)
{
	switch (sig) {
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
	case SIGSYS:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
		return false;
	default:
		return sig < FIRST_REAL_TIME;
	}
}

bool slot_goes_first(struct linux_target *lt, struct lwp *lwp, int sig)
{
	const struct x86_point *at = may_wait(sig) ? slot_point(lwp) : NULL;
	uint64_t mask;

	if (!at || (at->offset && at->state != X86_POINT_INSIDE) ||
	    lwp->mask_due || lwp->call_guard || syscall_insn_is_next(lt, lwp) ||
	    ptrace(PTRACE_GETSIGMASK, lwp->tid, sizeof(mask), &mask) < 0)
		return false;
	lwp->mask = mask;
	lwp->call_guard = guardian_call(guardian_of(&lt->t, lwp->proc), NULL,
					lwp->proc->pid, lwp->tid, NULL, mask);
	mask |= signal_bit(sig);
	ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(mask), &mask);
	lwp->put_off = lwp->in_slot = true;
	lwp->signo = sig;
	lwp_run(lt, lwp, true);
	return true;
}

void slot_signals_back(struct lwp *lwp)
{
	if (!lwp->put_off)
		return;
	ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(lwp->mask), &lwp->mask);
	guardian_call_gone(lwp->call_guard);
	lwp->call_guard = NULL;
	lwp->put_off = false;
}
