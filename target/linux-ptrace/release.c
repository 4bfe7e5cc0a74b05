/*
 * Letting go of a process, and those that cannot be let go of yet.
 *
 * A child that nobody above wants is let go at once, with our breakpoints
 * taken out of its copy of memory. A child that shares its parent's memory
 * (vfork, or clone with CLONE_VM), or pages of it that hold breakpoints,
 * cannot be cleaned so: that would take them from the parent. It stays traced
 * as a ghost instead: not shown to the layer above, never halted with the
 * rest, stepping over every breakpoint that it meets, until it execs, exits,
 * or its parent goes.
 *
 * A process that is let go while it waits for its vfork child cannot be
 * detached before that ends: it becomes a ghost until then, too.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"

/* --- ghosts -------------------------------------------------------------- */

static void make_ghost(struct linux_target *lt, struct process *p)
{
	struct thread *th;

	inferior_of(p)->ghost = true;
	process_hide(&lt->t, p);
	list_drop(&p->node);
	list_add(&lt->ghosts, &p->node);
	list_each(th, &p->threads, node) {
		lwp_set_running(lt, lwp_of(th), false);
		lwp_clear_pending(lwp_of(th));
		map_drop(&lt->t.threads, (uint64_t)th->id.tid);
	}
	list_each(th, &p->threads, node) {
		if (lwp_of(th)->stopped)
			lwp_run(lt, lwp_of(th), false);
	}
}

/* Takes the breakpoints out of a process's memory. Some may have to stay,
 * where another needs them in a page that both map. */
static void take_points_out(struct linux_target *lt, struct process *p)
{
	struct point *pt, *next;

	list_each_safe(pt, next, &p->points->list, node) {
		if (lt->t.ops->point->remove(&lt->t, p, pt) == -EBUSY)
			pt->inserted = true;
		else
			point_free(p, pt);
	}
}

static bool share_memory(const struct process *p, const struct process *q)
{
	return p != q && p->points == q->points;
}

/* One that is shown, and has the memory when its owner goes. */
static struct process *heir_of(const struct linux_target *lt,
			       const struct process *p)
{
	struct process *q;

	list_each(q, &lt->t.processes, node) {
		if (share_memory(p, q))
			return q;
	}
	return NULL;
}

void memory_leave(struct linux_target *lt, struct process *p)
{
	struct process *q, *next, *heir = heir_of(lt, p);

	if (inferior_of(p)->shares_memory)
		return;
	if (heir) {
		inferior_of(heir)->shares_memory = false;
		guardian_move(guardian_of(&lt->t, p), p->pid, heir->pid);
		return;
	}
	list_each_safe(q, next, &lt->ghosts, node) {
		if (!share_memory(p, q))
			continue;
		lwps_halt(lt, q);
		take_points_out(lt, q);
		inferior_release(lt, q, 0);
	}
}

bool point_is_passed(const struct linux_target *lt, const struct lwp *lwp,
		     uint64_t addr)
{
	return lt->t.traps && lt->t.passes_point && lwp->th &&
	       !lwp->proc->untold &&
	       lt->t.passes_point(lt->t.trap_user, lwp->th, addr);
}

const struct point *point_not_for(struct linux_target *lt,
				  const struct lwp *lwp, uint64_t addr)
{
	const struct inferior *inf = inferior_of(lwp->proc);
	const struct process *p;
	const struct point *pt = NULL;

	if (inf->ghost || point_is_passed(lt, lwp, addr))
		pt = point_find(lwp->proc, POINT_SW, addr, 0);
	if (pt || !inf->shares_pages)
		return pt;
	list_each(p, &lt->t.processes, node) {
		pt = point_find(p, POINT_SW, addr, 0);
		if (pt && p != lwp->proc)
			return pt;
	}
	return NULL;
}

/* --- letting go ---------------------------------------------------------- */

/* What a thread that is let go should still be given. */
static int signal_at_detach(struct linux_target *lt, struct lwp *lwp)
{
	int sig;

	if (lwp->pending.kind == STOP_SIGNAL && lwp->pending.signo &&
	    lwp->pending.code != SIGNAL_TRAP)
		lwp_give(lwp, lwp->pending.signo);
	sig = lwp->signo;
	if (sig && sigismember(&lt->t.program_signals, sig) != 1)
		sig = 0;
	lwp->signo = sig;
	return lwp->signal_stop || !sig ? sig : 0;
}

/* It was killed before it could be let go: a zombie that waits for its tracer,
 * and whose process waits for it. */
static void reap(pid_t tid)
{
	int status;

	while (waitpid(tid, &status, __WALL) >= 0 ? WIFSTOPPED(status)
						  : errno == EINTR)
		;
}

