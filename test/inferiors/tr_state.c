/* tr_state: registers, flags and the red zone across every kind of branch.
 *
 * "Pure" pieces are made of branches only, and of what changes no register and
 * no flag: all must be after them what it was before. Others pass values in
 * flags, as hand-written code does. */
#include "tr_run.h"

void *to_1, *to_2, *to_ret;

/* clang-format off */
PIECE(pure_ret, "");
PIECE(pure_jmp, "	jmp 1f\n	ud2\n2:	jmp 3f\n	ud2\n"
		"1:	jmp 2b\n	ud2\n3:	");
PIECE(pure_jcc, "	jc 1f\n	jz 2f\n	js 1f\n2:	jo 3f\n	jp 3f\n"
		"3:	jmp 4f\n1:	jz 2b\n4:	jae 5f\n	ja 5f\n5:	jle 6f\n	nop\n6:	");
PIECE(pure_call, "	call 1f\n	call 1f\n	jmp 2f\n"
		 "1:	call pure_ret\n	ret\n2:	");
PIECE(pure_call_mem, "	call *to_ret(%rip)\n	call *to_ret(%rip)");
PIECE(pure_jmp_mem, "	jmp *to_1(%rip)\n	ud2\n"
		    "	.globl pure_1, pure_2\n"
		    "pure_2:	ret\n	ud2\n"
		    "pure_1:	jmp *to_2(%rip)\n	ud2");
PIECE(pure_jmp_reg, "	push %rdx\n	lea 1f(%rip),%rdx\n"
		    "	jmp *%rdx\n	ud2\n1:	pop %rdx");
PIECE(pure_push_ret, "	push to_1(%rip)\n	ret");
PIECE(pure_ret_imm, "	push %rdx\n	push %rdx\n	call 1f\n"
		    "	jmp 2f\n1:	ret $16\n2:	");
PIECE(pure_jrcxz, "	jrcxz 1f\n	jecxz 1f\n	nop\n1:	jrcxz 2f\n"
		  "2:	");
PIECE(pure_loop, "	push %rcx\n	mov $5,%ecx\n1:	loop 1b\n"
		 "	pop %rcx");
PIECE(pure_loopne, "	push %rcx\n	mov $5,%ecx\n1:	nop\n"
		   "	loopne 1b\n2:	loope 2b\n	pop %rcx");
PIECE(pure_nest, "	call 1f\n	call 2f\n	jmp 9f\n"
		 "1:	call 2f\n	jc 2f\n2:	call 3f\n	jz 3f\n"
		 "	ret\n3:	jmp *to_ret(%rip)\n9:	");
PIECE(pure_enter, "	enter $32,$0\n	call pure_ret\n	leave");
/* clang-format on */
extern char pure_1[], pure_2[];

struct row {
	const char *name;
	void *piece;
};

#define R(n)          \
	{             \
#n, n \
	}
static const struct row pure[] = {
	R(pure_ret),	R(pure_jmp),	  R(pure_jcc),	   R(pure_call),
	R(pure_loop),	R(pure_call_mem), R(pure_jmp_mem), R(pure_jmp_reg),
	R(pure_loopne), R(pure_push_ret), R(pure_ret_imm), R(pure_jrcxz),
	R(pure_nest),	R(pure_enter),
};

static unsigned long spread_flags(unsigned int bits)
{
	static const unsigned long flag[] = { TR_CF, TR_PF, TR_AF, TR_ZF,
					      TR_SF, TR_OF, TR_DF };
	unsigned long f = 0x202;

	for (unsigned int i = 0; i < ARRAY_SIZE(flag); i++)
		f |= bits >> i & 1 ? flag[i] : 0;
	return f;
}

static void run_pure(void)
{
	struct tr_regs r, before;

	to_1 = pure_1;
	to_2 = pure_2;
	to_ret = pure_ret;
	for (unsigned int i = 0; i < ARRAY_SIZE(pure) * 128; i++) {
		int failed = tr_failures;

		tr_fill(&r);
		r.flags = spread_flags(i % 128);
		before = r;
		tr_run(&r, pure[i / 128].piece);
		EXPECT(r.rsp, tr_stack);
		before.rsp = r.rsp;
		tr_same(&r, &before);
		if (failed != tr_failures)
			printf("that was %s\n", pure[i / 128].name);
	}
}

