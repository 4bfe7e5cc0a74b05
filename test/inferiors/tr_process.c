/* tr_process: fork, vfork, posix_spawn, system, popen, exec of itself and of
 * others, children that run on without exec, daemons, orphans, stops. */
#include "tr.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;
static char self[4096];

static unsigned long compute(unsigned long x, int n)
{
	while (n--)
		x = x * 6364136223846793005ul + 1442695040888963407ul;
	return x;
}

static int status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Children that compute long, several at a time, and tell by a pipe. */
static void forks(void)
{
	unsigned long sum = 0, x;
	int ends[2];
	pid_t pid[8];

	EXPECT(pipe(ends), 0);
	fflush(stdout);
	for (int round = 0; round < 5; round++) {
		for (unsigned long i = 0; i < 8; i++) {
			pid[i] = fork();
			if (pid[i])
				continue;
			x = compute(i, 200000);
			_exit(write(ends[1], &x, sizeof(x)) != sizeof(x));
		}
		for (int i = 0; i < 8; i++) {
			EXPECT(read(ends[0], &x, sizeof(x)), sizeof(x));
			sum ^= x;
			EXPECT(status_of(pid[i]), 0);
		}
	}
	close(ends[0]);
	close(ends[1]);
	say("%#lx", sum);
}

/* Each child has a child. */
static void generations(void)
{
	volatile int depth = 0;
	pid_t pid;

	fflush(stdout);
	while (depth < 10 && (pid = fork()) == 0)
		depth++;
	if (depth == 10)
		_exit(10);
	if (depth > 0)
		_exit(status_of(pid) == 10 ? 10 : 1);
	EXPECT(status_of(pid), 10);
}

static void vforks(void)
{
	for (int i = 0; i < 20; i++) {
		volatile int seen = 0;
		pid_t pid = vfork();

		if (pid == 0) {
			seen = 1;
			if (i & 1)
				execl("/bin/true", "true", NULL);
			_exit(i & 2 ? 3 : 4);
		}
		EXPECT(seen, 1);
		EXPECT(status_of(pid), i & 1 ? 0 : i & 2 ? 3 : 4);
	}
}

static void spawns(void)
{
	char *good[] = { "sh", "-c", "exit 9", NULL };
	pid_t pid;

	for (int i = 0; i < 10; i++) {
		EXPECT(posix_spawn(&pid, "/bin/sh", NULL, NULL, good, environ),
		       0);
		EXPECT(status_of(pid), 9);
		EXPECT(posix_spawn(&pid, "/no/such", NULL, NULL, good, environ),
		       ENOENT);
		EXPECT(system("exit 5"), 5 << 8);
	}
}

static void pipes(void)
{
	char line[64];
	long sum = 0;
	FILE *f;

	for (int i = 0; i < 5; i++) {
		f = popen("i=0; while [ $i -lt 50 ]; do echo $i; "
			  "i=$((i+1)); done | sort -n | cat",
			  "r");
		while (f && fgets(line, sizeof(line), f))
			sum = sum * 3 + atol(line);
		EXPECT(pclose(f), 0);
	}
	say("%ld", sum);
}

/* --- exec of this very program --- */

static int exec_self(const char *what)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl(self, "again", what, NULL);
		_exit(99);
	}
	return status_of(pid);
}

static void *exec_thread(void *arg)
{
	execl(self, "again", (char *)arg, NULL);
	return NULL;
}

static void execs(void)
{
	pthread_t t;
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		EXPECT(exec_self("exec=0"), 40);
		EXPECT(exec_self("exec=5"), 40);
		fflush(stdout);
		pid = fork();
		if (pid == 0) { /* not from the first thread, others running */
			pthread_create(&t, NULL, exec_thread, "exec=2");
			compute(1, 2000000000);
			_exit(98);
		}
		EXPECT(status_of(pid), 40);
	}
	EXPECT(execl("/no/such", "such", NULL), -1);
	EXPECT(errno, ENOENT);
	EXPECT(execl("/dev/null", "such", NULL), -1);
	EXPECT(errno, EACCES);
}

/* exec=N: N times more, then status 40 */
static int again(int n)
{
	char what[24];

	compute(1, 1000);
	if (n == 0)
		return 40;
	snprintf(what, sizeof(what), "exec=%d", n - 1);
	execl(self, "again", what, NULL);
	return 97;
}

/* --- orphans and stops --- */

static void daemons(void)
{
	unsigned long x = 0;
	int ends[2];
	pid_t pid;

	EXPECT(pipe(ends), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (daemon(0, 1) != 0)
			_exit(1);
		x = compute(7, 3000000);
		_exit(write(ends[1], &x, sizeof(x)) != sizeof(x));
	}
	EXPECT(status_of(pid), 0);
	close(ends[1]);
	EXPECT(read(ends[0], &x, sizeof(x)), sizeof(x));
	EXPECT(read(ends[0], &x, 1), 0);
	close(ends[0]);
	say("%#lx", x);
}

static void stops(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 3; i++) {
			compute(1, 10000);
			raise(SIGSTOP);
		}
		_exit(6);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT(waitpid(pid, &status, WUNTRACED), pid);
		EXPECT(WIFSTOPPED(status) ? WSTOPSIG(status) : -1, SIGSTOP);
		kill(pid, SIGCONT);
	}
	EXPECT(status_of(pid), 6);
	pid = fork();
	if (pid == 0)
		for (;;)
			compute(1, 1000);
	usleep(3000);
	kill(pid, SIGTERM);
	EXPECT(status_of(pid), -SIGTERM);
	pid = fork();
	if (pid == 0)
		*(volatile int *)8 = 1;
	EXPECT(status_of(pid), -SIGSEGV);
}

/* Memory that parent and child share, and that they do not. */
static void memory(void)
{
	volatile long mine = 1;
	volatile long *ours = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	fflush(stdout);
	pid = fork();
	for (int i = 0; i < 10000; i++) {
		mine++;
		__atomic_fetch_add(ours, 1, __ATOMIC_SEQ_CST);
	}
	if (pid == 0)
		_exit(mine == 10001 ? 0 : 1);
	EXPECT(status_of(pid), 0);
	EXPECT(mine, 10001);
	EXPECT(*ours, 20000);
	munmap((void *)ours, 4096);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "forks", forks },	{ "generations", generations },
		{ "vforks", vforks },	{ "spawns", spawns },
		{ "pipes", pipes },	{ "execs", execs },
		{ "daemons", daemons }, { "stops", stops },
		{ "memory", memory },
	};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return 2;
	if (argc == 2 && strncmp(argv[1], "exec=", 5) == 0)
		return again(atoi(argv[1] + 5));
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
