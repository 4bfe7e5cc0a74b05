/* tr_odd: instructions that a translator may not expect: far branches, iretq,
 * transactions, those that read the clock or name the processor, half-known
 * encodings, long prefixes, and old ones that still work. */
#include "tr_fault.h"
#include <cpuid.h>

/* clang-format off */
/* Far returns and calls within the user's code segment, 0x33. */
PIECE(far_ret, "	mov %cs,%ecx\n	lea 1f(%rip),%rax\n"
	       "	push %rcx\n	push %rax\n	lretq\n	ud2\n"
	       "1:	mov $7,%eax");
PIECE(far_ret_imm, "	push $5\n	mov %cs,%ecx\n	lea 1f(%rip),%rax\n"
		   "	push %rcx\n	push %rax\n	lretq $8\n	ud2\n"
		   "1:	mov $7,%eax");
PIECE(far_call, "	sub $16,%rsp\n	lea 1f(%rip),%rax\n"
		"	mov %rax,(%rsp)\n	movw %cs,8(%rsp)\n"
		"	rex.W lcall *(%rsp)\n	add $16,%rsp\n	ret\n"
		"1:	mov $7,%eax\n	lretq");
PIECE(far_jmp, "	sub $16,%rsp\n	lea 1f(%rip),%rax\n"
	       "	mov %rax,(%rsp)\n	movw %cs,8(%rsp)\n"
	       "	rex.W ljmp *(%rsp)\n	ud2\n"
	       "1:	add $16,%rsp\n	mov $7,%eax");
PIECE(iretq, "	mov %rsp,%rdx\n	mov %ss,%ecx\n	push %rcx\n"
	     "	push %rdx\n	pushf\n	mov %cs,%ecx\n	push %rcx\n"
	     "	lea 1f(%rip),%rax\n	push %rax\n	iretq\n	ud2\n"
	     "1:	mov $7,%eax");
/* Aborted at once, or by a system call in it: falls to 2 in the end. */
PIECE(transaction, "	mov $5,%ecx\n1:	mov $-1,%eax\n	xbegin 2f\n"
		   "	mov $8,%edx\n	xabort $3\n	ud2\n"
		   "2:	loop 1b\n	mov $7,%eax");
PIECE(xtest, "	xtest\n	setz %al\n	movzx %al,%eax\n	add $6,%eax");
PIECE(cpuid, "	mov $0,%eax\n	xor %ecx,%ecx\n	cpuid\n"
	     "	mov $7,%eax");
PIECE(rdtsc, "	rdtsc\n	shl $32,%rdx\n	or %rax,%rdx\n	mov %rdx,%rbx\n"
	     "	lfence\n	rdtscp\n	shl $32,%rdx\n	or %rax,%rdx\n"
	     "	cmp %rbx,%rdx\n	setae %al\n	movzx %al,%eax\n"
	     "	add $6,%eax");
PIECE(xlat, "	lea 1f(%rip),%rbx\n	mov $2,%eax\n	xlat\n	ret\n"
	    "1:	.byte 1,3,7,9");
PIECE(enter_leave, "	enter $64,$0\n	mov %rax,-64(%rbp)\n"
		   "	enter $32,$2\n	leave\n	leave\n	mov $7,%eax");
PIECE(lahf_sahf, "	mov $0xd5,%ah\n	sahf\n	lahf\n"
		 "	mov %ah,%al\n	and $0xff,%eax\n	sub $208,%eax");
PIECE(popcnt, "	mov $0x7f,%eax\n	popcnt %eax,%eax");
PIECE(bswap, "	mov $0x07000000,%eax\n	bswap %eax");
PIECE(cmpxchg16b, "	sub $40,%rsp\n	movq $1,(%rsp)\n"
		  "	movq $2,8(%rsp)\n	mov $1,%eax\n	mov $2,%edx\n"
		  "	mov $7,%ebx\n	mov $8,%ecx\n	lock cmpxchg16b (%rsp)\n"
		  "	mov (%rsp),%rax\n	lea 40(%rsp),%rsp");
PIECE(std_string, "	sub $64,%rsp\n	mov $0x0706050403020107,%rax\n"
		  "	mov %rax,(%rsp)\n	lea 7(%rsp),%rsi\n"
		  "	lea 47(%rsp),%rdi\n	mov $8,%ecx\n	std\n"
		  "	rep movsb\n	cld\n	movzbl 40(%rsp),%eax\n"
		  "	add $64,%rsp");
PIECE(prefixes, "	.byte 0x2e,0x36,0x3e,0x26,0x66,0x66,0x66\n"
		"	.byte 0x0f,0x1f,0x84,0,0,0,0,0\n"
		"	.byte 0x66,0x90\n	mov $7,%eax");
