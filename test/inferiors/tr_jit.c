/* tr_jit: code that is written, run, changed and run again, in every way in
 * which memory can become code or other code: by stores, system calls, other
 * mappings of it, protections, moves. */
#include "tr_code.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>

#define ROUNDS 300

/* Stores of every width; the function grows and shrinks. */
static void rewritten(void)
{
	unsigned char *code = map_pages(1, RWX);

	for (int i = 0; i < ROUNDS; i++) {
		put_return(code, i);
		EXPECT(call(code), i);
		*(volatile int *)(code + 1) = i + 1; /* the immediate alone */
		EXPECT(call(code), i + 1);
		code[1] ^= 0x55;
		EXPECT(call(code) & 0xff, ((i + 1) ^ 0x55) & 0xff);
		put_long(code, i, i % 100);
		EXPECT(call(code), i);
		EXPECT(call(code), i);
	}
	munmap(code, PAGE);
}

/* A page never changed is run often beside one that changes. */
static void steady(void)
{
	unsigned char *code = map_pages(2, RWX);
	long sum = 0;

	put_return(code + PAGE, 3);
	put_branch(code, 0xe9, code + PAGE); /* linked over the boundary */
	for (int i = 0; i < ROUNDS; i++) {
		EXPECT(call(code), i % 2 ? 4 : 3);
		put_return(code + PAGE, i % 2 ? 3 : 4);
		put_return(code + 64, i);
		sum += call(code + 64);
		sum += call(code + PAGE);
	}
	say("%ld", sum);
	munmap(code, 2 * PAGE);
}

/* Code by way of other code: linked jumps, calls, returns to changed code. */
static void linked(void)
{
	unsigned char *code = map_pages(3, RWX), *at;

	put_return(code + PAGE, 1);
	at = put_branch(code, 0xe8, code + PAGE);
	memcpy(at, "\x83\xc0\x02\xc3", 4); /* add $2,%eax; ret */
	for (int i = 0; i < ROUNDS; i++) {
		put_return(code + PAGE + (i & 1 ? 64 : 0), i);
		put_branch(code, 0xe8, code + PAGE + (i & 1 ? 64 : 0));
		EXPECT(call(code), i + 2 + (i > 0 && (i - 1) % 3 == 0));
		code[7] = i % 3 ? 2 : 3;
	}
	munmap(code, 3 * PAGE);
}

static void protected(void)
{
	unsigned char *code = map_pages(2, RW);

	for (int i = 0; i < ROUNDS; i++) {
		put_long(code, i, i % 7);
		put_return(code + PAGE - 3, -i);
		mprotect(code, 2 * PAGE, RX);
		EXPECT(call(code), i);
		EXPECT(call(code + PAGE - 3), -i);
		mprotect(code, 2 * PAGE, RW);
	}
	munmap(code, 2 * PAGE);
}

/* Written through one mapping, run through another. */
static void aliased(void)
{
	int fd = memfd_create("code", 0);
	unsigned char *write_, *run, *late;

	EXPECT(ftruncate(fd, (off_t)PAGE), 0);
	write_ = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	run = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
	for (int i = 0; i < ROUNDS; i++) {
		put_return(write_, i);
		EXPECT(call(run), i);
	}
	/* by a mapping that is made when the code has run */
	late = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	for (int i = 0; i < ROUNDS; i++) {
		put_return(late, -i);
		EXPECT(call(run), -i);
	}
	munmap(late, PAGE);
	/* by the file */
	for (int i = 0; i < 20; i++) {
		EXPECT(pwrite(fd, &i, 4, 1), 4);
		EXPECT(call(run), i);
	}
	munmap(write_, PAGE);
	munmap(run, PAGE);
	close(fd);
}

/* --- written by the kernel --- */

static void by_system_calls(void)
{
	unsigned char *code = map_pages(1, RWX);
	int mem = open("/proc/self/mem", O_RDWR), ends[2];

	EXPECT(pipe(ends), 0);
	put_return(code, 0);
	for (int i = 1; i < 100; i++) {
		struct iovec from = { &i, 4 }, to = { code + 1, 4 };
		int twice = 2 * i, thrice = 3 * i;

		EXPECT(write(ends[1], &twice, 4), 4);
		EXPECT(read(ends[0], code + 1, 4), 4);
		EXPECT(call(code), 2 * i);
		EXPECT(process_vm_writev(getpid(), &from, 1, &to, 1, 0), 4);
		EXPECT(call(code), i);
		if (mem < 0)
			continue;
		EXPECT(pwrite(mem, &thrice, 4, (off_t)(code + 1)), 4);
		EXPECT(call(code), 3 * i);
	}
	close(mem);
	close(ends[0]);
	close(ends[1]);
	munmap(code, PAGE);
}

/* --- other memory at the same address --- */

