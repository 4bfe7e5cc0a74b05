/* tr_precise: a quick timer's signals into code whose state is known at each of
 * its instructions. The handler knows from rip what registers, flags and the
 * top of the stack must be, and that rip lies in code of the program. */
#include "tr_fault.h"
#include "tr_often.h"
#include <link.h>

#ifndef ROUNDS
#define ROUNDS 6000000ul
#endif
#define MAGIC  0x1234567812345678ul

void *leaf_slot;

/* rdi: rounds. In each, rbx goes up and rcx down, so that rbx + rcx is
 * ROUNDS but between the two; rsi holds what is below on the stack. */
/* clang-format off */
PIECE(known, "	mov %rsp,%rbp\n"
	     "	.globl k_0, k_1, k_2, k_3, k_4, k_5, k_6, k_7, k_8, k_9\n"
	     "	.globl k_10, k_11, k_12, k_13, k_14, k_15, k_16, k_17\n"
	     "k_0:	lea 1(%rbx),%rbx\n"
	     "k_1:	lea -1(%rcx),%rcx\n"
	     "k_2:	cmp %rcx,%rbx\n"
	     "k_3:	call k_10\n"
	     "k_4:	push %rbx\n"
	     "k_5:	call *leaf_slot(%rip)\n"
	     "k_6:	pop %rdx\n"
	     "k_7:	jmp *%r15\n	ud2\n"
	     "k_8:	test %rcx,%rcx\n"
	     "k_9:	jnz k_0\n	jmp k_17\n"
	     "k_10:	lea (%rbx,%rcx),%rax\n"
	     "k_11:	jae k_12\n	nop\n"
	     "k_12:	ret\n"
	     "k_13:	mov 8(%rsp),%rdx\n"
	     "k_14:	xor %edx,%edx\n"
	     "k_15:	ret\n"
	     "k_16:	ud2\n"
	     "k_17:	nop");
/* clang-format on */
#define K(f)                                                                \
	f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) \
		f(13) f(14) f(15) f(16) f(17)
#define DECLARE(n) extern char k_##n[];
K(DECLARE)
#define ADDRESS(n) k_##n,
static char *const place[] = { K(ADDRESS) };

static volatile int caught, precise;
static int failed_line;
static unsigned long failed_value;

#define HOLDS(what)                                      \
	do {                                             \
		if (!(what) && !failed_line) {           \
			failed_line = __LINE__;          \
			failed_value = (unsigned long)k; \
		}                                        \
	} while (0)

static int place_of(unsigned long rip)
{
	for (int k = 0; k < (int)ARRAY_SIZE(place); k++)
		if (rip == (unsigned long)place[k])
			return k;
	return -1;
}

/* What the compare at k_2 has set, from there to k_14 by way of ret. */
static void check_flags(int k, const struct tr_regs *r)
{
	unsigned long rbx = r->rbx, rcx = r->rcx;

	if (k >= 3 && k <= 12 && k != 6 && k != 7 && k != 8 && k != 9) {
		HOLDS(!!(r->flags & TR_CF) == (rbx < rcx));
		HOLDS(!!(r->flags & TR_ZF) == (rbx == rcx));
	}
	if (k == 6 || k == 7 || k == 15)
		HOLDS((r->flags & TR_ZF) && !(r->flags & TR_CF));
	if (k == 9)
		HOLDS(!!(r->flags & TR_ZF) == (rcx == 0));
}

static void check_stack(int k, const struct tr_regs *r)
{
	unsigned long *top = (unsigned long *)r->rsp;
	long depth = (long)(r->rbp - r->rsp);

	if (k <= 4 || k == 7 || k == 8 || k == 9 || k == 17)
		HOLDS(depth == 0);
	if (k == 5 || k == 6)
		HOLDS(depth == 8 && top[0] == r->rbx);
	if (k >= 10 && k <= 12)
		HOLDS(depth == 8 && top[0] == (unsigned long)k_4);
	if (k >= 13 && k <= 15)
		HOLDS(depth == 16 && top[0] == (unsigned long)k_6 &&
		      top[1] == r->rbx);
}