/* It executes nothing before it has taken that, which is done away with. */
static void take_owed_stop(struct linux_target *lt, struct lwp *lwp)
{
	int status;

	while (lwp->stop_owed && lwp->stopped && has_queued(lwp->tid, SIGSTOP, INT_MIN) &&
	       lwp_run_wait(lt, lwp, PTRACE_CONT, &status) == 0) {
		lwp->stop_owed = status >> 8 != SIGSTOP;
		if (lwp->stop_owed && status >> 8 != SIGTRAP)
			lwp_give(lwp, WSTOPSIG(status));
	}
}

static void lwp_release(struct linux_target *lt, struct lwp *lwp)
{
	int sig;

	take_owed_stop(lt, lwp);
	sig = signal_at_detach(lt, lwp);
	if (lwp->th)
		target_regs_flush(&lt->t, lwp->th);
	lwp_regs_flush(lwp);
	debugreg_sync(lwp, false);
	if (sig)
		restore_siginfo(lwp, sig);
	guardian_signal_gone(lwp->signal_guard);
	if (ptrace(PTRACE_DETACH, lwp->tid, 0, sig) < 0) {
		reap(lwp->tid);
		return;
	}
	if (lwp->signo && !sig)
		syscall(SYS_tkill, lwp->tid, lwp->signo);
}

/* signo is what the client was last told of, and the thread that stopped for
 * it is to have it. A ^C is told as one too, but nobody sent it. */
static void give_back(struct process *p, int signo)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (signo && th->last.kind == STOP_SIGNAL &&
		    th->last.signo == signo && th->last.code != SIGNAL_TRAP) {
			lwp_give(lwp_of(th), signo);
			return;
		}
	}
}

static bool waits_for_vfork(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (lwp_of(th)->waits_for_vfork)
			return true;
	}
	return false;
}

static bool is_leaving(const struct linux_target *lt, pid_t pid)
{
	const struct process *p;

	list_each(p, &lt->ghosts, node) {
		if ((!pid || p->pid == pid) && inferior_of(p)->leaving &&
		    p->points->refs == 1)
			return true;
	}
	return false;
}

void leaving_wait(struct linux_target *lt, pid_t pid)
{
	int status;
	pid_t tid;

	while (is_leaving(lt, pid)) {
		tid = lwp_wait(lt, -1, &status, true);
		if (tid < 0)
			break;
		if (tid > 0)
			status_take(lt, tid, status, false);
	}
}

void leaving_take(struct linux_target *lt, struct lwp *lwp)
{
	struct process *p = lwp->proc;

	if (waits_for_vfork(p)) {
		lwp_run(lt, lwp, false);
		return;
	}
	lwps_halt(lt, p);
	inferior_release(lt, p, 0);
}

/* The leader last: were it to exit at once, the others would die. */
static void lwps_release(struct linux_target *lt, struct process *p)
{
	struct lwp *leader = lwp_find(lt, p->pid);
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (lwp_of(th) != leader)
			lwp_release(lt, lwp_of(th));
	}
	if (leader && leader->th)
		lwp_release(lt, leader);
}

struct process *untold_child(const struct linux_target *lt,
			     const struct lwp *lwp)
{
	if (lwp->pending.kind != STOP_FORK && lwp->pending.kind != STOP_VFORK)
		return NULL;
	return process_find(&lt->t, lwp->pending.child.pid);
}

void release_untold_child(struct linux_target *lt, struct lwp *lwp)
{
	struct process *child = untold_child(lt, lwp);

	if (!child)
		return;
	lwp_clear_pending(lwp);
	inferior_release(lt, child, 0);
}

static void release_untold_children(struct linux_target *lt, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		release_untold_child(lt, lwp_of(th));
}

void inferior_release(struct linux_target *lt, struct process *p, int signo)
{
	struct inferior *inf = inferior_of(p);
	size_t kept = 0;

	debug(SESSION, "release %d, signal %d", p->pid, signo);
	release_untold_children(lt, p);
	if (!inf->shares_memory && !heir_of(lt, p)) {
		take_points_out(lt, p);
		kept = p->points->sw.count;
	}
	if (!inf->ghost && (inf->shares_memory || kept)) {
		make_ghost(lt, p);
		return;
	}
	memory_leave(lt, p);
	debugreg_forget(p);
	give_back(p, signo);
	if (waits_for_vfork(p)) {
		inf->leaving = true;
		if (!inf->ghost)
			make_ghost(lt, p);
		return;
	}
	if (inf->leaving && lt->t.on_leave)
		lt->t.on_leave(lt->t.leave_user, p);
	slots_remove(lt, p);
	lwps_release(lt, p);
	inferior_drop(lt, p);
}
