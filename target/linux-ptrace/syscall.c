#include "target/linux-ptrace/syscall.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "target/linux-ptrace/slot.h"
#include "target/syscalls.h"

/* Those of the thread alone, for the layer above. */
static bool tells_calls(const struct linux_target *lt, const struct lwp *lwp)
{
	return lt->t.wants_call && lwp->th &&
	       lwp->th->options & THREAD_TELL_CALLS;
}

static bool is_traced(const struct linux_target *lt, const struct lwp *lwp)
{
	return (lwp->proc->caught || tells_calls(lt, lwp)) && !is_ghost(lwp);
}

/* A call of another kind has a number that means something else. */
static bool is_wanted(const struct linux_target *lt, const struct lwp *lwp,
		      uint32_t nr)
{
	const struct syscall_set *set = lwp->proc->caught;

	if (!is_traced(lt, lwp))
		return false;
	if (lwp->call_foreign)
		return set && set->all;
	return syscall_set_has(set, nr) ||
	       (tells_calls(lt, lwp) && lt->t.wants_call(nr));
}

static bool step_may_be_told(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->in_call)
		return lwp->call_known && is_wanted(lt, lwp, lwp->call);
	return syscall_insn_is_next(lt, lwp);
}

/* A vfork child that nobody above wants: it may be a debugger's. */
static bool may_want_tracer(const struct lwp *lwp)
{
	return is_ghost(lwp) && inferior_of(lwp->proc)->shares_memory;
}

/*
 * It asks to be traced by its parent, and would be refused as long as we do.
 * It is let go of at the call's entry, if there is no breakpoint in the memory
 * that it shares.
 */
static bool let_parent_trace(struct linux_target *lt, struct lwp *lwp,
			     const struct __ptrace_syscall_info *info)
{
	bool is32 = info->arch == AUDIT_ARCH_I386;

	if (!may_want_tracer(lwp) || info->op != PTRACE_SYSCALL_INFO_ENTRY ||
	    info->entry.nr != (is32 ? 26 : SYS_ptrace) ||
	    info->entry.args[0] != PTRACE_TRACEME)
		return false;
	if (lwp->proc->points->sw.count) {
		debug(SESSION, "%d: its parent cannot trace it, for breakpoints",
		      lwp->tid);
		return false;
	}
	inferior_release(lt, lwp->proc, 0);
	return true;
}

int syscall_request(struct linux_target *lt, struct lwp *lwp, bool step)
{
	if (may_want_tracer(lwp) && !step)
		return PTRACE_SYSCALL;
	if (step && lwp->kind == RESUME_CALL && !lwp->in_slot)
		return PTRACE_SYSCALL;
	if (!is_traced(lt, lwp))
		return step ? PTRACE_SINGLESTEP : PTRACE_CONT;
	if (!step)
		return PTRACE_SYSCALL;
	if (!lwp->in_slot && inferior_of(lwp->proc)->slots)
		slot_leave(lwp);
	/* With a signal that this stop delivers a handler comes first. */
	if (lwp->signo && lwp->signal_stop)
		return PTRACE_SINGLESTEP;
	return step_may_be_told(lt, lwp) ? PTRACE_SYSCALL : PTRACE_SINGLESTEP;
}

static bool is_foreign(const struct linux_target *lt, const struct lwp *lwp,
		       uint32_t audit_arch)
{
	bool is32 = lwp->proc->arch == lt->arch32;

	return audit_arch != (is32 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64);
}

static void tell(struct linux_target *lt, struct lwp *lwp, enum stop_kind kind)
{
	if (inferior_of(lwp->proc)->slots)
		slot_leave(lwp);
	lwp_set_pending(lt, lwp, kind);
	lwp->pending.code = (int)lwp->call;
}

/*
 * It is to be halted, and nobody is told of this call: it stops within that, or
 * behind. Here the call would be lost to a client that has it run a function.
 */
static void halt_in_call(struct linux_target *lt, struct lwp *lwp)
{
	lwp_interrupt(lwp);
	lwp_run(lt, lwp, lwp->kind != RESUME_CONT);
}

static void take_entry(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	lwp->in_call = lwp->call_known = true;
	if (is_wanted(lt, lwp, lwp->call))
		tell(lt, lwp, STOP_SYSCALL_ENTRY);
	else if (lwp->kind == RESUME_CALL)
		lwp_run(lt, lwp, true); /* as a step: done or not begun */
	else if (hold && lwp->th && lwp->th->running)
		halt_in_call(lt, lwp);
	else
		run_on_unless(lt, lwp, hold);
}

static void take_return(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	bool told, known = lwp->call_known;

	if (!known)
		lwp->call = syscall_shown(lwp);
	lwp->call_known = false;
	told = is_wanted(lt, lwp, lwp->call) &&
	       !(known && syscall_was_cancelled(lwp, lwp->call));
	if (told)
		tell(lt, lwp, STOP_SYSCALL_RETURN);
	else if (lwp->kind != RESUME_CONT && !is_ghost(lwp))
		lwp_set_pending(lt, lwp, STOP_STEP);
	else if (!hold || !take_queued_trap(lt, lwp))
		run_on_unless(lt, lwp, hold);
}

void syscall_take(struct linux_target *lt, struct lwp *lwp, bool hold)
{
	struct __ptrace_syscall_info info;

	/* Killed: its exit status tells. */
	if (ptrace(PTRACE_GET_SYSCALL_INFO, lwp->tid, sizeof(info), &info) <= 0)
		return;
	if (let_parent_trace(lt, lwp, &info))
		return;
	if (lwp->in_slot)
		slot_leave(lwp);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		lwp->call = (uint32_t)info.entry.nr;
		lwp->call_foreign = is_foreign(lt, lwp, info.arch);
		lwp->at_entry = true;
		take_entry(lt, lwp, hold);
		return;
	}
	if (!lwp->call_known)
		lwp->call_foreign = is_foreign(lt, lwp, info.arch);
	take_return(lt, lwp, hold);
}

bool syscall_return_wanted(const struct linux_target *lt, struct lwp *lwp)
{
	if (!is_traced(lt, lwp))
		return false;
	if (!lwp->call_known)
		lwp->call = syscall_shown(lwp);
	return is_wanted(lt, lwp, lwp->call);
}

int syscall_finish(struct linux_target *lt, struct lwp *lwp)
{
	int r = syscall_run_to(lt, lwp);

	lwp->return_due = r == 0;
	return r;
}

void syscall_tell_return(struct linux_target *lt, struct lwp *lwp)
{
	lwp->return_due = false;
	tell(lt, lwp, STOP_SYSCALL_RETURN);
}

bool syscall_still_wanted(struct linux_target *lt, struct lwp *lwp)
{
	if (is_wanted(lt, lwp, (uint32_t)lwp->pending.code))
		return true;
	lwp_clear_pending(lwp);
	lwp_run_on(lt, lwp);
	return false;
}

/* Threads that run are stopped for an instant, to go on by another request;
 * one that waits for its vfork child stops in any case before it goes on. */
static int catch (struct target *t, struct process *p, struct syscall_set *set)
{
	bool was_off = !p->caught;
	struct thread *th;

	(void)t;
	process_set_caught(p, set);
	list_each(th, &p->threads, node) {
		struct lwp *lwp = lwp_of(th);

		if (set && was_off && !lwp->stopped && !lwp->waits_for_vfork)
			lwp_interrupt(lwp);
	}
	return 0;
}

const struct target_syscall_ops linux_syscall_ops = {
	.catch = catch,
};
