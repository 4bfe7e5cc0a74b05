/* tr_far: code that lies apart. Operands relative to %rip that are almost
 * 2 GiB away, above and below, so that a copy of the code elsewhere cannot
 * reach them as they are; the same of them made to fault; and branches that
 * go so far. */
#include "tr_fault.h"
#include <sys/mman.h>

#define PAGE  4096ul
#define CODE  0x70000000000ul
#define AWAY  0x7fff0000ul
#define ABOVE (CODE + AWAY)
#define BELOW (CODE - AWAY)

/* An instruction up to its displacement, and what comes behind that. */
struct form {
	const char *name;
	const char *head;
	unsigned n_head;
	const char *tail;
	unsigned n_tail;
	unsigned n_imm; /* of the tail, what belongs to the instruction */
};

#define FORM(name, head, tail, n_imm)                                       \
	{                                                                   \
		name, head, sizeof(head) - 1, tail, sizeof(tail) - 1, n_imm \
	}
static const struct form forms[] = {
	FORM("load", "\x48\x8b\x05", "", 0),
	FORM("load byte", "\x8a\x05", "", 0),
	FORM("load to ecx", "\x8b\x0d", "", 0),
	FORM("movzx", "\x0f\xb7\x05", "", 0),
	FORM("store", "\x48\x89\x0d", "", 0),
	FORM("store imm", "\x48\xc7\x05", "\x11\x22\x33\x44", 4),
	FORM("store byte imm", "\xc6\x05", "\x77", 1),
	FORM("cmp imm", "\x81\x3d", "\x01\x02\x03\x04", 4),
	FORM("cmpw imm", "\x66\x81\x3d", "\x01\x02", 2),
	FORM("add to", "\x48\x01\x05", "", 0),
	FORM("adc from", "\x48\x13\x05", "", 0),
	FORM("imul imm", "\x69\x05", "\x01\x02\x03\x04", 4),
	FORM("mul", "\x48\xf7\x25", "", 0),
	FORM("push", "\xff\x35", "\x58", 0),
	FORM("xadd", "\xf0\x48\x0f\xc1\x05", "", 0),
	FORM("cmpxchg", "\xf0\x48\x0f\xb1\x15", "", 0),
	FORM("cmpxchg16b", "\xf0\x48\x0f\xc7\x0d", "", 0),
	FORM("setc", "\x0f\x92\x05", "", 0),
	FORM("bt imm", "\x0f\xba\x25", "\x03", 1),
	FORM("movups", "\x0f\x10\x05", "\x66\x48\x0f\x7e\xc0", 0),
	FORM("movq store", "\x66\x0f\xd6\x05", "", 0),
	FORM("pshufd", "\x66\x0f\x70\x05", "\x1b\x66\x48\x0f\x7e\xc0", 1),
	FORM("fild", "\xdf\x2d", "\xdd\xd8", 0),
	FORM("lea and sub", "\x48\x8d\x05", "\x48\x29\xf8", 0),
};
static const struct form forms_avx[] = {
	FORM("vmovups", "\xc5\xfc\x10\x05", "\xc4\xe1\xf9\x7e\xc0", 0),
	FORM("vpaddd", "\xc5\xf5\xfe\x05", "\xc4\xe1\xf9\x7e\xc0", 0),
	FORM("vpermilps", "\xc4\xe3\x7d\x04\x05", "\x1b\xc4\xe1\xf9\x7e\xc0",
	     1),
};
static const struct form forms_avx512[] = {
	FORM("evex vmovups", "\x62\xf1\x7c\x48\x10\x05", "\xc4\xe1\xf9\x7e\xc0",
	     0),
	FORM("evex vpternlog", "\x62\xf3\x75\x48\x25\x05",
	     "\x96\xc4\xe1\xf9\x7e\xc0", 1),
};

static unsigned char *put(unsigned char *at, const void *from, size_t n)
{
	memcpy(at, from, n);
	return at + n;
}

