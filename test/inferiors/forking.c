/*
 * forking MODE: children that meet what their parent's debugger left.
 *
 *	vfork N		N vfork children call meet() and exit with 7
 *	vfork-exec	a vfork child calls meet(), execs itself as "child"
 *	vfork-long [N]	a vfork child calls meet() for half a second, or N
 *			times, a millisecond apart, unless enough is set
 *	vfork-threads	the same, while a thread naps; then says so, and ends
 *			with SIGUSR1
 *	fork N		N children call meet() and exit with 7
 *	shared		meet() lies in writable memory that is shared with the
 *			child, which calls it, too, a hundred times
 *	watch		the child writes watched, then exits with 7
 *	clone		a process that shares memory but is no thread
 *	file PATH	shared_code points to a shared mapping of PATH's code,
 *			which is called a few times
 * Ends with 0 when every child ended well; meets counts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile int meets, watched, enough;
void (*volatile shared_code)(void);
static char stack[65536];

__attribute__((noinline)) void meet(void)
{
	meets++;
}

__attribute__((noinline)) void mapped(void)
{
	meets++;
}

__attribute__((noinline)) void end(void)
{
	meets++;
}

static int ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, __WALL) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 7;
}

static int many(int n, int shared)
{
	int bad = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = shared ? vfork() : fork();

		if (pid == 0) {
			meet();
			meet();
			_exit(7);
		}
		bad += !ended_well(pid);
	}
	return bad;
}

static int vfork_exec(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		meet();
		execl("/proc/self/exe", "forking", "child", (char *)NULL);
		_exit(1);
	}
	return !ended_well(pid);
}

static int vfork_long(int n)
{
	struct timespec ms = { 0, 1000000 };
	pid_t pid = vfork();

	if (pid == 0) {
		for (int i = 0; i < n && !enough; i++) {
			meet();
			nanosleep(&ms, NULL);
		}
		_exit(7);
	}
	return !ended_well(pid);
}

static void *nap(void *arg)
{
	struct timespec ms = { 0, 1000000 };

	for (;;)
		nanosleep(&ms, NULL);
	return arg;
}

static int vfork_threads(void)
{
	pthread_t thread;
	sigset_t set;
	int sig, bad;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_create(&thread, NULL, nap, NULL);
	bad = vfork_long(500);
	puts("waits");
	fflush(stdout);
	sigwait(&set, &sig);
	return bad;
}

/* mov eax, 1; ret */
static const unsigned char code[] = { 0xb8, 1, 0, 0, 0, 0xc3 };

static int shared(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	memcpy(p, code, sizeof(code));
	shared_code = (void (*)(void))p;
	mapped();
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++)
			shared_code();
		_exit(7);
	}
	if (!ended_well(pid))
		return 1;
	shared_code();
	return 0;
}

static int in_clone(void *arg)
{
	meet();
	return arg ? 7 : 1;
}

static int watch(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		watched = 5;
		_exit(7);
	}
	if (!ended_well(pid))
		return 1;
	watched = 6;
	return 0;
}

static int file(const char *path)
{
	int fd = open(path, O_RDONLY);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return 2;
	shared_code = (void (*)(void))p;
	mapped();
	for (int i = 0; i < 5; i++)
		shared_code();
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 3, bad = 1;

	alarm(60);
	if (!strcmp(mode, "child"))
		return 7;
	if (!strcmp(mode, "vfork") || !strcmp(mode, "fork"))
		bad = many(n, *mode == 'v');
	else if (!strcmp(mode, "vfork-exec"))
		bad = vfork_exec();
	else if (!strcmp(mode, "vfork-long"))
		bad = vfork_long(argc > 2 ? n : 500);
	else if (!strcmp(mode, "vfork-threads"))
		bad = vfork_threads();
	else if (!strcmp(mode, "shared"))
		bad = shared();
	else if (!strcmp(mode, "watch"))
		bad = watch();
	else if (!strcmp(mode, "clone"))
		bad = !ended_well(clone(in_clone, stack + sizeof(stack),
					CLONE_VM | SIGCHLD, argv));
	else if (!strcmp(mode, "file"))
		bad = file(argv[2]);
	end();
	puts(bad ? "bad" : "well");
	return bad;
}
