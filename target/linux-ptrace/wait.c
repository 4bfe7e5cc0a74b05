/* From wait statuses to what threads have pending. */
#include <limits.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/log.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"
#include "target/linux-ptrace/step.h"
#include "target/linux-ptrace/syscall.h"

/* --- stops --------------------------------------------------------------- */

/* Ghosts take no part in halts: their parents wait for them. */
static bool is_held(const struct lwp *lwp, bool hold)
{
	if (is_ghost(lwp))
		return inferior_of(lwp->proc)->held;
	return hold || (lwp->th && !lwp->th->running);
}

void run_on_unless(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	if (!is_held(lwp, hold))
		lwp_run_on(lt, lwp);
}

/* A breakpoint where nothing can be executed (gdb puts one on the stack, for
 * a called function to return to) shows as one of these. */
static bool maybe_breakpoint(struct lwp *lwp, int sig)
{
	const struct point *pt;

	if (sig != SIGSEGV && sig != SIGILL)
		return false;
	pt = point_find(lwp->proc, POINT_SW, lwp_pc(lwp), 0);
	return pt && pt->inserted;
}

void restore_siginfo(struct lwp *lwp, int sig)
{
	if (lwp->own_siginfo && lwp->siginfo.si_signo == sig)
		ptrace(PTRACE_SETSIGINFO, lwp->tid, 0, &lwp->siginfo);
	lwp->own_siginfo = false;
}

static bool is_trap_above(const struct linux_target *lt, struct lwp *lwp,
			  int sig, uint64_t addr)
{
	return lt->t.traps && lt->t.is_trap && lwp->th && !lwp->proc->untold &&
	       lt->t.is_trap(lt->t.trap_user, lwp->th, sig, addr);
}

static void tell_trap_above(struct linux_target *lt, struct lwp *lwp)
{
	lwp_set_pending(lt, lwp, STOP_SIGNAL);
	lwp->pending.signo = SIGTRAP;
	lwp->pending.code = SIGNAL_TRAP;
}

bool tells_signals(const struct lwp *lwp)
{
	return lwp->th && lwp->th->options & THREAD_TELL_SIGNALS;
}

static void tell_signal(struct linux_target *lt, struct lwp *lwp, int sig,
			bool given)
{
	lwp_set_pending(lt, lwp, STOP_SIGNAL);
	lwp->pending.signo = sig;
	lwp->pending.given = given;
}

bool has_queued(pid_t tid, int signo, int lowest_code)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 8 };
	siginfo_t si[8];
	long n;

	do {
		n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, si);
		for (long i = 0; i < n; i++) {
			if (si[i].si_signo == signo &&
			    si[i].si_code >= lowest_code)
				return true;
		}
		args.off += 8;
	} while (n == 8);
	return false;
}

/* Is the signal of this stop one that some thread has sent to this one? */
static bool is_to_thread(const struct lwp *lwp)
{
	siginfo_t si;

	return ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, &si) == 0 &&
	       si.si_code == SI_TKILL;
}

/* Of a thread's own signals the kernel takes the one with the lowest number
 * first. The SIGSTOP that this one has sent itself, for the layer above, comes
 * when it is somewhere else; or not at all, as a SIGCONT takes it back. */
static bool is_late_stop(struct linux_target *lt, struct lwp *lwp, int sig)
{
	if (sig == SIGSTOP && lwp->stop_owed) {
		lwp->stop_owed = false;
		return is_to_thread(lwp);
	}
	if (sig != SIGSTOP && is_trap_above(lt, lwp, SIGSTOP, lwp_pc(lwp)))
		lwp->stop_owed = has_queued(lwp->tid, SIGSTOP, INT_MIN);
	return false;
}

static void take_injected(struct lwp *lwp, int sig)
{
	lwp->injected &= ~signal_bit(sig);
	if (lwp->injected_info.si_signo == sig)
		ptrace(PTRACE_SETSIGINFO, lwp->tid, 0, &lwp->injected_info);
}

