/* tr_branch: every form of direct branch, call and return, each taken and not
 * taken, several times, so that first visits and linked ones are seen. */
#include "tr_run.h"

/* --- conditional jumps: 16 conditions, short and long, all flags --- */

/* 1 where taken. Junk that must not run lies between. */
#define JCC(cc)                                                    \
	PIECE(short_##cc, "	j" #cc " 1f\n"                     \
			  "	mov $0,%eax\n	ret\n	ud2\n"             \
			  "1:	mov $1,%eax");                     \
	PIECE(long_##cc, "	j" #cc " 1f\n"                     \
			 "	mov $0,%eax\n	ret\n	.fill 300,1,0x06\n" \
			 "1:	mov $1,%eax")
JCC(o);
JCC(no);
JCC(b);
JCC(ae);
JCC(e);
JCC(ne);
JCC(be);
JCC(a);
JCC(s);
JCC(ns);
JCC(p);
JCC(np);
JCC(l);
JCC(ge);
JCC(le);
JCC(g);

#define BOTH(cc)                      \
	{                             \
		short_##cc, long_##cc \
	}
static char *const jcc[16][2] = {
	BOTH(o),  BOTH(no), BOTH(b),  BOTH(ae), BOTH(e), BOTH(ne),
	BOTH(be), BOTH(a),  BOTH(s),  BOTH(ns), BOTH(p), BOTH(np),
	BOTH(l),  BOTH(ge), BOTH(le), BOTH(g),
};

/* What condition number cc is with these flags. */
static int condition(int cc, unsigned long f)
{
	int cf = !!(f & TR_CF), zf = !!(f & TR_ZF), sf = !!(f & TR_SF);
	int of = !!(f & TR_OF), pf = !!(f & TR_PF);
	int is[] = { of, cf, zf, cf | zf, sf, pf, sf != of, zf | (sf != of) };

	return is[cc / 2] ^ (cc & 1);
}

static unsigned long spread_flags(unsigned int bits)
{
	static const unsigned long flag[] = { TR_CF, TR_PF, TR_AF,
					      TR_ZF, TR_SF, TR_OF };
	unsigned long f = 0x202;

	for (unsigned int i = 0; i < ARRAY_SIZE(flag); i++)
		f |= bits >> i & 1 ? flag[i] : 0;
	return f;
}

static void conditional(void)
{
	unsigned long taken = 0;
	struct tr_regs r;

	for (unsigned int i = 0; i < 16 * 2 * 64; i++) {
		unsigned long flags = spread_flags(i & 63);

		tr_fill(&r);
		r.flags = flags;
		tr_run(&r, jcc[i >> 7][i >> 6 & 1]);
		EXPECT(r.rax, condition((int)(i >> 7), flags));
		EXPECT(r.flags & TR_STATUS, flags & TR_STATUS);
		taken += r.rax;
	}
	say("%lu of %d taken", taken, 16 * 2 * 64);
}

/* --- pieces with rdi, rcx and flags in, rax out --- */

#define JUNK "	.byte 0x06,0x0f,0xff,0xea,0x62,0xc4\n"

PIECE(jmp_short, "	jmp 1f\n	ud2\n2:	mov $7,%eax\n	ret\n"
		 "1:	jmp 2b\n	ud2");
PIECE(jmp_long, "	jmp 1f\n	.fill 400,1,0x06\n"
		"1:	mov $7,%eax");
PIECE(jmp_next, "	jmp 1f\n1:	.byte 0xe9,0,0,0,0\n	mov $7,%eax");
PIECE(jrcxz, "	jrcxz 1f\n	mov $0,%eax\n	ret\n" JUNK "1:	mov $1,%eax");
PIECE(jecxz, "	jecxz 1f\n	mov $0,%eax\n	ret\n" JUNK "1:	mov $1,%eax");
PIECE(loop_rcx, "	xor %eax,%eax\n1:	inc %eax\n	loop 1b");
PIECE(loop_ecx, "	xor %eax,%eax\n1:	inc %eax\n	addr32 loop "
		"1b");
PIECE(loop_eq, "	xor %eax,%eax\n1:	inc %eax\n	cmp $5,%eax\n"
	       "	loope 1b");
PIECE(loop_ne, "	xor %eax,%eax\n1:	inc %eax\n	cmp $5,%eax\n"
	       "	loopne 1b");
PIECE(loop_forward,
      "	mov $0,%eax\n	loop 1f\n	ret\n" JUNK "1:	mov $1,%eax");
PIECE(call_direct, "	call 1f\n	inc %eax\n	ret\n"
		   "1:	mov $6,%eax");
PIECE(call_junk, "	call 1f\n" JUNK "	mov $7,%eax\n	ret\n"
		 "1:	addq $6,(%rsp)");
PIECE(call_never, "	call 1f\n" JUNK "1:	pop %rdx\n	mov $7,%eax");
PIECE(call_pop, "	call 1f\n1:	pop %rdx\n	lea 1b(%rip),%rax\n"
		"	sub %rdx,%rax\n	add $7,%eax");
