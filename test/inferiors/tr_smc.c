/* tr_smc: code that changes itself: the instruction that comes next, the loop
 * it is in, its caller, the code that a signal interrupted, data beside it. */
#include "tr_code.h"
#include "tr_fault.h"
#include <sys/time.h>

/* These lie on pages of their own, that are made writable. */
/* clang-format off */
__asm__(".text\n	.balign 4096\n	.globl smc_begin\nsmc_begin:\n");
/* rax: the sum of 1..rdi, each added as an immediate that was just stored */
PIECE(immediate, "	xor %eax,%eax\n	xor %ecx,%ecx\n"
		 "1:	inc %ecx\n	mov %ecx,2f+1(%rip)\n	jmp 2f\n"
		 "2:	add $0x11111111,%eax\n	cmp %rcx,%rdi\n	jne 1b");
/* The same without a branch between. */
PIECE(at_once, "	xor %eax,%eax\n	xor %ecx,%ecx\n"
	       "1:	inc %ecx\n	mov %ecx,2f+1(%rip)\n"
	       "2:	add $0x11111111,%eax\n	cmp %rcx,%rdi\n	jne 1b");
/* And the rest of the loop becomes another instruction by turns. */
PIECE(opcode, "	xor %eax,%eax\n	mov %rdi,%rcx\n"
	      "1:	xorb $0x28,2f(%rip)\n"	/* add and sub of an imm32 */
	      "2:	.byte 0x05\n	.long 3\n	dec %rcx\n	jnz 1b");
/* A jump is switched between two targets, its caller is patched. */
PIECE(jump, "	xor %eax,%eax\n	mov %rdi,%rcx\n"
	    "1:	.byte 0xeb\n2:	.byte 4f-3f\n"
	    "3:	add $1,%eax\n	jmp 5f\n4:	add $100,%eax\n	nop\n"
	    "5:	xorb $(4b-3b),2b(%rip)\n	dec %rcx\n	jnz 1b");
PIECE(caller, "	xor %eax,%eax\n	mov %rdi,%rcx\n"
	      "1:	call 3f\n2:	add $0,%eax\n	dec %rcx\n	jnz 1b\n"
	      "	ret\n3:	mov %cl,2b+2(%rip)");
PIECE(by_string, "	xor %eax,%eax\n	mov %rdi,%rdx\n"
		 "1:	lea 7f(%rip),%rsi\n	lea 2f(%rip),%rdi\n"
		 "	test $1,%dl\n	jz 6f\n	lea 8f(%rip),%rsi\n"
		 "6:	mov $8,%ecx\n	rep movsb\n"
		 "2:	.fill 8,1,0x90\n	dec %rdx\n	jnz 1b\n	ret\n"
		 "7:	add $1,%eax\n	add $2,%eax\n	nop\n	nop\n"
		 "8:	add $4,%eax\n	add $8,%eax\n	nop\n	nop\n");
PIECE(by_vector, "	xor %eax,%eax\n	mov %rdi,%rdx\n"
		 "1:	movups 7f(%rip),%xmm1\n	test $1,%dl\n	jz 6f\n"
		 "	movups 8f(%rip),%xmm1\n6:	movups %xmm1,2f(%rip)\n"
		 "	jmp 2f\n"
		 "2:	.fill 16,1,0x90\n	dec %rdx\n	jnz 1b\n	ret\n"
		 "7:	.rept 5\n	add $1,%eax\n	.endr\n	nop\n"
		 "8:	.rept 5\n	add $4,%eax\n	.endr\n	nop\n");
PIECE(by_exchange, "	xor %eax,%eax\n	mov %rdi,%rdx\n	mov $0x77,%cl\n"
		   "1:	lock xchg %cl,2f+1(%rip)\n"
		   "2:	mov $0x22,%bl\n	movzx %bl,%ebx\n"
		   "	add %ebx,%eax\n	dec %rdx\n	jnz 1b");
