/* tr_clone: clone and clone3 with flags that no library uses: a process that
 * shares memory, threads that libc does not know, children on stacks of their
 * own or on their parent's, with a base of %fs given. */
#include "tr.h"
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define THREAD \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

static volatile long shared;
static volatile int cleared;
static char *stack;

/* raw_clone(flags, stack, child's tid, fs, function, its argument): in the
 * child the function runs and its result is the exit status. The red zone of
 * neither is used. Returns what the system call did. */
/* clang-format off */
__asm__(".text\n"
	"raw_clone:	push %r12\n	push %r13\n	mov %r8,%r12\n"
	"	mov %r9,%r13\n	mov %rcx,%r8\n	mov %rdx,%r10\n"
	"	mov $56,%eax\n	syscall\n	test %rax,%rax\n	jz 1f\n"
	"	pop %r13\n	pop %r12\n	ret\n"
	"1:	xor %ebp,%ebp\n	mov %r13,%rdi\n	call *%r12\n"
	"	mov %eax,%edi\n	mov $60,%eax\n	syscall\n	ud2\n"
	"raw_clone3:	push %r12\n	push %r13\n	mov %rdx,%r12\n"
	"	mov %rcx,%r13\n	mov $435,%eax\n	syscall\n"
	"	test %rax,%rax\n	jz 1b\n	pop %r13\n	pop %r12\n	ret\n");
/* clang-format on */
long raw_clone(long flags, void *stack, volatile int *tid, void *fs,
	       long (*run)(long), long arg);
long raw_clone3(void *args, long size, long (*run)(long), long arg);

/* No libc in here: it may be on another thread's %fs. */
__attribute__((optimize("no-stack-protector"))) static long work(long arg)
{
	unsigned long x = (unsigned long)arg;

	for (int i = 0; i < 50000; i++)
		x = x * 6364136223846793005ul + 1;
	__atomic_fetch_add(&shared, (long)(x >> 40), __ATOMIC_SEQ_CST);
	return arg;
}

static int status_of(long pid)
{
	int status = -1;

	waitpid((pid_t)pid, &status, __WALL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *top(void)
{
	return stack + 65536 - 64;
}

static void plain(void)
{
	long before = shared, pid;

	for (int i = 0; i < 5; i++) {
		pid = raw_clone(SIGCHLD, NULL, NULL, NULL, work, 3 + i);
		EXPECT(status_of(pid), 3 + i);
		pid = raw_clone(SIGCHLD, top(), NULL, NULL, work, 30 + i);
		EXPECT(status_of(pid), 30 + i);
		/* no signal at its end */
		pid = raw_clone(0, NULL, NULL, NULL, work, 4);
		EXPECT(status_of(pid), 4);
	}
	EXPECT(shared, before);
}

/* Another process in the same memory, while this one runs too. */
static void memory(void)
{
	long before = shared, pid;

	for (int i = 0; i < 20; i++) {
		pid = raw_clone(CLONE_VM | SIGCHLD, top(), NULL, NULL, work, 5);
		CHECK(pid > 0);
		work(6);
		EXPECT(status_of(pid), 5);
	}
	say("%ld", shared - before);
}

static void vfork_like(void)
{
	long before = shared, pid;

	for (int i = 0; i < 20; i++) {
		pid = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, top(), NULL,
				NULL, work, 7);
		EXPECT(status_of(pid), 7);
		/* its work is done when we go on */
		pid = raw_clone(CLONE_VM | CLONE_FILES | CLONE_FS |
					CLONE_SIGHAND | CLONE_VFORK,
				top(), NULL, NULL, work, 8);
		EXPECT(status_of(pid), 8);
	}
	say("%ld", shared - before);
}

static void wait_cleared(void)
{
	int tid;

	while ((tid = cleared) != 0)
		syscall(SYS_futex, &cleared, FUTEX_WAIT, tid, NULL, NULL, 0);
}

/* Threads that libc does not know of; %fs is their parent's or given. */
static void threads(void)
{
	static long own[64] __attribute__((aligned(64)));
	long before = shared, tid;

	own[0] = (long)own;
	for (int i = 0; i < 20; i++) {
		cleared = 1;
		tid = raw_clone(THREAD | CLONE_CHILD_CLEARTID, top(), &cleared,
				NULL, work, 9);
		CHECK(tid > 0);
		wait_cleared();
		cleared = 1;
		tid = raw_clone(THREAD | CLONE_CHILD_CLEARTID | CLONE_SETTLS,
				top(), &cleared, own, work, 10);
		CHECK(tid > 0);
		work(1);
		wait_cleared();
	}
	say("%ld", shared - before);
}

static void clone_3(void)
{
	struct {
		unsigned long flags, pidfd, child_tid, parent_tid, exit_signal;
		unsigned long stack, stack_size, tls, set_tid, set_tid_size;
		unsigned long cgroup;
	} args = { .exit_signal = SIGCHLD };
	int parent_tid = 0;
	long pid, before;

	for (int i = 0; i < 10; i++) {
		args.flags = 0;
		args.stack = args.stack_size = 0;
		args.exit_signal = SIGCHLD;
		pid = raw_clone3(&args, sizeof(args), work, 11);
		EXPECT(status_of(pid), 11);
		args.flags = CLONE_VM | CLONE_PARENT_SETTID;
		args.parent_tid = (unsigned long)&parent_tid;
		args.stack = (unsigned long)stack;
		args.stack_size = 65536 - 64;
		before = shared;
		pid = raw_clone3(&args, sizeof(args), work, 12);
		EXPECT(status_of(pid), 12);
		EXPECT(parent_tid, pid);
		CHECK(shared != before);
	}
	args.flags = ~0ul;
	EXPECT(raw_clone3(&args, sizeof(args), work, 12), -22);
}

/* What the child has in its registers is what the parent had. */
__attribute__((naked)) static long fork_registers(void)
{
	__asm__("	push %rbx\n	push %rbp\n	push %r12\n	push "
		"%r15\n"
		"	mov $0x1111,%ebx\n	mov $0x2222,%ebp\n"
		"	mov $0x3333,%r12d\n	mov $0x4444,%r15d\n"
		"	mov $0x5555,%r9d\n	std\n	stc\n	mov $57,%eax\n"
		"	syscall\n"
		"	pushf\n	cld\n	pop %rdx\n	and $0x401,%edx\n"
		"	add %rbx,%rdx\n	add %rbp,%rdx\n	add %r12,%rdx\n"
		"	add %r15,%rdx\n	add %r9,%rdx\n"
		"	pop %r15\n	pop %r12\n	pop %rbp\n	pop "
		"%rbx\n"
		"	cmp $0x10400,%rdx\n	je 1f\n	mov "
		"$-999,%rax\n1:	ret");
}

static void registers(void)
{
	for (int i = 0; i < 10; i++) {
		long pid = fork_registers();

		if (pid == 0 || pid == -999)
			_exit(pid == 0 ? 21 : 22);
		EXPECT(status_of(pid), 21);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "plain", plain },	      { "memory", memory },
		{ "vfork_like", vfork_like }, { "threads", threads },
		{ "clone3", clone_3 },	      { "registers", registers },
	};

	stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
