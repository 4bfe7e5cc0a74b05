/* tr_memfault: every access to memory that a translator may make in place of
 * the program's is made to fault: operands of calls and jumps, the stack that
 * they push to and return from, and for comparison those of other instructions.
 *
 * The handler must see the instruction's own address, all registers as they
 * were before it, flags too, and the address that was accessed. Each row runs
 * twice so that the handler escapes, twice so that it makes the page readable
 * and returns. */
#include "tr_fault.h"
#include <sys/mman.h>

#define LOW 0x10001000

/* r14 keeps rsp, so that a landing can leave from anywhere. */
PIECE(landing, "	mov %r14,%rsp");
PIECE(leaf, "	nop");
#define FAULT(name, before, insn)                                        \
	PIECE(name, "	mov %rsp,%r14\n	" before "\n	.globl " #name   \
		    "_at\n" #name "_at:	" insn "\n	mov %r14,%rsp"); \
	extern char name##_at[]

/* What tr_memfault fills in: see fill(). */
#define GUARDED "mov %r9,%rsp"
#define ON_BAD	"mov %rdi,%rsp"

FAULT(load, "", "mov (%rdi),%rax");
FAULT(store, "", "mov %rax,(%rdi)");
FAULT(add_to, "", "add %rax,(%rdi)");
FAULT(cmp_imm, "", "cmpl $0x1234567,(%rdi)");
FAULT(xadd, "", "lock xadd %rax,(%rdi)");
FAULT(cmpxchg, "", "lock cmpxchg %rdx,(%rdi)");
FAULT(movups, "", "movups (%rdi),%xmm1");
FAULT(movdqa, "", "movdqa %xmm1,(%rdi)");
FAULT(push_from, "", "push (%rdi)");
FAULT(pop_to, "", "pop (%rdi)");
FAULT(push_rsp_rel, ON_BAD, "push 8(%rsp)");

/* the operand of an indirect call or jump */
#define BOTH(name, before, operand)                   \
	FAULT(call_##name, before, "call *" operand); \
	FAULT(jmp_##name, before, "jmp *" operand)
BOTH(base, "", "(%rdi)");
BOTH(disp8, "", "8(%rdi)");
BOTH(minus8, "", "-0x80(%r13)");
BOTH(disp32, "", "0x12345678(%rdx)");
BOTH(index, "", "(%rbx,%rcx,8)");
BOTH(index_8, "", "0x18(%rbx,%rcx,8)");
BOTH(index_32, "", "0x100(%rbx,%rcx,8)");
BOTH(rbp, "", "(%rbp)");
BOTH(r12, "", "(%r12)");
BOTH(no_base, "", "0(,%r15,8)");
BOTH(absolute, "", "0x10001000");
BOTH(fs, "", "%fs:(%r8)");
BOTH(rsp, ON_BAD, "(%rsp)");
BOTH(rsp_8, ON_BAD, "8(%rsp)");
BOTH(rsp_index, ON_BAD, "(%rsp,%rcx,8)");
FAULT(notrack, "", "notrack jmp *(%rdi)");
FAULT(bnd, "", "bnd call *(%rdi)");

/* a stack that ends */
FAULT(call_direct, GUARDED, "call leaf");
FAULT(call_reg, GUARDED, "call *%r10");
FAULT(call_mem, GUARDED, "call *(%rsi)");
FAULT(call_own, GUARDED, "call *(%rsp)");
FAULT(push_reg, GUARDED, "push %rax");
FAULT(push_imm, GUARDED, "push $77");
FAULT(push_mem, GUARDED, "push (%rsi)");
FAULT(push_flags, GUARDED, "pushf");
FAULT(enter_, GUARDED, "enter $16,$0");

/* a stack that cannot be read */
FAULT(ret_, ON_BAD, "ret");
FAULT(ret_imm, ON_BAD, "ret $24");
FAULT(rep_ret, ON_BAD, "rep ret");
FAULT(bnd_ret, ON_BAD, "bnd ret");
FAULT(pop_reg, ON_BAD, "pop %rax");
FAULT(pop_mem, ON_BAD, "pop (%rsi)");
FAULT(pop_flags, ON_BAD, "popf");
FAULT(leave_, "", "leave");

enum stack { SAME, BAD, GUARD };

struct row {
	const char *name;
	void *piece;
	char *at;
	long addr; /* from the bad page; where at LOW, that */
	enum stack stack;
	int fatal; /* cannot go on when it is repaired */
	/* It gives all status flags new values, so those from before it are
	 * dead, and a translator need not have them: only a handler of the
	 * fault could tell. */
	int spends;
};

#define R(name, addr, stack)                              \
	{                                                 \
#name, name, name##_at, addr, stack, 0, 0 \
	}
#define RS(name, addr, stack, fatal)                          \
	{                                                     \
#name, name, name##_at, addr, stack, fatal, 1 \
	}
#define RB(name, addr, stack) \
	R(call_##name, addr, stack), R(jmp_##name, addr, stack)
static const struct row branches[] = {
	RB(base, 0, SAME),	   RB(disp8, 8, SAME),
	RB(minus8, 0, SAME),	   RB(disp32, 0, SAME),
	RB(index, 0, SAME),	   RB(index_8, 0x18, SAME),
	RB(index_32, 0x100, SAME), RB(rbp, 0, SAME),
	RB(r12, 0, SAME),	   RB(no_base, 0, SAME),
	RB(absolute, LOW, SAME),   RB(fs, 0, SAME),
	RB(rsp, 0, BAD),	   RB(rsp_8, 8, BAD),
	RB(rsp_index, 24, BAD),	   R(notrack, 0, SAME),
	R(bnd, 0, SAME),	   R(call_direct, 4088, GUARD),
	R(call_reg, 4088, GUARD),  R(call_mem, 4088, GUARD),
	R(call_own, 4088, GUARD),  R(ret_, 0, BAD),
	R(ret_imm, 0, BAD),	   R(rep_ret, 0, BAD),
	R(bnd_ret, 0, BAD),
};

/* What a translator copies as it is. */
static const struct row others[] = {
	R(load, 0, SAME),	    R(store, 0, SAME),
	RS(add_to, 0, SAME, 0),	    RS(cmp_imm, 0, SAME, 0),
	RS(xadd, 0, SAME, 0),	    RS(cmpxchg, 0, SAME, 0),
	R(movups, 0, SAME),	    R(movdqa, 0, SAME),
	R(push_from, 0, SAME),	    R(pop_to, 0, SAME),
	R(push_rsp_rel, 8, BAD),    R(push_reg, 4088, GUARD),
	R(push_imm, 4088, GUARD),   R(push_mem, 4088, GUARD),
	R(push_flags, 4088, GUARD), R(enter_, 4088, GUARD),
	R(pop_reg, 0, BAD),	    R(pop_mem, 0, BAD),
	R(leave_, 0, SAME),	    RS(pop_flags, 0, BAD, 1),
};

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

static void fill(struct tr_regs *r, unsigned long flags)
{
	unsigned long fs;

	__asm__("mov %%fs:0,%0" : "=r"(fs));
	tr_fill(r);
	r->flags |= flags;
	r->rdi = r->rbp = r->r12 = (unsigned long)bad;
	r->rsi = (unsigned long)good;
	r->rbx = (unsigned long)bad - 24;
	r->rcx = 3;
	r->rdx = (unsigned long)bad - 0x12345678;
	r->r8 = (unsigned long)bad - fs;
	r->r9 = (unsigned long)bad + 4096;
	r->r10 = (unsigned long)leaf;
	r->r13 = (unsigned long)bad + 0x80;
	r->r15 = (unsigned long)bad / 8;
}

static void run_row(const struct row *row, unsigned long flags)
{
	unsigned long addr =
		row->addr == LOW
			? LOW
			: (unsigned long)bad + (unsigned long)row->addr;
	struct tr_regs r, before;
	int failed = tr_failures;

	fill(&r, flags);
	before = r;
	tr_run_fault(&r, row->piece);
	before.r14 = tr_stack - 8;
	before.rsp = row->stack == SAME	 ? tr_stack - 8
		     : row->stack == BAD ? before.rdi
					 : before.r9;
	EXPECT(tr_seen.count, 1);
	EXPECT(tr_seen.signo, SIGSEGV);
	EXPECT(tr_seen.code, SEGV_ACCERR);
	EXPECT(tr_seen.addr, addr);
	EXPECT(tr_seen.rip, row->at);
	if (row->spends)
		before.flags = (before.flags & TR_DF) |
			       (tr_seen.regs.flags & TR_STATUS);
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