/* It overwrites the store itself, which is then no more. */
PIECE(itself, "	xor %eax,%eax\n	mov %rdi,%rcx\n	mov 2f(%rip),%r8\n"
	      "	movabs $0x9090909090909090,%rdx\n"
	      "1:	inc %eax\n2:	mov %rdx,2b(%rip)\n	nop\n"
	      "	dec %rcx\n	jnz 1b\n	mov %r8,2b(%rip)");
/* Counters lie between the code, on its page. */
PIECE(beside, "	mov %rdi,%rcx\n	movq $0,8f(%rip)\n"
	      "1:	incq 8f(%rip)\n	jmp 2f\n8:	.quad 0\n"
	      "2:	addq $2,9f(%rip)\n	dec %rcx\n	jnz 1b\n"
	      "	mov 8b(%rip),%rax\n	ret\n9:	.quad 0");
PIECE(waits, "	mov $0,%eax\n	.globl waits_jump\n"
	     "waits_jump:	jmp waits_jump\n	mov $9,%eax");
__asm__(".text\n	.balign 4096\n	.globl smc_end\nsmc_end:\n");
/* clang-format on */
extern unsigned char smc_begin[], smc_end[], waits_jump[];

static unsigned long run(void *piece, unsigned long n)
{
	struct tr_regs r;

	tr_fill(&r);
	r.rdi = n;
	tr_run(&r, piece);
	EXPECT(r.rsp, tr_stack);
	return r.rax;
}

/* A branch lies between the store and what it has changed. */
static void branch(void)
{
	for (int i = 0; i < 3; i++) {
		EXPECT(run(immediate, 1000), 500500);
		EXPECT(run(jump, 1000), 500 * 101);
		EXPECT(run(by_vector, 500), 250 * 25);
	}
}

/* The instruction after the store is changed: the processor sees to that. */
static void at_once_(void)
{
	for (int i = 0; i < 3; i++) {
		EXPECT(run(at_once, 1000), 500500);
		EXPECT(run(by_exchange, 100), 50 * 0x99);
		EXPECT(run(itself, 10), 10);
		EXPECT((int)run(opcode, 1000), 0);
		EXPECT((int)run(opcode, 1001), -3);
		EXPECT((int)run(opcode, 1), 3);
		EXPECT(run(by_string, 500), 250 * 15);
	}
}

static void callers(void)
{
	unsigned long sum = 0;

	for (unsigned long i = 1; i <= 100; i++)
		sum += i;
	EXPECT(run(caller, 100), sum);
	EXPECT(run(caller, 100), sum);
}

static void data(void)
{
	for (int i = 0; i < 3; i++)
		EXPECT(run(beside, 20000), 20000);
}

static void on_alarm(int signo)
{
	(void)signo;
	waits_jump[0] = 0x90;
	waits_jump[1] = 0x90;
}

/* A loop of one jump to itself, that a handler breaks. */
static void from_handler(void)
{
	struct itimerval timer = { { 0, 0 }, { 0, 3000 } };

	signal(SIGALRM, on_alarm);
	for (int i = 0; i < 5; i++) {
		waits_jump[0] = 0xeb;
		waits_jump[1] = 0xfe;
		setitimer(ITIMER_REAL, &timer, NULL);
		EXPECT(run(waits, 0), 9);
	}
}

/* Trampolines on the stack, as gcc makes them for nested functions. */
static int apply(int (*f)(int), int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++)
		sum += f(i);
	return sum;
}

static void on_stack(void)
{
	unsigned char code[64] __attribute__((aligned(64)));

	for (int k = 1; k < 50; k++) {
		int times(int x)
		{
			return x * k;
		}

		EXPECT(apply(times, 10), 45 * k);
		put_return(code, k);
		EXPECT(call(code), k);
		put_long(code, k + 1, k % 9);
		EXPECT(call(code), k + 1);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "branch", branch },	     { "at_once", at_once_ },
		{ "callers", callers },	     { "data", data },
		{ "handler", from_handler }, { "stack", on_stack },
	};

	mprotect(smc_begin, (size_t)(smc_end - smc_begin), RWX);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