static bool is_passed(const struct linux_target *lt, const struct lwp *lwp,
		      int sig)
{
	return lwp->kind == RESUME_CONT && !tells_signals(lwp) &&
	       sigismember(&lt->t.pass_signals, sig) == 1;
}

static void take_signal(struct linux_target *lt, struct lwp *lwp, int sig,
			bool hold)
{
	/* It may go on in another place than it was to have the signal at, or
	 * be there already: halted since then, before the signal came. */
	bool moved = is_held(lwp, hold) || lwp->injected_late & signal_bit(sig);
	bool given = lwp->injected & signal_bit(sig);
	bool quiet = is_ghost(lwp) || (given && !(tells_signals(lwp) && moved));

	if (is_late_stop(lt, lwp, sig)) {
		run_on_unless(lt, lwp, hold);
		return;
	}
	if (sig == SIGSTOP && is_trap_above(lt, lwp, SIGSTOP, lwp_pc(lwp))) {
		lwp->trap_stop = true;
		tell_trap_above(lt, lwp);
		return;
	}
	if (!is_held(lwp, hold) && !given && is_passed(lt, lwp, sig) &&
	    slot_goes_first(lt, lwp, sig))
		return;
	/* A handler must not return into a slot that may be gone by then. */
	if (inferior_of(lwp->proc)->slots)
		slot_leave(lwp);
	lwp->trap_stop = false;
	if (given)
		take_injected(lwp, sig);
	if (!quiet)
		quiet = is_passed(lt, lwp, sig) && !maybe_breakpoint(lwp, sig);
	if (quiet) {
		lwp->signo = sig;
		run_on_unless(lt, lwp, hold);
		return;
	}
	tell_signal(lt, lwp, sig, given);
}

static void take_step(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	step_hide(lt, lwp);
	if (lwp->in_slot && !slot_step_done(lt, lwp))
		return;
	if (lwp->kind == RESUME_CONT || is_ghost(lwp)) {
		run_on_unless(lt, lwp, hold);
	} else if (lwp->kind == RESUME_RANGE && lwp_pc(lwp) >= lwp->lo &&
		   lwp_pc(lwp) < lwp->hi) {
		run_on_unless(lt, lwp, hold);
	} else {
		lwp_set_pending(lt, lwp, STOP_STEP);
	}
}

/* int3: ours, of the layer above, the program's own, or one of ours that is
 * gone by now. */
static void take_trap_insn(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	const struct arch *a = lwp->proc->arch;
	uint64_t addr = lwp_pc(lwp) + (uint64_t)a->trap_pc_adjust;
	const struct point *pt;

	step_cut(lt, lwp);
	pt = point_not_for(lt, lwp, addr);
	if (pt && pt->inserted) {
		lwp_set_pc(lwp, addr);
		slot_step_over(lt, lwp, pt);
		return;
	}
	pt = point_find(lwp->proc, POINT_SW, addr, 0);
	if (pt && pt->inserted) {
		lwp_put_pc(lwp, addr);
		lwp_set_pending(lt, lwp, STOP_SWBREAK);
		return;
	}
	if (is_trap_above(lt, lwp, SIGTRAP, addr)) {
		tell_trap_above(lt, lwp);
		return;
	}
	if (trap_is_programs(lt, lwp)) {
		take_signal(lt, lwp, SIGTRAP, hold);
		return;
	}
	lwp_set_pc(lwp, addr);
	run_on_unless(lt, lwp, hold);
}

static bool take_debug_trap(struct linux_target *lt, struct lwp *lwp)
{
	struct stop hit = { 0 };

	if (!inferior_of(lwp->proc)->debug_generation ||
	    !debugreg_hit(&lt->t, lwp, &hit))
		return false;
	step_cut(lt, lwp);
	lwp_set_pending(lt, lwp, hit.kind);
	hit.id = lwp->pending.id;
	lwp->pending = hit;
	return true;
}

