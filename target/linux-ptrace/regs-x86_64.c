/*
 * Registers of a stopped thread. PTRACE_GETREGS hands a 64-bit tracer the
 * 64-bit layout whatever the program is; the XSAVE area has the size that
 * CPUID says (over 8 KiB where there is AMX).
 */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/slot.h"

struct user_regs_struct *lwp_regs(struct lwp *lwp)
{
	if (lwp->regs_fresh)
		return &lwp->regs;
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

bool lwp_is_32bit(struct lwp *lwp)
{
	const unsigned user32_cs = 0x23; /* the kernel's __USER32_CS */
	struct user_regs_struct *regs = lwp_regs(lwp);

	return regs && regs->cs == user32_cs;
}

int lwp_regs_flush(struct lwp *lwp)
{
	long r = 0;

	if (lwp->regs_dirty)
		r = ptrace(PTRACE_SETREGS, lwp->tid, 0, &lwp->regs);
	else if (lwp->pc_dirty)
		r = ptrace(PTRACE_POKEUSER, lwp->tid,
			   offsetof(struct user, regs.rip), lwp->regs.rip);
	lwp->regs_fresh = lwp->regs_dirty = lwp->pc_dirty = false;
	return r < 0 ? -errno : 0;
}

static int xsave_move(struct linux_target *lt, struct lwp *lwp, int request)
{
	size_t kind = lt->xsave.features ? NT_X86_XSTATE : NT_PRFPREG;
	struct iovec v = { lwp->xsave, lt->xsave.size };

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
		if (!lwp_regs(lwp))
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
