/* Runs a piece of hand-written code with all registers chosen, and tells what
 * they are after it.
 *
 *	PIECE(add_them, "lea (%rdi,%rsi),%rax");        at file level
 *	tr_fill(&regs);
 *	tr_run(&regs, add_them);
 *
 * A piece is entered by a call and leaves by ret, its last instruction. tr_run
 *sets what it finds in *regs but rsp, and stores the registers after the piece,
 *rsp as it then was (so rsp before and after are to be the same as tr_stack). A
 *signal handler may go to tr_escape with rsp = tr_stack instead of returning
 *into a piece.
 */
#ifndef TEST_INFERIORS_TR_RUN_H
#define TEST_INFERIORS_TR_RUN_H

#include "tr.h"

struct tr_regs {
	unsigned long rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	unsigned long r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

#define TR_CF	  0x001ul
#define TR_PF	  0x004ul
#define TR_AF	  0x010ul
#define TR_ZF	  0x040ul
#define TR_SF	  0x080ul
#define TR_TF	  0x100ul
#define TR_DF	  0x400ul
#define TR_OF	  0x800ul
#define TR_STATUS (TR_CF | TR_PF | TR_AF | TR_ZF | TR_SF | TR_OF)
#define TR_FLAGS  (TR_STATUS | TR_DF)

void tr_run(struct tr_regs *regs, void *code);
extern char tr_escape[];
extern unsigned long tr_stack;

/* clang-format off */
__asm__(".text\n"
	".globl tr_run, tr_escape\n"
	".type tr_run, @function\n"
	"tr_run:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n"
	"	push %r13\n	push %r14\n	push %r15\n"
	"	sub $8,%rsp\n"
	"	push %rdi\n	push %rsi\n"
	"	mov %rsp,tr_stack(%rip)\n"
	"	pushq 128(%rdi)\n"
	"	mov (%rdi),%rax\n	mov 8(%rdi),%rbx\n"
	"	mov 16(%rdi),%rcx\n	mov 24(%rdi),%rdx\n"
	"	mov 32(%rdi),%rsi\n	mov 48(%rdi),%rbp\n"
	"	mov 64(%rdi),%r8\n	mov 72(%rdi),%r9\n"
	"	mov 80(%rdi),%r10\n	mov 88(%rdi),%r11\n"
	"	mov 96(%rdi),%r12\n	mov 104(%rdi),%r13\n"
	"	mov 112(%rdi),%r14\n	mov 120(%rdi),%r15\n"
	"	mov 40(%rdi),%rdi\n"
	"	popf\n"
	"	call *(%rsp)\n"
	"tr_escape:\n"
	"	pushf\n"
	"	push %rax\n"
	"	mov 24(%rsp),%rax\n"
	"	mov %rbx,8(%rax)\n	mov %rcx,16(%rax)\n"
	"	mov %rdx,24(%rax)\n	mov %rsi,32(%rax)\n"
	"	mov %rdi,40(%rax)\n	mov %rbp,48(%rax)\n"
	"	mov %r8,64(%rax)\n	mov %r9,72(%rax)\n"
	"	mov %r10,80(%rax)\n	mov %r11,88(%rax)\n"
	"	mov %r12,96(%rax)\n	mov %r13,104(%rax)\n"
	"	mov %r14,112(%rax)\n	mov %r15,120(%rax)\n"
	"	popq (%rax)\n"
	"	popq 128(%rax)\n"
	"	mov %rsp,56(%rax)\n"
	"	pushq $0x202\n	popf\n"
	"	add $24,%rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n"
	"	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n"
	".size tr_run, . - tr_run\n"
	".local tr_stack\n"
	".comm tr_stack,8,8\n");
/* clang-format on */

#define PIECE(name, code)                                            \
	__asm__(".text\n"                                            \
		".globl " #name "\n"                                 \
		".type " #name ", @function\n" #name ":\n" code "\n" \
		"	ret\n"                                             \
		".size " #name ", . - " #name "\n");                 \
	extern char name[]

/* Every register something else, no flag but IF. */
__unused static void tr_fill(struct tr_regs *r)
{
	unsigned long *word = (unsigned long *)r;

	for (int i = 0; i < 16; i++)
		word[i] = 0x0101010101010101ul * (unsigned long)(i + 1) ^
			  0xa5ul << 56;
	r->flags = 0x202;
}

__unused static const char *tr_reg_name(int i)
{
	static const char *const name[] = { "rax", "rbx",  "rcx", "rdx", "rsi",
					    "rdi", "rbp",  "rsp", "r8",	 "r9",
					    "r10", "r11",  "r12", "r13", "r14",
					    "r15", "flags" };

	return name[i];
}

/* Compares all but flags outside TR_FLAGS, in the line given. */
__unused static void tr_same_at(int line, const struct tr_regs *got,
				const struct tr_regs *want)
{
	const unsigned long *g = (const unsigned long *)got;
	const unsigned long *w = (const unsigned long *)want;

	for (int i = 0; i < 16; i++)
		if (g[i] != w[i])
			tr_fail(line, tr_reg_name(i), (long)g[i], (long)w[i]);
	if ((g[16] ^ w[16]) & TR_FLAGS)
		tr_fail(line, "flags", (long)(g[16] & TR_FLAGS),
			(long)(w[16] & TR_FLAGS));
}
#define tr_same(got, want) tr_same_at(__LINE__, got, want)

#endif
