/* tr_signal: handlers that look at registers and change them, jump out, nest,
 * are masked, run on stacks of their own; signals queued and pending. */
#include "tr_run.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile int caught[65];
static sigjmp_buf out;

static void catch (int signo, void (*handler)(int, siginfo_t *, void *),
		   int flags, int also_blocked)
{
	struct sigaction act = { .sa_sigaction = handler,
				 .sa_flags = SA_SIGINFO | flags };

	if (also_blocked)
		sigaddset(&act.sa_mask, also_blocked);
	caught[signo] = 0;
	sigaction(signo, &act, NULL);
}

static void on_count(int signo, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	caught[signo]++;
}

/* --- changed registers --- */

PIECE(illegal, "	ud2");
PIECE(illegal_far, "	ud2\n	ud2\n	.fill 100,1,6\n"
		   "	.globl landing\nlanding:	call 1f\n	ret\n"
		   "1:	nop");
extern char landing[];

static const struct tr_regs *put;
static void *put_rip;
static double put_xmm;

static void on_put(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	const unsigned long *r = (const unsigned long *)put;
	static const int where[] = { REG_RAX, REG_RBX, REG_RCX, REG_RDX,
				     REG_RSI, REG_RDI, REG_RBP, -1,
				     REG_R8,  REG_R9,  REG_R10, REG_R11,
				     REG_R12, REG_R13, REG_R14, REG_R15,
				     REG_EFL };

	(void)info;
	caught[signo]++;
	for (int i = 0; i < 17; i++)
		if (where[i] >= 0)
			g[where[i]] = (greg_t)r[i];
	memcpy(&uc->uc_mcontext.fpregs->_xmm[5], &put_xmm, sizeof(put_xmm));
	g[REG_RIP] = put_rip ? (greg_t)put_rip : g[REG_RIP] + 2;
}

static void changed(void)
{
	struct tr_regs r, want;
	double xmm;

	catch (SIGILL, on_put, 0, 0);
	for (int i = 0; i < 20; i++) {
		tr_fill(&r);
		tr_fill(&want);
		for (int k = 0; k < 16; k++)
			((unsigned long *)&want)[k] ^= 0x5511000000000000;
		want.flags |= i & 1 ? TR_STATUS : TR_DF | TR_CF;
		put = &want;
		put_rip = i & 2 ? landing : NULL;
		put_xmm = 1.5 * i;
		tr_run(&r, i & 2 ? illegal_far : illegal);
		__asm__("movsd %%xmm5,%0" : "=m"(xmm));
		want.rsp = tr_stack;
		tr_same(&r, &want);
		CHECK(xmm == 1.5 * i);
	}
	EXPECT(caught[SIGILL], 20);
}

/* As a virtual machine's null checks: skipped loads, thousands of times. */
PIECE(null_checks, "	mov $0,%eax\n	mov $0,%edx\n"
		   "1:	mov (%rdx),%rcx\n	inc %eax\n"
		   "	mov 8(%rdx),%ecx\n	inc %eax\n"
		   "	movzbl 5(%rdx),%ecx\n	inc %eax\n"
		   "	dec %rdi\n	jnz 1b");

static unsigned long null_sum;

static void on_null(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	unsigned char *at = (unsigned char *)g[REG_RIP];

	caught[signo]++;
	null_sum += (unsigned long)info->si_addr;
	g[REG_RIP] += at[0] == 0x48 ? 3 : at[0] == 0x0f ? 4 : 3;
	g[REG_RCX] = 7;
}

static void skipped(void)
{
	struct tr_regs r;

	catch (SIGSEGV, on_null, 0, 0);
	tr_fill(&r);
	r.rdi = 1000;
	null_sum = 0;
	tr_run(&r, null_checks);
	EXPECT(r.rax, 3000);
	EXPECT(caught[SIGSEGV], 3000);
	EXPECT(null_sum, 13000);
	EXPECT(r.rcx, 7);
	signal(SIGSEGV, SIG_DFL);
}

/* --- jumping out --- */

static void on_leave(int signo, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	caught[signo]++;
	siglongjmp(out, signo);
}

static void left(void)
{
	volatile int n = 0;
	char *volatile nowhere = NULL;

	catch (SIGSEGV, on_leave, 0, 0);
	catch (SIGFPE, on_leave, 0, 0);
	while (n < 2000) {
		if (sigsetjmp(out, 1) != 0) {
			n++;
			continue;
		}
		if (n & 1)
			*nowhere = 1;
		else
			raise(SIGFPE);
	}
	EXPECT(caught[SIGSEGV], 1000);
	EXPECT(caught[SIGFPE], 1000);
	signal(SIGSEGV, SIG_DFL);
}

/* --- nested, masked --- */

static volatile int depth, deepest;

