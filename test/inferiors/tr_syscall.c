/* tr_syscall: what a system call leaves in each register, the vdso, the
 * vsyscall page, int $0x80, and errors. */
#include "tr_run.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define VSYSCALL 0xffffffffff600000ul

/* clang-format off */
/* The address after the syscall is compared with rcx by the caller. */
PIECE(plain, "	syscall\n	.globl plain_after\nplain_after:");
PIECE(looped, "	mov $3,%ebx\n"
	      "1:	mov %rbp,%rax\n	syscall\n	.globl looped_after\n"
	      "looped_after:	dec %ebx\n	jnz 1b");
/* Called, jumped to, followed by a branch on flags from before it. */
PIECE(branchy, "	call 1f\n	jmp 2f\n1:	cmp %rbx,%rbp\n"
	       "	syscall\n	.globl branchy_after\nbranchy_after:"
	       "	ja 3f\n	ud2\n3:	ret\n2:	");
PIECE(int80, "	int $0x80\n	.globl int80_after\nint80_after:");
PIECE(vsyscall, "	call *%rax");
PIECE(vsyscall_jmp, "	call 1f\n	ret\n1:	push %rax");
/* clang-format on */
extern char plain_after[], looped_after[], branchy_after[], int80_after[];

static void fill_call(struct tr_regs *r, long number, long a, long b, long c)
{
	tr_fill(r);
	r->rax = r->rbp = (unsigned long)number;
	r->rdi = (unsigned long)a;
	r->rsi = (unsigned long)b;
	r->rdx = (unsigned long)c;
	r->rbx = 0;
}

static void check_call(void *piece, char *after, struct tr_regs r, long want)
{
	struct tr_regs before = r;

	tr_run(&r, piece);
	EXPECT(r.rax, want);
	EXPECT(r.rcx, (long)after);
	if (piece != branchy)
		EXPECT(r.r11 & TR_FLAGS, before.flags & TR_FLAGS);
	before.rax = r.rax;
	before.rcx = r.rcx;
	before.r11 = r.r11;
	before.rsp = r.rsp;
	if (piece != plain)
		before.flags = r.flags;
	tr_same(&r, &before);
}

static void registers(void)
{
	long page = (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct {
		long number, a, b, c, want;
	} call[] = {
		{ SYS_getpid, 0, 0, 0, getpid() },
		{ SYS_getuid, 1, 2, 3, getuid() },
		{ SYS_close, -1, 0, 0, -EBADF },
		{ SYS_read, 0, 1, -1, -EFAULT },
		{ SYS_sched_yield, 0, 0, 0, 0 },
		{ SYS_futex, page, 1, 0, 0 },
		{ SYS_mprotect, page, 4096, PROT_READ, 0 },
		{ SYS_mprotect, page + 1, 4096, PROT_READ, -EINVAL },
		{ SYS_madvise, page, 4096, MADV_DONTNEED, 0 },
		{ SYS_munmap, page + 1, 4096, 0, -EINVAL },
		{ SYS_rt_sigprocmask, SIG_BLOCK, 0, 0, 0 },
		{ SYS_kill, getpid(), 0, 0, 0 },
		{ 1023, 1, 2, 3, -ENOSYS },
		{ -1, 1, 2, 3, -ENOSYS },
		{ SYS_munmap, page, 4096, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(call) * 3; i++) {
		typeof(call[0]) *c = &call[i / 3];
		struct tr_regs r;

		if (c->number == SYS_read)
			c->a = open("/proc/self/exe", O_RDONLY);
		fill_call(&r, c->number, c->a, c->b, c->c);
		r.r10 = c->number == SYS_rt_sigprocmask ? 8 : r.r10;
		r.flags |= i % 3 == 1 ? TR_STATUS : i % 3 == 2 ? TR_DF : 0;
		check_call(plain, plain_after, r, c->want);
		if (c->number == SYS_read)
			close((int)c->a);
	}
}

static void branches(void)
{
	struct tr_regs r;

	for (int i = 0; i < 3; i++) {
		fill_call(&r, SYS_getpid, 0, 0, 0);
		check_call(looped, looped_after, r, getpid());
		check_call(branchy, branchy_after, r, getpid());
	}
}

/* --- the vdso and the vsyscall page --- */

static void vdso(void)
{
	static const clockid_t clock[] = { CLOCK_REALTIME, CLOCK_MONOTONIC,
					   CLOCK_PROCESS_CPUTIME_ID,
					   CLOCK_MONOTONIC_COARSE,
					   CLOCK_BOOTTIME };
	unsigned int cpu, node;

	for (size_t i = 0; i < ARRAY_SIZE(clock); i++) {
		struct timespec a, b;

		EXPECT(clock_gettime(clock[i], &a), 0);
		for (int n = 0; n < 1000; n++) {
			EXPECT(clock_gettime(clock[i], &b), 0);
			if (i > 0)
				CHECK(b.tv_sec > a.tv_sec ||
				      (b.tv_sec == a.tv_sec &&
				       b.tv_nsec >= a.tv_nsec));
			a = b;
		}
	}
	EXPECT(clock_gettime(999, &(struct timespec){ 0 }), -1);
	EXPECT(errno, EINVAL);
	EXPECT(getcpu(&cpu, &node), 0);
	CHECK(cpu < 4096);
	CHECK(time(NULL) > 1600000000);
}

static int vsyscall_mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "[vsyscall]") != NULL;
	if (f)
		fclose(f);
	return found;
}