/* The kernel takes that for a step, but no instruction has been executed. */
static bool has_only_left_call(struct lwp *lwp, const siginfo_t *si)
{
	bool leaves = lwp->leaves_call;

	lwp->leaves_call = false;
	return leaves && si->si_code == TRAP_BRKPT &&
	       lwp_pc(lwp) == lwp->step_pc;
}

static void take_sigtrap(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	bool stepping = lwp->in_slot || lwp->kind != RESUME_CONT;
	siginfo_t si;

	if (ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, &si) < 0)
		return;
	if (si.si_code == SI_KERNEL && step_has_ended(lwp)) {
		take_step(lt, lwp, hold);
		return;
	}
	lt->n_acts += si.si_code != TRAP_TRACE;
	switch (si.si_code) {
	case SI_KERNEL:
		take_trap_insn(lt, lwp, hold);
		return;
	case TRAP_HWBKPT:
		if (!take_debug_trap(lt, lwp))
			run_on_unless(lt, lwp, hold);
		return;
	case TRAP_TRACE:
	case TRAP_BRKPT: /* a step over a system call */
		if (take_debug_trap(lt, lwp))
			return;
		if (stepping && has_only_left_call(lwp, &si)) {
			run_on_unless(lt, lwp, hold);
			return;
		}
		if (stepping) {
			take_step(lt, lwp, hold);
			return;
		}
	}
	take_signal(lt, lwp, SIGTRAP, hold);
}

/*
 * The kernel lets an interrupt overtake the signal of a trap that the thread
 * has just met (get_signal() looks at job control first). Its pc is then past
 * a breakpoint, which may have been taken out since, or a step done that nobody
 * knows of.
 */
static bool trap_is_queued(const struct linux_target *lt, struct lwp *lwp)
{
	if (!lwp->proc->points->had_sw && lwp->kind == RESUME_CONT &&
	    !lwp->in_slot && !lwp->debug.generation && !lt->t.traps)
		return false;
	return has_queued(lwp->tid, SIGTRAP, 1) ||
	       (is_trap_above(lt, lwp, SIGSTOP, lwp_pc(lwp)) &&
		has_queued(lwp->tid, SIGSTOP, INT_MIN));
}

bool take_queued_trap(struct linux_target *lt, struct lwp *lwp)
{
	bool stepped = lwp->stepped;

	if (!trap_is_queued(lt, lwp))
		return false;
	/* Not one instruction is executed before it is taken. In a stop of its
	 * process it would not be: that comes again behind it. */
	lwp->trap_due = true;
	lwp->stop_again = lwp->listen;
	lwp->listen = false;
	lwp_run(lt, lwp, false);
	lwp->stepped = stepped; /* that is what led to the trap */
	return true;
}

/* The stop's signal is SIGTRAP unless the process is stopped as a whole. It
 * may have been when we attached: it runs all the same when the client says
 * so, until a SIGCONT or another stop. */
static bool is_job_stop(struct lwp *lwp, int sig)
{
	struct inferior *inf = inferior_of(lwp->proc);

	if (sig == SIGTRAP)
		inf->defies_stop = false;
	return sig != SIGTRAP && !inf->defies_stop;
}

/* PTRACE_EVENT_STOP: our interrupt, a job-control stop or its end. */
static void take_trap_stop(struct linux_target *lt, struct lwp *lwp, int sig,
			   bool hold)
{
	bool asked = lwp->interrupting, enters = lwp->enters;

	/* What stops without being asked is told of a SIGCONT. */
	if (!asked && sig == SIGTRAP && lt->t.traps && lt->t.on_sigcont &&
	    lwp->th && !lwp->proc->untold)
		lt->t.on_sigcont(lt->t.trap_user, lwp->th);
	lwp->listen = is_job_stop(lwp, sig);
	lwp->interrupting = false;
	lwp->enters = false;
	if (take_queued_trap(lt, lwp))
		return;
	if (enters && step_entered(lwp)) {
		take_step(lt, lwp, hold);
		return;
	}
	if (asked && lwp_interrupt_wanted(lt, lwp))
		lwp_tell_interrupt(lt, lwp);
	else
		run_on_unless(lt, lwp, hold);
}

