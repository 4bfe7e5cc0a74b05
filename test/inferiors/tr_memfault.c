/* tr_memfault: the accesses of tr_access.h to a page that nobody may read.
 *
 * The handler must see the instruction's own address, all registers as they
 * were before it, flags too, and the address that was accessed. Each row runs
 * twice so that the handler escapes, twice so that it makes the page readable
 * and returns. */
#include "tr_access.h"
#include <sys/mman.h>

static char *good, *bad, *low;

/* All words are a landing's address, then nobody may read them. */
static void make_bad(char *page)
{
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 512; i++)
		((void **)page)[i] = landing;
	mprotect(page, 4096, PROT_NONE);
}

static void make_good(void)
{
	mprotect(bad, 4096, PROT_READ | PROT_WRITE);
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
}

static void run_row(const struct row *row, unsigned long flags)
{
	unsigned long addr =
		row->addr == LOW
			? LOW
			: (unsigned long)bad + (unsigned long)row->addr;
	struct tr_regs r, before;
	int failed = tr_failures;

	access_fill(&r, flags, (unsigned long)bad, (unsigned long)bad + 4096,
		    (unsigned long)good);
	before = r;
	tr_run_fault(&r, row->piece);
	access_before(row, &before);
	EXPECT(tr_seen.count, 1);
	EXPECT(tr_seen.signo, SIGSEGV);
	EXPECT(tr_seen.code, SEGV_ACCERR);
	EXPECT(tr_seen.addr, addr);
	EXPECT(tr_seen.rip, row->at);
	tr_same(&tr_seen.regs, &before);
	EXPECT(r.rsp, tr_stack);
	if (tr_failures != failed)
		printf("that was %s\n", row->name);
}

static void run_rows(const struct row *rows, size_t n, void (*repair)(void))
{
	tr_catch_faults();
	tr_repair = repair;
	for (size_t i = 0; i < n * 2; i++) {
		if (repair && rows[i / 2].fatal)
			continue;
		make_bad(bad);
		make_bad(low);
		run_row(&rows[i / 2], i & 1 ? TR_STATUS : 0);
	}
	tr_repair = NULL;
	say("%zu accesses", n);
}

static void branches_escape(void)
{
	run_rows(branches, ARRAY_SIZE(branches), NULL);
}

static void branches_repair(void)
{
	run_rows(branches, ARRAY_SIZE(branches), make_good);
}

static void others_escape(void)
{
	run_rows(others, ARRAY_SIZE(others), NULL);
}

static void others_repair(void)
{
	run_rows(others, ARRAY_SIZE(others), make_good);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "branches_escape", branches_escape },
		{ "branches_repair", branches_repair },
		{ "others_escape", others_escape },
		{ "others_repair", others_repair },
	};

	good = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bad = good + 4096;
	for (int i = 0; i < 512; i++)
		((void **)good)[i] = ((void **)(bad + 4096))[i] = leaf;
	low = mmap((void *)LOW, 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (low != (char *)LOW)
		return 2;
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