/* --- values in flags --- */

/* clang-format off */
/* Functions that answer in CF (rdi < rsi) and ZF (rdi == rsi). */
PIECE(less, "	cmp %rsi,%rdi");
PIECE(less_far, "	cmp %rsi,%rdi\n	jmp 1f\n	ud2\n1:	call 2f\n"
		"	ret\n2:	");
PIECE(in_cf, "	mov $0,%eax\n	call less\n	jnc 1f\n	inc %eax\n"
	     "1:	call less_far\n	adc $0,%eax\n	call less\n"
	     "	setc %cl\n	movzx %cl,%ecx\n	add %ecx,%eax\n"
	     "	call less_far\n	mov $0,%ecx\n	rcl $1,%ecx\n	add %ecx,%eax");
PIECE(in_zf, "	mov $0,%eax\n	call less\n	jne 1f\n	inc %eax\n"
	     "1:	call less_far\n	mov $2,%ecx\n	cmovne %eax,%ecx\n"
	     "	mov %ecx,%eax\n	call less\n	sete %cl\n"
	     "	movzx %cl,%ecx\n	add %ecx,%eax");
/* the answer read after some blocks, by each of two paths */
PIECE(carried, "	mov $0,%eax\n	call less\n	jz 2f\n	jmp 1f\n"
	       "	ud2\n1:	jmp *to_1(%rip)\n	.globl carried_1\n"
	       "carried_1:	jmp 3f\n2:	nop\n3:	lea 1(%rax),%eax\n"
	       "	jrcxz 4f\n4:	adc %eax,%eax");
/* x87 and lahf answers */
PIECE(in_ah, "	cmp %rsi,%rdi\n	lahf\n	jmp 1f\n	ud2\n"
	     "1:	cmp %rax,%rax\n	sahf\n	call 2f\n	ret\n"
	     "2:	mov $0,%eax\n	jnc 3f\n	inc %eax\n3:	");
/* rdi += rsi as 64 words: the carry lives across a loop's branches */
PIECE(add_words, "	mov $64,%ecx\n	xor %eax,%eax\n"
		 "1:	mov (%rsi,%rax,8),%rdx\n	adc %rdx,(%rdi,%rax,8)\n"
		 "	lea 1(%rax),%rax\n	dec %ecx\n	jnz 1b\n"
		 "	setc %al\n	movzx %al,%eax");
PIECE(add_loop, "	mov $64,%ecx\n	xor %eax,%eax\n"
		"1:	call 2f\n	lea 1(%rax),%rax\n	loop 1b\n"
		"	setc %al\n	movzx %al,%eax\n	ret\n"
		"2:	mov (%rsi,%rax,8),%rdx\n	adc %rdx,(%rdi,%rax,8)");
PIECE(overflow, "	mov $0,%eax\n1:	inc %eax\n	add %rsi,%rdi\n"
		"	call pure_ret\n	jno 1b");
PIECE(parity, "	mov $0,%eax\n	mov $64,%ecx\n"
	      "1:	ror $8,%rdi\n	test %dil,%dil\n	call 2f\n"
	      "	loop 1b\n	ret\n"
	      "2:	jp 3f\n	ret\n3:	lea 1(%rax),%eax");
PIECE(direction, "	lea 56(%rsi),%rsi\n	lea 56(%rdi),%rdi\n"
		 "	mov $8,%ecx\n	std\n	call 1f\n	cld\n	ret\n"
		 "1:	jmp 2f\n	ud2\n2:	rep movsq");
PIECE(pushed, "	cmp %rsi,%rdi\n	call 1f\n	ret\n"
	      "1:	pushf\n	jmp 2f\n	ud2\n2:	popf\n	pushf\n"
	      "	pop %rax\n	and $0xcd5,%eax");
/* clang-format on */
extern char carried_1[];

static unsigned long call2(void *piece, unsigned long rdi, unsigned long rsi)
{
	struct tr_regs r;

	tr_fill(&r);
	r.rdi = rdi;
	r.rsi = rsi;
	tr_run(&r, piece);
	EXPECT(r.rsp, tr_stack);
	return r.rax;
}

