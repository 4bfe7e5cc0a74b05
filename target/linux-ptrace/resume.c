/* Setting threads going, and stopping them. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"
#include "target/linux-ptrace/step.h"
#include "target/linux-ptrace/syscall.h"

static void note_injected(struct lwp *lwp, int sig)
{
	if (lwp->injected_info.si_signo == sig)
		lwp->injected_info.si_signo = 0;
	lwp->injected |= signal_bit(sig);
	lwp->injected_late &= ~signal_bit(sig);
}

/* What this stop says of it, if it is about that signal. */
static bool get_siginfo(const struct lwp *lwp, int sig, siginfo_t *si)
{
	if (lwp->own_siginfo)
		*si = lwp->siginfo;
	else if (lwp->signal_stop != sig ||
		 ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, si) < 0)
		return false;
	return si->si_signo == sig;
}

/* It comes by itself. */
static void inject_signal(struct lwp *lwp, int sig)
{
	siginfo_t si;

	note_injected(lwp, sig);
	if (get_siginfo(lwp, sig, &si))
		lwp->injected_info = si;
	syscall(SYS_tkill, lwp->tid, sig);
}

/* Then it is queued as it is delivered (ptrace_signal() in the kernel's
 * signal.c). What the stop is about is not. */
static bool is_blocked_there(const struct lwp *lwp, int sig)
{
	uint64_t mask;

	return lwp->signal_stop != sig &&
	       ptrace(PTRACE_GETSIGMASK, lwp->tid, sizeof(mask), &mask) == 0 &&
	       mask & signal_bit(sig);
}

/*
 * Only a signal-delivery-stop can deliver one (ptrace(2)); from any other the
 * signal is sent, and passed on when it arrives.
 */
static int signal_to_deliver(struct lwp *lwp)
{
	int sig = lwp->signo;

	lwp->signo = 0;
	if (!sig)
		return 0;
	if (!lwp->signal_stop) {
		inject_signal(lwp, sig);
		return 0;
	}
	if (is_blocked_there(lwp, sig))
		note_injected(lwp, sig);
	restore_siginfo(lwp, sig);
	return sig;
}

void lwp_give(struct lwp *lwp, int sig)
{
	if (lwp->signo && lwp->signo != sig && (sig || tells_signals(lwp))) {
		inject_signal(lwp, lwp->signo);
		lwp->signo = 0;
	}
	if (sig)
		lwp->signo = sig;
}

/* What the layer above has written is what the thread has. */
static void flush_registers(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->th && (lwp->th->fresh || lwp->th->dirty))
		target_regs_flush(&lt->t, lwp->th);
}

void lwp_interrupt(struct lwp *lwp)
{
	if (lwp->interrupting || lwp->starting || lwp->trap_due)
		return;
	ptrace(PTRACE_INTERRUPT, lwp->tid, 0, 0);
	lwp->interrupting = true;
}

static void set_going(struct linux_target *lt, struct lwp *lwp, int request)
{
	bool step = request == PTRACE_SINGLESTEP;
	int sig;

	if (inferior_of(lwp->proc)->lifted)
		points_put_back(&lt->t, lwp->proc);
	if (step && !lwp->in_slot && inferior_of(lwp->proc)->slots)
		slot_leave(lwp);
	flush_registers(lt, lwp);
	if (step)
		step_note(lwp);
	lwp_regs_flush(lwp);
	debugreg_sync(lwp, step);
	sig = signal_to_deliver(lwp);
	if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
	    sig == SIGTTOU)
		inferior_of(lwp->proc)->defies_stop = false;
	if (lwp->listen && !step && !sig)
		request = PTRACE_LISTEN;
	lwp->enters = step && sig && !lwp->put_off;
	if (lwp->enters) {
		lwp_interrupt(lwp);
		request = PTRACE_CONT;
	}
	guardian_signal_gone(lwp->signal_guard);
	lwp->stop_owed = lwp->stop_owed && has_queued(lwp->tid, SIGSTOP, INT_MIN);
	/* ESRCH: killed meanwhile; its exit status tells. */
	if (ptrace(request, lwp->tid, 0, sig) < 0 && errno != ESRCH)
		debug(RESUME, "%d: request %#x: errno %d", lwp->tid, request,
		      errno);
	lwp->listen = false;
	lwp->stepped = request == PTRACE_SINGLESTEP;
	lwp->call_known &= request == PTRACE_SYSCALL;
	lwp->own_siginfo = false;
	lwp->call_allowed = false;
	lwp_set_moving(lt, lwp);
	debug(RESUME, "%d: %s, signal %d", lwp->tid,
	      step			 ? "step"
	      : request == PTRACE_LISTEN ? "listen"
					 : "continue",
	      sig);
}