static void on_nest(int signo, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	caught[signo]++;
	if (++depth > deepest)
		deepest = depth;
	if (caught[SIGUSR1] + caught[SIGUSR2] < 20)
		raise(signo == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	depth--;
}

static void nested(void)
{
	depth = deepest = 0;
	catch (SIGUSR1, on_nest, SA_NODEFER, 0);
	catch (SIGUSR2, on_nest, SA_NODEFER, 0);
	raise(SIGUSR1);
	EXPECT(deepest, 20);
	EXPECT(caught[SIGUSR1] + caught[SIGUSR2], 20);
	/* each blocks itself, one blocks both: two deep, again and again */
	deepest = 0;
	catch (SIGUSR1, on_nest, 0, 0);
	catch (SIGUSR2, on_nest, 0, SIGUSR1);
	raise(SIGUSR1);
	say("masked: %d deep, %d and %d", deepest, caught[SIGUSR1],
	    caught[SIGUSR2]);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}

/* --- stacks --- */

static char stack[4][65536] __attribute__((aligned(16)));
static volatile int which;

static void on_stack(int signo, siginfo_t *info, void *context)
{
	char *here = __builtin_frame_address(0);

	(void)info;
	(void)context;
	caught[signo] +=
		here >= stack[which] && here < stack[which] + sizeof(stack[0]);
}

static void stacks(void)
{
	stack_t alternate = { .ss_size = sizeof(stack[0]) };

	catch (SIGUSR1, on_stack, SA_ONSTACK, 0);
	for (which = 0; which < 4; which++) {
		alternate.ss_sp = stack[which];
		alternate.ss_flags = which == 3 ? (int)(1u << 31) : 0;
		EXPECT(sigaltstack(&alternate, NULL), 0);
		raise(SIGUSR1);
		EXPECT(caught[SIGUSR1], which + 1);
	}
	alternate.ss_flags = SS_DISABLE;
	sigaltstack(&alternate, NULL);
}

static volatile int frames;

__attribute__((noinline)) static int recurse(int n)
{
	volatile char use[256];

	use[0] = (char)n;
	frames++;
	return n < 0 ? 0 : recurse(n + 1) + use[0];
}

static void overflow(void)
{
	stack_t alternate = { .ss_sp = stack[0], .ss_size = sizeof(stack[0]) };
	struct rlimit limit = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_STACK, &limit);
	sigaltstack(&alternate, NULL);
	catch (SIGSEGV, on_leave, SA_ONSTACK, 0);
	for (volatile int i = 0; i < 5; i++) {
		frames = 0;
		if (sigsetjmp(out, 1) == 0)
			recurse(0);
		CHECK(frames > 1000);
	}
	EXPECT(caught[SIGSEGV], 5);
	signal(SIGSEGV, SIG_DFL);
}

/* --- queues, masks, dispositions --- */

static volatile int values[32], n_values;

static void on_value(int signo, siginfo_t *info, void *context)
{
	(void)context;
	caught[signo]++;
	if (n_values < 32)
		values[n_values++] = info->si_value.sival_int;
}

static void queued(void)
{
	sigset_t block, before, pending;

	n_values = 0;
	catch (SIGRTMIN + 3, on_value, 0, 0);
	catch (SIGUSR1, on_count, 0, 0);
	sigemptyset(&block);
	sigaddset(&block, SIGRTMIN + 3);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &before);
	for (int i = 0; i < 20; i++) {
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ i * i });
		raise(SIGUSR1);
	}
	sigpending(&pending);
	EXPECT(sigismember(&pending, SIGUSR1), 1);
	EXPECT(n_values, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	EXPECT(n_values, 20);
	EXPECT(caught[SIGUSR1], 1);
	for (int i = 0; i < n_values; i++)
		EXPECT(values[i], i * i);
}

static void on_mask(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	caught[signo]++;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	sigaddset(&uc->uc_sigmask, signo);
}

static void mask_after(void)
{
	sigset_t now, none;

	sigemptyset(&none);
	catch (SIGUSR1, on_mask, SA_RESETHAND, 0);
	raise(SIGUSR1);
	sigprocmask(SIG_SETMASK, &none, &now);
	EXPECT(sigismember(&now, SIGUSR2), 1);
	EXPECT(sigismember(&now, SIGUSR1), 1);
	EXPECT(caught[SIGUSR1], 1);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	EXPECT(caught[SIGUSR1], 1);
	signal(SIGUSR1, SIG_DFL);
}

/* A restorer of one's own, as runtimes without libc have. */
PIECE(my_restorer, "	nop\n	push $15\n	pop %rax\n	jmp 1f\n"
		   "	ud2\n1:	syscall\n	ud2");

static void restorer(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} act = { on_count, SA_SIGINFO | 0x04000000, my_restorer, 0 };
	struct tr_regs r, before;

	caught[SIGUSR1] = 0;
	EXPECT(syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8), 0);
	for (int i = 0; i < 10; i++) {
		raise(SIGUSR1);
		EXPECT(caught[SIGUSR1], i + 1);
	}
	signal(SIGUSR1, SIG_DFL);
	tr_fill(&r);
	before = r;
	tr_run(&r, landing);
	before.rsp = r.rsp;
	tr_same(&r, &before);
}

/* --- one that waits --- */

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* A SIGCONT that is blocked is there still when more code was run: a stop would
 * take it back. */
static void continued(void)
{
	int unsorted[32] = { 3, 1, 2 };
	sigset_t set, old;

	catch (SIGCONT, on_count, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 1; i <= 5; i++) {
		kill(getpid(), SIGCONT);
		/* Code is run for the first time, and maps are changed. */
		qsort(unsorted, 32, sizeof(int), by_value);
		free(malloc((size_t)i << 20));
		EXPECT(caught[SIGCONT], i - 1);
		sigpending(&set);
		CHECK(sigismember(&set, SIGCONT) == 1);
		sigsuspend(&old);
		EXPECT(caught[SIGCONT], i);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGCONT, SIG_DFL);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "changed", changed },	  { "skipped", skipped },
		{ "left", left },	  { "nested", nested },
		{ "stacks", stacks },	  { "overflow", overflow },
		{ "queued", queued },	  { "mask_after", mask_after },
		{ "restorer", restorer }, { "continued", continued },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
