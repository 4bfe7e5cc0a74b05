/* tr_flow: all the ways in which control leaves a block that is not over, and
 * comes back. It does the same each time, instruction by instruction. */
#include "tr.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile int caught;
static sigjmp_buf out;
static char *page;

static void on_count(int signo)
{
	(void)signo;
	caught++;
}

static void on_jump(int signo)
{
	siglongjmp(out, signo);
}

static void on_repair(int signo)
{
	(void)signo;
	caught++;
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void on_skip(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	(void)info;
	caught++;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

static void handle(int signo, void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	sigaction(signo, &act, NULL);
}

static void signals(void)
{
	handle(SIGUSR1, on_count, 0);
	handle(SIGUSR2, SIG_IGN, 0);
	for (int i = 0; i < 5; i++) {
		raise(SIGUSR1);
		raise(SIGUSR2);
		raise(SIGWINCH);
	}
	say("%d", caught);
}

/* In the middle of a block, of a string instruction, of a call's push. */
static void faults(void)
{
	struct sigaction act = { .sa_sigaction = on_skip,
				 .sa_flags = SA_SIGINFO };
	volatile int n = 0;

	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGSEGV, on_jump, SA_NODEFER);
	for (int i = 0; i < 3; i++) {
		mprotect(page, 4096, PROT_NONE);
		if (!sigsetjmp(out, 1))
			page[i] = (char)n;
		n++;
	}
	handle(SIGSEGV, on_repair, 0);
	for (int i = 0; i < 3; i++) {
		char *at = page + 4096 + 64;
		long count = 128;

		mprotect(page, 4096, PROT_NONE);
		__asm__ volatile("std\n\trep stosb\n\tcld"
				 : "+D"(at), "+c"(count)
				 : "a"(i)
				 : "memory");
	}
	sigaction(SIGILL, &act, NULL);
	for (int i = 0; i < 3; i++)
		__asm__ volatile("incl %0\n\tud2\n\tincl %0" : "+m"(n));
	handle(SIGTRAP, on_count, SA_NODEFER); /* who steps would reset it */
	for (int i = 0; i < 3; i++)
		__asm__ volatile("incl %0\n\tint3\n\tincl %0" : "+m"(n));
	say("%d %d", n, caught);
}

static int ends[2];

/* Far enough away to find the program waiting, even if it is stepped. */
static void alarm_soon(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 300000 } },
		  NULL);
}

static void on_alarm(int signo)
{
	(void)signo;
	if (++caught == 1)
		alarm_soon();
	else if (caught == 2 && write(ends[1], "x", 1) != 1)
		caught = -1;
}

/* A call that is made again, and one that is not. */
static void restarts(void)
{
	char c = 0;
	int n;

	if (pipe(ends) < 0)
		return;
	handle(SIGALRM, on_alarm, SA_RESTART);
	caught = 0;
	alarm_soon();
	n = (int)read(ends[0], &c, 1);
	say("%d %c", n, c);
	handle(SIGALRM, on_alarm, 0);
	alarm_soon();
	n = (int)read(ends[0], &c, 1);
	say("%d %d", n, errno == EINTR);
}

/* String instructions, loops, and branches of all kinds. */
static long leaf(long n)
{
	return n * 3;
}

static long fib(long n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static long by_table(long n)
{
	switch (n % 7) {
	case 0:
		return leaf(n);
	case 1:
		return n + 5;
	case 2:
		return n ^ 77;
	case 3:
		return fib(n % 5);
	case 4:
		return n << 2;
	case 5:
		return -n;
	default:
		return 1;
	}
}

static void branches(void)
{
	long (*volatile fns[])(long) = { leaf, fib, by_table };
	static char from[300], to[300];
	long sum = 0, count;

	for (long i = 0; i < 40; i++) {
		void *d = to, *s = from;

		sum += fns[i % 3](i % 9);
		sum += by_table(i);
		count = i;
		__asm__ volatile("rep movsb\n"
				 : "+D"(d), "+S"(s), "+c"(count)
				 :
				 : "memory");
		count = i + 1;
		__asm__ volatile("1:	add	%0, %1\n"
				 "	loop	1b\n"
				 "	jrcxz	2f\n"
				 "	ud2\n"
				 "2:	jmp	4f\n"
				 "3:	jmp	5f\n"
				 "4:	jmp	3b\n"
				 "5:\n"
				 : "+c"(count), "+r"(sum));
	}
	say("%ld", sum);
}

/* Of shared code, which is changed: the same place is other blocks. */
static void changes(void)
{
	uint8_t *code = mmap(
		(void *)0x123400000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	long sum = 0;

	for (int i = 0; i < 20; i++) {
		/* mov $i, %eax; (nop;) ret */
		memcpy(code, "\xb8\0\0\0\0\x90\xc3", 7);
		code[1] = (uint8_t)(i / 4);
		if (i % 3 == 0)
			code[5] = 0xc3;
		for (int k = 0; k < 3; k++)
			sum += ((int (*)(void))(void *)code)();
	}
	say("%ld", sum);
}

/* Stores that could arm a restartable sequence, as long as nobody knows better:
 * RSEQ_SIG is on their page. That may change, too. */
static void stores(void)
{
	/* nop; mov %rsi, 8(%rdi); nop; ret */
	static const uint8_t bytes[] = { 0x90, 0x48, 0x89, 0x77, 0x08, 0x90,
					 0xc3, 0x53, 0x30, 0x05, 0x53 };
	uint8_t *code = mmap(
		(void *)0x123500000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	long to[2] = { 0, 0 }, sum = 0;

	for (int i = 0; i < 60; i++) {
		uint8_t *at = code + i % 20 * 64;

		if (i < 20)
			memcpy(at, bytes, sizeof(bytes));
		((void (*)(long *, long))(void *)at)(to, i);
		sum += to[1];
	}
	say("%ld", sum);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "branches", branches }, { "signals", signals },
		{ "faults", faults },	  { "restarts", restarts },
		{ "changes", changes },	  { "stores", stores },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
