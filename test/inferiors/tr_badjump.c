/* tr_badjump: jumps, calls and returns to where no code is: not mapped, not
 * readable, not executable, not canonical. The handler must see the target as
 * rip, the stack as the branch left it, and all else as it was. */
#include "tr_fault.h"
#include <sys/mman.h>

/* r14 keeps rsp; rdi is the target, (%rsi) has it too. */
#define JUMP(name, before, insn)                                       \
	PIECE(name, "	mov %rsp,%r14\n	" before "\n	.globl " #name \
		    "_at, " #name "_after\n" #name "_at:	" insn \
		    "\n" #name "_after:	mov %r14,%rsp");               \
	extern char name##_at[], name##_after[]

JUMP(jmp_reg, "", "jmp *%rdi");
JUMP(jmp_mem, "", "jmp *(%rsi)");
JUMP(jmp_notrack, "", "notrack jmp *%rdi");
JUMP(call_reg, "", "call *%rdi");
JUMP(call_mem, "", "call *(%rsi)");
JUMP(push_ret, "push %rdi", "ret");
JUMP(push_ret_imm, "push %rdi", "ret $32");
JUMP(deep, "lea -800(%rsp),%rsp\n	mov %rdi,(%rsp)", "ret");
JUMP(call_rsp, "push %rdi", "call *(%rsp)");

struct row {
	const char *name;
	void *piece;
	char *at, *after;
	long stack; /* rsp when it has jumped, from r14 */
	int calls;
};

#define R(name, stack, calls)                                      \
	{                                                          \
#name, name, name##_at, name##_after, stack, calls \
	}
static const struct row rows[] = {
	R(jmp_reg, 0, 0),	R(jmp_mem, 0, 0),   R(jmp_notrack, 0, 0),
	R(call_reg, -8, 1),	R(call_mem, -8, 1), R(push_ret, 0, 0),
	R(push_ret_imm, 32, 0), R(deep, -792, 0),   R(call_rsp, -16, 1),
};

static char *page;
static char *word;

static void check_seen(const struct row *row, struct tr_regs *before,
		       unsigned long target, unsigned long addr)
{
	unsigned long stack = tr_stack - 8;

	before->r14 = stack;
	before->rsp = stack + (unsigned long)row->stack;
	EXPECT(tr_seen.count, 1);
	EXPECT(tr_seen.signo, SIGSEGV);
	EXPECT(tr_seen.addr, addr);
	EXPECT(tr_seen.rip, target);
	tr_same(&tr_seen.regs, before);
	if (row->calls)
		EXPECT(tr_seen.top, row->after);
}

static void run_row(const struct row *row, unsigned long target,
		    unsigned long addr, unsigned long flags)
{
	struct tr_regs r, before;
	int failed = tr_failures;

	tr_fill(&r);
	r.flags |= flags;
	r.rdi = *(unsigned long *)word = target;
	r.rsi = (unsigned long)word;
	before = r;
	tr_run_fault(&r, row->piece);
	check_seen(row, &before, target, addr);
	EXPECT(r.rsp, tr_stack);
	if (tr_failures != failed)
		printf("that was %s\n", row->name);
}

static void run_rows(unsigned long target)
{
	tr_catch_faults();
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 4; i++)
		run_row(&rows[i / 4], target, target, i & 1 ? TR_STATUS : 0);
	say("code %d", tr_seen.code);
}

static void null(void)
{
	run_rows(0);
	run_rows(0x10);
}

static void unmapped(void)
{
	char *gone = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(gone, 4096);
	run_rows((unsigned long)gone + 0x123);
}

static void protected(void)
{
	mprotect(page, 4096, PROT_NONE);
	run_rows((unsigned long)page + 0x10);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	run_rows((unsigned long)page + 0x10);
	mprotect(page, 4096, PROT_READ);
	run_rows((unsigned long)page + 0x10);
	run_rows((unsigned long)&tr_seen);
	run_rows((unsigned long)&page);
}

/* A kernel address, which is canonical. */
static void kernel(void)
{
	run_rows(0xffffffff81000000);
}

/*
 * Whether such a branch faults or its target does is the processor's choice
 * (SDM vol. 2, JMP; APM vol. 2, 8.2.14), and a translator may choose again:
 * what the handler sees has to be the one or the other as a whole.
 */
