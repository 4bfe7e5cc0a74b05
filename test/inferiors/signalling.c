/*
 * signalling MODE: signals and system calls that a debugger comes between.
 *
 *	blocked		blocks all signals, leads its own session, spins
 *	daemon		forks a child that leads its own session and calls
 *			work() for ever; ends itself
 *	nanosleep read poll futex	sits in that call, for ever (read) or 0.3 s;
 *			the call must not fail: status 0, else 1
 *	storm [N [US]]	SIGALRM every 100 or US us while work() is called a
 *			lot; ends with 6 when done has counted N, 5000
 *	handler		raises SIGUSR1, whose handler counts; ends with count
 *	raise N		raises the signal N
 *	loop		calls work() for ever, 1 ms apart
 *	exit N		ends with N
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

volatile int go, done, handled, word;
volatile long got;

__attribute__((noinline)) void work(void)
{
	done++;
}

__attribute__((noinline)) void on_signal(int signo)
{
	handled += signo ? 1 : 0;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	ready();
	for (;;)
		done++;
}

static int loop(void)
{
	ready();
	while (!go) {
		work();
		usleep(1000);
	}
	return 3;
}

static int be_daemon(void)
{
	if (fork())
		return 0;
	setsid();
	return loop();
}

/* The instruction has a name, for a breakpoint right on it. */
__attribute__((noinline)) long call(long nr, long a, long b, long c, long d)
{
	long ret;

#ifdef __x86_64__
	register long r10 __asm__("r10") = d;

	__asm__ volatile(".globl the_call\nthe_call: syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile(".globl the_call\nthe_call: int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory");
#endif
	return ret;
}

__attribute__((noinline)) void called(long ret)
{
	got = ret;
}

static int in_call(const char *mode)
{
	struct timespec t = { 0, 300000000 };
	struct pollfd p = { .events = POLLIN };
	struct itimerval off = { 0 };
	int fd[2];
	char c;

	if (pipe(fd))
		return 2;
	p.fd = fd[0];
	ready();
	if (!strcmp(mode, "nanosleep"))
		called(call(SYS_nanosleep, (long)&t, (long)&t, 0, 0));
	else if (!strcmp(mode, "poll"))
		called(call(SYS_poll, (long)&p, 1, 300, 0));
	else if (!strcmp(mode, "futex"))
		called(call(SYS_futex, (long)&word, FUTEX_WAIT, 0, (long)&t) ==
		       -ETIMEDOUT ? 0 : -1);
	else
		called(call(SYS_read, fd[0], (long)&c, 1, 0));
	setitimer(ITIMER_REAL, &off, NULL);
	return got ? 1 : 0;
}

static int storm(int n, int us)
{
	struct itimerval often = { { 0, us }, { 0, us } };

	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	while (done < n)
		work();
	return 6;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;

	alarm(60);
	if (!strcmp(mode, "blocked")) {
		block_all();
	} else if (!strcmp(mode, "storm")) {
		return storm(n ? n : 5000, argc > 3 ? atoi(argv[3]) : 100);
	} else if (!strcmp(mode, "handler")) {
		signal(SIGUSR1, on_signal);
		raise(SIGUSR1);
		work();
		return handled;
	} else if (!strcmp(mode, "raise")) {
		raise(n);
		work();
	} else if (!strcmp(mode, "loop")) {
		return loop();
	} else if (!strcmp(mode, "daemon")) {
		return be_daemon();
	} else if (!strcmp(mode, "exit")) {
		return n;
	} else {
		return in_call(mode);
	}
	return 0;
}
