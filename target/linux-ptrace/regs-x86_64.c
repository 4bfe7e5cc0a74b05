/*
 * Registers of a stopped thread. PTRACE_GETREGS hands a 64-bit tracer the
 * 64-bit layout whatever the program is; the XSAVE area has the size that
 * CPUID says (over 8 KiB where there is AMX).
 */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "base/file.h"
#include "base/mem.h"
#include "target/linux-ptrace/inject.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"

/*
 * A thread that cannot be stopped, as it waits for its vfork child: proc(5)
 * shows its system call, with stack pointer and pc. The rest is not known.
 */
static struct user_regs_struct *blocked_regs(struct lwp *lwp)
{
	struct user_regs_struct *r = &lwp->regs;
	char text[256];
	long nr;

	*r = (struct user_regs_struct){ .cs = 0x33, .ss = 0x2b };
	if (file_peek(text, sizeof(text), "/proc/%d/task/%d/syscall",
		      lwp->proc->pid, lwp->tid) <= 0)
		return NULL;
	if (sscanf(text, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &nr,
		   &r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8, &r->r9, &r->rsp,
		   &r->rip) != 9)
		return NULL;
	r->rax = (unsigned long long)-ENOSYS;
	r->orig_rax = (unsigned long long)nr;
	return r;
}

struct user_regs_struct *lwp_regs(struct lwp *lwp)
{
	if (lwp->regs_fresh)
		return &lwp->regs;
	if (!lwp->stopped && lwp->waits_for_vfork)
		return blocked_regs(lwp);
	if (!lwp->stopped || lwp->dead ||
	    ptrace(PTRACE_GETREGS, lwp->tid, 0, &lwp->regs) < 0)
		return NULL;
	lwp->regs_fresh = true;
	return &lwp->regs;
}

uint64_t lwp_pc(struct lwp *lwp)
{
	struct user_regs_struct *regs = lwp_regs(lwp);

	return regs ? regs->rip : 0;
}

void lwp_set_pc(struct lwp *lwp, uint64_t pc)
{
	lwp->regs.rip = pc;
	lwp->pc_dirty = true;
	if (lwp->th)
		lwp->th->fresh &= ~(1u << REGSET_GENERAL);
}

void lwp_put_pc(struct lwp *lwp, uint64_t pc)
{
	lwp_set_pc(lwp, pc);
	if (lwp->proc->attached &&
	    ptrace(PTRACE_POKEUSER, lwp->tid, offsetof(struct user, regs.rip),
		   pc) == 0)
		lwp->pc_dirty = false;
}

bool lwp_is_32bit(struct lwp *lwp)
{
	const unsigned user32_cs = 0x23; /* the kernel's __USER32_CS */
	struct user_regs_struct *regs = lwp_regs(lwp);

	return regs && regs->cs == user32_cs;
}

int lwp_regs_flush(struct lwp *lwp)
{
	long r = 0;

	inject_unblock(lwp);
	if (lwp->regs_dirty)
		r = ptrace(PTRACE_SETREGS, lwp->tid, 0, &lwp->regs);
	else if (lwp->pc_dirty)
		r = ptrace(PTRACE_POKEUSER, lwp->tid,
			   offsetof(struct user, regs.rip), lwp->regs.rip);
	lwp->regs_dirty = lwp->pc_dirty = false;
	if (lwp->call_over)
		inject_end(lwp);
	lwp->regs_fresh = false;
	return r < 0 ? -errno : 0;
}

static int xsave_move(struct linux_target *lt, struct lwp *lwp, int request)
{
	size_t kind = lt->xsave.features ? NT_X86_XSTATE : NT_PRFPREG;
	struct iovec v = { lwp->xsave, lt->xsave.size };

	/* Not to be seen: what was last, or zeros, is as good as any. */
	if (!lwp->stopped && lwp->waits_for_vfork)
		return request == PTRACE_GETREGSET ? 0 : -EBUSY;
	if (!lwp->stopped || lwp->dead)
		return -ESRCH;
	return ptrace(request, lwp->tid, kind, &v) < 0 ? -errno : 0;
}

int linux_fetch_regs(struct target *t, struct thread *th, enum regset set)
{
	struct linux_target *lt = linux_of(t);
	const struct arch *a = th->proc->arch;
	struct lwp *lwp = lwp_of(th);
	int r;

	if (set == REGSET_GENERAL) {
		if (!lwp_regs(lwp))
			return -ESRCH;
		slot_leave(lwp);
		a->unpack(a, set, &lwp->regs, sizeof(lwp->regs), th->regs);
		return 0;
	}
	if (!lwp->xsave)
		lwp->xsave = xcalloc(1, lt->xsave.size);
	r = xsave_move(lt, lwp, PTRACE_GETREGSET);
	if (r < 0)
		return r;
	a->unpack(a, set, lwp->xsave, lt->xsave.size, th->regs);
	return 0;
}

int linux_store_regs(struct target *t, struct thread *th, enum regset set)
{
	struct linux_target *lt = linux_of(t);
	const struct arch *a = th->proc->arch;
	struct lwp *lwp = lwp_of(th);

	if (set == REGSET_GENERAL) {
		if (!lwp_regs(lwp) || !lwp->stopped)
			return -ESRCH;
		a->pack(a, set, th->regs, &lwp->regs, sizeof(lwp->regs));
		lwp->regs_dirty = true;
		return 0;
	}
	a->pack(a, set, th->regs, lwp->xsave, lt->xsave.size);
	return xsave_move(lt, lwp, PTRACE_SETREGSET);
}

/*
 * 64-bit programs have it in fs_base. For i386 ones gs selects a descriptor
 * of the thread's own table (set_thread_area(2)); the kernel keeps the base
 * of the one that is loaded in gs_base, but it is the descriptor that counts.
 */
int linux_thread_pointer(struct target *t, struct thread *th, uint64_t *base)
{
	struct lwp *lwp = lwp_of(th);
	struct user_regs_struct *regs = lwp_regs(lwp);
	unsigned desc[4]; /* struct user_desc: base is its second word */

	if (!regs)
		return -ESRCH;
	*base = regs->fs_base;
	if (th->proc->arch == linux_of(t)->arch64)
		return 0;
	if (ptrace(PTRACE_GET_THREAD_AREA, lwp->tid, regs->gs >> 3, desc) < 0)
		return -errno;
	*base = desc[1];
	return 0;
}