static void remapped(void)
{
	unsigned char *code = map_pages(1, RWX);

	for (int i = 0; i < ROUNDS; i++) {
		void *again;

		put_return(code, i);
		EXPECT(call(code), i);
		if (i % 3 == 0)
			munmap(code, PAGE);
		again = mmap(code, PAGE, RWX,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		EXPECT((long)again, (long)code);
		if (i % 3 == 1) {
			put_return(code, -i);
			EXPECT(madvise(code, PAGE, MADV_DONTNEED), 0);
			EXPECT(code[0], 0);
		}
	}
	munmap(code, PAGE);
}

static void files(void)
{
	char name[] = "/tmp/tr_jit.XXXXXX";
	unsigned char bytes[2 * PAGE];
	int fd = mkstemp(name);
	unsigned char *code = map_pages(1, PROT_NONE);

	unlink(name);
	memset(bytes, 0xcc, sizeof(bytes));
	put_return(bytes, 100);
	put_return(bytes + PAGE, 200);
	EXPECT(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	for (int i = 0; i < 60; i++) {
		mmap(code, PAGE, RX, MAP_PRIVATE | MAP_FIXED, fd,
		     i & 1 ? (off_t)PAGE : 0);
		EXPECT(call(code), i & 1 ? 200 : 100);
	}
	munmap(code, PAGE);
	close(fd);
}

static void moved(void)
{
	unsigned char *old = map_pages(8, RWX), *code = old;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned char *to = old + (i % 3 + 1) * 2 * PAGE;

		put_long(code, i, 9);
		EXPECT(call(code), i);
		if (to == code)
			continue;
		code = mremap(code, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      to);
		EXPECT((long)code, (long)to);
		EXPECT(call(code), i);
		put_return(code, i + 7);
		EXPECT(call(code), i + 7);
	}
	munmap(old, 8 * PAGE);
}

/* --- memory of other kinds --- */

static void heap(void)
{
	unsigned char *code;

	for (int i = 0; i < 30; i++) {
		code = aligned_alloc(PAGE, 2 * PAGE);
		mprotect(code, 2 * PAGE, RWX);
		for (int k = 0; k < 10; k++) {
			put_return(code + 100 * k, i * k);
			EXPECT(call(code + 100 * k), i * k);
		}
		mprotect(code, 2 * PAGE, RW);
		free(code);
	}
}

/* The program's own text. */
__attribute__((noinline, aligned(64))) static int patched(void)
{
	__asm__ volatile("mov $0x11223344,%%eax" ::: "eax");
	return 5;
}

static void own_text(void)
{
	unsigned char *at = (unsigned char *)patched;
	unsigned char *page = (unsigned char *)((unsigned long)at & -PAGE);
	unsigned char saved[6];

	EXPECT(patched(), 5);
	memcpy(saved, at, 6);
	for (int i = 0; i < 50; i++) {
		mprotect(page, 2 * PAGE, RWX);
		if (i & 1)
			memcpy(at, saved, 6);
		else
			put_return(at, i + 70);
		mprotect(page, 2 * PAGE, RX);
		EXPECT(patched(), i & 1 ? 5 : i + 70);
	}
}

/* --- code that somebody else takes away --- */

/* The call returns 0 then. */
static void on_fault(int signo, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)signo;
	if (g[REG_RIP] != (greg_t)info->si_addr)
		_exit(3);
	g[REG_RIP] = *(greg_t *)g[REG_RSP];
	g[REG_RSP] += 8;
	g[REG_RAX] = 0;
}

/* By a child that shares the memory: nobody who follows the parent sees its
 * call. */
static __attribute__((noinline)) void take_away(void *code)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0)
		_exit(munmap(code, PAGE) == 0 ? 30 : 31);
	waitpid(pid, &status, 0);
	EXPECT(WEXITSTATUS(status), 30);
}

/* What is mapped was looked at before, for the other page. */
static void vanishes(int prot)
{
	unsigned char *code = map_pages(1, RW), *other = map_pages(1, RWX);

	put_return(code, 7);
	mprotect(code, PAGE, prot);
	put_return(other, 8);
	EXPECT(call(other), 8);
	take_away(code);
	for (int i = 0; i < 3; i++)
		EXPECT(call(code), 0);
	munmap(other, PAGE);
}

static void vanishing(void)
{
	const struct sigaction fault = { .sa_sigaction = on_fault,
					 .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &fault, NULL);
	vanishes(RX);
	vanishes(RWX);
	signal(SIGSEGV, SIG_DFL);
}

/* --- forks while code is watched --- */

static void forked(void)
{
	unsigned char *mine = map_pages(1, RWX);
	unsigned char *ours =
		mmap(NULL, PAGE, RWX, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	for (int i = 0; i < 20; i++) {
		pid_t pid;

		put_return(mine, i);
		put_return(ours, i);
		EXPECT(call(mine) + call(ours), 2 * i);
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			put_return(mine, 100);
			put_return(ours, 150);
			_exit(call(mine) + call(ours) == 250 ? 30 : 31);
		}
		waitpid(pid, &status, 0);
		EXPECT(WEXITSTATUS(status), 30);
		EXPECT(call(mine), i);
		EXPECT(call(ours), 150);
	}
	munmap(mine, PAGE);
	munmap(ours, PAGE);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "rewritten", rewritten }, { "steady", steady },
		{ "linked", linked },	    { "protected", protected },
		{ "aliased", aliased },	    { "system_calls", by_system_calls },
		{ "remapped", remapped },   { "files", files },
		{ "moved", moved },	    { "heap", heap },
		{ "own_text", own_text },   { "vanishing", vanishing },
		{ "forked", forked },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