bool lwp_interrupt_wanted(const struct linux_target *lt, const struct lwp *lwp)
{
	return lwp->th && !inferior_of(lwp->proc)->ghost &&
	       (lwp->report_interrupt ||
			   (lt->interrupt.due &&
			    ptid_matches(lt->interrupt.who, lwp->th->id)));
}

void lwp_tell_interrupt(struct linux_target *lt, struct lwp *lwp)
{
	lwp_set_pending(lt, lwp, STOP_SIGNAL);
	if (!lwp->report_interrupt) {
		lwp->pending.code = INTERRUPT_ANY;
		lt->interrupt.due = false;
	}
	lwp->report_interrupt = false;
}

void lwp_run(struct linux_target *lt, struct lwp *lwp, bool step)
{
	if (lwp->signo && lt->t.core_dir && crash_hold(lt, lwp))
		return;
	flush_registers(lt, lwp);
	set_going(lt, lwp, syscall_request(lt, lwp, step));
	if (lwp_interrupt_wanted(lt, lwp))
		lwp_interrupt(lwp);
}

void lwp_see(struct lwp *lwp, struct point_code *code)
{
	if (code)
		code->refs++;
	point_code_unref(lwp->seen);
	lwp->seen = code;
	if (lwp->th)
		lwp->th->passes = code != NULL;
}

/* The breakpoint that it is to go over; or NULL. */
static const struct point *point_to_pass(struct linux_target *lt,
					 struct lwp *lwp)
{
	const struct point *pt = NULL;

	if ((lwp->over || lwp->seen) && !lwp->in_slot) {
		flush_registers(lt, lwp);
		if (!syscall_restarts(lwp))
			pt = point_find(lwp->proc, POINT_SW, lwp_pc(lwp), 0);
	}
	if (pt && !lwp->over && pt->code != lwp->seen) {
		if (lwp->th)
			thread_note_logged(lwp->th, pt, lwp->seen);
		pt = NULL;
	}
	lwp->over = false;
	lwp_see(lwp, NULL);
	return pt && pt->inserted ? pt : NULL;
}

/* It may have been sent elsewhere. */
static void keep_logged(struct linux_target *lt, struct lwp *lwp)
{
	if (!lwp->th || !lwp->th->logged)
		return;
	flush_registers(lt, lwp);
	thread_keep_logged(lwp->th,
			   point_find(lwp->proc, POINT_SW, lwp_pc(lwp), 0));
}

void lwp_run_on(struct linux_target *lt, struct lwp *lwp)
{
	const struct point *pt;

	if (!lwp->stopped || lwp->dead || lwp->pending.kind != STOP_NONE)
		return;
	keep_logged(lt, lwp);
	pt = point_to_pass(lt, lwp);
	if (pt) {
		slot_step_over(lt, lwp, pt);
		return;
	}
	flush_registers(lt, lwp);
	if (step_by_slot(lt, lwp))
		lwp_run(lt, lwp, false);
	else
		lwp_run(lt, lwp, lwp->in_slot || lwp->kind != RESUME_CONT);
}

int lwp_run_wait(struct linux_target *lt, struct lwp *lwp, int request,
		 int *status)
{
	struct guard *due;
	pid_t tid = lwp->tid, r;
	bool job_stop = false;

	lwp->listen = false; /* it is to run */
	do {
		/* The signal of its stop is delivered later. */
		due = lwp->signal_guard;
		lwp->signal_guard = NULL;
		set_going(lt, lwp, request);
		lt->n_acts++;
		lwp->signal_guard = due;
		/* The end of a leader is told when those of the others are
		 * taken. */
		while (!(r = lwp_wait(lt, tid, status, true)))
			lwps_collect(lt);
		if (r < 0 || !WIFSTOPPED(*status)) {
			if (r > 0)
				lwp_collect(lt, lwp, *status);
			return -ESRCH;
		}
		lwp_set_stopped(lt, lwp);
		note_stop(lt, lwp, *status);
		/* An interrupt sent before comes first: step again. */
		if (*status >> 16 == PTRACE_EVENT_STOP) {
			lwp->interrupting = false;
			job_stop |= WSTOPSIG(*status) != SIGTRAP;
		}
	} while (*status >> 16 == PTRACE_EVENT_STOP);
	/* Of the whole process: it is not to run on by itself. */
	if (job_stop && !inferior_of(lwp->proc)->defies_stop)
		lwp_interrupt(lwp);
	return 0;
}