static void vsyscalls(void)
{
	struct timeval now = { 0, 0 };
	unsigned int cpu = ~0u;
	struct tr_regs r;

	if (!vsyscall_mapped())
		return;
	for (int i = 0; i < 4; i++) {
		void *piece = i & 1 ? vsyscall : vsyscall_jmp;

		fill_call(&r, (long)VSYSCALL, (long)&now, 0, 0);
		tr_run(&r, piece);
		EXPECT(r.rax, 0);
		CHECK(now.tv_sec > 1600000000);
		EXPECT(r.rsp, tr_stack);
		fill_call(&r, (long)VSYSCALL + 0x400, 0, 0, 0);
		tr_run(&r, piece);
		CHECK(r.rax > 1600000000);
		fill_call(&r, (long)VSYSCALL + 0x800, (long)&cpu, 0, 0);
		tr_run(&r, piece);
		EXPECT(r.rax, 0);
		CHECK(cpu < 4096);
	}
}

static sigjmp_buf out;

static void on_fault(int signo)
{
	siglongjmp(out, signo);
}

static void interrupt_80(void)
{
	struct tr_regs r;
	int signo;

	signal(SIGSEGV, on_fault);
	signo = sigsetjmp(out, 1);
	if (signo) {
		say("no int $0x80: signal %d", signo);
	} else {
		for (int i = 0; i < 3; i++) {
			fill_call(&r, 20 /* getpid */, 0, 0, 0);
			tr_run(&r, int80);
			EXPECT(r.rax, getpid());
		}
		say("r8 %lx r9 %lx r10 %lx r11 %lx rcx %lx", r.r8, r.r9, r.r10,
		    r.r11, r.rcx);
	}
	signal(SIGSEGV, SIG_DFL);
}

/* --- what mmap and errors give --- */

static void errors(void)
{
	void *volatile nowhere = (void *)8;
	struct stat st;
	char buffer[16] = "";
	int fd = open("/dev/zero", O_RDONLY);

	EXPECT(open("/nowhere/at/all", O_RDONLY), -1);
	EXPECT(errno, ENOENT);
	EXPECT(read(fd, nowhere, 10), -1);
	EXPECT(errno, EFAULT);
	EXPECT(write(fd, buffer, 1), -1);
	EXPECT(errno, EBADF);
	EXPECT(stat(nowhere, &st), -1);
	EXPECT(errno, EFAULT);
	EXPECT((long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0), -1);
	EXPECT(errno, EINVAL);
	EXPECT(sigaction(SIGKILL, &(struct sigaction){ 0 }, NULL), -1);
	EXPECT(errno, EINVAL);
	EXPECT(syscall(SYS_arch_prctl, 0x7777, 0), -1);
	EXPECT(errno, EINVAL);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "registers", registers }, { "branches", branches },
		{ "vdso", vdso },	    { "vsyscall", vsyscalls },
		{ "int80", interrupt_80 },  { "errors", errors },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
