/* tr_pass: calls that map data and are not looked at, and those beside them that
 * code depends on. Where there is code that was run another function comes. */
#include "tr_run.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define SLOT (2ul << 20)
#define PAGE 4096ul
#define DATA (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* clang-format off */
#define CALL(nr) "	mov $" #nr ",%eax\n	syscall\n"
PIECE(do_mmap, CALL(9));
PIECE(do_mprotect, CALL(10));
PIECE(do_munmap, CALL(11));
PIECE(do_sigaction, CALL(13));
PIECE(do_madvise, CALL(28));
PIECE(do_prctl, CALL(157));
/* Whoever comes by may have another number. */
PIECE(do_other, "	mov $157,%eax\n	mov %rbp,%rax\n	syscall\n");
/* clang-format on */

static long call(void *piece, unsigned long a, unsigned long b, unsigned long c,
		 unsigned long d)
{
	static int n;
	struct tr_regs r, before;

	tr_fill(&r);
	r.rdi = a, r.rsi = b, r.rdx = c, r.r10 = d;
	r.r8 = (unsigned long)-1, r.r9 = 0;
	r.flags |= ++n % 3 == 1 ? TR_STATUS : n % 3 == 2 ? TR_DF : 0;
	before = r;
	tr_run(&r, piece);
	EXPECT(r.r11 & TR_FLAGS, before.flags & TR_FLAGS);
	before.rax = r.rax, before.rcx = r.rcx, before.r11 = r.r11;
	before.rsp = tr_stack;
	tr_same(&r, &before);
	return (long)r.rax;
}

static unsigned long map(unsigned long at, unsigned long len, int flags)
{
	return (unsigned long)call(do_mmap, at, len, DATA,
				   (unsigned long)(ANON | flags));
}

/* At a multiple of SLOT, n of them. */
static unsigned long slots(unsigned n)
{
	unsigned long at = map(0, (n + 1) * SLOT, MAP_NORESERVE);

	return (at + SLOT - 1) & -SLOT;
}

/* mov $n,%eax; ret */
static int run(unsigned long at, int n)
{
	unsigned char code[] = { 0xb8, (unsigned char)n, 0, 0, 0, 0xc3 };

	memcpy((void *)at, code, sizeof(code));
	EXPECT(call(do_mprotect, at, PAGE, PROT_READ | PROT_EXEC, 0), 0);
	return ((int (*)(void))at)();
}

static sigjmp_buf out;

static void on_fault(int signo)
{
	siglongjmp(out, signo);
}

/* What was run there cannot be any more. */
static void is_gone(unsigned long at)
{
	int signo = sigsetjmp(out, 1);

	if (!signo)
		((int (*)(void))at)();
	EXPECT(signo, SIGSEGV);
}

/* --- */

static void data(void)
{
	unsigned long at = slots(3), some;

	for (unsigned long i = 0; i < 300; i++) {
		some = at + i * PAGE;
		EXPECT(call(do_mprotect, some, PAGE, i & 1 ? DATA : PROT_READ,
			    0), 0);
		EXPECT(call(do_mprotect, some, 2 * PAGE, DATA, 0), 0);
		*(int *)some = 1;
		EXPECT(call(do_madvise, some, PAGE, MADV_DONTNEED, 0), 0);
		EXPECT(*(int *)some, 0);
		EXPECT(map(some, PAGE, MAP_FIXED), some);
		EXPECT(call(do_munmap, map(0, SLOT / 2, MAP_STACK), SLOT / 2, 0,
			    0), 0);
		EXPECT(call(do_prctl, PR_GET_DUMPABLE, 0, 0, 0), 1);
	}
	EXPECT(call(do_mprotect, at + 1, PAGE, DATA, 0), -EINVAL);
	EXPECT(call(do_munmap, at, -PAGE, 0, 0), -EINVAL);
	EXPECT(call(do_munmap, at + PAGE, 0, 0, 0), -EINVAL);
	EXPECT(call(do_mprotect, 0, PAGE, DATA, 0), -ENOMEM);
	EXPECT(call(do_sigaction, SIGUSR1, 0, 0, 8), 0);
	EXPECT(call(do_sigaction, SIGUSR1, 0, 0, 9), -EINVAL);
}

