/* tr_edge: the accesses of tr_access.h to memory that is bad in other ways
 * than a page that may not be read: beyond the end of a file (SIGBUS), at no
 * address at all, half in a page and half in the next; on the program's own
 * stack, without another for handlers; through pointers at fixed addresses; and
 * by %gs.
 *
 * The handler must see the instruction's own address and all registers as they
 * were before it. What the kernel tells of the access is printed. */
#include "tr_access.h"
#include <stdbool.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096ul

/* Pointers at fixed addresses, of which a translator may think it knows. */
static char rip_page[PAGE] __attribute__((aligned(4096)));
FAULT(call_rip, "", "call *rip_page(%rip)");
FAULT(jmp_rip, "", "jmp *rip_page(%rip)");

/* By %gs, the base of which is GS. */
#define GS 0x1000
FAULT(gs_load, "", "mov %gs:-0x1000(%rdi),%rax");
FAULT(gs_load_rcx, "", "mov %gs:-0x1000(%rdi),%rcx");
FAULT(gs_store, "", "mov %rcx,%gs:-0x1000(%rdi)");
FAULT(gs_index, "", "mov %gs:-0x1000(%rbx,%rcx,8),%rdx");
FAULT(gs_no_base, "", "movups %gs:-0x1000(,%r15,8),%xmm1");
FAULT(gs_push, "", "push %gs:-0x1000(%rdi)");
FAULT(gs_pop, "", "pop %gs:-0x1000(%rdi)");
FAULT(gs_setc, "", "setc %gs:-0x1000(%r12)");
FAULT(gs_cmp, "", "cmpl $5,%gs:-0x1000(%rbp)");
FAULT(gs_xadd, "", "lock xadd %rax,%gs:-0x1000(%rdi)");
FAULT(gs_cmpxchg, "", "cmpxchg %rdx,%gs:-0x1000(%rdi)");
FAULT(call_gs, "", "call *%gs:-0x1000(%rdi)");
FAULT(jmp_gs, "", "jmp *%gs:-0x1000(%rdi)");

static char *pages; /* a good one, the bad one, a good one */
static int file;    /* of the bad one */

static void fill_words(char *at, size_t n, void *value)
{
	for (; n--; at += 8)
		memcpy(at, &value, 8);
}

static void map_at(char *at, int prot, int flags, int fd)
{
	if (mmap(at, PAGE, prot, MAP_FIXED | flags, fd, 0) != at)
		exit(2);
}

/* --- kinds of bad memory -------------------------------------------------- */

/* A page of a file that has become shorter. */
static void cut(char *page)
{
	if (ftruncate(file, (off_t)PAGE) != 0)
		exit(2);
	map_at(page, PROT_READ | PROT_WRITE, MAP_SHARED, file);
	fill_words(page, PAGE / 8, landing);
	if (ftruncate(file, 0) != 0)
		exit(2);
}

static void uncut(void)
{
	if (ftruncate(file, (off_t)PAGE) != 0)
		exit(2);
	fill_words(pages + PAGE, PAGE / 8, landing);
}

static void protect(char *page)
{
	map_at(page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill_words(page, PAGE / 8, landing);
	mprotect(page, PAGE, PROT_NONE);
}

static void unprotect(void)
{
	mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE);
}

/* --- rows ---------------------------------------------------------------- */

struct kind {
	void (*make_bad)(char *page);
	void (*repair)(void);
	unsigned long at, end; /* of struct access_fill */
	bool by_data;	       /* and not by the stack */
};

/* What the kernel told: an address as a distance from the bad page. */
static void tell(const struct row *row)
{
	if (tr_seen.code == SI_KERNEL)
		say("%s: %s, by the kernel, %#lx", row->name,
		    tr_signal_name(tr_seen.signo), tr_seen.addr);
	else
		say("%s: %s, %d, %ld", row->name, tr_signal_name(tr_seen.signo),
		    tr_seen.code, (long)tr_seen.addr - (long)(pages + PAGE));
}

static void run_row(const struct kind *kind, const struct row *row,
		    unsigned long flags)
{
	struct tr_regs r, before;
	int failed = tr_failures;

	access_fill(&r, flags, kind->at, kind->end, (unsigned long)pages);
	before = r;
	tr_run_fault(&r, row->piece);
	access_before(row, &before);
	EXPECT(tr_seen.count, 1);
	EXPECT(tr_seen.rip, row->at);
	tr_same(&tr_seen.regs, &before);
	EXPECT(r.rsp, tr_stack);
	if (tr_failures != failed)
		printf("that was %s, %s\n", row->name,
		       tr_signal_name(tr_seen.signo));
	else if (!flags)
		tell(row);
}

