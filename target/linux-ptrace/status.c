/*
 * Wait statuses: waiting for one, and fairness where there are many.
 *
 * Waiting is the hot path: a stop that is handled at once and resumed (a
 * passed signal, a false condition, a range step) should cost a wait and a
 * ptrace call and nothing else. So a patient caller blocks in wait4() rather
 * than in poll(), and a periodic signal, the tick, bounds that: it interrupts
 * the wait after a few milliseconds at most, whatever the debuggee does. The
 * tick is armed by the first patient wait and disarms itself when a period
 * passes without one, so that a series of waits costs no timer calls. Being
 * periodic it needs no care for the race between its arrival and the wait; but
 * any number of ticks may pass before a wait that is about to begin does, on a
 * busy machine, so that none of them may be the last.
 *
 * wait4() looks at our children first, from the oldest on, then at what else
 * we trace, from the newest on. Threads that stop again and again would keep
 * the others from being heard, and us from ever coming to an end: so now and
 * then all statuses that are there are taken in one go, and each is handled
 * before anything new is asked for.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "target/linux-ptrace/lwp.h"

#define TICK_NS 2000000

static void tick_set(struct tick *tk, long ns)
{
	struct itimerspec its = {
		.it_value = { 0, ns },
		.it_interval = { 0, ns },
	};

	timer_settime(tk->timer, 0, &its, NULL);
	tk->armed = ns != 0;
}

static void on_tick(int signo, siginfo_t *si, void *context)
{
	struct tick *tk = si->si_value.sival_ptr;
	int saved = errno;

	(void)signo, (void)context;
	if (si->si_code != SI_TIMER)
		return;
	tk->struck = 1;
	if (!tk->used && !tk->waits)
		tick_set(tk, 0);
	tk->used = 0;
	errno = saved;
}

int tick_init(struct tick *tk)
{
	struct sigaction sa = {
		.sa_sigaction = on_tick,
		.sa_flags = SA_SIGINFO, /* no SA_RESTART: it interrupts */
	};
	struct sigevent ev = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
		.sigev_value.sival_ptr = tk,
	};

	*tk = (struct tick){ 0 };
	sigaction(SIGALRM, &sa, NULL);
	return timer_create(CLOCK_MONOTONIC, &ev, &tk->timer) < 0 ? -errno : 0;
}

void tick_fini(struct tick *tk)
{
	timer_delete(tk->timer);
}

static bool is_collected(const struct lwp *lwp)
{
	return !list_empty(&lwp->status_node);
}

static pid_t take_collected(struct lwp *lwp, int *status)
{
	list_drop(&lwp->status_node);
	*status = lwp->status;
	return lwp->tid;
}

pid_t lwp_collected(struct linux_target *lt, int *status)
{
	if (list_empty(&lt->statuses))
		return 0;
	return take_collected(
		list_entry(lt->statuses.next, struct lwp, status_node), status);
}

/* The processor's, or its trap handler's: it comes again if the instruction is
 * executed again. */
static bool may_be_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
	       sig == SIGILL;
}

static void guard_signal(struct linux_target *lt, struct lwp *lwp)
{
	siginfo_t si;

	if (ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, &si) == 0)
		lwp->signal_guard = guardian_signal(
			guardian_of(&lt->t, lwp->proc), lwp->signal_guard,
			lwp->proc->pid, lwp->tid, &si);
}

/*
 * wait4() takes the signal of a stop from the kernel, which would not deliver
 * it any more if we died. So it is only looked at, and taken when something
 * else is to be waited for and the thread still stands: then the guardian knows
 * before. Mostly the thread goes on before that, and a call is saved.
 *
 * Traps and what stubs stop by are taken at once: delivered, they do harm. So
 * are faults, which come again; delivered, they would be told of translated
 * code. Events and stops of system calls, beyond the signals' numbers, do no
 * harm in either case.
 */
static bool can_be_left(struct linux_target *lt, const struct lwp *lwp, int sig)
{
	siginfo_t si;

	if (!lwp || !guardian_of(&lt->t, lwp->proc) || sig == SIGTRAP ||
	    sig == SIGSTOP || sig >= _NSIG)
		return false;
	return !may_be_fault(sig) ||
	       ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, &si) < 0 ||
	       si.si_code <= 0;
}

static void take_left(struct linux_target *lt, struct lwp *lwp)
{
	siginfo_t si;

	list_drop(&lwp->left_node);
	guard_signal(lt, lwp);
	waitid(P_PID, (id_t)lwp->tid, &si, WSTOPPED | WNOHANG | __WALL);
}

