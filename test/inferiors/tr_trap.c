/* tr_trap: instructions that fault or trap for other reasons than memory that
 * a branch uses: undefined ones, privileged ones, divisions, breakpoints,
 * string operations half-way, unaligned and beyond a file's end, single steps.
 *
 * Printed is what the handler saw: the signal, its code, where rip was, which
 * registers had changed. */
#include "tr_fault.h"
#include <sys/mman.h>
#include <sys/syscall.h>

#define TRAP(name, before, insn)                                     \
	PIECE(name, "	" before "\n	.globl " #name "_at\n" #name \
		    "_at:	" insn);                             \
	extern char name##_at[]
#define BYTES(name, bytes) TRAP(name, "", "	.byte " bytes)

TRAP(ud2, "", "ud2");
BYTES(ud1, "0x0f,0xb9,0xc0");
BYTES(ud0, "0x0f,0xff,0xc0");
BYTES(push_es, "0x06,0x90,0x90");
BYTES(salc, "0xd6,0x90,0x90");
BYTES(into, "0xce,0x90,0x90");
BYTES(map_0f04, "0x0f,0x04,0x90,0x90");
BYTES(map_0f0a, "0x0f,0x0a,0x90,0x90");
BYTES(vex_bad_map, "0xc4,0xe9,0x78,0x10,0xc0,0x90");
BYTES(vex_no_such, "0xc5,0xf8,0x04,0xc0,0x90");
BYTES(vex_after_66, "0x66,0xc5,0xf8,0x28,0xc0,0x90");
BYTES(evex_bad, "0x62,0xf8,0x7c,0x48,0x28,0xc0,0x90");
BYTES(locked_nop, "0xf0,0x90,0x90");
BYTES(locked_load, "0xf0,0x48,0x8b,0x06,0x90");
BYTES(mov_cs, "0x8e,0xc8,0x90");
BYTES(lea_reg, "0x48,0x8d,0xc0,0x90");
BYTES(group_5_7, "0xff,0xff,0x90");
BYTES(far_call, "0x9a,1,2,3,4,5,6");
BYTES(too_long, "0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
		"0x66,0x66,0x66,0x90");
TRAP(hlt, "", "hlt");
TRAP(cli, "", "cli");
TRAP(in, "", "in %dx,%al");
TRAP(out, "", "out %al,%dx");
TRAP(mov_cr, "", "mov %cr0,%rax");
TRAP(mov_dr, "", "mov %dr7,%rax");
TRAP(rdmsr, "", "rdmsr");
TRAP(wbinvd, "", "wbinvd");
TRAP(lgdt, "", "lgdt (%rsi)");
TRAP(sysret, "", "sysretq");
TRAP(swapgs, "", "swapgs");
TRAP(clts, "", "clts");
TRAP(xsetbv, "", "xsetbv");
TRAP(int3, "", "int3");
BYTES(int_3, "0xcd,0x03");
BYTES(int1, "0xf1");
BYTES(int_21, "0xcd,0x21");
BYTES(int_4, "0xcd,0x04");
TRAP(div_zero, "xor %ecx,%ecx", "div %rcx");
TRAP(div_overflow, "mov $1,%ecx", "div %ecx");
TRAP(idiv_overflow, "mov $-1,%rcx\n	mov $1,%eax\n	shl $63,%rax\n	cqto",
     "idiv %rcx");
TRAP(div_memory, "movq $0,(%rsi)", "divq (%rsi)");
TRAP(x87_div,
     "fninit\n	push $0x37b\n	fldcw (%rsp)\n	lea 8(%rsp),%rsp\n"
     "	fld1\n	fldz\n	fdivrp",
     "fwait");
TRAP(sse_div,
     "push $0x1d80\n	ldmxcsr (%rsp)\n	lea 8(%rsp),%rsp\n"
     "	xorps %xmm0,%xmm0\n	mov $1,%eax\n	cvtsi2sd %eax,%xmm1",
     "divsd %xmm0,%xmm1");
TRAP(unaligned_sse, "", "movaps 8(%rsi),%xmm0");
TRAP(not_canonical, "mov $0x8000000000001234,%rax", "mov (%rax),%rax");
TRAP(stack_not_canonical, "mov $0x8000000000001238,%rsp", "push %rax");
TRAP(ret_not_canonical, "mov $0x8000000000001238,%rsp", "ret");
TRAP(call_not_canonical, "mov $0x8000000000001238,%rax", "call *(%rax)");
TRAP(beyond_file, "", "mov (%r12),%rax");
TRAP(call_beyond_file, "", "call *(%r12)");
TRAP(jmp_beyond_file, "", "jmp *%r12");