static void check_one_of(const struct row *row, unsigned long target)
{
	long at_target = row->stack - 8;
	long at_branch = row->piece == (void *)deep ? -808
			 : row->piece == (void *)push_ret ||
					 row->piece == (void *)push_ret_imm ||
					 row->piece == (void *)call_rsp
				 ? -16
				 : -8;
	long stack = (long)(tr_seen.regs.rsp - tr_stack);

	if (tr_seen.rip == target)
		EXPECT(stack, at_target);
	else if (EXPECT(tr_seen.rip, row->at))
		EXPECT(stack, at_branch);
	if (tr_seen.rip == target && row->calls)
		EXPECT(tr_seen.top, row->after);
}

static void not_canonical(void)
{
	tr_catch_faults();
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		const struct row *row = &rows[i / 2];
		unsigned long target = 0x8000123400000000;
		struct tr_regs r;

		tr_fill(&r);
		r.rdi = *(unsigned long *)word = target;
		r.rsi = (unsigned long)word;
		tr_run_fault(&r, row->piece);
		say("%s: %s %d, address %lx", row->name,
		    tr_signal_name(tr_seen.signo), tr_seen.code, tr_seen.addr);
		check_one_of(row, target);
	}
}

/* --- code made here, at the end of a page --- */

static char *code; /* one page that may run, then one that may not */

/* Puts code so that it ends where the page does, and runs it. */
static void run_at_end(const char *bytes, size_t n, unsigned long flags)
{
	struct tr_regs r;
	char *at = code + 4096 - n;

	memset(code, 0x90, 4096);
	memcpy(at, bytes, n);
	tr_fill(&r);
	r.flags |= flags;
	r.rcx = 1;
	tr_run_fault(&r, at);
	EXPECT(tr_seen.count, 1);
	EXPECT(tr_seen.signo, SIGSEGV);
	EXPECT(tr_seen.addr & ~0xffful, code + 4096);
	say("rip %+ld of the page's end, address %+ld, rsp %+ld",
	    (long)(tr_seen.rip - (unsigned long)code - 4096),
	    (long)(tr_seen.addr - (unsigned long)code - 4096),
	    (long)(tr_seen.regs.rsp - tr_stack));
}

#define AT_END(bytes, flags) run_at_end(bytes, sizeof(bytes) - 1, flags)

static void off_the_end(void)
{
	tr_catch_faults();
	code = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3; i++) {
		mprotect(code + 4096, 4096, i ? PROT_READ : PROT_NONE);
		AT_END("\x90", 0);		       /* runs off the end */
		AT_END("\x31\xc0\xb8\x01\x02\x03", 0); /* half a mov */
		AT_END("\x48", 0);		       /* a prefix */
		AT_END("\xe9\x00\x00", 0);	       /* half a jmp */
		AT_END("\xeb\x00", 0);		       /* to the end */
		AT_END("\xeb\x10", 0);
		AT_END("\xe9\x20\x00\x00\x00", 0);
		AT_END("\xe8\x20\x00\x00\x00", 0);
		AT_END("\x72\x05\x90", TR_CF);
		AT_END("\x72\x05\x90", 0);
		AT_END("\x0f\x84\x30\x00\x00\x00\x90", TR_ZF);
		AT_END("\xe2\x10\x90", 0);
		AT_END("\xe3\x10\x90", 0);
		AT_END("\x0f", 0);
		AT_END("\xc4\xe2\x7d", 0);
		AT_END("\xff", 0);
	}
	munmap(code, 3 * 4096);
}

static void map_more(void)
{
	mprotect(code + 4096, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(code + 4096, "\x04\x05\x06\xc3", 4);
}

/* The handler maps the page, and the instruction runs after all. */
static void mapped_then(void)
{
	struct tr_regs r;

	tr_catch_faults();
	for (int i = 0; i < 5; i++) {
		code = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(code + 4096, 4096, PROT_NONE);
		tr_repair = map_more;
		tr_fill(&r);
		/* mov $0x06050403,%eax over the end; its rest is mapped */
		code[4094] = (char)0xb8;
		code[4095] = 0x03;
		tr_run_fault(&r, code + 4094);
		EXPECT(tr_seen.count, 1);
		EXPECT(tr_seen.rip, code + 4094);
		EXPECT(tr_seen.addr, code + 4096);
		EXPECT(r.rax, 0x06050403);
		tr_repair = NULL;
		munmap(code, 3 * 4096);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "null", null },
		{ "unmapped", unmapped },
		{ "protected", protected },
		{ "kernel", kernel },
		{ "not_canonical", not_canonical },
		{ "off_the_end", off_the_end },
		{ "mapped_then", mapped_then },
	};

	tr_look_at_stack = 1;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
