/* tr_restart: system calls that block, interrupted by signals that have a
 * handler (with SA_RESTART and without), by stops, and by other processes. */
#include "tr.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile int caught;
static int ends[2];

static void on_alarm(int signo)
{
	(void)signo;
	caught++;
}

static void on_alarm_write(int signo)
{
	(void)signo;
	if (++caught == 3 && write(ends[1], "x", 1) != 1)
		caught = -1;
}

static void handle(int signo, void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	sigaction(signo, &act, NULL);
}

/* SIGALRM after 5 ms, again every so many. */
static void start_alarm(int every_ms)
{
	struct itimerval timer = { { 0, every_ms * 1000 }, { 0, 5000 } };

	caught = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void stop_alarm(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

static void interrupted(void)
{
	struct pollfd p = { .events = POLLIN };
	struct timespec second = { 1, 0 }, left = { 0, 0 };
	sigset_t none;
	fd_set set;
	char c;

	handle(SIGALRM, on_alarm, 0);
	for (int i = 0; i < 5; i++) {
		start_alarm(50);
		EXPECT(read(ends[0], &c, 1), -1);
		EXPECT(errno, EINTR);
		start_alarm(50);
		EXPECT(nanosleep(&second, &left), -1);
		EXPECT(errno, EINTR);
		CHECK(left.tv_nsec > 0 && left.tv_sec == 0);
		start_alarm(50);
		p.fd = ends[0];
		EXPECT(poll(&p, 1, 1000), -1);
		EXPECT(errno, EINTR);
		start_alarm(50);
		FD_ZERO(&set);
		FD_SET(ends[0], &set);
		EXPECT(select(ends[0] + 1, &set, NULL, NULL, NULL), -1);
		EXPECT(errno, EINTR);
		start_alarm(50);
		EXPECT(pause(), -1);
		EXPECT(errno, EINTR);
		start_alarm(50);
		sigemptyset(&none);
		EXPECT(sigsuspend(&none), -1);
		EXPECT(errno, EINTR);
		CHECK(caught > 0);
		stop_alarm();
	}
}

static void restarted(void)
{
	char c = 0;

	handle(SIGALRM, on_alarm_write, SA_RESTART);
	for (int i = 0; i < 5; i++) {
		start_alarm(5);
		EXPECT(read(ends[0], &c, 1), 1);
		stop_alarm();
		EXPECT(c, 'x');
		CHECK(caught >= 3);
	}
	handle(SIGALRM, SIG_DFL, 0);
}

/* Whether pid sleeps in a call of this file: /proc/PID/syscall, proc(5). */
static bool sleeps(pid_t pid)
{
	char path[64];
	int nr = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%d", &nr) != 1)
		nr = -1;
	fclose(file);
	return nr == SYS_clock_nanosleep || nr == SYS_nanosleep ||
	       nr == SYS_poll || nr == SYS_wait4;
}

/* A child that waits until we sleep, stops and continues us n times, then
 * exits with 7. */
static pid_t stopper(int n, int signo)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	while (!sleeps(parent) && getppid() == parent)
		usleep(1000);
	for (int i = 0; i < n; i++) {
		usleep(5000);
		kill(parent, signo);
		usleep(5000);
		kill(parent, SIGCONT);
	}
	_exit(7);
}

static int ended_with(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Stopped in the middle, nanosleep goes on by restart_syscall. */
static void stopped(void)
{
	struct timespec while_ = { 0, 100000000 };
	struct pollfd p = { .fd = ends[0], .events = POLLIN };
	pid_t pid = stopper(4, SIGSTOP);

	EXPECT(nanosleep(&while_, NULL), 0);
	EXPECT(ended_with(pid), 7);
	pid = stopper(4, SIGSTOP);
	EXPECT(poll(&p, 1, 100), 0);
	EXPECT(ended_with(pid), 7);
	pid = stopper(4, SIGSTOP);
	EXPECT(ended_with(pid), 7);
}

/* A handler for SIGCONT ends it with EINTR; ignored, it does not. */
static void continued(void)
{
	struct timespec while_ = { 5, 0 };
	pid_t pid;

	handle(SIGCONT, on_alarm, 0);
	caught = 0;
	pid = stopper(1, SIGSTOP);
	EXPECT(nanosleep(&while_, NULL), -1);
	EXPECT(errno, EINTR);
	EXPECT(ended_with(pid), 7);
	EXPECT(caught, 1);
	handle(SIGCONT, SIG_DFL, 0);
	handle(SIGUSR1, SIG_IGN, 0);
	while_ = (struct timespec){ 0, 50000000 };
	pid = stopper(3, SIGUSR1);
	EXPECT(nanosleep(&while_, NULL), 0);
	EXPECT(ended_with(pid), 7);
	handle(SIGUSR1, SIG_DFL, 0);
}

/* Signals that wait are taken in the call that lets them in. */
static void let_in(void)
{
	struct timespec second = { 1, 0 };
	struct pollfd p = { .fd = ends[0], .events = POLLIN };
	sigset_t block, before, none;
	siginfo_t info;

	handle(SIGUSR1, on_alarm, 0);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &before);
	caught = 0;
	raise(SIGUSR1);
	EXPECT(caught, 0);
	EXPECT(ppoll(&p, 1, &second, &none), -1);
	EXPECT(errno, EINTR);
	EXPECT(caught, 1);
	raise(SIGUSR1);
	EXPECT(sigtimedwait(&block, &info, &second), SIGUSR1);
	EXPECT(info.si_pid, getpid());
	raise(SIGUSR1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	EXPECT(caught, 2);
	second.tv_sec = 0;
	EXPECT(sigtimedwait(&block, &info, &second), -1);
	EXPECT(errno, EAGAIN);
	handle(SIGUSR1, SIG_DFL, 0);
}

/* Bytes through a pipe and a socket pair to a child and back. */
static void ping_pong(void)
{
	int pair[2];
	pid_t pid;
	long sum = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		unsigned char c;

		close(pair[0]);
		while (read(pair[1], &c, 1) == 1) {
			c = (unsigned char)(c * 7 + 1);
			if (write(pair[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(9);
	}
	close(pair[1]);
	for (int i = 0; i < 500; i++) {
		unsigned char c = (unsigned char)i;

		EXPECT(write(pair[0], &c, 1), 1);
		EXPECT(read(pair[0], &c, 1), 1);
		sum = sum * 3 + c;
	}
	close(pair[0]);
	EXPECT(ended_with(pid), 9);
	say("%#lx", sum);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "interrupted", interrupted }, { "restarted", restarted },
		{ "stopped", stopped },		{ "continued", continued },
		{ "let_in", let_in },		{ "ping_pong", ping_pong },
	};

	if (pipe(ends) != 0)
		return 2;
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
