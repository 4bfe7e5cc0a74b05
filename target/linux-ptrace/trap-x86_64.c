/* What the processor leaves behind at traps: SDM vol. 3, 6.4 and 18.3. */
#include <stddef.h>
#include <sys/ptrace.h>

#include "arch/x86_64/decode.h"
#include "target/linux-ptrace/lwp.h"

#define FLAG_TRAP 0x100u

/*
 * Both int3 (cc) and the two bytes of int 3 (cd 03) raise a breakpoint
 * exception, and leave the pc behind them.
 */
bool trap_is_programs(struct linux_target *lt, struct lwp *lwp)
{
	uint64_t pc = lwp_pc(lwp);
	uint8_t code[2];

	if (linux_read_mem(&lt->t, lwp->proc, pc - 1, code, 1) != 1)
		return false;
	if (code[0] == 0xcc)
		return true;
	return linux_read_mem(&lt->t, lwp->proc, pc - 2, code, 2) == 2 &&
	       code[0] == 0xcd && code[1] == 0x03;
}

void step_note(struct lwp *lwp)
{
	const struct user_regs_struct *regs = lwp_regs(lwp);

	lwp->step_pc = regs ? regs->rip : 0;
	lwp->step_sp = regs ? regs->rsp : 0;
	lwp->step_traps = regs && regs->eflags & FLAG_TRAP;
}

static bool makes_call(const struct x86_instr *in)
{
	return in->kind == X86_SYSCALL || in->kind == X86_SYSENTER ||
	       in->kind == X86_INT80;
}

/* popf, iret and rt_sigreturn(2), which leaves no number of a call: what they
 * leave of the flag is the program's. */
static bool loads_flags(struct linux_target *lt, struct lwp *lwp)
{
	uint8_t code[X86_INSN_MAX];
	struct x86_instr in;
	ssize_t n = linux_read_mem(&lt->t, lwp->proc, lwp->step_pc, code,
				   sizeof(code));

	if (n <= 0 ||
	    x86_decode(code, (size_t)n,
		       lwp_is_32bit(lwp) ? X86_MODE_32 : X86_MODE_64, &in) < 0)
		return true;
	return in.kind == X86_IRET ||
	       (makes_call(&in) && (int64_t)lwp->regs.orig_rax < 0) ||
	       (in.map == X86_MAP_MAIN && in.opcode == 0x9d);
}

static void take_flag(struct lwp *lwp, struct user_regs_struct *regs)
{
	regs->eflags &= ~(unsigned long long)FLAG_TRAP;
	ptrace(PTRACE_POKEUSER, lwp->tid, offsetof(struct user, regs.eflags),
	       regs->eflags);
}

/*
 * Once it has stepped popf the kernel takes the flag of the steps that follow
 * for the program's (enable_single_step() in its step.c finds its own of the
 * step before), and leaves it there when the program runs on.
 */
static void take_lost_flag(struct linux_target *lt, struct lwp *lwp,
			   struct user_regs_struct *regs)
{
	if (regs->eflags & FLAG_TRAP && !loads_flags(lt, lwp))
		take_flag(lwp, regs);
}

/*
 * pushf pushes the flag that makes the processor step, too; the kernel hides
 * it from PTRACE_GETREGS only. Pushes are told by what they do to the stack
 * pointer, so that the code has to be read after those alone.
 */
void step_hide(struct linux_target *lt, struct lwp *lwp)
{
	struct user_regs_struct *regs = lwp_regs(lwp);
	uint64_t len, pushed;
	uint8_t code[3], flags;

	if (!regs || !lwp->step_pc || lwp->step_traps)
		return;
	take_lost_flag(lt, lwp, regs);
	len = regs->rip - lwp->step_pc;
	pushed = lwp->step_sp - regs->rsp;
	if (!len || len > sizeof(code) ||
	    (pushed != 2 && pushed != 4 && pushed != 8))
		return;
	if (linux_read_mem(&lt->t, lwp->proc, lwp->step_pc, code, len) !=
		    (ssize_t)len ||
	    code[len - 1] != 0x9c)
		return;
	if (linux_read_mem(&lt->t, lwp->proc, regs->rsp + 1, &flags, 1) != 1)
		return;
	flags &= (uint8_t)~(FLAG_TRAP >> 8);
	linux_write_mem(&lt->t, lwp->proc, regs->rsp + 1, &flags, 1);
}

void step_cut(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->stepped)
		step_hide(lt, lwp);
}

void step_inherit(struct linux_target *lt, const struct lwp *maker,
		  struct lwp *made)
{
	made->stepped = maker->stepped;
	made->step_traps = maker->step_traps;
	made->step_pc = maker->step_pc;
	made->step_sp = maker->step_sp;
	if (!made->stopped)
		return;
	step_cut(lt, made);
	made->stepped = false;
}

bool step_entered(struct lwp *lwp)
{
	const struct user_regs_struct *regs = lwp_regs(lwp);

	return regs && (regs->rip != lwp->step_pc || regs->rsp != lwp->step_sp);
}

void step_undo(struct lwp *lwp)
{
	struct user_regs_struct *regs = lwp->stepped ? lwp_regs(lwp) : NULL;

	if (!regs || lwp->step_traps || regs->rip != lwp->step_pc ||
	    !(regs->eflags & FLAG_TRAP))
		return;
	take_flag(lwp, regs);
}
