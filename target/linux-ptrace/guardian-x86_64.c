/* What the guardian does to a thread: its registers, on x86-64 and i386. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/x86_64/decode.h"
#include "arch/x86_64/relocate.h"
#include "base/mem.h"
#include "target/linux-ptrace/guardian.h"
#include "target/linux-ptrace/lwp.h"

#define CS_64 0x33 /* the kernel's selector for 64-bit code */

/* The instruction that begins a byte before it is longer than that. */
static bool is_inside_insn(pid_t tid, const struct user_regs_struct *regs)
{
	enum x86_mode mode = regs->cs == CS_64 ? X86_MODE_64 : X86_MODE_32;
	struct x86_instr in;
	long code[2];

	errno = 0;
	for (size_t i = 0; i < ARRAY_SIZE(code); i++)
		code[i] = ptrace(PTRACE_PEEKTEXT, tid,
				 regs->rip - 1 + i * sizeof(*code), 0);
	return !errno &&
	       x86_decode((const uint8_t *)code, sizeof(code), mode, &in) > 1;
}

/*
 * The server had taken its trap in and not undone it, and it has not run
 * since. Behind an instruction of one byte it may have got by itself.
 */
static bool is_behind_trap(const struct guardian *g, pid_t pid, pid_t tid,
			   const struct user_regs_struct *regs)
{
	return guard_find(g, GUARD_TRAP, pid, regs->rip - 1) &&
	       (guard_find(g, GUARD_HELD, pid, (uint64_t)tid) ||
		is_inside_insn(tid, regs));
}

static bool is_step_end(const struct guardian *g, pid_t pid, uint64_t pc)
{
	const struct guard *e = guard_find(g, GUARD_POINT, pid, pc);

	return e && e->point.state == X86_POINT_STEPPED;
}

/* A SIGTRAP that only a tracer could have had: of a breakpoint of ours, a
 * step or a debug register. The thread is put before the breakpoint. */
static bool is_our_trap(const struct guardian *g, pid_t pid, pid_t tid,
			struct user_regs_struct *regs)
{
	siginfo_t si;

	if (ptrace(PTRACE_GETSIGINFO, tid, 0, &si) < 0)
		return false;
	if (si.si_code == TRAP_TRACE || si.si_code == TRAP_HWBKPT)
		return true;
	if (si.si_code != SI_KERNEL)
		return false;
	if (is_step_end(g, pid, regs->rip))
		return true;
	if (!guard_find(g, GUARD_TRAP, pid, regs->rip - 1))
		return false;
	regs->rip--;
	return true;
}

static void rewind_slot(const struct guardian *g, pid_t pid,
			struct user_regs_struct *regs)
{
	const struct guard *e = guard_find(g, GUARD_POINT, pid, regs->rip);

	if (!e)
		return;
	regs->rip = e->point.pc;
	if (e->point.state == X86_POINT_SYSCALLED)
		regs->rcx = e->point.pc;
	else
		regs->rsp += e->point.undo;
}

/* The order of the g packet. */
static void registers(struct user_regs_struct *r, unsigned long long *out[18])
{
	unsigned long long *all[18] = {
		&r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi, &r->rdi,
		&r->rbp, &r->rsp, &r->r8,  &r->r9,  &r->r10, &r->r11,
		&r->r12, &r->r13, &r->r14, &r->r15, &r->rip, &r->eflags,
	};

	memcpy(out, all, sizeof(all));
}

/* True: it was in code of the layer above, and is so no more. *stopped: where
 * that code's SIGSTOP stops it. */
static bool rewind_code(const struct guardian *g, pid_t pid,
			struct user_regs_struct *regs, bool *stopped)
{
	const struct guard *e = guard_find(g, GUARD_CODE, pid, 0);
	int mem = e ? guard_mem_open(e->code.memory) : -1;
	struct orphan_memory memory = guard_memory(&mem);
	struct orphan o = { .gs = regs->gs,
			    .gs_base = regs->gs_base,
			    .memory = &memory };
	unsigned long long *at[18];
	bool was;