static void check_place(int k, const struct tr_regs *r)
{
	HOLDS(r->rbx + r->rcx == ROUNDS + (k == 1));
	HOLDS(r->r12 == MAGIC && r->r13 == ~MAGIC && r->r14 == MAGIC * 2);
	HOLDS(r->r15 == (unsigned long)k_8 && r->rsi == MAGIC && r->r8 == 8);
	if (k >= 11 && k <= 17)
		HOLDS(r->rax == ROUNDS);
	if (k == 14)
		HOLDS(r->rdx == r->rbx);
	check_flags(k, r);
	check_stack(k, r);
}

struct range {
	unsigned long start, end;
};
static struct range text[64];
static int n_text;

static int add_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum && n_text < 64; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		text[n_text].start = info->dlpi_addr + p->p_vaddr;
		text[n_text++].end = info->dlpi_addr + p->p_vaddr + p->p_memsz;
	}
	return 0;
}

static int in_text(unsigned long rip)
{
	for (int i = 0; i < n_text; i++)
		if (rip >= text[i].start && rip < text[i].end)
			return 1;
	return 0;
}

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct tr_regs r;
	unsigned long rip = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
	int k = place_of(rip);

	(void)signo;
	(void)info;
	caught++;
	tr_registers_of(uc, &r);
	HOLDS(in_text(rip));
	if (k >= 0) {
		precise++;
		check_place(k, &r);
	} else {
		/* the ud2 and nop between are never stood at, but one nop */
		HOLDS(rip < (unsigned long)known || rip > (unsigned long)k_17 ||
		      rip == (unsigned long)known ||
		      rip == (unsigned long)k_12 - 1 ||
		      (rip > (unsigned long)k_9 && rip < (unsigned long)k_10));
	}
}

static void run_known(void)
{
	struct tr_regs r;

	tr_fill(&r);
	leaf_slot = k_13;
	r.rbx = 0;
	r.rcx = ROUNDS;
	r.rsi = r.r12 = MAGIC;
	r.r8 = 8;
	r.r13 = ~MAGIC;
	r.r14 = MAGIC * 2;
	r.r15 = (unsigned long)k_8;
	tr_run(&r, known);
	EXPECT(r.rbx, ROUNDS);
	EXPECT(r.rcx, 0);
}

static void alarms(void)
{
	struct sigaction act = { .sa_sigaction = on_alarm,
				 .sa_flags = SA_SIGINFO | SA_RESTART };

	n_text = 0;
	dl_iterate_phdr(add_text, NULL);
	caught = precise = failed_line = 0;
	sigaction(SIGALRM, &act, NULL);
	tr_start_often();
	for (int i = 0; i < 10 || precise < 200; i++)
		run_known();
	tr_stop_often();
	EXPECT(failed_line, 0);
	if (failed_line)
		printf("at place %ld\n", (long)failed_value);
	CHECK(precise >= 200);
}

/* --- a signal at an instruction that sets the trap flag, if it wants ------ */

static volatile sig_atomic_t popping, traps_shown;

static void on_pop(int signo, siginfo_t *info, void *context)
{
	struct tr_regs r;

	(void)signo;
	(void)info;
	tr_registers_of(context, &r);
	traps_shown += (r.flags & TR_TF) != 0;
	popping++;
}

static void popped(void)
{
	struct sigaction act = { .sa_sigaction = on_pop,
				 .sa_flags = SA_SIGINFO | SA_RESTART };

	popping = traps_shown = 0;
	sigaction(SIGALRM, &act, NULL);
	tr_start_often();
	while (popping < 300)
		__asm__ volatile("lea -128(%%rsp),%%rsp\n"
				 "push $0x202\n	popf\n"
				 "push $0x246\n	popf\n"
				 "push $0x202\n	popf\n"
				 "push $0x293\n	popf\n"
				 "lea 128(%%rsp),%%rsp" ::
					 : "cc", "memory");
	tr_stop_often();
	EXPECT(traps_shown, 0);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "alarms", alarms },
		{ "popped", popped },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
