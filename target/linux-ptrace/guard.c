#include "target/linux-ptrace/guard.h"

#include "target/linux-ptrace/lwp.h"

static void *guard_alloc(struct target *t, struct process *p, size_t size)
{
	return guardian_alloc(guardian_of(t, p), size);
}

static void guard_free(struct target *t, void *memory, size_t size)
{
	guardian_give_back(linux_of(t)->guardian, memory, size);
}

static void guard_begin(struct target *t, struct process *p,
			const struct orphan_ops *ops, const void *data)
{
	struct guard_code code = { ops, data, p->pid };

	guardian_code(guardian_of(t, p), p->pid, &code);
}

static void guard_end(struct target *t, struct process *p)
{
	guardian_code_gone(guardian_of(t, p), p->pid);
}

static void guard_commit(struct target *t, struct thread *th)
{
	struct lwp *lwp = lwp_of(th);

	target_regs_flush(t, th);
	if (lwp->stopped)
		lwp_regs_flush(lwp);
}

const struct target_guard_ops linux_guard_ops = {
	.alloc = guard_alloc,
	.free = guard_free,
	.begin = guard_begin,
	.end = guard_end,
	.commit = guard_commit,
};
