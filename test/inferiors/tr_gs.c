/* tr_gs: a program that uses %gs itself, as Wine does: its base set by
 * arch_prctl and wrgsbase, its selector, loads, stores, calls and jumps by it,
 * in threads, handlers and children; and %fs moved for a while. */
#include "tr_fault.h"
#include <asm/prctl.h>
#include <elf.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static unsigned long area[3][64];

static int set_gs(void *base)
{
	return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

static unsigned long get_gs(void)
{
	unsigned long base = 1;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

static int has_fsgsbase(void)
{
	return !!(getauxval(AT_HWCAP2) & 2);
}

/* clang-format off */
PIECE(target, "	mov $41,%eax");
PIECE(load, "	mov %gs:8,%rax");
PIECE(load_reg, "	mov %gs:(%rdi),%rax");
PIECE(load_index, "	mov %gs:8(%rdi,%rcx,8),%rax");
PIECE(load_byte, "	movzbl %gs:8,%eax");
PIECE(load_32, "	mov $0xff00000000,%rdi\n	lea 8(%rdi),%rdi\n"
	       "	mov %gs:(%edi),%rax");
PIECE(store, "	mov %rsi,%gs:16\n	mov %gs:16,%rax");
PIECE(store_imm, "	movq $0x1234,%gs:16\n	mov %gs:16,%rax");
PIECE(add, "	mov %rsi,%gs:16\n	add $5,%esi\n"
	   "	addq $5,%gs:16\n	mov %gs:16,%rax");
PIECE(cmpxchg, "	mov %rsi,%gs:16\n	mov %rsi,%rax\n"
	       "	mov $77,%edx\n	lock cmpxchg %rdx,%gs:16\n"
	       "	mov %gs:16,%rax");
PIECE(push_pop, "	push %gs:8\n	pop %gs:24\n	mov %gs:24,%rax");
PIECE(vector, "	movups %gs:8,%xmm3\n	movq %xmm3,%rax");
PIECE(call_gs, "	call *%gs:32\n	inc %eax");
PIECE(call_gs_reg, "	call *%gs:(%r8)\n	inc %eax");
PIECE(jmp_gs, "	jmp *%gs:32");
PIECE(jmp_gs_index, "	jmp *%gs:8(%r8,%rcx,8)");
PIECE(string, "	mov $8,%esi\n	mov %r9,%rdi\n	mov $2,%ecx\n"
	      "	rep movsq %gs:(%rsi),%es:(%rdi)\n	mov (%r9),%rax");
PIECE(lods, "	mov $8,%esi\n	lodsq %gs:(%rsi),%rax");
PIECE(lea_ignores, "	.byte 0x65\n	lea 8(%rdi),%rax");
PIECE(in_loop, "	mov $1000,%ecx\n	xor %eax,%eax\n"
	       "1:	add %gs:40,%rax\n	incq %gs:48\n	loop 1b");
/* clang-format on */

static const struct {
	const char *name;
	void *piece;
	long rax; /* -1: what lies at %gs:8 */
} rows[] = {
	{ "load", load, -1 },
	{ "load_reg", load_reg, -1 },
	{ "load_index", load_index, -1 },
	{ "store", store, 0x5e },
	{ "store_imm", store_imm, 0x1234 },
	{ "add", add, 0x63 },
	{ "cmpxchg", cmpxchg, 77 },
	{ "push_pop", push_pop, -1 },
	{ "vector", vector, -1 },
	{ "call", call_gs, 42 },
	{ "call_reg", call_gs_reg, 42 },
	{ "jmp", jmp_gs, 41 },
	{ "jmp_index", jmp_gs_index, 41 },
	{ "string", string, -1 },
	{ "lods", lods, -1 },
	{ "lea", lea_ignores, 8 },
	{ "in_loop", in_loop, 3000 },
	{ "load_32", load_32, -1 },
};

static void fill_area(int n)
{
	memset(area[n], 0, sizeof(area[n]));
	area[n][1] = 0x1000ul + (unsigned long)n;
	area[n][4] = (unsigned long)target;
	area[n][5] = 3;
}

static void run_rows(int n)
{
	static unsigned long copy[4];
	unsigned long base = get_gs();

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		struct tr_regs r;

		tr_fill(&r);
		/* load_reg wants 8, the index form 8 + 8 * 0 and lea 8 */
		r.rdi = rows[i / 2].piece == load_reg ? 8 : 0;
		r.rcx = 0;
		r.rsi = 0x5e;
		r.r8 = rows[i / 2].piece == jmp_gs_index ? 24 : 32;
		r.r9 = (unsigned long)copy;
		tr_run(&r, rows[i / 2].piece);
		if (!EXPECT(r.rax, rows[i / 2].rax == -1 ? (long)area[n][1]
							 : rows[i / 2].rax))
			printf("that was %s\n", rows[i / 2].name);
		EXPECT(get_gs(), base);
	}
}

static void by_arch_prctl(void)
{
	EXPECT(get_gs(), 0);
	for (int n = 0; n < 3; n++) {
		fill_area(n);
		EXPECT(set_gs(area[n]), 0);
		EXPECT(get_gs(), area[n]);
		run_rows(n);
	}
	EXPECT(set_gs((void *)(1ul << 63)), -1);
	EXPECT(get_gs(), area[2]);
	EXPECT(set_gs(NULL), 0);
}

PIECE(wrgs, "	wrgsbase %rdi\n	mov %gs:8,%rax");
PIECE(rdgs, "	mov $0,%eax\n	rdgsbase %rax\n	rdgsbase %edx");
PIECE(wrgs32, "	wrgsbase %edi\n	rdgsbase %rax");

static void by_instruction(void)
{
	struct tr_regs r;

	if (!has_fsgsbase())
		return;
	for (int n = 0; n < 3; n++) {
		fill_area(n);
		tr_fill(&r);
		r.rdi = (unsigned long)area[n];
		tr_run(&r, wrgs);
		EXPECT(r.rax, area[n][1]);
		EXPECT(get_gs(), area[n]);
		tr_run(&r, rdgs);
		EXPECT(r.rax, area[n]);
		EXPECT(r.rdx, (unsigned int)(unsigned long)area[n]);
		run_rows(n);
	}
	r.rdi = 0xffffffff00000000ul | 0x12345678;
	tr_run(&r, wrgs32);
	EXPECT(r.rax, 0x12345678);
	EXPECT(get_gs(), 0x12345678);
	set_gs(NULL);
}

/* --- the selector --- */

PIECE(read_selector, "	mov %gs,%eax\n	mov %gs,%rdx\n	mov %gs,(%rdi)");
PIECE(write_selector, "	mov %esi,%gs\n	mov %gs,%eax");
PIECE(push_selector, "	push %gs\n	pop %rax\n	push %rsi\n"
		     "	pop %gs\n	push %gs\n	pop %rdx");
PIECE(bad_selector, "	.globl bad_selector_at\n"
		    "bad_selector_at:	mov %esi,%gs");
extern char bad_selector_at[];

static void selectors(void)
{
	unsigned short word = 7;
	struct tr_regs r;

	set_gs(area[0]);
	tr_fill(&r);
	r.rdi = (unsigned long)&word;
	tr_run(&r, read_selector);
	EXPECT(r.rax, 0);
	EXPECT(r.rdx, 0);
	EXPECT(word, 0);
	r.rsi = 0x2b; /* the user's data segment: base 0 */
	tr_run(&r, write_selector);
	EXPECT(r.rax, 0x2b);
	say("base %#lx by the data segment", get_gs());
	tr_run(&r, push_selector);
	EXPECT(r.rax, 0x2b);
	EXPECT(r.rdx, 0x2b);
	r.rsi = 0;
	set_gs(area[0]);
	tr_run(&r, write_selector);
	EXPECT(r.rax, 0);
	/* A kernel without FSGSBASE does not read the base when it switches, and
	 * sets what it knew: either may be. */
	if (has_fsgsbase())
		say("base is %s by the null selector",
		    get_gs() ? "kept" : "0");
	tr_catch_faults();
	r.rsi = 0x7777;
	tr_run_fault(&r, bad_selector);
	EXPECT(tr_seen.signo, SIGSEGV);
	EXPECT(tr_seen.rip, bad_selector_at);
	set_gs(NULL);
}

/* --- where others come in --- */

static unsigned long in_handler;

static void on_signal(int signo)
{
	(void)signo;
	__asm__ volatile("mov %%gs:8,%0" : "=r"(in_handler));
}

static void *in_thread(void *arg)
{
	int n = (int)(long)arg;
	unsigned long sum = get_gs(), x;

	fill_area(n);
	set_gs(area[n]);
	for (int i = 0; i < 200; i++) {
		__asm__ volatile("mov %%gs:8,%0" : "=r"(x));
		sum += x == area[n][1];
		if (i % 20 == 0)
			usleep(100);
	}
	return (void *)sum;
}

static void others(void)
{
	unsigned long inherited = 0;
	pthread_t t[2];
	int status;
	void *sum;
	pid_t pid;

	fill_area(0);
	signal(SIGUSR1, on_signal);
	set_gs(area[0]);
	for (int i = 0; i < 20; i++) {
		in_handler = 0;
		raise(SIGUSR1);
		EXPECT(in_handler, area[0][1]);
	}
	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, in_thread, (void *)(i + 1));
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &sum);
		inherited = (unsigned long)sum;
		/* a thread begins with its parent's base */
		EXPECT(inherited, (unsigned long)area[0] + 200);
	}
	EXPECT(get_gs(), area[0]);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(get_gs() == (unsigned long)area[0] ? 14 : 15);
	waitpid(pid, &status, 0);
	EXPECT(WEXITSTATUS(status), 14);
	set_gs(NULL);
}