/* rsi: a page that can be read, rdi: 100 bytes before one that cannot */
TRAP(rep_movsb, "mov $200,%ecx", "rep movsb");
TRAP(rep_movsq, "lea -4(%rdi),%rdi\n	mov $20,%ecx", "rep movsq");
TRAP(rep_stosb, "mov $200,%ecx", "rep stosb");
TRAP(rep_stosd, "mov $200,%ecx", "rep stosl");
TRAP(rep_lodsb, "mov %rdi,%rsi\n	mov $200,%ecx", "rep lodsb");
TRAP(repe_cmpsb, "mov %rdi,%rsi\n	mov $200,%ecx", "repe cmpsb");
TRAP(repne_scasb, "mov $200,%ecx\n	mov $1,%al", "repne scasb");
TRAP(movs_once, "lea 100(%rdi),%rdi", "movsb");
TRAP(backwards,
     "lea 4196(%rdi),%rdi\n	lea 200(%rsi),%rsi\n"
     "	mov $200,%ecx\n	std",
     "rep movsb");

struct row {
	const char *name;
	void *piece;
	char *at;
};

#define R(n) { #n, n, n##_at },
/* clang-format off */
static const struct row undefined[] = {
	R(ud2) R(ud1) R(ud0) R(push_es) R(salc) R(into) R(map_0f04)
	R(map_0f0a) R(vex_bad_map) R(vex_no_such) R(vex_after_66) R(evex_bad)
	R(locked_nop) R(locked_load) R(mov_cs) R(lea_reg) R(group_5_7)
	R(far_call) R(too_long)
};
static const struct row privileged[] = {
	R(hlt) R(cli) R(in) R(out) R(mov_cr) R(mov_dr) R(rdmsr) R(wbinvd)
	R(lgdt) R(sysret) R(swapgs) R(clts) R(xsetbv) R(int_21) R(int_4)
};
static const struct row others[] = {
	R(int3) R(int_3) R(int1) R(div_zero) R(div_overflow) R(idiv_overflow)
	R(div_memory) R(x87_div) R(sse_div) R(unaligned_sse) R(not_canonical)
	R(stack_not_canonical) R(ret_not_canonical) R(call_not_canonical)
	R(beyond_file) R(call_beyond_file) R(jmp_beyond_file)
};
static const struct row strings[] = {
	R(rep_movsb) R(rep_movsq) R(rep_stosb) R(rep_stosd) R(rep_lodsb)
	R(repe_cmpsb) R(repne_scasb) R(movs_once) R(backwards)
};
/* clang-format on */

static char *page;   /* two that can be read, then one that cannot */
static char *beyond; /* a mapping that its file does not reach */

static void describe(const struct row *row, const struct tr_regs *before)
{
	const unsigned long *got = (const unsigned long *)&tr_seen.regs;
	const unsigned long *had = (const unsigned long *)before;
	char text[256] = "", *end = text;
	long rip = (long)(tr_seen.rip - (unsigned long)row->at);

	for (int i = 0; i < 16; i++)
		if (got[i] != had[i] && i != 7)
			end += sprintf(end, " %s %+ld", tr_reg_name(i),
				       (long)(got[i] - had[i]));
	if (tr_seen.rip == (unsigned long)beyond)
		rip = 0;
	say("%s: %s %d, rip %+ld, flags %lx%s", row->name,
	    tr_signal_name(tr_seen.signo), tr_seen.code, rip,
	    tr_seen.regs.flags & TR_FLAGS, text);
}

static void run_row(const struct row *row)
{
	const unsigned int mxcsr = 0x1f80;
	struct tr_regs r, before;

	for (int i = 0; i < 2; i++) {
		tr_fill(&r);
		r.flags |= TR_ZF | TR_OF | TR_PF;
		r.rsi = (unsigned long)page;
		r.rdi = (unsigned long)page + 2 * 4096 - 100;
		r.r12 = (unsigned long)beyond;
		memset(page, 0, 8192);
		before = r;
		tr_run_fault(&r, row->piece);
		__asm__ volatile("fninit\n	ldmxcsr %0" ::"m"(mxcsr));
		EXPECT(r.rsp, tr_stack);
		EXPECT(tr_seen.count, 1);
		describe(row, &before);
	}
}

static void run_rows(const struct row *rows, size_t n)
{
	tr_catch_faults();
	for (size_t i = 0; i < n; i++)
		run_row(&rows[i]);
}

static void run_undefined(void)
{
	run_rows(undefined, ARRAY_SIZE(undefined));
}

static void run_privileged(void)
{
	run_rows(privileged, ARRAY_SIZE(privileged));
}

static void run_others(void)
{
	run_rows(others, ARRAY_SIZE(others));
}

static void run_strings(void)
{
	run_rows(strings, ARRAY_SIZE(strings));
}

/* --- the alignment check and single steps, by flags of the program's --- */

PIECE(aligned, "	pushf\n	orq $0x40000,(%rsp)\n	popf\n"
	       "	mov (%rsi),%eax\n	.globl aligned_at\n"
	       "aligned_at:	mov 1(%rsi),%eax");
