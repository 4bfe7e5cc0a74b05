/* tr_block: blocks of unusual shape: a million instructions, entered at many
 * places, thousands of branches in a row, code over page boundaries, many
 * functions that each run a few times. */
#include "tr_run.h"

/* clang-format off */
PIECE(nops, "	mov $7,%eax\n	.fill 1000000,1,0x90");
PIECE(long_nops, "	mov $7,%eax\n"
		 "	.rept 100000\n	.byte 0x0f,0x1f,0x40,0\n	.endr");
/* rdi: how many of the 1000 increments to leave out; each is 2 bytes */
PIECE(slide, "	lea 1f(%rip),%rdx\n	lea (%rdx,%rdi,2),%rdx\n"
	     "	mov $0,%eax\n	jmp *%rdx\n"
	     "1:	.rept 1000\n	inc %eax\n	.endr");
/* 3000 tests of bits of rdi, rotated */
PIECE(many_jcc, "	mov $0,%eax\n	.rept 3000\n"
		"	ror $1,%rdi\n	jnc 1f\n	inc %eax\n"
		"1:\n	.endr");
PIECE(many_jmp, "	mov $0,%eax\n	.rept 2000\n"
		"	jmp 1f\n	ud2\n1:	inc %eax\n	.endr");
PIECE(many_call, "	mov $0,%eax\n	jmp 2f\n1:	inc %eax\n	ret\n"
		 "2:	.rept 2000\n	call 1b\n	.endr");
/* A loop whose parts lie on 5 pages, in an order of their own. */
PIECE(pages, "	mov $0,%eax\n	jmp 1f\n	.fill 4096,1,6\n"
	     "3:	add $4,%eax\n	dec %rdi\n	jnz 1f\n	ret\n"
	     "	.fill 4096,1,6\n2:	add $2,%eax\n	jmp 4f\n"
	     "	.fill 4096,1,6\n1:	add $1,%eax\n	jmp 2b\n"
	     "	.fill 4096,1,6\n4:	add $8,%eax\n	jmp 3b\n"
	     "	ud2");
/* An instruction of 10 bytes over each of 16 ends of lines and pages. */
PIECE(straddle, "	.balign 4096\n	mov $0,%eax\n"
		"	.rept 200\n	.balign 64,0x90\n	.fill 59,1,0x90\n"
		"	movabs $0x0102030405060708,%rdx\n	add %edx,%eax\n"
		"	.endr");
/* 8000 functions of three blocks each, 32 bytes apart */
PIECE(crowd, "	.balign 32\ncrowd_first:\n	.rept 8000\n"
	     "	lea 1(%rdi,%rax),%rax\n	test $1,%al\n	jz 1f\n"
	     "	lea 3(%rax,%rax),%eax\n1:	ret\n	.balign 32,6\n"
	     "	.endr");
extern char crowd_first[];
/* clang-format on */

static unsigned long run(void *piece, unsigned long rdi)
{
	struct tr_regs r;

	tr_fill(&r);
	r.rdi = rdi;
	tr_run(&r, piece);
	EXPECT(r.rsp, tr_stack);
	return r.rax;
}

static void big(void)
{
	for (int i = 0; i < 5; i++) {
		EXPECT(run(nops, 0), 7);
		EXPECT(run(long_nops, 0), 7);
	}
}

static void middle(void)
{
	unsigned long sum = 0;

	for (unsigned long i = 0; i < 1000; i += 7)
		EXPECT(run(slide, i), 1000 - i);
	for (unsigned long i = 0; i < 1000; i++)
		sum += run(slide, i * 37 % 1000);
	EXPECT(sum, 1000ul * 1001 / 2);
	/* into the middle of the million */
	for (unsigned long i = 5; i < 1000000; i += 111111)
		EXPECT(run((char *)nops + i, 0), 0xa401010101010101ul);
}

static void rows(void)
{
	for (int i = 0; i < 3; i++) {
		EXPECT(run(many_jcc, 0), 0);
		EXPECT(run(many_jcc, ~0ul), 3000);
		say("some of them: %lu", run(many_jcc, 0x123456789abcdef1));
		EXPECT(run(many_jmp, 0), 2000);
		EXPECT(run(many_call, 0), 2000);
		EXPECT(run(pages, 1000), 15000);
		say("over ends: %#lx", run(straddle, 0));
	}
}

static void functions(void)
{
	unsigned long x = 0, n = 0;

	for (int round = 0; round < 3; round++) {
		for (n = 0; n < 8000; n++) {
			struct tr_regs r;

			tr_fill(&r);
			r.rax = x;
			r.rdi = n;
			tr_run(&r, crowd_first + 32 * n);
			x = r.rax & 0xffffffff;
		}
	}
	say("%lu functions: %#lx", n, x);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "big", big },
		{ "middle", middle },
		{ "rows", rows },
		{ "functions", functions },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