PIECE(call_thunk, "	call 2f\n1:	lea 1b(%rip),%rax\n	sub %rdx,%rax\n"
		  "	add $7,%eax\n	ret\n"
		  "2:	mov (%rsp),%rdx");
PIECE(push_ret, "	lea 1f(%rip),%rax\n	push %rax\n	mov $1,%eax\n"
		"	ret\n" JUNK "1:	add $6,%eax");
PIECE(push_imm_ret, "	push $3\n	lea 1f(%rip),%rax\n"
		    "	push %rax\n	ret\n	ud2\n"
		    "1:	pop %rax\n	add $4,%eax");
PIECE(ret_imm, "	push $1\n	push $2\n	call 1f\n	ret\n"
	       "1:	mov $7,%eax\n	ret $16");
PIECE(ret_imm_big, "	sub $0x7ff8,%rsp\n	call 1f\n	ret\n"
		   "1:	mov $7,%eax\n	ret $0x7ff8");
PIECE(ret_elsewhere, "	call 1f\n	ud2\n2:	mov $7,%eax\n	ret\n"
		     "1:	lea 2b(%rip),%rdx\n	mov %rdx,(%rsp)");
PIECE(ret_further, "	call 1f\n	mov $7,%eax\n	ret\n"
		   "1:	call 2f\n	ud2\n"
		   "2:	add $8,%rsp");
PIECE(ret_chain,
      "	mov $0,%eax\n	lea 1f(%rip),%rcx\n"
      "	lea 2f(%rip),%rdx\n	push %rdx\n"
      "	push %rcx\n	push %rcx\n	push %rdx\n	ret\n"
      "1:	add $3,%eax\n	ret\n"
      "2:	add $1,%eax\n	cmp $8,%eax\n	jne 3f\n	dec %eax\n"
      "3:	");
PIECE(repne_ret, "	call 1f\n	ret\n1:	mov $7,%eax\n"
		 "	repne\n	ret");
PIECE(bnd_short, "	.byte 0xf2,0xeb,2\n	ud2\n	mov $7,%eax");
PIECE(rep_ret, "	call 1f\n	ret\n1:	mov $7,%eax\n"
	       "	rep\n	ret");
PIECE(repne_jb, "	stc\n	.byte 0xf2\n	jb 1f\n	ud2\n"
		"1:	mov $7,%eax");
PIECE(bnd_all,
      "	.byte 0xf2\n	call 1f\n	.byte 0xf2\n	jmp 3f\n"
      "	ud2\n1:	.byte 0xf2\n	jmp 2f\n"
      "	.fill 200,1,6\n2:	mov $7,%eax\n	.byte 0xf2,0xc3\n"
      "3:	");
PIECE(hints, "	stc\n	.byte 0x3e\n	jb 1f\n	ud2\n"
	     "1:	.byte 0x2e\n	jae 2f\n	mov $7,%eax\n"
	     "2:	");
PIECE(rex_prefixed, "	stc\n	.byte 0x48\n	jb 1f\n	ud2\n"
		    "1:	.byte 0x48,0xe8\n	.long 2f-.-4\n	ret\n"
		    "2:	mov $7,%eax\n	.byte 0x48,0xc3");
PIECE(endbr, "	endbr64\n	call 1f\n	ret\n"
	     "1:	endbr64\n	mov $7,%eax");
PIECE(overlap,
      "	mov $0,%eax\n	jmp 1f+1\n"
      "1:	.byte 0xb9,0x83,0xc0,0x07,0x90\n" /* add $7,%eax; nop */);
PIECE(middle, "	mov $0,%eax\n	mov $3,%ecx\n	jmp 2f\n"
	      "1:	add $100,%eax\n2:	add $2,%eax\n3:	inc %eax\n"
	      "	dec %ecx\n	jz 4f\n	cmp $2,%ecx\n	je 3b\n"
	      "	add $2,%eax\n	jmp 3b\n4:	sub $0,%eax");
PIECE(tail_call, "	call 1f\n	ret\n1:	mov $3,%eax\n	jmp 2f\n"
		 "	ud2\n2:	add $4,%eax");
PIECE(recurse, "	mov $0,%eax\n"
	       "1:	inc %eax\n	dec %rdi\n	jz 2f\n	call 1b\n"
	       "	inc %eax\n2:	");

struct row {
	const char *name;
	void *piece;
	unsigned long rdi, rcx, rax;
};