static void run_kind(const struct kind *kind, const struct row *rows, size_t n)
{
	tr_catch_faults();
	tr_repair = kind->repair;
	for (size_t i = 0; i < n * 2; i++) {
		if ((kind->repair && rows[i / 2].fatal) ||
		    (kind->by_data && rows[i / 2].stack != SAME) ||
		    rows[i / 2].addr == LOW)
			continue;
		if (kind->make_bad)
			kind->make_bad(pages + PAGE);
		run_row(kind, &rows[i / 2], i & 1 ? TR_STATUS : 0);
	}
	tr_repair = NULL;
}

/* The handler leaves, or mends the page. */
static void run_both(struct kind kind, const struct row *rows, size_t n,
		     void (*repair)(void))
{
	kind.repair = NULL;
	run_kind(&kind, rows, n);
	kind.repair = repair;
	run_kind(&kind, rows, n);
}

static void run_all(const struct kind *kind)
{
	run_kind(kind, branches, ARRAY_SIZE(branches));
	run_kind(kind, others, ARRAY_SIZE(others));
}

/* --- cases --------------------------------------------------------------- */

static void file_end(void)
{
	struct kind kind = { .make_bad = cut,
			     .at = (unsigned long)pages + PAGE,
			     .end = (unsigned long)pages + 2 * PAGE };

	run_all(&kind);
	kind.repair = uncut;
	run_all(&kind);
}

/* getppid() */
FAULT(call_kernel, ON_BAD, "mov $110,%eax\n	syscall");

/* Virtual machines are known that cannot go on with such a stack behind
 * anything that the kernel has done, be it an interrupt. */
static bool can_stand_on(const struct kind *kind)
{
	struct tr_regs r;

	access_fill(&r, 0, kind->at, kind->end, (unsigned long)pages);
	tr_catch_faults();
	tr_run_fault(&r, call_kernel);
	return !tr_seen.count;
}

/* The processor does not translate such an address; the kernel does not tell
 * it, and that of a stack is another exception. */
static void no_address(void)
{
	struct kind kind = { .at = 0x8000123400001000,
			     .end = 0x8000123400002000 };

	kind.by_data = !can_stand_on(&kind);
	run_all(&kind);
}

/* Of a word that lies in two pages the second is bad. (A plain return is left
 * out: see the limits in doc/translate.md.) */
static const struct row whole[] = {
	R(call_base, 0, SAME),	 R(jmp_base, 0, SAME),
	R(call_minus8, 0, SAME), R(jmp_index, 0, SAME),
	R(jmp_fs, 0, SAME),	 R(call_fs, 0, SAME),
	R(call_rsp, 0, BAD),	 R(jmp_rsp, 0, BAD),
	R(notrack, 0, SAME),	 R(bnd, 0, SAME),
	R(ret_imm, 0, BAD),	 R(load, 0, SAME),
	R(pop_reg, 0, BAD),	 RS(pop_flags, 0, BAD, 1),
};

static unsigned before_bad;