int lwp_step_wait(struct linux_target *lt, struct lwp *lwp, int *status)
{
	return lwp_run_wait(lt, lwp, PTRACE_SINGLESTEP, status);
}

/* From a fork, clone or exec that was told a step is the way out of the call,
 * which was done when another one was injected. */
static bool step_is_done(const struct lwp *lwp, const struct resume *act)
{
	return lwp->call_left && lwp->th->last.kind != STOP_NONE &&
	       act->kind == RESUME_STEP && !act->signo;
}

/* Takes the action in; true when an event of the thread is pending. */
static bool accept_action(struct linux_target *lt, struct thread *th,
			  const struct resume *act)
{
	struct lwp *lwp = lwp_of(th);
	bool done = step_is_done(lwp, act);

	lwp_set_running(lt, lwp, true);
	lwp_give(lwp, act->signo);
	lwp->injected_late = lwp->injected;
	lwp->kind = act->kind;
	/* Of a fork or exec that was told, the way out is what is stepped. */
	lwp->leaves_call = lwp->in_call && !lwp->at_entry &&
			   th->last.kind == STOP_NONE;
	lwp->lo = act->lo;
	lwp->hi = act->hi;
	lwp->over = act->over;
	th->last.kind = STOP_NONE;
	lwp->call_left = false;
	/* A step that ended when the thread was halted has been seen. */
	if (lwp->pending.kind == STOP_STEP)
		lwp_clear_pending(lwp);
	if (done && lwp->pending.kind == STOP_NONE)
		lwp_set_pending(lt, lwp, STOP_STEP);
	if (lwp->return_due && lwp->pending.kind == STOP_NONE)
		syscall_tell_return(lt, lwp);
	return lwp->pending.kind != STOP_NONE;
}

static bool can_stop(const struct lwp *lwp)
{
	return lwp->th && !lwp->waits_for_vfork && !is_zombie_leader(lwp);
}

/* False: it cannot, or will not before its vfork child lets it. */
static bool interrupt_one(struct linux_target *lt, struct lwp *lwp, bool told)
{
	if (!can_stop(lwp))
		return false;
	lwp->report_interrupt |= told;
	if (!lwp->stopped)
		lwp_interrupt(lwp);
	else if (!lwp->pending.kind)
		lwp_tell_interrupt(lt, lwp);
	return true;
}

static bool is_blocked(const struct lwp *lwp)
{
	return lwp->waits_for_vfork && !lwp->stopped;
}

/* As good as stopped: it does nothing before its child lets it. */
static void interrupt_blocked(struct linux_target *lt, struct lwp *lwp)
{
	lwp->report_interrupt = true;
	lwp_tell_interrupt(lt, lwp);
}

/* Sees to one thread's action; true when an event of it is pending. */
static bool take_action(struct linux_target *lt, struct thread *th,
			const struct resume *act)
{
	struct lwp *lwp = lwp_of(th);

	if (act->kind != RESUME_STOP)
		return thread_can_resume(th) && accept_action(lt, th, act);
	if (th->running && !interrupt_one(lt, lwp, true) && is_blocked(lwp))
		interrupt_blocked(lt, lwp);
	return false;
}

/* True when an event is pending. In all-stop mode it comes first, and nothing
 * runs yet. */
static bool take_actions(struct linux_target *lt, struct process *p,
			 const struct resume *acts, size_t n)
{
	const struct resume *act;
	bool pending = false;
	struct thread *th;

	list_each(th, &p->threads, node) {
		act = target_action_for(acts, n, th->id);
		if (!act)
			continue;
		if (take_action(lt, th, act))
			pending = true;
		else if (th->running && !lt->t.all_stop)
			lwp_run_on(lt, lwp_of(th));
	}
	return pending;
}

int linux_resume(struct target *t, const struct resume *acts, size_t n)
{
	struct linux_target *lt = linux_of(t);
	struct lwp *lwp, *next;
	struct process *p;
	struct thread *th;
	bool pending = false;

	if (n == 1 && acts->who.tid > 0) {
		th = thread_find(t, acts->who.tid);
		if (!th)
			return -ESRCH;
		if (!take_action(lt, th, acts) && th->running)
			lwp_run_on(lt, lwp_of(th));
		return 0;
	}
	list_each(p, &t->processes, node) {
		if (target_actions_meet(acts, n, p->pid))
			pending |= take_actions(lt, p, acts, n);
	}
	if (!t->all_stop)
		return 0;
	lt->held_back = true;
	if (pending)
		return 0;
	list_each_safe(lwp, next, &lt->running, running_node)
		lwp_run_on(lt, lwp);
	lt->held_back = false;
	return 0;
}

