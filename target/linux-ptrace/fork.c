/* Processes and threads that are born, and exec. */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"
#include "target/linux-ptrace/syscall.h"
#include "target/syscalls.h"

static void points_copy(struct linux_target *lt, struct process *from,
			struct process *to)
{
	struct guardian *g = guardian_of(&lt->t, to);
	struct point *pt, *copy;

	list_each(pt, &from->points->list, node) {
		if (pt->kind != POINT_SW)
			continue;
		copy = point_add(to, pt->kind, pt->addr, pt->size);
		copy->inserted = pt->inserted;
		for (unsigned i = 0; i < ARCH_TRAP_MAX; i++)
			copy->shadow[i] = pt->shadow[i];
		copy->code = pt->code;
		if (copy->code)
			copy->code->refs++;
		copy->twin = guardian_trap(g, to->pid, to->arch, copy->addr,
					   copy->shadow);
	}
	guardian_copy_points(g, memory_owner(lt, from)->pid, to->pid);
}

/* Its first stop, which may have come before the parent's event. */
static bool wait_for_first_stop(struct linux_target *lt, pid_t tid)
{
	int status;

	if (map_drop(&lt->strays, (uint64_t)tid))
		return true;
	while (waitpid(tid, &status, __WALL) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFSTOPPED(status);
}

static struct process *child_add(struct linux_target *lt, struct lwp *parent,
				 pid_t pid, bool shares)
{
	struct process *from = parent->proc, *p = inferior_add(lt, pid);
	struct inferior *inf = inferior_of(p);
	struct lwp *lwp;

	p->arch = from->arch;
	p->attached = from->attached;
	process_set_caught(p, syscall_set_ref(from->caught));
	lwp = lwp_add(lt, p, pid);
	lwp_set_stopped(lt, lwp);
	lwp_set_running(lt, lwp, false);
	step_inherit(lt, parent, lwp);
	p->path = xstrdup(from->path);
	if (shares)
		process_set_points(p, from);
	else
		points_copy(lt, from, p);
	inf->shares_memory = shares;
	inf->syscall_insn = inferior_of(from)->syscall_insn;
	inf->slots = slots_share(inferior_of(from)->slots, shares);
	return p;
}

/* The client hears of it with its parent's stop, and sets it going. */
static bool take_told_thread(struct linux_target *lt, struct lwp *parent,
			     pid_t tid)
{
	struct lwp *lwp;

	if (!wait_for_first_stop(lt, tid))
		return false;
	lwp = lwp_add_untold(lt, parent->proc, tid);
	lwp_set_stopped(lt, lwp);
	lwp_set_running(lt, lwp, false);
	step_inherit(lt, parent, lwp);
	lwp_set_pending(lt, parent, STOP_CLONED);
	parent->pending.child = (struct ptid){ parent->proc->pid, tid };
	return true;
}

static bool take_thread(struct linux_target *lt, struct lwp *parent, pid_t tid)
{
	struct lwp *lwp = lwp_add(lt, parent->proc, tid);

	lwp->starting = true;
	if (inferior_of(parent->proc)->ghost)
		map_drop(&lt->t.threads, (uint64_t)tid);
	lwp->debug = (struct debug_registers){ 0 };
	step_inherit(lt, parent, lwp);
	if (map_drop(&lt->strays, (uint64_t)tid))
		status_take(lt, tid, PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 |
					     0x7f, !parent->th->running);
	return false;
}

/* What clone() makes without CLONE_THREAD but with CLONE_VM is a thread to a
 * debugger: it runs in the same memory, breakpoints included. The leader says
 * nothing of that when it has ended before the others. */
static bool shares_memory(struct lwp *parent, pid_t child)
{
	return !syscall_copies_memory(parent) &&
	       syscall(SYS_kcmp, parent->tid, child, KCMP_VM, 0, 0) == 0;
}

bool fork_take(struct linux_target *lt, struct lwp *lwp, int event)
{
	bool vfork = event == PTRACE_EVENT_VFORK, ghost, shares, wanted;
	struct process *child;
	unsigned long msg;

	if (ptrace(PTRACE_GETEVENTMSG, lwp->tid, 0, &msg) < 0)
		return false;
	shares = shares_memory(lwp, (pid_t)msg);
	ghost = inferior_of(lwp->proc)->ghost;
	if (event == PTRACE_EVENT_CLONE && shares)
		return lwp->th->options & THREAD_TELL_CLONE && !ghost ?
			       take_told_thread(lt, lwp, (pid_t)msg) :
			       take_thread(lt, lwp, (pid_t)msg);
	lwp->waits_for_vfork = vfork;
	if (!wait_for_first_stop(lt, (pid_t)msg))
		return false;
	child = child_add(lt, lwp, (pid_t)msg, shares);
	wanted = vfork ? lt->t.report_vfork : lt->t.report_fork;
	if (ghost || !wanted) {
		inferior_release(lt, child, 0);
		return false;
	}
	lwp_set_pending(lt, lwp, vfork ? STOP_VFORK : STOP_FORK);
	lwp->pending.child = (struct ptid){ (pid_t)msg, (pid_t)msg };
	return true;
}

/* A new program: of what we knew of the process only its leader is left. */
static void forget_memory(struct linux_target *lt, struct process *p)
{
	struct inferior *inf = inferior_of(p);

	/* Unless others run in that memory, and may yet clean it. */
	if (p->points->refs == 1 || inf->shares_memory)
		guardian_forget(guardian_of(&lt->t, p), p->pid);
	process_set_points(p, NULL);
	slots_free(inf->slots);
	inf->slots = NULL;
	inf->shares_memory = inf->shares_pages = false;
	inf->syscall_insn = inf->call_code = 0;
	inf->debug_generation = 0;
	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++)
		inf->debug[i].pt = NULL;
	if (inf->mem_fd >= 0)
		close(inf->mem_fd);
	inf->mem_fd = -1;
	inferior_examine_new(lt, p);
}

