/* tr_constant: a jump through a pointer in a page of a file that nobody may
 * write to, which is then written, replaced, unmapped, moved over: the next
 * jump goes by the new one. */
#include "tr.h"
#include <sys/mman.h>

#define PAGE 4096

static long one(void)
{
	return 1;
}

static long two(void)
{
	return 2;
}

/* jmp *(4096 - 6)(%rip), and a page on the pointer. */
static int make_file(long (*to)(void))
{
	static const unsigned char jump[] = { 0xff, 0x25, 0xfa, 0x0f, 0, 0 };
	int fd = memfd_create("constant", 0);

	if (ftruncate(fd, 2 * PAGE) ||
	    pwrite(fd, jump, sizeof(jump), 0) != sizeof(jump) ||
	    pwrite(fd, &to, sizeof(to), PAGE) != sizeof(to))
		abort();
	return fd;
}

static long (*map_jump(int fd))(void)
{
	char *at = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	mprotect(at, PAGE, PROT_READ | PROT_EXEC);
	return (long (*)(void))(void *)at;
}

typedef void change_fn(char *at, int other);

static void written(char *at, int other)
{
	long (*to)(void) = two;

	(void)other;
	mprotect(at, PAGE, PROT_READ | PROT_WRITE);
	memcpy(at, &to, sizeof(to));
	mprotect(at, PAGE, PROT_READ);
}

static void replaced(char *at, int other)
{
	mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, other, PAGE);
}

static void unmapped(char *at, int other)
{
	munmap(at, PAGE);
	mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, other,
	     PAGE);
}

static void moved_over(char *at, int other)
{
	void *from = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, other, PAGE);

	mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
}

/* There first, and then not for a while. */
static void moved_away(char *at, int other)
{
	mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	       mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, other,
	     PAGE);
}

static void try_it(change_fn *change)
{
	int fd = make_file(one), other = make_file(two);
	long (*volatile jump)(void) = map_jump(fd);
	long before = 0, after = 0;

	for (int i = 0; i < 100; i++)
		before += jump();
	change((char *)(uintptr_t)jump + PAGE, other);
	for (int i = 0; i < 100; i++)
		after += jump();
	say("%ld, then %ld", before, after);
	EXPECT(before, 100);
	EXPECT(after, 200);
	munmap((char *)(uintptr_t)jump, 2 * PAGE);
	close(fd);
	close(other);
}

#define CASE(name)                    \
	static void case_##name(void) \
	{                             \
		try_it(name);         \
	}

CASE(written)
CASE(replaced)
CASE(unmapped)
CASE(moved_over)
CASE(moved_away)

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "written", case_written },
		{ "replaced", case_replaced },
		{ "unmapped", case_unmapped },
		{ "moved_over", case_moved_over },
		{ "moved_away", case_moved_away },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
