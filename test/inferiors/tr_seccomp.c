/* tr_seccomp: a program that filters its own system calls: errors, SIGSYS with
 * the address of the call, filters of threads, strict mode in a child. */
#include "tr_fault.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

PIECE(a_call, "	syscall\n	.globl a_call_after\na_call_after:");
extern char a_call_after[];

/* What the filter does with system call number. */
static int install(unsigned int number, unsigned int action, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
			    &program);
}

static void error(void)
{
	EXPECT(getppid() > 0, 1);
	EXPECT(install(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY, 0), 0);
	for (int i = 0; i < 3; i++) {
		EXPECT(syscall(SYS_getppid), -1);
		EXPECT(errno, ENOTTY);
		EXPECT(syscall(SYS_getpid), getpid());
	}
}

static siginfo_t told;
static struct tr_regs told_regs;
static unsigned long told_rip;

static void on_sys(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	told = *info;
	tr_registers_of(uc, &told_regs);
	told_rip = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

static void trap(void)
{
	struct sigaction act = { .sa_sigaction = on_sys,
				 .sa_flags = SA_SIGINFO };
	struct tr_regs r, before;

	sigaction(SIGSYS, &act, NULL);
	EXPECT(install(SYS_getpgrp, SECCOMP_RET_TRAP | 55, 0), 0);
	for (int i = 0; i < 3; i++) {
		tr_fill(&r);
		r.rax = SYS_getpgrp;
		before = r;
		tr_run(&r, a_call);
		EXPECT(r.rax, 4711);
		EXPECT(told.si_call_addr, a_call_after);
		EXPECT(told.si_syscall, SYS_getpgrp);
		EXPECT(told.si_errno, 55);
		EXPECT(told_rip, a_call_after);
		EXPECT(told_regs.rcx, a_call_after);
		before.rcx = told_regs.rcx;
		before.r11 = told_regs.r11;
		before.rsp = tr_stack - 8;
		tr_same(&told_regs, &before);
	}
	signal(SIGSYS, SIG_DFL);
}

static void *ask(void *arg)
{
	(void)arg;
	errno = 0;
	syscall(SYS_getpriority, 99, 0);
	return (void *)(long)errno;
}

static void threads(void)
{
	pthread_t thread;
	void *result;

	EXPECT(install(SYS_getpriority, SECCOMP_RET_ERRNO | EXDEV,
		       SECCOMP_FILTER_FLAG_TSYNC),
	       0);
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, ask, NULL);
		pthread_join(thread, &result);
		EXPECT((long)result, EXDEV);
	}
}

static int status_of(void (*what)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		what();
		_exit(3);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void go_strict(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	syscall(SYS_exit, 5);
}

static void break_strict(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	syscall(SYS_getpid);
}

static void kill_by_filter(void)
{
	install(SYS_getsid, SECCOMP_RET_KILL_PROCESS, 0);
	syscall(SYS_getsid, 0);
}

static void children(void)
{
	EXPECT(status_of(go_strict), 5 << 8);
	EXPECT(status_of(break_strict), SIGKILL);
	EXPECT(status_of(kill_by_filter) & 0x7f, SIGSYS);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "children", children },
		{ "error", error },
		{ "trap", trap },
		{ "threads", threads },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