/* A load by %gs that faults: the base is the program's, the address too. */
PIECE(gs_fault, "	.globl gs_fault_at\n"
		"gs_fault_at:	mov %gs:0x10,%rax");
PIECE(gs_call_fault, "	.globl gs_call_fault_at\n"
		     "gs_call_fault_at:	call *%gs:0x10");
extern char gs_fault_at[], gs_call_fault_at[];

static void faults(void)
{
	struct tr_regs r, before;

	tr_catch_faults();
	set_gs((void *)0x4000);
	for (int i = 0; i < 4; i++) {
		tr_fill(&r);
		before = r;
		tr_run_fault(&r, i & 1 ? gs_fault : gs_call_fault);
		EXPECT(tr_seen.signo, SIGSEGV);
		EXPECT(tr_seen.addr, 0x4010);
		EXPECT(tr_seen.rip, i & 1 ? gs_fault_at : gs_call_fault_at);
		before.rsp = tr_stack - 8;
		tr_same(&tr_seen.regs, &before);
		EXPECT(get_gs(), 0x4000);
	}
	set_gs(NULL);
}

PIECE(other_fs, "	rdfsbase %rdx\n	wrfsbase %rdi\n	mov %fs:8,%rax\n"
		"	call 1f\n	wrfsbase %rdx\n	ret\n"
		"1:	add %fs:8,%rax");

static void fs(void)
{
	struct tr_regs r;

	if (!has_fsgsbase())
		return;
	fill_area(0);
	for (int i = 0; i < 4; i++) {
		tr_fill(&r);
		r.rdi = (unsigned long)area[0];
		tr_run(&r, other_fs);
		EXPECT(r.rax, 2 * area[0][1]);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "arch_prctl", by_arch_prctl },
		{ "instruction", by_instruction },
		{ "selectors", selectors },
		{ "others", others },
		{ "faults", faults },
		{ "fs", fs },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
