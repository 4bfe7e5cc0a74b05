/* tr_traced: children that want to be traced by their parent, as a debugger's
 * do (PTRACE_TRACEME), forked and vforked; and a thread's; and children that it
 * attaches to. */
#include "tr.h"
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static long word = 0x1234;

static int is_stopped(pid_t pid, int sig)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == sig;
}

static void ends(pid_t pid)
{
	int status;

	CHECK(ptrace(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void forked(void)
{
	pid_t pid = fork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(7);
	}
	CHECK(is_stopped(pid, SIGSTOP));
	CHECK(ptrace(PTRACE_PEEKDATA, pid, &word, 0) == word);
	ends(pid);
}

/* It stops at its exec. */
static void vforked(void)
{
	pid_t pid = vfork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			execl("/proc/self/exe", "tr_traced", "child", NULL);
		_exit(1);
	}
	CHECK(is_stopped(pid, SIGTRAP));
	ends(pid);
}

/* It is attached to as it runs. */
static void attached_by(long request)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		for (;;)
			pause();
	}
	CHECK(ptrace(request, pid, 0, 0) == 0);
	if (request == PTRACE_SEIZE)
		CHECK(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK(is_stopped(pid, request == PTRACE_SEIZE ? SIGTRAP : SIGSTOP));
	CHECK(ptrace(PTRACE_PEEKDATA, pid, &word, 0) == word);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void attached(void)
{
	attached_by(PTRACE_ATTACH);
	attached_by(PTRACE_SEIZE);
}

static void *in_thread(void *arg)
{
	forked();
	vforked();
	return arg;
}

static void threads(void)
{
	pthread_t other;

	pthread_create(&other, NULL, in_thread, NULL);
	pthread_join(other, NULL);
}

/* Nobody can trace himself. */
static void itself(void)
{
	CHECK(ptrace(PTRACE_PEEKDATA, getpid(), &word, 0) == -1);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "forked", forked },	  { "vforked", vforked },
		{ "attached", attached }, { "threads", threads },
		{ "itself", itself },
	};

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 7;
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
