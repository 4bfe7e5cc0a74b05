/*
 * siginfos MODE: one signal of a kind, with a handler that checks what it is
 * told. Ends with 0 when that was all right, or how it differs.
 *
 *	fault		a write to address 0x1230
 *	ill		ud2
 *	kill		to itself
 *	queue		with the value 0x12345678
 *	child		of a child that ended with 7
 *	timer		of a POSIX timer with the value 0x4321
 *	sys		of a seccomp filter
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile int want_signo;
siginfo_t seen;
static sigjmp_buf next;

__attribute__((noinline)) void handled(void)
{
	want_signo += 0;
}

static void on_signal(int signo, siginfo_t *si, void *context)
{
	(void)context;
	want_signo = signo;
	memcpy(&seen, si, sizeof(seen));
	if (signo == SIGSEGV || signo == SIGILL)
		siglongjmp(next, 1);
}

static void timer_soon(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR2,
			       .sigev_value.sival_int = 0x4321 };
	struct itimerspec soon = { .it_value = { 0, 1000000 } };
	timer_t t;

	timer_create(CLOCK_MONOTONIC, &ev, &t);
	timer_settime(t, 0, &soon, NULL);
	while (!want_signo)
		usleep(1000);
}

static void refuse_getppid(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 5),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
	syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
	const int signals[] = { SIGSEGV, SIGILL, SIGUSR1, SIGCHLD,
				       SIGUSR2, SIGSYS, SIGRTMIN };
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_SIGINFO };
	const char *mode = argc > 1 ? argv[1] : "";

	alarm(60);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
	if (sigsetjmp(next, 1)) {
		handled();
		return 0;
	}
	if (!strcmp(mode, "fault"))
		*(volatile int *)0x1230 = 1;
	else if (!strcmp(mode, "ill"))
		__asm__ volatile("ud2");
	else if (!strcmp(mode, "kill"))
		kill(getpid(), SIGUSR1);
	else if (!strcmp(mode, "queue"))
		sigqueue(getpid(), SIGRTMIN,
			 (union sigval){ .sival_int = 0x12345678 });
	else if (!strcmp(mode, "timer"))
		timer_soon();
	else if (!strcmp(mode, "sys"))
		refuse_getppid();
	else if (fork() == 0)
		_exit(7);
	else
		wait(NULL);
	handled();
	return 0;
}