PIECE(rex_ignored, "	.byte 0x48,0x66\n	mov $7,%ax\n"
		   "	movzx %ax,%eax\n	.byte 0x40,0x90");
PIECE(long_mov, "	movabs $0x1122334455667788,%rax\n"
		"	.byte 0x64,0x67,0x66,0x90\n	mov $7,%eax");
PIECE(test_alias, "	mov $7,%eax\n	.byte 0xf6,0xc8,0x07\n" /* /1 */
		  "	.byte 0xc0,0xf0,0x00\n	.byte 0x82,0xc0,0x00");
PIECE(nop_group, "	mov $7,%eax\n	.byte 0x0f,0x18,0xf8\n"
		 "	.byte 0x0f,0x1c,0xc0,0x0f,0x1e,0xc0,0x0f,0x0d,0x08");
PIECE(x87_alias, "	fninit\n	.byte 0xdb,0xe0,0xdb,0xe1,0xdb,0xe4\n"
		 "	fld1\n	.byte 0xdc,0xd0,0xdd,0xd8\n	mov $7,%eax");
PIECE(rdpid, "	.byte 0xf3,0x0f,0xc7,0xf8\n	mov $7,%eax");
PIECE(serialize, "	.byte 0x0f,0x01,0xe8\n	mov $7,%eax");
PIECE(gfni, "	pxor %xmm1,%xmm1\n	gf2p8affineqb $7,%xmm1,%xmm1\n"
	    "	movd %xmm1,%eax\n	and $0xff,%eax");
PIECE(vex_gather, "	vpcmpeqd %ymm2,%ymm2,%ymm2\n	vpxor %ymm1,%ymm1,%ymm1\n"
		  "	lea 1f(%rip),%rdx\n"
		  "	vpgatherdd %ymm2,(%rdx,%ymm1,4),%ymm3\n"
		  "	vmovd %xmm3,%eax\n	vzeroupper\n	ret\n"
		  "1:	.long 7,8");
PIECE(fp16, "	vpxor %xmm1,%xmm1,%xmm1\n"
	    "	.byte 0x62,0xf5,0x76,0x08,0x58,0xc9\n	mov $7,%eax");
PIECE(movdir, "	sub $64,%rsp\n	mov $7,%edx\n"
	      "	.byte 0x48,0x0f,0x38,0xf9,0x14,0x24\n	mov (%rsp),%rax\n"
	      "	add $64,%rsp");
/* clang-format on */

static int has(unsigned int leaf, int reg, int bit)
{
	unsigned int r[4] = { 0 };

	__get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]);
	return r[reg] >> bit & 1;
}

struct row {
	const char *name;
	void *piece;
};

#define R(n)          \
	{             \
#n, n \
	}
static const struct row far[] = {
	R(far_ret), R(far_ret_imm), R(far_call), R(far_jmp), R(iretq),
};
static const struct row old[] = {
	R(cpuid),     R(rdtsc),	    R(xlat),	    R(enter_leave),
	R(popcnt),    R(lahf_sahf), R(cmpxchg16b),  R(std_string),
	R(bswap),     R(prefixes),  R(rex_ignored), R(long_mov),
	R(nop_group), R(x87_alias),
};

static void run(const struct row *row)
{
	struct tr_regs r;

	for (int i = 0; i < 3; i++) {
		tr_fill(&r);
		tr_run_fault(&r, row->piece);
		if (tr_seen.count)
			say("%s: %s at %+ld", row->name,
			    tr_signal_name(tr_seen.signo),
			    (long)(tr_seen.rip - (unsigned long)row->piece));
		else if (!EXPECT(r.rax, 7))
			printf("that was %s\n", row->name);
		EXPECT(r.rsp, tr_stack);
	}
}

static void run_far(void)
{
	tr_catch_faults();
	for (size_t i = 0; i < ARRAY_SIZE(far); i++)
		run(&far[i]);
}

static void run_old(void)
{
	tr_catch_faults();
	for (size_t i = 0; i < ARRAY_SIZE(old); i++)
		run(&old[i]);
	/* 0x82 is undefined here, the others are not */
	run(&(struct row)R(test_alias));
}

static void run_new(void)
{
	const struct {
		struct row row;
		int there;
	} rows[] = {
		{ R(transaction), has(7, 1, 11) },
		{ R(xtest), has(7, 1, 11) },
		{ R(rdpid), has(7, 2, 22) },
		{ R(serialize), has(7, 3, 14) },
		{ R(gfni), has(7, 2, 8) },
		{ R(vex_gather), has(7, 1, 5) },
		{ R(fp16), has(7, 3, 23) },
		{ R(movdir), has(7, 2, 27) },
	};

	tr_catch_faults();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].there)
			run(&rows[i].row);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "far", run_far },
		{ "old", run_old },
		{ "new", run_new },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
