/*
 * Stops that a thread can be left in.
 *
 * When the tracer of a thread dies the thread goes on as it stands, with the
 * registers that it has then. The signal of its stop is not delivered if the
 * tracer had waited for the stop (wait_task_stopped() in the kernel's exit.c
 * clears the exit code that ptrace_signal() looks at). But a thread whose last
 * resume was a step still has the trap flag, and would die of the SIGTRAP
 * after its next instruction; one resume without a step takes it away, and an
 * interrupt that waits makes the thread stop again before that instruction.
 *
 * Nor must a thread go on at an inserted breakpoint, which the guardian may
 * be too late to take out. While all threads of a process are stopped nobody
 * misses the breakpoints that they are stopped at, and those leave memory
 * until one of the threads runs.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"
#include "target/linux-ptrace/lwp.h"

/* Patience with a thread that is to stop again at once, in ticks. */
#define TRIES 50

/* From a stop that another one follows before any instruction. *status is
 * that; false: it was not seen, or the thread has died. */
static bool next_stop(struct linux_target *lt, struct lwp *lwp, int *status)
{
	pid_t tid = lwp->tid, r = 0;

	ptrace(PTRACE_CONT, tid, 0, 0);
	lwp_set_moving(lt, lwp);
	for (int i = 0; i < TRIES && !r; i++)
		r = lwp_wait(lt, tid, status, true);
	if (r > 0 && WIFSTOPPED(*status))
		return true;
	if (r > 0)
		status_take(lt, tid, *status, true);
	return false;
}

static void write_registers(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->th && lwp->th->dirty)
		target_regs_flush(&lt->t, lwp->th);
	if (lwp->regs_dirty || lwp->pc_dirty)
		lwp_regs_flush(lwp);
}

static void make_harmless(struct linux_target *lt, struct lwp *lwp)
{
	pid_t tid = lwp->tid;
	int status;

	if (!lwp->own_siginfo)
		lwp->own_siginfo =
			ptrace(PTRACE_GETSIGINFO, tid, 0, &lwp->siginfo) == 0;
	if (!lwp->interrupting)
		ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	lwp->interrupting = true;
	if (!next_stop(lt, lwp, &status))
		return;
	if (status >> 16 != PTRACE_EVENT_STOP) {
		status_take(lt, tid, status, true);
		return;
	}
	lwp_set_stopped(lt, lwp);
	lwp->harmless = true;
	lwp->interrupting = lwp->trap_stop = false;
	lwp->signal_stop = 0;
	lwp->stepped = false;
}

static void settle(struct linux_target *lt, struct lwp *lwp)
{
	write_registers(lt, lwp);
	lwp->harmless = true;
	if (lwp->stepped && !lwp->in_call &&
	    (lwp->trap_stop || !lwp->signal_stop))
		make_harmless(lt, lwp);
}

/* --- breakpoints that threads are stopped at ----------------------------- */

static bool all_are_stopped(const struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (!lwp_of(th)->stopped)
			return false;
	}
	return true;
}

/* What the program has written over one stays. */
static bool exchange_point(struct target *t, struct process *p,
			   const struct point *pt, const uint8_t *was,
			   const uint8_t *now)
{
	return linux_exchange_mem(t, p, pt->addr, was, now,
				  p->arch->trap_len) == 1;
}

static void lift_points(struct target *t, struct process *p)
{
	struct inferior *inf = inferior_of(p);
	struct thread *th;
	struct point *pt;

	if (p->points->refs > 1 || !all_are_stopped(p))
		return;
	list_each(th, &p->threads, node) {
		pt = point_find(p, POINT_SW, lwp_pc(lwp_of(th)), 0);
		if (!pt || !pt->inserted ||
		    !exchange_point(t, p, pt, p->arch->trap, pt->shadow))
			continue;
		lwp_of(th)->lifted = pt->addr + 1;
		inf->lifted = true;
	}
}

void points_put_back(struct target *t, struct process *p)
{
	struct thread *th;
	struct point *pt;

	inferior_of(p)->lifted = false;
	list_each(th, &p->threads, node) {
		struct lwp *lwp = lwp_of(th);

		pt = lwp->lifted ? map_find(&p->points->sw, lwp->lifted) : NULL;
		lwp->lifted = 0;
		if (pt && pt->inserted)
			exchange_point(t, p, pt, pt->shadow, p->arch->trap);
	}
}

/* --- all of it ----------------------------------------------------------- */

/* The last in the list are those that stopped since the last time. By id:
 * settling one moves it in the list, and can end it. */
static void settle_all(struct linux_target *lt)
{
	pid_t *tids = xmalloc((lt->lwps.count + 1) * sizeof(*tids));
	struct list *at = lt->settled.prev;
	struct lwp *lwp;
	size_t n = 0;

	for (; at != &lt->settled; at = at->prev) {
		lwp = list_entry(at, struct lwp, node);
		if (lwp->harmless)
			break;
		if (lwp->proc->attached && !lwp->dead)
			tids[n++] = lwp->tid;
	}
	while (n) {
		lwp = lwp_find(lt, tids[--n]);
		if (lwp)
			settle(lt, lwp);
	}
	free(tids);
}

void linux_idle(struct target *t)
{
	struct linux_target *lt = linux_of(t);
	struct process *p;

	t->unsettled = false;
	settle_all(lt);
	list_each(p, &t->processes, node) {
		if (p->attached && p->points->sw.count)
			lift_points(t, p);
	}
}