static unsigned char *place(unsigned long at)
{
	void *p = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

/* The instruction on an operand, then ret, 16 bytes into the page. */
static unsigned char *write_form(const struct form *f, unsigned long operand)
{
	unsigned char *code = (unsigned char *)CODE + 16, *at = code;
	int disp;

	at = put(at, f->head, f->n_head);
	disp = (int)(operand - ((unsigned long)at + 4 + f->n_imm));
	at = put(at, &disp, 4);
	at = put(at, f->tail, f->n_tail);
	*at = 0xc3;
	return code;
}

static void fill(struct tr_regs *r, unsigned long operand)
{
	tr_fill(r);
	r->rdi = operand;
	r->flags |= TR_CF | TR_AF;
}

static void run_form(const struct form *f, unsigned long operand)
{
	unsigned long *cell = (unsigned long *)operand;
	struct tr_regs r;

	cell[0] = 0x1122334455667788;
	cell[1] = 0x99aabbccddeeff00;
	fill(&r, operand);
	tr_run(&r, write_form(f, operand));
	say("%s: %#lx %#lx %#lx, flags %#lx, memory %#lx %#lx", f->name, r.rax,
	    r.rcx, r.rdx, r.flags & TR_FLAGS, cell[0], cell[1]);
	EXPECT(r.rsp, tr_stack);
	EXPECT(r.rdi, operand);
}

static void run_bad(const struct form *f, unsigned long operand)
{
	struct tr_regs r, before;
	unsigned char *code;

	fill(&r, operand);
	before = r;
	code = write_form(f, operand);
	tr_run_fault(&r, code);
	say("%s: %s %d at %ld", f->name, tr_signal_name(tr_seen.signo),
	    tr_seen.code,
	    tr_seen.count ? (long)tr_seen.addr - (long)operand : 0);
	if (!tr_seen.count)
		return;
	before.rsp = tr_stack - 8;
	tr_seen.regs.flags = before.flags; /* may be dead: see tr_access.h */
	EXPECT(tr_seen.rip, code);
	tr_same(&tr_seen.regs, &before);
}

typedef void form_function(const struct form *f, unsigned long operand);

static void run_table(form_function *fn, const struct form *f, size_t n,
		      unsigned long operand)
{
	for (size_t i = 0; i < n; i++)
		fn(&f[i], operand);
}

static void run_forms(form_function *fn, unsigned long operand)
{
	run_table(fn, forms, ARRAY_SIZE(forms), operand);
	if (__builtin_cpu_supports("avx2"))
		run_table(fn, forms_avx, ARRAY_SIZE(forms_avx), operand);
	if (__builtin_cpu_supports("avx512f"))
		run_table(fn, forms_avx512, ARRAY_SIZE(forms_avx512), operand);
}

static void operands(void)
{
	run_forms(run_form, ABOVE);
	run_forms(run_form, BELOW);
}

static void faults(void)
{
	tr_catch_faults();
	mprotect((void *)ABOVE, PAGE, PROT_NONE);
	mprotect((void *)BELOW, PAGE, PROT_NONE);
	run_forms(run_bad, ABOVE);
	run_forms(run_bad, BELOW);
	mprotect((void *)ABOVE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	mprotect((void *)BELOW, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* --- branches ------------------------------------------------------------ */

static unsigned char *put_far(unsigned char *at, const char *op, size_t n,
			      unsigned long to)
{
	int disp;

	at = put(at, op, n);
	disp = (int)(to - ((unsigned long)at + 4));
	return put(at, &disp, 4);
}

/* What the branch goes to doubles eax and comes back by ret. */
static void run_branch(const char *name, const char *op, size_t n,
		       unsigned long flags, unsigned long to)
{
	unsigned char *code = (unsigned char *)CODE + 512, *at;
	struct tr_regs r;

	at = put_far(code, op, n, to);
	put(at, "\x8d\x40\x01\xc3", 4); /* lea 1(%rax),%eax; ret */
	tr_fill(&r);
	r.rax = 20;
	r.flags |= flags;
	tr_run(&r, code);
	say("%s: %ld", name, r.rax);
	EXPECT(r.rsp, tr_stack);
}

/* code: what branches go to; a pointer to it lies behind it. */
static void branches_to(unsigned long code)
{
	const unsigned long pointer = code + 64;

	put((unsigned char *)code, "\x01\xc0\xc3", 3);
	memcpy((void *)pointer, &code, 8);
	for (int i = 0; i < 3; i++) {
		run_branch("jmp", "\xe9", 1, 0, code);
		run_branch("call", "\xe8", 1, 0, code);
		run_branch("jb taken", "\x0f\x82", 2, TR_CF, code);
		run_branch("jb not taken", "\x0f\x82", 2, 0, code);
		run_branch("jmp *", "\xff\x25", 2, 0, pointer);
		run_branch("call *", "\xff\x15", 2, 0, pointer);
	}
}

static void branches(void)
{
	branches_to(ABOVE + 256);
	branches_to(BELOW + 256);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "operands", operands },
		{ "faults", faults },
		{ "branches", branches },
	};

	place(CODE);
	place(ABOVE);
	place(BELOW);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