	*stopped = false;
	if (!e)
		return false;
	registers(regs, at);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		o.regs[i] = *at[i];
	was = e->code.ops->rewind(e->code.data, &o);
	close(mem);
	for (size_t i = 0; was && i < ARRAY_SIZE(at); i++)
		*at[i] = o.regs[i];
	regs->gs = o.gs;
	regs->gs_base = o.gs_base;
	if (o.in_call)
		regs->orig_rax = UINT64_MAX;
	*stopped = o.in_call;
	return was;
}

/* Of an instruction that it met in there. */
static bool is_exception(pid_t tid, int sig)
{
	siginfo_t si;

	return sig == SIGTRAP && ptrace(PTRACE_GETSIGINFO, tid, 0, &si) == 0 &&
	       si.si_code == SI_KERNEL;
}

bool guardian_seize_thread(pid_t tid)
{
	return ptrace(PTRACE_SEIZE, tid, 0, 0) == 0 &&
	       ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0;
}

/* The server had it make a system call. */
static void undo_call(const struct guardian *g, pid_t pid, pid_t tid,
		      struct user_regs_struct *regs)
{
	const struct guard *e = guard_find(g, GUARD_CALL, pid, (uint64_t)tid);
	struct guard_call *c = e ? e->call : NULL;
	uint64_t *mask = c ? &c->of[c->current & 1].mask : NULL;

	if (!c)
		return;
	if (!c->of[c->current & 1].mask_alone) {
		*regs = c->of[c->current & 1].regs;
		ptrace(PTRACE_SETREGS, tid, 0, regs);
	}
	ptrace(PTRACE_SETSIGMASK, tid, sizeof(*mask), mask);
}

/*
 * The code of the layer above has sent the thread a SIGSTOP. Returns the signal
 * that it gets. One that was taken, or will be, stops the whole process, and
 * that is continued when all of it is put back.
 */
static int take_stop_back(struct guardian *g, pid_t pid, pid_t tid, int status)
{
	bool is_event = status >> 16;

	if (!is_event)
		return WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
	if (WSTOPSIG(status) != SIGTRAP || has_queued(tid, SIGSTOP, INT_MIN))
		guard_hold(g, pid, tid);
	return 0;
}

/* The thread stopped with that status; returns the signal that it gets. */
static int mend(struct guardian *g, pid_t pid, pid_t tid, int status)
{
	int sig = status >> 16 ? 0 : WSTOPSIG(status);
	struct user_regs_struct regs;
	uint64_t was;
	bool moved, stopped;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
		return 0;
	was = regs.rip;
	undo_call(g, pid, tid, &regs);
	if (sig == SIGTRAP && is_our_trap(g, pid, tid, &regs))
		sig = 0;
	else if (is_behind_trap(g, pid, tid, &regs))
		regs.rip--;
	rewind_slot(g, pid, &regs);
	moved = rewind_code(g, pid, &regs, &stopped);
	if (stopped)
		sig = take_stop_back(g, pid, tid, status);
	if (moved && is_exception(tid, sig))
		sig = 0;
	if (moved || regs.rip != was)
		ptrace(PTRACE_SETREGS, tid, 0, &regs);
	return sig;
}

/* A trap that it has met and not taken yet: before it does, it stops. */
static bool trap_waits(pid_t tid)
{
	return has_queued(tid, SIGTRAP, 1);
}

bool guardian_mend_thread(struct guardian *g, pid_t pid, pid_t tid)
{
	int status, sig;
	pid_t r = waitpid(tid, &status, __WALL | WNOHANG);

	if (r == 0)
		return false;
	if (r < 0 || !WIFSTOPPED(status))
		return true;
	if (status >> 16 && trap_waits(tid)) {
		ptrace(PTRACE_CONT, tid, 0, 0);
		return false;
	}
	sig = mend(g, pid, tid, status);
	ptrace(PTRACE_POKEUSER, tid, offsetof(struct user, u_debugreg[7]), 0);
	ptrace(PTRACE_DETACH, tid, 0, sig);
	return true;
}
