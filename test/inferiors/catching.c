/*
 * catching MODE: system calls to be caught.
 *
 *	plain	getppid(), write() to no file, getppid()
 *	other	getpid() by the i386 convention (from 64-bit code, too)
 *	fork, vfork	a child that calls getppid(); then this one does
 *	exec PROG ARG	executes that
 *	handler	a signal of its own, handled between two getppid()
 *	sleep	naps for ever; signals are handled, and calls restarted
 *	threads N	N threads that call getppid() a hundred times each
 *	loop	calls getppid() and naps for ever
 *	busy	two threads that call getppid() until over is set
 *
 * Exits with 0 when all results were right.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int handled, over, turns;
volatile long result;

__attribute__((noinline)) void begin(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) void end(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) int call_me(int n)
{
	return n + 1;
}

static void check(int right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "wrong: %s\n", what);
	_exit(1);
}

static long parent(void)
{
	result = syscall(SYS_getppid);
	return result;
}

static void plain(void)
{
	long n;

	check(parent() > 0, "getppid");
	n = write(-1, "", 1);
	check(n == -1 && errno == EBADF, "write");
	check(parent() > 0, "getppid");
}

static void other(void)
{
	long n;

	__asm__ volatile("int $0x80" : "=a"(n) : "a"(20L) : "memory");
	check(n == getpid(), "getpid");
}

static void forks(pid_t (*how)(void))
{
	pid_t pid = how();
	int status;

	if (!pid) {
		syscall(SYS_getppid);
		_exit(3);
	}
	check(waitpid(pid, &status, 0) == pid && status == 3 << 8, "child");
	check(parent() > 0, "getppid");
}

static void on_signal(int sig)
{
	handled += sig > 0;
}

static void handle(int sig)
{
	struct sigaction sa = {
		.sa_handler = on_signal,
		.sa_flags = SA_RESTART,
	};

	sigaction(sig, &sa, NULL);
}

static void handler(void)
{
	parent();
	raise(SIGUSR1);
	parent();
	check(handled == 1, "handled");
}

static void naps(void)
{
	int fd[2];
	char c;

	check(pipe(fd) == 0, "pipe");
	result = 1;
	puts("ready");
	fflush(stdout);
	result = read(fd[0], &c, 1); /* nobody writes */
}

static void *call_often(void *arg)
{
	for (int i = 0; i < 100; i++)
		syscall(SYS_getppid);
	__atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void threads(int n)
{
	pthread_t t[64];

	for (int i = 0; i < n; i++)
		check(!pthread_create(&t[i], NULL, call_often, NULL), "thread");
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	check(turns == n, "turns");
}

static void loop(void)
{
	puts("ready");
	fflush(stdout);
	for (;;) {
		parent();
		turns++;
		usleep(1000);
	}
}

static void *call_on(void *arg)
{
	while (!over)
		check(parent() > 0, "getppid");
	return arg;
}

static void busy(void)
{
	pthread_t t;

	check(!pthread_create(&t, NULL, call_on, NULL), "thread");
	call_on(NULL);
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "plain";

	alarm(60);
	handle(SIGUSR1);
	begin();
	if (!strcmp(mode, "plain"))
		plain();
	else if (!strcmp(mode, "other"))
		other();
	else if (!strcmp(mode, "fork"))
		forks(fork);
	else if (!strcmp(mode, "vfork"))
		forks(vfork);
	else if (!strcmp(mode, "exec"))
		execv(argv[2], argv + 2);
	else if (!strcmp(mode, "handler"))
		handler();
	else if (!strcmp(mode, "sleep"))
		naps();
	else if (!strcmp(mode, "threads"))
		threads(atoi(argv[2]));
	else if (!strcmp(mode, "loop"))
		loop();
	else if (!strcmp(mode, "busy"))
		busy();
	end();
	return argc == 1 ? call_me(-1) : 0;
}