static const struct row rows[] = {
	{ "jmp_short", jmp_short, 0, 0, 7 },
	{ "jmp_long", jmp_long, 0, 0, 7 },
	{ "jmp_next", jmp_next, 0, 0, 7 },
	{ "jrcxz taken", jrcxz, 0, 0, 1 },
	{ "jrcxz not", jrcxz, 0, 1ul << 32, 0 },
	{ "jecxz taken", jecxz, 0, 1ul << 32, 1 },
	{ "jecxz not", jecxz, 0, 2, 0 },
	{ "loop", loop_rcx, 0, 10, 10 },
	{ "loop with ecx", loop_ecx, 0, 3ul << 32 | 10, 10 },
	{ "loope ends by zf", loop_eq, 0, 10, 1 },
	{ "loope ends by rcx", loop_eq, 0, 1, 1 },
	{ "loopne ends by zf", loop_ne, 0, 10, 5 },
	{ "loopne ends by rcx", loop_ne, 0, 3, 3 },
	{ "loop forward taken", loop_forward, 0, 2, 1 },
	{ "loop forward not", loop_forward, 0, 1, 0 },
	{ "loop forward wraps", loop_forward, 0, 0, 1 },
	{ "call_direct", call_direct, 0, 0, 7 },
	{ "call_junk", call_junk, 0, 0, 7 },
	{ "call_never", call_never, 0, 0, 7 },
	{ "call_pop", call_pop, 0, 0, 7 },
	{ "call_thunk", call_thunk, 0, 0, 7 },
	{ "push_ret", push_ret, 0, 0, 7 },
	{ "push_imm_ret", push_imm_ret, 0, 0, 7 },
	{ "ret_imm", ret_imm, 0, 0, 7 },
	{ "ret_imm_big", ret_imm_big, 0, 0, 7 },
	{ "ret_elsewhere", ret_elsewhere, 0, 0, 7 },
	{ "ret_further", ret_further, 0, 0, 7 },
	{ "ret_chain", ret_chain, 0, 0, 7 },
	{ "repne_ret", repne_ret, 0, 0, 7 },
	{ "rep_ret", rep_ret, 0, 0, 7 },
	{ "repne_jb", repne_jb, 0, 0, 7 },
	{ "bnd_short", bnd_short, 0, 0, 7 },
	{ "bnd", bnd_all, 0, 0, 7 },
	{ "hints", hints, 0, 0, 7 },
	{ "rex_prefixed", rex_prefixed, 0, 0, 7 },
	{ "endbr", endbr, 0, 0, 7 },
	{ "overlap", overlap, 0, 0, 7 },
	{ "middle", middle, 0, 0, 7 },
	{ "tail_call", tail_call, 0, 0, 7 },
	{ "recurse once", recurse, 1, 0, 1 },
	{ "recurse deep", recurse, 20000, 0, 39999 },
};

static void run_row(const struct row *row)
{
	struct tr_regs r, before;

	for (int i = 0; i < 4; i++) {
		tr_fill(&r);
		r.rdi = row->rdi;
		r.rcx = row->rcx;
		before = r;
		tr_run(&r, row->piece);
		if (!EXPECT(r.rax, row->rax))
			printf("that was %s\n", row->name);
		EXPECT(r.rsp, tr_stack);
		before.rax = r.rax;
		before.rcx = r.rcx;
		before.rdx = r.rdx;
		before.rdi = r.rdi;
		before.rsp = r.rsp;
		before.flags = r.flags;
		tr_same(&r, &before);
	}
	say("%s: %lu", row->name, r.rax);
}

static void forms(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
}

/* --- what a compiler makes of a switch, and two functions by turns --- */

__attribute__((noinline)) static long choose(long what, long x)
{
	switch (what % 11) {
	case 0:
		return x + 1;
	case 1:
		return x * 3;
	case 2:
		return x ^ 0x55;
	case 3:
		return x - 7;
	case 4:
		return x << 1;
	case 5:
		return x >> 1;
	case 6:
		return ~x;
	case 7:
		return x | 0x100;
	case 8:
		return x & 0xffff;
	default:
		return -x;
	}
}

static long odd(long n);

__attribute__((noinline)) static long even(long n)
{
	return n == 0 ? 1 : odd(n - 1);
}

__attribute__((noinline)) static long odd(long n)
{
	return n == 0 ? 0 : even(n - 1);
}

/* A small interpreter: every jump of it is an indirect one. */
static long interpret(const unsigned char *at, long n)
{
	static void *const label[] = { &&add, &&mix, &&triple, &&again, &&end };
	long x = 1;

	goto *label[*at++];
add:
	x += 3;
	goto *label[*at++];
mix:
	x ^= n;
	goto *label[*at++];
triple:
	x = x * 3 & 0xffffff;
	goto *label[*at++];
again:
	at -= n-- > 0 ? *at : -1;
	goto *label[*at++];
end:
	return x;
}

static void compiled(void)
{
	static const unsigned char code[] = { 0, 1, 0, 2, 1, 1, 0, 3, 6, 4 };
	long x = 1;

	for (long n = 0; n < 200000; n++)
		x = choose(n * 7 % 13, x) & 0xffffff;
	say("switch %#lx", x);
	EXPECT(even(10001), 0);
	say("interpreted %#lx", interpret(code, 100000));
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "conditional", conditional },
		{ "forms", forms },
		{ "compiled", compiled },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