/* A range with code goes, and comes again as data that is made code. */
static void renew(unsigned long at, unsigned long lo, unsigned long len)
{
	EXPECT(run(at, 1), 1);
	EXPECT(map(lo, len, MAP_FIXED), lo);
	is_gone(at);
	EXPECT(run(at, 2), 2);
	EXPECT(call(do_munmap, lo, len, 0, 0), 0);
	is_gone(at);
	EXPECT(map(lo, len, MAP_FIXED), lo);
	EXPECT(run(at, 3), 3);
	EXPECT(call(do_mprotect, lo, len, DATA, 0), 0);
	is_gone(at);
	EXPECT(run(at, 4), 4);
	EXPECT(map(lo, len, MAP_FIXED), lo);
}

/* Those that begin before it, end behind it, both. */
static void code(void)
{
	static const struct {
		unsigned long before, behind;
	} range[] = { { 0, 0 },	      { PAGE, 0 },    { 0, SLOT - PAGE },
		      { PAGE, PAGE }, { SLOT, SLOT }, { 3 * PAGE, SLOT } };
	unsigned long all = slots(8);

	signal(SIGSEGV, on_fault);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(range); i++) {
		unsigned long before = range[i / 2].before, at;

		/* The first page of one, the last of another. */
		at = all + (i & 1 ? 5 * SLOT - PAGE : 2 * SLOT);
		renew(at, at - before, before + PAGE + range[i / 2].behind);
	}
	signal(SIGSEGV, SIG_DFL);
}

/* Shared memory comes where code was run: the call does not tell how much. */
static void attached(void)
{
	unsigned long at = map(0, 3 * PAGE, 0);

	for (int i = 1; i < 20; i++) {
		int id = shmget(IPC_PRIVATE, 3 * PAGE, 0700);
		char *some = shmat(id, NULL, 0);

		EXPECT(map(at, 3 * PAGE, MAP_FIXED), at);
		EXPECT(run(at + 2 * PAGE, i), i);
		EXPECT(((int (*)(void))(at + 2 * PAGE))(), i);
		memcpy(some, (void *)at, 3 * PAGE);
		some[2 * PAGE + 1] = (char)-i;
		EXPECT(shmat(id, (void *)at, SHM_REMAP | SHM_EXEC), at);
		EXPECT(((int (*)(void))(at + 2 * PAGE))(), (unsigned char)-i);
		shmdt(some);
		shmctl(id, IPC_RMID, NULL);
	}
}

/* Code in memory that was mapped when nobody looked, or that is known as data. */
static void grown(void)
{
	unsigned long known = slots(8), at;

	for (unsigned i = 0; i < 20; i++) {
		at = map(0, SLOT / 2, i & 1 ? MAP_STACK : 0);
		EXPECT(run(at + i * PAGE, (int)i), i);
		if (i % 3)
			EXPECT(call(do_munmap, at, SLOT / 2, 0, 0), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		at = known + i * SLOT;
		EXPECT(run(at, 1), 1);
		for (int n = 0; n < 50; n++)
			EXPECT(((int (*)(void))at)(), 1);
	}
}

static long other(long nr, unsigned long a)
{
	struct tr_regs r;

	tr_fill(&r);
	r.rbp = (unsigned long)nr;
	r.rdi = a;
	r.rsi = r.rdx = 0;
	r.r10 = 8;
	tr_run(&r, do_other);
	return (long)r.rax;
}

/* Each is looked at. */
static void others(void)
{
	for (int i = 0; i < 100; i++) {
		EXPECT(other(SYS_rt_sigaction, SIGTRAP), 0);
		EXPECT(call(do_sigaction, SIGTRAP, 0, 0, 8), 0);
		/* In the high half it is another number. */
		EXPECT(other(0x100000000l + SYS_getpid, 0), getpid());
		EXPECT(other(0x10000 + SYS_prctl, 0), -ENOSYS);
	}
}

/* All memory is code. */
static void implied(void)
{
	unsigned long at = 0;

	personality(READ_IMPLIES_EXEC);
	for (int i = 0; i < 200; i++) {
		if (i % 50 == 0) {
			at = map(0, SLOT / 2, 0);
			memcpy((void *)at, (char[]){ (char)0xc3 }, 1);
		}
		((void (*)(void))at)();
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "data", data },
		{ "code", code },
		{ "attached", attached },
		{ "grown", grown },
		{ "others", others },
		{ "implied", implied },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