static void in_flags(void)
{
	to_1 = carried_1;
	for (unsigned long i = 0; i < 300; i++) {
		unsigned long a = i * 7919 % 17, b = i * 31 % 13;

		EXPECT(call2(in_cf, a, b), a < b ? 4 : 0);
		EXPECT(call2(in_zf, a, b), a == b ? 3 : 0);
		EXPECT(call2(carried, a, b), 2 + (a < b));
		EXPECT(call2(in_ah, a, b), a < b);
	}
	EXPECT(call2(overflow, 0, 1ul << 60), 8);
	say("%lu %#lx %#lx", call2(parity, 0x0323456789abcdef, 0),
	    call2(pushed, 1, 2), call2(pushed, 1ul << 63, 1));
}

static void long_numbers(void)
{
	unsigned long a[64], b[64], from[8], to[8], sum = 0;

	for (int i = 0; i < 64; i++) {
		a[i] = 0x9e3779b97f4a7c15ul * (unsigned long)(i + 1);
		b[i] = ~a[i];
	}
	b[0]++;
	EXPECT(call2(add_words, (unsigned long)a, (unsigned long)b), 1);
	for (int i = 0; i < 64; i++)
		EXPECT(a[i], 0);
	for (int i = 0; i < 100; i++) {
		call2(add_loop, (unsigned long)a, (unsigned long)b);
		sum = sum * 31 + a[i % 64];
	}
	say("%#lx", sum);
	for (int i = 0; i < 8; i++)
		from[i] = b[i];
	call2(direction, (unsigned long)to, (unsigned long)from);
	EXPECT(memcmp(from, to, sizeof(to)), 0);
}

/* --- below the stack pointer --- */

/* clang-format off */
#define EACH_SLOT(code) \
	"	.irp n,8,16,24,32,40,48,56,64,72,80,88,96,104,112,120,128\n" \
	code "	.endr\n"
#define FILL EACH_SLOT("	lea \\n(%rdi),%rdx\n	mov %rdx,-\\n(%rsp)\n")
#define SUM EACH_SLOT("	mov -\\n(%rsp),%rdx\n	sub %rdi,%rdx\n" \
		      "	lea (%rax,%rdx),%rax\n")
#define RED(name, code) \
	PIECE(name, "	mov $0,%eax\n" FILL "	mov $3,%ecx\n" code "\n" SUM)
RED(red_jmp, "	jmp 1f\n	ud2\n1:	");
RED(red_jcc, "	cmp %rdi,%rsi\n	jc 1f\n	jz 1f\n1:	js 2f\n2:	");
RED(red_loop, "1:	loop 1b");
RED(red_indirect, "	lea 1f(%rip),%rdx\n	jmp *%rdx\n	ud2\n1:	");
RED(red_memory, "	lea 1f(%rip),%rdx\n	mov %rdx,to_1(%rip)\n"
		"	jmp *to_1(%rip)\n	ud2\n1:	");
RED(red_syscall, "	push %rax\n	pop %rax\n	mov %rdi,-8(%rsp)\n"
		 "	addq $8,-8(%rsp)\n	mov $39,%eax\n	syscall\n"
		 "	mov $0,%eax");
/* What a call has left there: its return address, and nothing else. */
PIECE(residue, FILL "	call 1f\n2:	mov -8(%rsp),%rcx\n"
	       "	lea 2b(%rip),%rdx\n	mov $0,%eax\n	sub %rdx,%rcx\n"
	       "	mov %rdi,-8(%rsp)\n	addq $8,-8(%rsp)\n" SUM
	       "	add %rcx,%rax\n	ret\n"
	       "1:	nop");
/* clang-format on */

static const struct row red[] = {
	R(red_jmp),    R(red_jcc),     R(red_loop), R(red_indirect),
	R(red_memory), R(red_syscall), R(residue),
};

static void red_zone(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(red) * 4; i++)
		if (!EXPECT(call2(red[i / 4].piece, 1000, 0), 8 * 17 * 8))
			printf("that was %s\n", red[i / 4].name);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "pure", run_pure },
		{ "in_flags", in_flags },
		{ "long_numbers", long_numbers },
		{ "red_zone", red_zone },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
