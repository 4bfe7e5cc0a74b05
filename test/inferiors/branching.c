/*
 * branching PIECE...: control goes where no branch leads, again and again, and
 * then something is written. Pieces:
 *
 *	signals		handlers that return
 *	nested		handlers within handlers
 *	jumps		out of a handler by siglongjmp(), and by longjmp()
 *	faults		instructions that fault, and are skipped
 *	strings		rep movsb and the like, of several lengths
 *	calls		through pointers, recursively, and to tails
 *	thread		... in another thread, for which main waits
 *	fork		... in a child too
 *	exec		... and then in another program
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf out_of_handler;
static volatile int caught, total;

static void count(int signo)
{
	caught += signo;
}

static void nest(int signo)
{
	caught += signo;
	raise(SIGUSR1);
}

static void leave(int signo)
{
	siglongjmp(out_of_handler, signo);
}

/* movl (%rdi), %eax: 2 bytes. */
static void skip(int signo, siginfo_t *info, void *context)
{
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	caught += signo;
}

static void signals(void)
{
	signal(SIGUSR1, count);
	for (int i = 0; i < 5; i++)
		raise(SIGUSR1);
}

static void nested(void)
{
	signal(SIGUSR1, count);
	signal(SIGUSR2, nest);
	for (int i = 0; i < 3; i++)
		raise(SIGUSR2);
}

static void jumps(void)
{
	jmp_buf here;

	signal(SIGUSR1, leave);
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(out_of_handler, 1))
			raise(SIGUSR1);
		if (!setjmp(here))
			longjmp(here, 1);
	}
}

__attribute__((noinline)) static void touch(void *p)
{
	__asm__ volatile(".byte 0x8b, 0x07" : : "D"(p) : "eax", "memory");
}

static void faults(void)
{
	struct sigaction sa = { .sa_sigaction = skip,
				.sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < 3; i++)
		touch((void *)8);
}

static void strings(void)
{
	char from[64] = "abc", to[64];

	for (size_t n = 0; n < 40; n += 13) {
		void *d = to, *s = from;
		size_t c = n;

		__asm__ volatile("rep movsb"
				 : "+D"(d), "+S"(s), "+c"(c)
				 :
				 : "memory");
		d = from, s = to, c = n;
		__asm__ volatile("repe cmpsb"
				 : "+D"(d), "+S"(s), "+c"(c)
				 :
				 : "memory", "cc");
		total += (int)c;
	}
}

__attribute__((noinline)) static int twice(int (*fn)(int), int n)
{
	return fn(n) + fn(n + 1);
}

__attribute__((noinline)) static int factorial(int n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

__attribute__((noinline)) static int tail(int n)
{
	return factorial(n + 1);
}

static void calls(void)
{
	for (int i = 0; i < 6; i++)
		total += twice(i & 1 ? tail : factorial, i);
}

static void *thread_main(void *unused)
{
	(void)unused;
	calls();
	return NULL;
}

static void thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread_main, NULL);
	pthread_join(t, NULL);
}

static void in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		calls();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void other_program(void)
{
	execl("/proc/self/exe", "branching", "calls", NULL);
}

static const struct {
	const char *name;
	void (*fn)(void);
} pieces[] = {
	{ "signals", signals }, { "nested", nested }, { "jumps", jumps },
	{ "faults", faults },	{ "strings", strings }, { "calls", calls },
	{ "thread", thread },	{ "fork", in_child },	{ "exec", other_program },
};

/* A debugger stops here. */
__attribute__((noinline)) static void piece_done(void)
{
	total++;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		for (size_t n = 0; n < sizeof(pieces) / sizeof(*pieces); n++) {
			if (!strcmp(pieces[n].name, argv[i]))
				pieces[n].fn();
		}
		piece_done();
	}
	printf("%d signals\n", caught);
	return fflush(stdout) != 0;
}
