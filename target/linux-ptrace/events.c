/*
 * From what stopped threads have pending to events, one at a time: the order in
 * which they are told, and how they are waited for.
 */
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"
#include "target/linux-ptrace/syscall.h"

/* The layer above may have set its pc since it stopped: is it elsewhere? */
static bool has_left(struct linux_target *lt, struct lwp *lwp)
{
	uint64_t pc = lwp_pc(lwp);

	if (lwp->th && lwp->th->dirty)
		target_regs_flush(&lt->t, lwp->th);
	return lwp_pc(lwp) != pc;
}

/*
 * A breakpoint hit may have become untrue while it was pending: the point
 * was taken out, the pc changed; or its conditions say that it is none.
 */
static bool still_wanted(struct linux_target *lt, struct lwp *lwp)
{
	const struct point *pt;

	if (lwp->pending.kind == STOP_SYSCALL_ENTRY ||
	    lwp->pending.kind == STOP_SYSCALL_RETURN)
		return syscall_still_wanted(lt, lwp);
	if (lwp->pending.kind != STOP_SWBREAK)
		return true;
	pt = has_left(lt, lwp)
		     ? NULL
		     : point_find(lwp->proc, POINT_SW, lwp_pc(lwp), 0);
	if (!pt || !pt->inserted) {
		lwp_clear_pending(lwp);
		lwp_run_on(lt, lwp);
		return false;
	}
	if (!point_is_passed(lt, lwp, lwp_pc(lwp)) &&
	    target_point_hit(&lt->t, lwp->th, pt))
		return true;
	lwp_clear_pending(lwp);
	slot_step_over(lt, lwp, pt);
	return false;
}

/* A HWBREAK may have a condition as well. */
static bool hw_condition_holds(struct linux_target *lt, struct lwp *lwp)
{
	const struct point *pt;

	if (lwp->pending.kind != STOP_HWBREAK)
		return true;
	if (!has_left(lt, lwp)) {
		pt = point_find(lwp->proc, POINT_HW, lwp_pc(lwp), 1);
		if (!pt || target_point_hit(&lt->t, lwp->th, pt))
			return true;
	}
	lwp_clear_pending(lwp);
	lwp_run_on(lt, lwp);
	return false;
}

static void run_held_back(struct linux_target *lt)
{
	struct lwp *lwp, *next;

	lt->held_back = false;
	list_each_safe(lwp, next, &lt->settled, node) {
		if (lwp->th && lwp->th->running && !lwp->dead)
			lwp_run_on(lt, lwp);
	}
}

static void tell(struct linux_target *lt, struct lwp *lwp, struct stop *out)
{
	struct process *child = untold_child(lt, lwp);
	struct thread *made = NULL;

	*out = lwp->pending;
	if (child)
		process_tell(&lt->t, child);
	if (out->kind == STOP_CLONED)
		made = thread_find(&lt->t, out->child.tid);
	if (made)
		thread_tell(&lt->t, made);
	lwp_clear_pending(lwp);
	lwp_set_running(lt, lwp, false);
	lwp->report_interrupt = false;
	if (lwp->th)
		lwp->th->last = *out;
	if (stop_ends_process(out))
		inferior_drop(lt, lwp->proc);
	else if (out->kind == STOP_THREAD_EXIT && lwp->dead)
		lwp_drop(lt, lwp);
	else if (out->kind == STOP_THREAD_EXIT)
		lwp_hide(lt, lwp); /* its end is the process's */
}

/* One that somebody still wants to know of. */
static bool thread_end_is_pending(const struct linux_target *lt,
				  const struct process *p)
{
	struct lwp *lwp;

	list_each(lwp, &lt->pending, pending_node) {
		if (lwp->proc == p && lwp->pending.kind == STOP_THREAD_EXIT &&
		    tells_exit(lt, lwp))
			return true;
	}
	return false;
}

/* Events of threads that the layer above has not resumed wait, but for ends:
 * target.h's ends_wait. */
static bool is_due(const struct linux_target *lt, const struct lwp *lwp)
{
	if (lwp->th && lwp->th->running)
		return true;
	if (stop_ends_process(&lwp->pending))
		return !lt->t.ends_wait ||
		       !thread_end_is_pending(lt, lwp->proc);
	return !lwp->th || (lwp->dead && !lt->t.ends_wait);
}

static struct lwp *first_pending(struct linux_target *lt)
{
	struct lwp *lwp;

	list_each(lwp, &lt->pending, pending_node) {
		if (is_due(lt, lwp))
			return lwp;
	}
	return NULL;
}