extern char aligned_at[];

static void alignment(void)
{
	struct tr_regs r;

	tr_catch_faults();
	for (int i = 0; i < 3; i++) {
		tr_fill(&r);
		r.rsi = (unsigned long)page;
		tr_run_fault(&r, aligned);
		say("%s %d, rip %+ld", tr_signal_name(tr_seen.signo),
		    tr_seen.code,
		    (long)(tr_seen.rip - (unsigned long)aligned_at));
	}
}

PIECE(stepped, "	pushf\n	orq $0x100,(%rsp)\n	popf\n"
	       "	mov $3,%ecx\n1:	call 2f\n	loop 1b\n"
	       "	jmp 3f\n	ud2\n2:	cmp %ecx,%eax\n	je 4f\n"
	       "4:	ret\n3:	mov $39,%eax\n	syscall\n	nop\n"
	       "	pushf\n	pop %rdx\n	and $0x100,%edx\n"
	       "	pushf\n	andq $~0x100,(%rsp)\n	popf\n	nop");

static unsigned long stepped_at[64];
static int n_stepped;

static void on_step(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	(void)info;
	if (n_stepped < 64)
		stepped_at[n_stepped++] =
			(unsigned long)uc->uc_mcontext.gregs[REG_RIP];
}

static void single_step(void)
{
	struct sigaction act = { .sa_sigaction = on_step,
				 .sa_flags = SA_SIGINFO };
	struct tr_regs r;

	sigaction(SIGTRAP, &act, NULL);
	n_stepped = 0;
	tr_fill(&r);
	tr_run(&r, stepped);
	for (int i = 0; i < n_stepped; i++)
		say("step at %+ld",
		    (long)(stepped_at[i] - (unsigned long)stepped));
	EXPECT(r.rdx, 0x100);
}

/* --- actions ------------------------------------------------------------- */

/* As the kernel has it. */
struct action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

static volatile int taken_by;
static void (*volatile chosen)(void);

static void one(int signo)
{
	taken_by = signo == SIGTRAP ? 1 : -1;
}

static void two(int signo)
{
	taken_by = signo == SIGTRAP ? 2 : -1;
}

/* Code that was not executed before: a follower's traps meet it. */
#define FRESH(n)                                            \
	static void fresh_##n(void)                         \
	{                                                   \
		asm volatile(".rept " #n "\n nop\n .endr"); \
	}
FRESH(1)
FRESH(2)
FRESH(3)
FRESH(4)
FRESH(5)
FRESH(6)

static void (*const fresh[])(void) = { fresh_1, fresh_2, fresh_3,
				       fresh_4, fresh_5, fresh_6 };

/* Meanwhile the signal is blocked. */
static int who_takes(int n)
{
	sigset_t trap;

	sigemptyset(&trap);
	sigaddset(&trap, SIGTRAP);
	sigprocmask(SIG_BLOCK, &trap, NULL);
	chosen = fresh[n];
	chosen();
	sigprocmask(SIG_UNBLOCK, &trap, NULL);
	taken_by = 0;
	raise(SIGTRAP);
	return taken_by;
}

static long set_action(void (*handler)(int), void *old, size_t size)
{
	struct sigaction act;
	struct action a;

	/* The restorer is libc's. */
	act = (struct sigaction){ .sa_handler = handler };
	sigaction(SIGUSR2, &act, NULL);
	syscall(SYS_rt_sigaction, SIGUSR2, NULL, &a, 8);
	return syscall(SYS_rt_sigaction, SIGTRAP, &a, old, size);
}

/* Some that fail, one of which sets it all the same. */
static void actions(void)
{
	struct action old;

	EXPECT(set_action(one, &old, 8), 0);
	say("one: %d", who_takes(0));
	EXPECT(set_action(two, &old, 7), -1);
	say("not two: %d", who_takes(1));
	EXPECT(set_action(two, (void *)8, 8), -1);
	say("two: %d", who_takes(2));
	EXPECT(syscall(SYS_rt_sigaction, SIGTRAP, (void *)8, &old, 8), -1);
	say("two: %d", who_takes(3));
	EXPECT(set_action(SIG_IGN, &old, 8), 0);
	EXPECT((long)old.handler, (long)two);
	say("nobody: %d", who_takes(4));
	EXPECT(set_action(one, &old, 8), 0);
	say("one: %d", who_takes(5));
	signal(SIGTRAP, SIG_DFL);
	EXPECT(signal(SIGTRAP, SIG_DFL) == SIG_DFL, 1);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "actions", actions },
		{ "undefined", run_undefined },
		{ "privileged", run_privileged },
		{ "others", run_others },
		{ "strings", run_strings },
		{ "alignment", alignment },
		{ "single_step", single_step },
	};
	FILE *f = tmpfile();

	page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 2 * 4096, 4096, PROT_NONE);
	if (f)
		beyond = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED,
			      fileno(f), 0);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
