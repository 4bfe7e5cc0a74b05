/*
 * stepping MODE: instructions that are awkward to step, each with a label in
 * front and one behind: at_MODE, past_MODE. Ends with 0 when the program saw
 * what it would see without a debugger; the handler of SIGUSR1 and SIGUSR2
 * looks whether its frame has the trap flag.
 *
 *	pushf popf	the flags, to and from memory
 *	int3 long3	the program's own traps: one byte, and cd 03; SIGTRAP
 *			is ignored by a handler
 *	hlt ud2		faults, whose handler leaves
 *	rep		16 times movsb
 *	fork exit	the system calls; vfork: at_fork, too
 *	read		of a pipe that nobody writes, in a loop
 *	vdso		i386: a system call through the vDSO
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define TRAP_FLAG 0x100

#define LABELS(name, insn)                                                  \
	".globl at_" name "\nat_" name ": " insn "\n.globl past_" name      \
	"\npast_" name ": "
/* popf in front of it, which sets nothing. */
#define BEHIND_POPF(name, insn) \
	"pushf\n.globl before_" name "\nbefore_" name ": popf\n" \
	LABELS(name, insn)

volatile int traps, faults, bad_frames;
char from[16] = "0123456789abcde", to[16];
static sigjmp_buf next;

#ifdef __x86_64__
#define SYSCALL "syscall"
#define A "rax"
#else
#define SYSCALL "int $0x80"
#define A "eax"
#endif

static void on_trap(int signo)
{
	traps += signo != 0;
}

static void on_fault(int signo)
{
	faults += signo != 0;
	siglongjmp(next, 1);
}

void on_user(int signo, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	(void)signo, (void)info;
	bad_frames += (uc->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG) != 0;
}

__attribute__((noinline)) void past_all(void)
{
	traps += 0;
}

static int flags(int push)
{
	unsigned long seen;

	if (push)
		__asm__ volatile(LABELS("pushf", "pushf") "pop %0"
				 : "=r"(seen)::"memory");
	else
		__asm__ volatile("pushf\n" LABELS("popf", "popf")
				 "pushf\npop %0" : "=r"(seen)::"memory", "cc");
	return (seen & TRAP_FLAG) || bad_frames;
}

static int own_traps(int one)
{
	signal(SIGTRAP, on_trap);
	if (one)
		__asm__ volatile(LABELS("int3", "int3") "nop");
	else
		__asm__ volatile(LABELS("long3", ".byte 0xcd, 3") "nop");
	return traps != 1;
}

static int own_faults(int halt)
{
	signal(SIGSEGV, on_fault);
	signal(SIGILL, on_fault);
	if (sigsetjmp(next, 1))
		return faults != 1;
	if (halt)
		__asm__ volatile(LABELS("hlt", "hlt") "nop");
	else
		__asm__ volatile(LABELS("ud2", "ud2") "nop");
	return 1;
}

static int repeated(void)
{
	char *s = from, *d = to;
	unsigned long n = sizeof(from);

	__asm__ volatile(LABELS("rep", "rep movsb") "nop"
			 : "+S"(s), "+D"(d), "+c"(n)::"memory");
	return memcmp(from, to, sizeof(to)) || n;
}

/* The vfork child leaves the stack of both as it is. */
static int forked(long nr)
{
	long pid = nr;
	int status;

	__asm__ volatile(BEHIND_POPF("fork", SYSCALL) "nop"
			 : "+a"(pid)::"memory"
#ifdef __x86_64__
			 , "rcx", "r11"
#endif
	);
	if (pid == 0)
		_exit(7);
	return waitpid((pid_t)pid, &status, 0) != pid ||
	       WEXITSTATUS(status) != 7;
}

static void exits(void)
{
	long nr = SYS_exit_group;

#ifdef __x86_64__
	__asm__ volatile(LABELS("exit", SYSCALL) "nop" : "+a"(nr) : "D"(8L));
#else
	__asm__ volatile(LABELS("exit", SYSCALL) "nop" : "+a"(nr) : "b"(8L));
#endif
}

static void reads(void)
{
	int fd[2];
	char c;

	if (pipe(fd))
		abort();
	for (;;) {
		long nr = SYS_read;

#ifdef __x86_64__
		__asm__ volatile(BEHIND_POPF("read", SYSCALL) "nop"
				 : "+a"(nr) : "D"((long)fd[0]), "S"(&c), "d"(1L)
				 : "rcx", "r11", "memory");
#else
		__asm__ volatile(BEHIND_POPF("read", SYSCALL) "nop"
				 : "+a"(nr) : "b"(fd[0]), "c"(&c), "d"(1L)
				 : "memory");
#endif
		traps++;
	}
}

#ifdef __i386__
static int through_vdso(void)
{
	long nr = SYS_getppid;

	__asm__ volatile(LABELS("vdso", "call *%%gs:0x10") "nop"
			 : "+a"(nr)::"memory");
	return nr != getppid();
}
#else
static int through_vdso(void)
{
	return 1;
}
#endif

int main(int argc, char **argv)
{
	const struct sigaction act = { .sa_sigaction = on_user,
				       .sa_flags = SA_SIGINFO };
	const char *mode = argc > 1 ? argv[1] : "";
	int bad = 1;

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	alarm(60);
	if (!strcmp(mode, "pushf") || !strcmp(mode, "popf"))
		bad = flags(mode[1] == 'u');
	else if (!strcmp(mode, "int3") || !strcmp(mode, "long3"))
		bad = own_traps(*mode == 'i');
	else if (!strcmp(mode, "hlt") || !strcmp(mode, "ud2"))
		bad = own_faults(*mode == 'h');
	else if (!strcmp(mode, "rep"))
		bad = repeated();
	else if (!strcmp(mode, "fork") || !strcmp(mode, "vfork"))
		bad = forked(*mode == 'v' ? SYS_vfork : SYS_fork);
	else if (!strcmp(mode, "exit"))
		exits();
	else if (!strcmp(mode, "read"))
		reads();
	else if (!strcmp(mode, "vdso"))
		bad = through_vdso();
	past_all();
	return bad;
}
