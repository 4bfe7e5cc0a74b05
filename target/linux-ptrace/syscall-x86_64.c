/*
 * System calls as x86 makes them: by syscall, int $0x80 and sysenter, each of
 * two bytes. At a stop the pc is behind the instruction; after sysenter, and
 * after syscall in 32-bit code (AMD), it is behind an int $0x80 of the vDSO,
 * which the kernel uses to restart calls.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "target/linux-ptrace/syscall.h"

#define INSN_LEN 2

/* A call that does nothing, in the place of one that is put off: a number of
 * -1 does nothing either, but a seccomp filter may kill for that. */
#define GETPID_64 39
#define GETPID_32 20

bool syscall_insn_is_next(struct linux_target *lt, struct lwp *lwp)
{
	static const char *const insns[] = { "\x0f\x05", "\xcd\x80",
					     "\x0f\x34" };
	uint8_t code[INSN_LEN];
	uint64_t pc = lwp_pc(lwp);

	if (linux_read_mem(&lt->t, lwp->proc, pc, code, INSN_LEN) != INSN_LEN)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(insns); i++) {
		if (!memcmp(code, insns[i], INSN_LEN))
			return true;
	}
	return false;
}

/* Calls that return from a signal handler set orig_rax to -1 themselves:
 * rt_sigreturn of x86-64 and x32, sigreturn and rt_sigreturn of i386. */
static bool returns_from_handler(uint32_t nr)
{
	return nr == 15 || nr == (0x40000000 | 513) || nr == 119 || nr == 173;
}

uint32_t syscall_shown(struct lwp *lwp)
{
	const struct user_regs_struct *regs = lwp_regs(lwp);

	return regs ? (uint32_t)regs->orig_rax : (uint32_t)-1;
}

bool syscall_was_cancelled(struct lwp *lwp, uint32_t nr)
{
	return syscall_shown(lwp) == (uint32_t)-1 && !returns_from_handler(nr);
}

/* By their numbers: those of the i386 calls 56 and 57 make nothing. */
bool syscall_copies_memory(struct lwp *lwp)
{
	const struct user_regs_struct *regs = lwp_regs(lwp);

	if (!regs)
		return false;
	return regs->orig_rax == SYS_fork ||
	       (regs->orig_rax == SYS_clone && !(regs->rdi & CLONE_VM));
}

/* The kernel's own numbers, which no program sees: ERESTARTSYS,
 * ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK. */
bool syscall_restarts(struct lwp *lwp)
{
	const struct user_regs_struct *regs = lwp_regs(lwp);
	int64_t result = regs ? (int64_t)regs->rax : 0;

	return regs && (int64_t)regs->orig_rax >= 0 &&
	       (result == -512 || result == -513 || result == -514 ||
		result == -516);
}

int syscall_run_to(struct linux_target *lt, struct lwp *lwp)
{
	int status, r;

	do {
		r = lwp_run_wait(lt, lwp, PTRACE_SYSCALL, &status);
		if (r == 0 && !(status >> 16) &&
		    WSTOPSIG(status) != SYSCALL_SIGTRAP)
			lwp->late |= 1ull << (WSTOPSIG(status) - 1);
	} while (r == 0 && status >> 8 != SYSCALL_SIGTRAP);
	return r;
}

int syscall_withdraw(struct linux_target *lt, struct lwp *lwp)
{
	struct user_regs_struct *regs = lwp_regs(lwp);
	uint64_t nr;
	bool is32;
	int r;

	if (!regs)
		return -ESRCH;
	nr = regs->orig_rax;
	is32 = (lwp->proc->arch == lt->arch32) != lwp->call_foreign;
	regs->orig_rax = is32 ? GETPID_32 : GETPID_64;
	lwp->regs_dirty = true;
	r = syscall_run_to(lt, lwp);
	if (r < 0 || !lwp_regs(lwp))
		return -ESRCH;
	lwp->regs.rax = nr;
	lwp->regs.rip -= INSN_LEN;
	lwp->regs_dirty = true;
	return 0;
}

/* Where it does not matter which instruction makes the call: the program's may
 * be under a breakpoint. */
static int enter_elsewhere(struct linux_target *lt, struct lwp *lwp)
{
	uint64_t behind = lwp->regs.rip + INSN_LEN;
	int r;

	lwp->regs.rip = inferior_of(lwp->proc)->syscall_insn;
	lwp->regs_dirty = true;
	r = syscall_run_to(lt, lwp);
	if (r < 0 || !lwp_regs(lwp))
		return -ESRCH;
	/* syscall leaves its own address in rcx (SDM, SYSCALL). */
	lwp->regs.rip = lwp->regs.rcx = behind;
	lwp->regs_dirty = true;
	return 0;
}

int syscall_enter_again(struct linux_target *lt, struct lwp *lwp)
{
	bool anywhere = lwp->proc->arch->word == 8 && !lwp->call_foreign;
	int r = anywhere ? enter_elsewhere(lt, lwp) : syscall_run_to(lt, lwp);

	lwp->at_entry = lwp->in_call = r == 0;
	return r;
}