static void protect_half(char *page)
{
	void *value = landing;

	map_at(page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memcpy(page - before_bad, &value, 8);
	mprotect(page, PAGE, PROT_NONE);
}

static void run_halves(void (*repair)(void))
{
	static const unsigned sizes[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct kind kind = { .make_bad = protect_half, .repair = repair };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		before_bad = sizes[i];
		kind.at = (unsigned long)pages + PAGE - before_bad;
		run_kind(&kind, whole, ARRAY_SIZE(whole));
	}
	fill_words(pages, PAGE / 8, leaf);
}

static void halves(void)
{
	run_halves(NULL);
	run_halves(unprotect);
}

/* A push that lies in two pages, of which the first is bad. */
static void half_pushes(void)
{
	static const struct row pushes[] = {
		R(call_direct, 0, GUARD), R(call_reg, 0, GUARD),
		R(call_mem, 0, GUARD),	  R(push_reg, 0, GUARD),
		R(push_imm, 0, GUARD),	  R(push_flags, 0, GUARD),
	};
	struct kind kind = { .make_bad = protect };

	for (unsigned long over = 1; over < 8; over++) {
		kind.end = (unsigned long)pages + 2 * PAGE + over;
		run_both(kind, pushes, ARRAY_SIZE(pushes), unprotect);
	}
	fill_words(pages + 2 * PAGE, PAGE / 8, leaf);
}

/* The handler's frame lies on the stack of the piece, below its red zone. */
static void own_stack(void)
{
	static const struct row rows[] = {
		R(call_base, 0, SAME),	R(jmp_base, 0, SAME),
		R(call_index, 0, SAME), R(jmp_disp32, 0, SAME),
		R(call_fs, 0, SAME),	R(jmp_fs, 0, SAME),
		R(load, 0, SAME),	R(push_from, 0, SAME),
		R(pop_to, 0, SAME),	R(leave_, 0, SAME),
	};
	struct kind kind = { .make_bad = protect,
			     .at = (unsigned long)pages + PAGE };
	stack_t none = { .ss_flags = SS_DISABLE };

	tr_catch_faults();
	sigaltstack(&none, NULL);
	run_kind(&kind, rows, ARRAY_SIZE(rows));
	kind.repair = unprotect;
	sigaltstack(&none, NULL);
	run_kind(&kind, rows, ARRAY_SIZE(rows));
}

static void mend_rip_page(void)
{
	mprotect(rip_page, PAGE, PROT_READ | PROT_WRITE);
}

static void run_rip(void (*make_bad)(char *), void (*repair)(void))
{
	static const struct row rows[] = {
		R(call_rip, 0, SAME),
		R(jmp_rip, 0, SAME),
	};
	struct kind kind = { .make_bad = make_bad, .repair = repair };
	char *kept = pages;

	pages = rip_page - PAGE; /* what tell() counts from */
	run_kind(&kind, rows, ARRAY_SIZE(rows));
	pages = kept;
}

/* First it is right, so that a translator sees where it leads. */
static void go_and_protect(char *page)
{
	struct tr_regs r;

	for (int i = 0; i < 3; i++) {
		tr_fill(&r);
		tr_run(&r, call_rip);
		tr_fill(&r);
		tr_run(&r, jmp_rip);
	}
	mprotect(page, PAGE, PROT_NONE);
}

static void protect_known(char *page)
{
	map_at(page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill_words(page, PAGE / 8, landing);
	go_and_protect(page);
}

/* The same in a file's page that nobody may write. */
static void protect_constant(char *page)
{
	cut(page);
	uncut();
	if (pwrite(file, &(void *){ landing }, 8, 0) != 8)
		exit(2);
	map_at(page, PROT_READ, MAP_PRIVATE, file);
	go_and_protect(page);
}

static void pointers(void)
{
	run_rip(protect_known, NULL);
	run_rip(protect_known, mend_rip_page);
	run_rip(cut, NULL);
}

static void constants(void)
{
	run_rip(protect_constant, NULL);
	run_rip(protect_constant, mend_rip_page);
}

static void by_gs(void)
{
	static const struct row rows[] = {
		R(gs_load, 0, SAME),	    R(gs_load_rcx, 0, SAME),
		R(gs_store, 0, SAME),	    R(gs_index, 0, SAME),
		R(gs_no_base, 0, SAME),	    R(gs_push, 0, SAME),
		R(gs_pop, 0, SAME),	    R(gs_setc, 0, SAME),
		RS(gs_cmp, 0, SAME, 0),	    RS(gs_xadd, 0, SAME, 0),
		RS(gs_cmpxchg, 0, SAME, 0), RB(gs, 0, SAME),
	};
	struct kind kind = { .make_bad = protect,
			     .at = (unsigned long)pages + PAGE };

	syscall(SYS_arch_prctl, ARCH_SET_GS, GS);
	run_both(kind, rows, ARRAY_SIZE(rows), unprotect);
	kind.make_bad = cut;
	run_kind(&kind, rows, ARRAY_SIZE(rows));
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "file_end", file_end },   { "no_address", no_address },
		{ "halves", halves },	    { "half_pushes", half_pushes },
		{ "own_stack", own_stack }, { "pointers", pointers },
		{ "constants", constants }, { "by_gs", by_gs },
	};

	file = memfd_create("bad", 0);
	pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill_words(pages, 3 * PAGE / 8, leaf);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