static void take_first_stop(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	lwp->starting = lwp->stepped = false;
	if (lt->t.report_threads && !is_ghost(lwp))
		lwp_set_pending(lt, lwp, STOP_CREATED);
	else
		run_on_unless(lt, lwp, hold);
}

static void take_exec(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	lwp = exec_take(lt, lwp);
	if (!lwp)
		return;
	if (lt->t.report_exec)
		lwp_set_pending(lt, lwp, STOP_EXEC);
	else
		run_on_unless(lt, lwp, hold);
}

static void take_event(struct linux_target *lt, struct lwp *lwp, int event,
		       int sig, bool hold)
{
	switch (event) {
	case PTRACE_EVENT_STOP:
		take_trap_stop(lt, lwp, sig, hold);
		return;
	case PTRACE_EVENT_EXEC:
		take_exec(lt, lwp, hold);
		return;
	case PTRACE_EVENT_VFORK_DONE:
		if (inferior_of(lwp->proc)->leaving)
			leaving_take(lt, lwp);
		else if (lt->t.report_vfork && !is_ghost(lwp))
			lwp_set_pending(lt, lwp, STOP_VFORK_DONE);
		else
			run_on_unless(lt, lwp, hold);
		return;
	default:
		if (!fork_take(lt, lwp, event))
			run_on_unless(lt, lwp, hold);
	}
}

/* --- statuses ------------------------------------------------------------ */

void note_stop(struct linux_target *lt, struct lwp *lwp, int status)
{
	bool call = status >> 8 == SYSCALL_SIGTRAP;
	int event = status >> 16;

	lwp->signal_stop = event || call ? 0 : WSTOPSIG(status);
	lwp->trap_stop = status >> 8 == SIGTRAP;
	lwp->in_call = event && event != PTRACE_EVENT_STOP;
	lwp->at_entry = lwp->at_return = false;
	/* Every other stop takes back an interrupt that waits (ptrace_stop()
	 * in the kernel's signal.c), a signal's too if it was dequeued before:
	 * if not, it is one that nobody asked for. */
	if (event != PTRACE_EVENT_STOP)
		lwp->interrupting = false;
	step_undo(lwp);
	if (!lwp->trap_stop)
		step_cut(lt, lwp);
}

void status_take(struct linux_target *lt, pid_t tid, int status, bool hold)
{
	struct lwp *lwp = lwp_find(lt, tid);
	int event = status >> 16;

	debug(EVENT, "%d: status %#x%s", tid, status, lwp ? "" : " (stray)");
	if (!lwp) {
		if (WIFSTOPPED(status))
			map_set(&lt->strays, (uint64_t)tid,
				(void *)(uintptr_t)(status + 1));
		return;
	}
	if (!WIFSTOPPED(status)) {
		exit_take(lt, lwp, status);
		return;
	}
	lwp_set_stopped(lt, lwp);
	note_stop(lt, lwp, status);
	slot_signals_back(lwp);
	lt->n_acts += !lwp->trap_stop;
	lwp->trap_due = lwp->waits_for_vfork = false;
	if (lwp->stop_again && !event && !inferior_of(lwp->proc)->defies_stop)
		lwp_interrupt(lwp);
	lwp->stop_again = false;
	if (lwp->starting)
		take_first_stop(lt, lwp, hold);
	else if (event)
		take_event(lt, lwp, event, WSTOPSIG(status), hold);
	/* Killed since: where it stopped, and so whose stop that was, nobody
	 * can tell any more. What comes next is its end. */
	else if (!lwp_regs(lwp))
		lwp_set_moving(lt, lwp);
	else if (WSTOPSIG(status) == SIGTRAP)
		take_sigtrap(lt, lwp, hold);
	else if (WSTOPSIG(status) == SYSCALL_SIGTRAP)
		syscall_take(lt, lwp, hold);
	else
		take_signal(lt, lwp, WSTOPSIG(status), hold);
}