static void take_all_left(struct linux_target *lt)
{
	struct lwp *lwp, *next;

	list_each_safe(lwp, next, &lt->left, left_node)
		take_left(lt, lwp);
}

static pid_t leave(struct linux_target *lt, struct lwp *lwp, int sig,
		   int *status)
{
	list_add(&lt->left, &lwp->left_node);
	*status = sig << 8 | 0x7f; /* WIFSTOPPED */
	return lwp->tid;
}

static pid_t wait_for(struct linux_target *lt, pid_t tid, int *status,
		      int options)
{
	struct lwp *lwp = tid > 0 ? lwp_find(lt, tid) : NULL;
	siginfo_t si = { 0 };

	if (!lt->guardian)
		return wait4(tid, status, __WALL | options, NULL);
	if (tid < 0)
		take_all_left(lt);
	else if (lwp && !list_empty(&lwp->left_node))
		take_left(lt, lwp);
	if (waitid(tid > 0 ? P_PID : P_ALL, (id_t)tid, &si,
		   WEXITED | WSTOPPED | WNOWAIT | __WALL | options) < 0)
		return -1;
	if (!si.si_pid)
		return 0;
	lwp = lwp_find(lt, si.si_pid);
	if (si.si_code == CLD_TRAPPED && can_be_left(lt, lwp, si.si_status))
		return leave(lt, lwp, si.si_status, status);
	return wait4(si.si_pid, status, __WALL | WNOHANG, NULL);
}

pid_t lwp_wait(struct linux_target *lt, pid_t tid, int *status, bool block)
{
	struct lwp *lwp = tid > 0 ? lwp_find(lt, tid) : NULL;
	pid_t r;

	if (lwp && is_collected(lwp))
		return take_collected(lwp, status);
	if (tid < 0 && !list_empty(&lt->statuses))
		return lwp_collected(lt, status);
	if (block) {
		lt->tick.waits = lt->tick.used = 1;
		if (!lt->tick.armed)
			tick_set(&lt->tick, TICK_NS);
	}
	r = wait_for(lt, tid, status, block ? 0 : WNOHANG);
	lt->tick.waits = 0;
	if (r >= 0)
		return r;
	return errno == EINTR ? 0 : -errno;
}

/* A second status of a thread before the first was handled: it has died, or
 * one that called exec has its id now. The first means nothing any more. */
void lwp_collect(struct linux_target *lt, struct lwp *lwp, int status)
{
	lwp->status = status;
	list_drop(&lwp->status_node);
	list_add(&lt->statuses, &lwp->status_node);
}

static void collect(struct linux_target *lt, pid_t tid, int status)
{
	struct lwp *lwp = lwp_find(lt, tid);

	if (lwp)
		lwp_collect(lt, lwp, status);
	else
		status_take(lt, tid, status, false);
}

/* To wait for all of thousands that are stopped takes milliseconds. With none
 * that moves there is time. */
static bool only_few_move(const struct linux_target *lt)
{
	return lt->n_moving && lt->n_moving < lt->lwps.count / 8;
}

/*
 * Asks those that move, one by one. False when that may not be all there is:
 * a thread has ended, perhaps with others; or one has gone, since by exec it
 * got another id.
 */
static bool collect_moving(struct linux_target *lt)
{
	struct lwp *lwp;
	bool all = true;
	int status;
	pid_t tid;

	list_each(lwp, &lt->moving, node) {
		tid = wait_for(lt, lwp->tid, &status, WNOHANG);
		if (tid > 0)
			collect(lt, tid, status);
		all &= !tid || (tid > 0 && WIFSTOPPED(status));
	}
	return all;
}

static void collect_all(struct linux_target *lt)
{
	int status;
	pid_t tid;

	lt->child_ended = false;
	lt->swept_ms = clock_coarse_ms();
	while ((tid = wait_for(lt, -1, &status, WNOHANG)) > 0)
		collect(lt, tid, status);
}

/* Of two SIGCHLD at a time one is lost, so what they said is not all. */
#define SWEEP_MS 250

void lwps_collect(struct linux_target *lt)
{
	if (!only_few_move(lt) || lt->child_ended || !collect_moving(lt) ||
	    clock_coarse_ms() - lt->swept_ms > SWEEP_MS)
		collect_all(lt);
}
