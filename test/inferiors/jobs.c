/*
 * jobs MODE: job control, seen from all sides.
 *
 *	self SIG N	N threads count turns; this one sends SIG to the process,
 *			then waits for go, and ends with 3
 *	shell		a child counts turns until go is set, ends with 5; this
 *			one prints the child's id, then what waitpid() tells of
 *			it: "stopped N", "continued", "ended N", "killed N"
 *	value		handles SIGUSR1 for ever, and keeps what it was told
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int go, ready, handled, told_value, told_pid;
volatile unsigned turns;

static void on_signal(int signo, siginfo_t *si, void *context)
{
	(void)signo, (void)context;
	told_value = si->si_value.sival_int;
	told_pid = si->si_pid;
	handled++;
}

static void *count(void *arg)
{
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!go) {
		__atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
		usleep(500);
	}
	return arg;
}

__attribute__((noinline)) void sent(void)
{
	__asm__ volatile("");
}

static int self(int sig, int n)
{
	pthread_t t;

	for (int i = 0; i < n; i++) {
		if (pthread_create(&t, NULL, count, NULL))
			return 1;
	}
	while (ready < n)
		usleep(100);
	kill(getpid(), sig);
	sent();
	count(NULL);
	return 3;
}

static void print(const char *what, int n)
{
	printf("%s %d\n", what, n);
	fflush(stdout);
}

static int shell(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		count(NULL);
		_exit(5);
	}
	print("child", pid);
	while (waitpid(pid, &status, WUNTRACED | WCONTINUED) == pid) {
		if (WIFSTOPPED(status))
			print("stopped", WSTOPSIG(status));
		else if (WIFCONTINUED(status))
			print("continued", 0);
		else if (WIFEXITED(status))
			print("ended", WEXITSTATUS(status));
		else
			print("killed", WTERMSIG(status));
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO,
	};
	const char *mode = argc > 1 ? argv[1] : "";

	alarm(60);
	sigaction(SIGUSR1, &sa, NULL);
	if (!strcmp(mode, "self"))
		return self(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(mode, "shell"))
		return shell();
	print("ready", 0);
	count(NULL);
	return 0;
}