/* What another thread than the one that is stepped met by chance. */
static bool yields_to_step(const struct linux_target *lt, const struct lwp *lwp)
{
	return lt->t.all_stop && lwp->kind == RESUME_CONT && lwp->th &&
	       !lwp->dead &&
	       (lwp->pending.kind == STOP_SWBREAK ||
		(lwp->pending.kind == STOP_SIGNAL && lwp->pending.signo));
}

static bool step_is_on_its_way(const struct linux_target *lt)
{
	const struct lwp *lwp;

	list_each(lwp, &lt->moving, node) {
		if (lwp->th && lwp->th->running && lwp->kind == RESUME_STEP)
			return true;
	}
	return false;
}

/*
 * A client that has one thread step waits for the end of that, and takes any
 * other stop for one amid it: of two that come at once the step's is told. All
 * threads are halted with what is told, so to do it before costs nothing. NULL:
 * an exec or an end has taken the event away meanwhile.
 */
static struct lwp *step_before(struct linux_target *lt, struct lwp *lwp)
{
	pid_t tid = lwp->tid;
	struct lwp *other;

	if (!yields_to_step(lt, lwp))
		return lwp;
	if (step_is_on_its_way(lt)) {
		lwps_halt(lt, NULL);
		lt->held_back = true;
	}
	list_each(other, &lt->pending, pending_node) {
		if (other->pending.kind == STOP_STEP && is_due(lt, other))
			return other;
	}
	lwp = lwp_find(lt, tid);
	return lwp && lwp->pending.kind != STOP_NONE ? lwp : NULL;
}

static bool pop_event(struct linux_target *lt, struct stop *out)
{
	struct lwp *lwp;

	if (lt->crash_due)
		crashes_dump(lt);
	while ((lwp = first_pending(lt))) {
		if (!still_wanted(lt, lwp) || !hw_condition_holds(lt, lwp))
			continue;
		lwp = step_before(lt, lwp);
		if (lwp) {
			tell(lt, lwp, out);
			return true;
		}
	}
	if (lt->held_back)
		run_held_back(lt);
	if (lt->no_resumed && !lt->n_running) {
		lt->no_resumed = false;
		*out = (struct stop){ .kind = STOP_NO_RESUMED };
		return true;
	}
	return false;
}

static void drain_signal_fd(struct linux_target *lt)
{
	struct signalfd_siginfo si;

	while (read(lt->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		lt->child_signalled = true;
		lt->child_ended |= si.ssi_code != CLD_TRAPPED &&
				   si.ssi_code != CLD_STOPPED;
	}
}

/*
 * With one lwp moving its own wait is quicker than one that looks at all
 * children: the kernel goes through them one by one.
 */
static pid_t whom_to_wait_for(const struct linux_target *lt)
{
	if (lt->n_moving != 1)
		return -1;
	return list_entry(lt->moving.next, struct lwp, node)->tid;
}

/* Statuses of one after the other, until all that are there are taken. */
#define FAIR_STATUSES 16

/* Those whom wait4() prefers may stop so often that it never comes to others:
 * see status.c. */
static void hear_all(struct linux_target *lt)
{
	if (lt->n_moving < 2 || ++lt->n_heard < FAIR_STATUSES + lt->n_moving)
		return;
	lt->n_heard = 0;
	lwps_collect(lt);
}

/* Blocks for a tick at most. */
static bool next_patiently(struct linux_target *lt, struct stop *out)
{
	int status;
	pid_t tid;

	lt->tick.struck = 0;
	while (!pop_event(lt, out)) {
		if (lt->tick.struck || !lt->n_moving) {
			affinity_restore(&lt->affinity);
			return false;
		}
		hear_all(lt);
		tid = lwp_wait(lt, whom_to_wait_for(lt), &status, true);
		if (tid > 0) {
			affinity_stopped(lt, tid);
			status_take(lt, tid, status, false);
		} else {
			lt->tick.struck |= tid < 0;
		}
	}
	return true;
}

static bool next_collected(struct linux_target *lt, struct stop *out)
{
	int status;
	pid_t tid;

	while (!pop_event(lt, out)) {
		tid = lwp_collected(lt, &status);
		if (tid > 0)
			status_take(lt, tid, status, false);
		else if (lt->child_signalled)
			zombie_leaders_hide(lt);
		else
			return false;
	}
	return true;
}

int linux_next_event(struct target *t, struct stop *out, bool patient)
{
	struct linux_target *lt = linux_of(t);

	if (patient && next_patiently(lt, out))
		return 1;
	/* Drained first: what comes after makes it readable. */
	drain_signal_fd(lt);
	lwps_collect(lt);
	return next_collected(lt, out);
}