struct lwp *exec_take(struct linux_target *lt, struct lwp *lwp)
{
	struct process *p = lwp->proc;
	struct thread *th, *next;
	enum resume_kind kind;
	unsigned long former;
	struct lwp *caller;
	bool call_known;
	uint32_t call;

	if (ptrace(PTRACE_GETEVENTMSG, lwp->tid, 0, &former) < 0)
		former = (unsigned long)lwp->tid;
	caller = lwp_find(lt, (pid_t)former);
	kind = caller ? caller->kind : RESUME_CONT;
	call = caller ? caller->call : 0;
	call_known = caller && caller->call_known;
	process_execs(&lt->t, p, (pid_t)former);
	list_each_safe(th, next, &p->threads, node) {
		release_untold_child(lt, lwp_of(th));
		if (lwp_of(th) != lwp)
			lwp_drop(lt, lwp_of(th));
	}
	if (!lwp->th) {
		/* A leader that had exited comes back as the caller. */
		lwp_drop(lt, lwp);
		lwp = lwp_add(lt, p, p->pid);
		lwp_set_stopped(lt, lwp);
		lwp->in_call = true;
	}
	lwp_clear_pending(lwp);
	lwp_set_running(lt, lwp, true);
	lwp->kind = kind;
	lwp->call = call;
	lwp->call_known = call_known;
	lwp->signo = 0;
	lwp->injected = 0;
	lwp->debug = (struct debug_registers){ 0 };
	lwp->in_slot = lwp->waits_for_vfork = lwp->return_due = false;
	/* An interrupt of the leader has died with it. */
	lwp->interrupting = lwp->trap_due = false;
	lwp->own_siginfo = lwp->mask_due = lwp->call_allowed = false;
	lwp->regs_fresh = lwp->regs_dirty = lwp->pc_dirty = false;
	lwp->th->fresh = lwp->th->dirty = lwp->th->options = 0;
	lwp->th->handle = 0;
	memory_leave(lt, p);
	forget_memory(lt, p);
	if (inferior_of(p)->ghost) {
		if (!inferior_of(p)->held)
			inferior_release(lt, p, 0);
		return NULL;
	}
	process_execed(&lt->t, p);
	return lwp;
}