/*
 * Which thread stops when any may is left to chance: all are interrupted, as
 * the one that was chosen could end instead, and the session halts the others
 * anyway.
 */
int linux_interrupt(struct target *t, struct ptid who)
{
	struct linux_target *lt = linux_of(t);
	struct lwp *lwp, *blocked = NULL;
	bool any = false;

	if (!who.tid) {
		lt->interrupt.due = true;
		lt->interrupt.who = who;
	}
	list_each(lwp, &lt->running, running_node) {
		if (!ptid_matches(who, lwp->th->id))
			continue;
		if (is_blocked(lwp))
			blocked = lwp;
		any |= interrupt_one(lt, lwp, who.tid != 0);
	}
	if (!any && blocked)
		lwp_tell_interrupt(lt, blocked);
	return 0;
}

bool linux_only_steps(struct target *t)
{
	struct lwp *lwp;

	list_each(lwp, &linux_of(t)->running, running_node) {
		if (lwp->kind != RESUME_STEP && lwp->kind != RESUME_CALL)
			return false;
		if (!lwp->stopped &&
		    strchr("SD", proc_task_state(lwp->proc->pid, lwp->tid)))
			return false;
	}
	return true;
}

static bool is_in_halt(const struct lwp *lwp, const struct process *p)
{
	return lwp->th && (p ? lwp->proc == p : !is_ghost(lwp));
}

/* The next lwp that halting has to wait for. */
static struct lwp *next_to_halt(struct linux_target *lt, struct process *p)
{
	struct lwp *lwp;

	list_each(lwp, &lt->moving, node) {
		if (is_in_halt(lwp, p) && !lwp->waits_for_vfork)
			return lwp;
	}
	return NULL;
}

static void lwps_interrupt(struct linux_target *lt, struct process *p)
{
	struct lwp *lwp;

	list_each(lwp, &lt->moving, node) {
		if (is_in_halt(lwp, p))
			lwp_interrupt(lwp);
	}
}

/* Attached to when it waited for its vfork child already. */
static void note_blocked(struct linux_target *lt, struct process *p)
{
	struct lwp *lwp;

	list_each(lwp, &lt->moving, node) {
		if (is_in_halt(lwp, p) &&
		    proc_task_state(lwp->proc->pid, lwp->tid) == 'D')
			lwp->waits_for_vfork = true;
	}
}

/* Patience with a thread in an uninterruptible wait: 100 ticks. One that only
 * has no processor yet, as on a busy machine, is waited for longer. */
#define HALT_TRIES	100
#define HALT_TRIES_MOST 5000

static void halt_each(struct linux_target *lt, struct process *p)
{
	unsigned tries = 0;
	struct lwp *lwp;
	int status;
	pid_t r;

	lwps_interrupt(lt, p);
	while ((lwp = next_to_halt(lt, p))) {
		lwp_interrupt(lwp);
		r = lwp_wait(lt, lwp->tid, &status, true);
		if (r > 0) {
			status_take(lt, lwp->tid, status, true);
			continue;
		}
		if (r < 0) {
			/* Its id went to a sibling that called exec. */
			lwp_drop(lt, lwp);
			continue;
		}
		if (is_zombie_leader(lwp)) {
			lwp_hide(lt, lwp);
			continue;
		}
		/* To the end: it may wait for others that we should reap. */
		list_drop(&lwp->node);
		list_add(&lt->moving, &lwp->node);
		if (++tries % HALT_TRIES == 0)
			note_blocked(lt, p);
		if (tries == HALT_TRIES_MOST)
			break;
	}
}

void lwps_halt(struct linux_target *lt, struct process *p)
{
	if (p)
		inferior_of(p)->held = true;
	halt_each(lt, p);
	if (p)
		inferior_of(p)->held = false;
}

/* A stop has answered it, whichever it was. */
static void forget_interrupt(struct lwp *lwp)
{
	lwp->report_interrupt = false;
	if (lwp->pending.kind == STOP_SIGNAL && !lwp->pending.signo)
		lwp_clear_pending(lwp);
}

int linux_halt(struct target *t)
{
	struct linux_target *lt = linux_of(t);
	struct lwp *lwp, *next;

	lwps_halt(lt, NULL);
	list_each_safe(lwp, next, &lt->running, running_node) {
		lwp_set_running(lt, lwp, false);
		forget_interrupt(lwp);
	}
	lt->held_back = lt->interrupt.due = lt->no_resumed = false;
	t->unsettled = lt->guardian != NULL;
	return 0;
}
