/* tr_cut: a function that lies on two pages, of which the second goes: it is
 * unmapped, protected, replaced, moved away, emptied, or its file becomes
 * shorter, after the function has run as often as may be. What is on the first
 * page is still executed, and the fault is where the second begins. */
#include "tr_code.h"
#include "tr_fault.h"

#define TIMES 3

static unsigned char *code; /* two pages */
static int file;

/* An instruction of 5 bytes lies over the boundary, so many before it. */
static unsigned char *write_function(unsigned before)
{
	unsigned char *at = code + PAGE - 20 - before, *begin = at;

	for (int i = 0; i < 6; i++) {
		memcpy(at, "\x05\x01\x00\x00\x00", 5); /* add $1,%eax */
		at += 5;
	}
	*at = 0xc3;
	return begin;
}

static void map_again(int flags, int fd)
{
	if (mmap(code, 2 * PAGE, RWX, MAP_FIXED | flags, fd, 0) != code)
		exit(2);
}

/* --- ways to go ----------------------------------------------------------- */

static void unmap(void)
{
	munmap(code + PAGE, PAGE);
}

static void protect(void)
{
	mprotect(code + PAGE, PAGE, PROT_NONE);
}

static void no_exec(void)
{
	mprotect(code + PAGE, PAGE, RW);
}

static void move(void)
{
	void *away =
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mremap(code + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   away) == away)
		munmap(away, PAGE);
}

static void replace(void)
{
	if (mmap(code + PAGE, PAGE, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0) == MAP_FAILED)
		exit(2);
}

static void truncate_file(void)
{
	if (ftruncate(file, (off_t)PAGE) != 0)
		exit(2);
}

/* --- cases --------------------------------------------------------------- */

static unsigned long run(unsigned char *function)
{
	struct tr_regs r;

	tr_fill(&r);
	r.rax = 0;
	tr_run_fault(&r, function);
	EXPECT(r.rsp, tr_stack);
	return r.rax;
}

static void run_cut(const char *name, unsigned before, void (*go)(void))
{
	unsigned char *function = write_function(before);

	for (int i = 0; i < TIMES; i++) {
		EXPECT(run(function), 6);
		EXPECT(tr_seen.count, 0);
	}
	go();
	for (int i = 0; i < TIMES; i++) {
		run(function);
		EXPECT(tr_seen.count, 1);
		say("%s, %u before: %s %d, %ld done, at %ld, by %ld", name,
		    before, tr_signal_name(tr_seen.signo), tr_seen.code,
		    tr_seen.regs.rax, (long)tr_seen.rip - (long)code,
		    (long)tr_seen.addr - (long)code);
	}
}

static void run_all(const char *name, void (*go)(void), int flags, int fd)
{
	tr_catch_faults();
	for (unsigned before = 0; before < 5; before++) {
		if (fd >= 0 && ftruncate(fd, 2 * (off_t)PAGE) != 0)
			exit(2);
		map_again(flags, fd);
		run_cut(name, before, go);
	}
}

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static void unmapped(void)
{
	run_all("unmapped", unmap, ANONYMOUS, -1);
	run_all("moved", move, ANONYMOUS, -1);
}

static void protected(void)
{
	run_all("protected", protect, ANONYMOUS, -1);
	run_all("not executable", no_exec, ANONYMOUS, -1);
	run_all("replaced", replace, ANONYMOUS, -1);
}

static void file_cut(void)
{
	run_all("shared", truncate_file, MAP_SHARED, file);
	run_all("unmapped", unmap, MAP_SHARED, file);
}

/* What was written goes, and zeros come: add %al,(%rax). */
static void emptied(void)
{
	unsigned char *function;

	tr_catch_faults();
	map_again(ANONYMOUS, -1);
	function = write_function(0);
	for (int i = 0; i < TIMES; i++)
		EXPECT(run(function), 6);
	madvise(code + PAGE, PAGE, MADV_DONTNEED);
	for (int i = 0; i < TIMES; i++) {
		run(function);
		EXPECT(tr_seen.count, 1);
		EXPECT(tr_seen.rip, code + PAGE);
		EXPECT(tr_seen.addr, 4);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "unmapped", unmapped },
		{ "protected", protected },
		{ "file_cut", file_cut },
		{ "emptied", emptied },
	};

	file = memfd_create("code", 0);
	code = map_pages(2, RWX);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
