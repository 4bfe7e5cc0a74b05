/* tr_context: control that goes elsewhere than calls and returns do: longjmp,
 * makecontext and swapcontext, coroutines that swap stacks by hand. */
#include "tr_run.h"
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

/* --- setjmp --- */

static jmp_buf back;
static volatile int passed;

__attribute__((noinline)) static void down(int n)
{
	if (n == 0)
		longjmp(back, 1 + passed % 7);
	if (passed >= 0)
		down(n - 1);
	passed += 1000000; /* never */
}

static void jumps(void)
{
	volatile long sum = 0;

	passed = 0;
	while (passed < 5000) {
		int n = setjmp(back);

		if (n) {
			sum += n;
			passed++;
		}
		if (passed < 5000)
			down(passed % 50);
	}
	EXPECT(passed, 5000);
	say("%ld", sum);
}

/* --- contexts of libc --- */

static ucontext_t main_context, context[5];
static char stack[5][32768];
static int order[64], n_order;
static long total;

static void worker(int who, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		total = total * 3 + who * i;
		if (n_order < 64)
			order[n_order++] = who;
		swapcontext(&context[who], &context[(who + 1) % 4]);
	}
}

static void make(int who, int rounds)
{
	getcontext(&context[who]);
	context[who].uc_stack.ss_sp = stack[who];
	context[who].uc_stack.ss_size = sizeof(stack[who]);
	context[who].uc_link = &main_context;
	makecontext(&context[who], (void (*)(void))worker, 2, who, rounds);
}

static void contexts(void)
{
	n_order = 0;
	total = 1;
	for (int i = 0; i < 4; i++)
		make(i, 3000);
	swapcontext(&main_context, &context[0]);
	/* the first to end came back by uc_link */
	for (int i = 0; i < n_order; i++)
		EXPECT(order[i], i % 4);
	say("%#lx", total);
}

static void set_context(void)
{
	volatile int n = 0;
	ucontext_t here;

	getcontext(&here);
	n++;
	if (n < 3000)
		setcontext(&here);
	EXPECT(n, 3000);
}

/* --- stacks swapped by hand --- */

/* clang-format off */
/* swap(&mine, other): all callee-saved registers; and with jmp for ret */
__asm__(".text\n"
	"swap:	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n"
	"	push %r14\n	push %r15\n	mov %rsp,(%rdi)\n"
	"	mov %rsi,%rsp\n	pop %r15\n	pop %r14\n	pop %r13\n"
	"	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n"
	"swap_jmp:	push %rbx\n	push %rbp\n	push %r12\n"
	"	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp,(%rdi)\n	mov %rsi,%rsp\n	pop %r15\n"
	"	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n"
	"	pop %rbx\n	pop %rcx\n	jmp *%rcx\n");
/* clang-format on */
void swap(void **mine, void *other);
void swap_jmp(void **mine, void *other);

static void *sp[3];

static void coroutine_of(int who)
{
	for (long i = 0;; i++) {
		total = total * 5 + who + i;
		(i & 1 ? swap : swap_jmp)(&sp[who], sp[(who + 1) % 3]);
	}
}

static void coroutine_1(void)
{
	coroutine_of(1);
}

static void coroutine_2(void)
{
	coroutine_of(2);
}

static void *new_stack(int who, void (*start)(void))
{
	void **top = (void **)(stack[who] + sizeof(stack[who]) - 64);

	*--top = NULL; /* the return address of start, aligned */
	*--top = start;
	return top - 6;
}

static void coroutines(void)
{
	total = 0;
	sp[1] = new_stack(1, coroutine_1);
	sp[2] = new_stack(2, coroutine_2);
	for (int i = 0; i < 20000; i++) {
		total ^= i;
		(i % 3 ? swap : swap_jmp)(&sp[0], sp[1]);
	}
	say("%#lx", total);
}

/* --- returns that skip frames, by hand --- */

PIECE(skip, "	mov %rsp,%rbp\n	mov $1,%eax\n"
	    "1:	call 2f\n	inc %eax\n	dec %rdi\n	jnz "
	    "1b\n	ret\n"
	    "2:	push %rax\n	call 3f\n	ud2\n"
	    "3:	sub $64,%rsp\n	call 4f\n	ud2\n"
	    "4:	lea -8(%rbp),%rsp\n	inc %eax\n	ret");

static void skipping(void)
{
	struct tr_regs r;

	tr_fill(&r);
	r.rdi = 10000;
	tr_run(&r, skip);
	EXPECT(r.rax, 20001);
	EXPECT(r.rsp, tr_stack);
}

/* A deep stack that is left and entered again: no shadow holds. */
__attribute__((noinline)) static long deep(long n)
{
	long x = n > 0 ? deep(n - 1) : setjmp(back);

	return x + 1;
}

static void deeper(void)
{
	for (int i = 0; i < 200; i++)
		EXPECT(deep(i * 10), i * 10 + 1);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "jumps", jumps },
		{ "contexts", contexts },
		{ "set_context", set_context },
		{ "coroutines", coroutines },
		{ "skipping", skipping },
		{ "deeper", deeper },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
