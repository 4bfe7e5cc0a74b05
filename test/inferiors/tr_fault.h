/* Runs a piece that faults, and tells what its signal handler saw.
 *
 * The handlers run on a stack of their own. They leave the piece by way of
 * tr_escape, or, where tr_repair is set, call that and return into the piece.
 */
#ifndef TEST_INFERIORS_TR_FAULT_H
#define TEST_INFERIORS_TR_FAULT_H

#include "tr_run.h"
#include <signal.h>
#include <ucontext.h>

struct tr_seen {
	int count; /* signals */
	int signo, code;
	unsigned long addr, rip;
	unsigned long top; /* of the stack, where tr_look_at_stack is set */
	struct tr_regs regs;
};

static struct tr_seen tr_seen;
static int tr_look_at_stack;
static void (*tr_repair)(void);

__unused static void tr_registers_of(const ucontext_t *uc, struct tr_regs *r)
{
	const greg_t *g = uc->uc_mcontext.gregs;

	r->rax = (unsigned long)g[REG_RAX];
	r->rbx = (unsigned long)g[REG_RBX];
	r->rcx = (unsigned long)g[REG_RCX];
	r->rdx = (unsigned long)g[REG_RDX];
	r->rsi = (unsigned long)g[REG_RSI];
	r->rdi = (unsigned long)g[REG_RDI];
	r->rbp = (unsigned long)g[REG_RBP];
	r->rsp = (unsigned long)g[REG_RSP];
	for (int i = 0; i < 8; i++)
		(&r->r8)[i] = (unsigned long)g[REG_R8 + i];
	r->flags = (unsigned long)g[REG_EFL];
}

__unused static void tr_on_fault(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	tr_seen.count++;
	tr_seen.signo = signo;
	tr_seen.code = info->si_code;
	tr_seen.addr = (unsigned long)info->si_addr;
	tr_seen.rip = (unsigned long)g[REG_RIP];
	tr_registers_of(uc, &tr_seen.regs);
	if (tr_look_at_stack)
		tr_seen.top = *(unsigned long *)tr_seen.regs.rsp;
	if (tr_repair && tr_seen.count < 3) {
		tr_repair();
		return;
	}
	g[REG_RIP] = (greg_t)tr_escape;
	g[REG_RSP] = (greg_t)tr_stack;
	g[REG_EFL] = 0x202;
}

__unused static void tr_catch_faults(void)
{
	static const int signo[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	static char stack[65536];
	struct sigaction act = { .sa_sigaction = tr_on_fault,
				 .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signo); i++)
		sigaction(signo[i], &act, NULL);
}

/* tr_seen.count is 0 where it did not fault. */
__unused static void tr_run_fault(struct tr_regs *r, void *piece)
{
	memset(&tr_seen, 0, sizeof(tr_seen));
	tr_run(r, piece);
}

__unused static const char *tr_signal_name(int signo)
{
	return signo == 0	  ? "no signal"
	       : signo == SIGSEGV ? "SIGSEGV"
	       : signo == SIGBUS  ? "SIGBUS"
	       : signo == SIGILL  ? "SIGILL"
	       : signo == SIGFPE  ? "SIGFPE"
	       : signo == SIGTRAP ? "SIGTRAP"
				  : "another signal";
}

#endif
