/* tr_riprel: rip-relative operands of each class of instruction. The same
 * instruction through a register must do the same to registers, flags and
 * memory; immediates, which lie after the displacement, have all sizes. */
#include "tr_run.h"

/* 256 bytes that the forms work on. */
unsigned char cell[256] __attribute__((aligned(64)));

/* a and b: the instruction before and after its operand. */
#define FORM(name, a, b)                             \
	PIECE(rip_##name, "	" a "cell(%rip)" b); \
	PIECE(reg_##name, "	lea cell(%rip),%r11\n	" a "(%r11)" b)

FORM(lea, "lea ", ",%rax");
FORM(lea32, "lea ", ",%eax");
FORM(load8, "movb ", ",%al");
FORM(load16, "movw ", ",%ax");
FORM(load32, "movl ", ",%eax");
FORM(load64, "movq ", ",%r15");
FORM(store8, "movb %dl,", "");
/* A prefix more would make another register of %dh. */
#define HIGH(name, a, b)                                                    \
	PIECE(rip_##name, "	" a "cell(%rip)" b);                        \
	PIECE(reg_##name, "	push %rdi\n	lea cell(%rip),%rdi\n	" a \
			  "(%rdi)" b "\n	pop %rdi")
HIGH(store_high, "movb %dh,", "");
HIGH(load_high, "movb ", ",%ah");
HIGH(add_high, "addb %bh,", "");
HIGH(cmp_high, "cmpb ", ",%ch");
FORM(store16, "movw %r9w,", "");
FORM(store64, "movq %r9,", "");
FORM(store_imm8, "movb $0x5a,", "");
FORM(store_imm16, "movw $0x5a5b,", "");
FORM(store_imm32, "movl $0x5a5b5c5d,", "");
FORM(store_imm64, "movq $-0x5a5b5c5d,", "");
FORM(movzx, "movzbl ", ",%eax");
FORM(movsx, "movswq ", ",%rax");
FORM(movsxd, "movslq ", ",%rax");
FORM(cmp_imm8, "cmpb $0x33,", "");
FORM(cmp_imm8_of_64, "cmpq $0x33,", "");
FORM(cmp_imm16, "cmpw $0x3333,", "");
FORM(cmp_imm32, "cmpl $0x33333333,", "");
FORM(cmp_imm64, "cmpq $0x33333333,", "");
FORM(cmp_reg, "cmpq %rsi,", "");
FORM(test_imm8, "testb $0x81,", "");
FORM(test_imm32, "testl $0x81828384,", "");
FORM(test_reg, "testq %rdi,", "");
FORM(add_imm, "addl $0x7f,", "");
FORM(add_imm32, "addl $0x7fffffff,", "");
FORM(adc, "adcq %rbx,", "");
FORM(sbb_from, "sbbq ", ",%rbx");
FORM(xor_from, "xorl ", ",%r8d");
FORM(imul, "imulq ", ",%rcx");
FORM(imul_imm8, "imulq $7,", ",%rcx");
FORM(imul_imm32, "imull $0x777,", ",%ecx");
FORM(mul, "mulq ", "");
FORM(div, "mov $1,%edx\n	divq ", "");
FORM(neg, "negq ", "");
FORM(inc, "lock incl ", "");
FORM(shl_1, "shll ", "");
FORM(shl_imm, "shlq $5,", "");
FORM(sar_cl, "mov $3,%cl\n	sarq %cl,", "");
FORM(shld, "shldq $9,%rdx,", "");
FORM(bt, "btl $3,", "");
FORM(bts_lock, "lock btsl $6,", "");
FORM(xchg, "xchgq %rbp,", "");
FORM(xadd, "lock xaddq %rbp,", "");
FORM(cmpxchg, "lock cmpxchgq %rbp,", "");
FORM(cmpxchg16, "lock cmpxchg16b ", "");
FORM(setcc, "stc\n	setb ", "");
FORM(cmovcc, "stc\n	cmovb ", ",%r14");
FORM(push, "pushq ", "\n	pop %rax");
FORM(pop, "push %rdi\n	popq ", "");
FORM(movnti, "movntil %edx,", "");
FORM(movbe, "movbe ", ",%rax");
FORM(popcnt, "popcntq ", ",%rax");
FORM(crc32, "crc32l ", ",%eax");
FORM(prefetch, "prefetcht0 ", "");
FORM(tzcnt, "tzcntq ", ",%rax");
FORM(fld, "fldl ", "\n	fstpl cell+32(%rip)");
FORM(fild, "fildll ", "\n	fistpll cell+32(%rip)");
FORM(fstcw, "fnstcw ", "\n	fldcw cell(%rip)");
FORM(mxcsr, "stmxcsr ", "\n	ldmxcsr cell(%rip)");
FORM(movaps, "movaps ", ",%xmm3\n	movq %xmm3,%rax");
FORM(movups, "movq %rsi,%xmm9\n	movups %xmm9,", "");
FORM(pshufd, "pshufd $0x4e,", ",%xmm3\n	movq %xmm3,%rax");
FORM(cvtsi2sd, "cvtsi2sdq ", ",%xmm3\n	movq %xmm3,%rax");
FORM(ucomisd, "movq %rsi,%xmm3\n	ucomisd ", ",%xmm3");
FORM(palignr, "movq %rsi,%xmm3\n	palignr $5,",
     ",%xmm3\n	movq %xmm3,%rax");
FORM(pinsrw, "pinsrw $2,", ",%xmm3\n	movq %xmm3,%rax");
FORM(aes, "movq %rsi,%xmm3\n	aesenc ", ",%xmm3\n	movq %xmm3,%rax");
FORM(mmx, "movq ", ",%mm3\n	movq %mm3,%rax\n	emms");

FORM(vmov, "vmovdqu ", ",%ymm11\n	vmovdqu %ymm11,cell+64(%rip)");
FORM(vpadd, "vpcmpeqd %ymm4,%ymm4,%ymm4\n	vpaddd ",
     ",%ymm4,%ymm5\n	vmovq %xmm5,%rax\n	vzeroupper");
FORM(vpermil, "vpermilps $0x1b,", ",%ymm5\n	vmovq %xmm5,%rax");
FORM(vinsert, "vpxor %xmm5,%xmm5,%xmm5\n	vinserti128 $1,",
     ",%ymm5,%ymm5\n	vmovdqu %ymm5,cell+64(%rip)");
FORM(vextract, "vmovq %rsi,%xmm5\n	vextracti128 $0,%ymm5,", "");
FORM(vfma, "vmovq %rsi,%xmm5\n	vfmadd213sd ",
     ",%xmm5,%xmm5\n	vmovq %xmm5,%rax");
FORM(vblendv, "vpxor %xmm5,%xmm5,%xmm5\n	vpblendvb %xmm5,",
     ",%xmm5,%xmm6\n	vmovq %xmm6,%rax");
FORM(andn, "andnq ", ",%rsi,%rax");
FORM(bextr, "mov $0x804,%edx\n	bextrq %rdx,", ",%rax");
FORM(pdep, "pdepq ", ",%rsi,%rax");
FORM(rorx, "rorxq $13,", ",%rax");
FORM(mulx, "mulxq ", ",%rax,%rcx");
FORM(shlx, "shlxq %rsi,", ",%rax");

FORM(zmov, "vmovdqu64 ", ",%zmm18\n	vmovdqu64 %zmm18,cell+64(%rip)");
FORM(zbroadcast, "vpcmpeqd %ymm4,%ymm4,%ymm4\n	vpaddd ",
     "{1to16},%zmm4,%zmm19\n	vmovdqu64 %zmm19,cell+64(%rip)");
FORM(zternary, "vpxorq %zmm19,%zmm19,%zmm19\n	vpternlogd $0x96,",
     ",%zmm19,%zmm19\n	vmovdqu64 %zmm19,cell+64(%rip)");
FORM(zmasked,
     "mov $0x5555,%edx\n	kmovw %edx,%k3\n"
     "	vpbroadcastd %esi,%zmm20\n	vmovdqu32 %zmm20,",
     "{%k3}");
FORM(zcompare, "vpxorq %zmm19,%zmm19,%zmm19\n	vpcmpud $1,",
     ",%zmm19,%k2\n	kmovw %k2,%eax");
FORM(kmov, "kmovw ", ",%k5\n	kmovw %k5,%eax");
FORM(kmov_store, "mov $0x1234,%edx\n	kmovw %edx,%k5\n	kmovw %k5,",
     "");

struct row {
	const char *name;
	void *rip, *reg;
};

/* clang-format off */
#define R(n) { #n, rip_##n, reg_##n },
static const struct row plain[] = {
	R(lea) R(lea32) R(load8) R(load16) R(load32) R(load64) R(store8)
	R(store_high) R(load_high) R(add_high) R(cmp_high)
	R(store16) R(store64) R(store_imm8) R(store_imm16) R(store_imm32)
	R(store_imm64) R(movzx) R(movsx) R(movsxd) R(cmp_imm8)
	R(cmp_imm8_of_64) R(cmp_imm16) R(cmp_imm32) R(cmp_imm64) R(cmp_reg)
	R(test_imm8) R(test_imm32) R(test_reg) R(add_imm) R(add_imm32) R(adc)
	R(sbb_from) R(xor_from) R(imul) R(imul_imm8) R(imul_imm32) R(mul)
	R(div) R(neg) R(inc) R(shl_1) R(shl_imm) R(sar_cl) R(shld) R(bt)
	R(bts_lock) R(xchg) R(xadd) R(cmpxchg) R(cmpxchg16) R(setcc)
	R(cmovcc) R(push) R(pop) R(movnti) R(popcnt) R(crc32) R(prefetch)
	R(fld) R(fild) R(fstcw) R(mxcsr) R(movaps) R(movups) R(pshufd)
	R(cvtsi2sd) R(ucomisd) R(palignr) R(pinsrw) R(mmx)
};
static const struct row avx2[] = {
	R(movbe) R(tzcnt) R(aes) R(vmov) R(vpadd) R(vpermil) R(vinsert)
	R(vextract) R(vfma) R(vblendv) R(andn) R(bextr) R(pdep) R(rorx)
	R(mulx) R(shlx)
};
static const struct row avx512[] = {
	R(zmov) R(zbroadcast) R(zternary) R(zmasked) R(zcompare) R(kmov)
	R(kmov_store)
};
/* clang-format on */

static void fill_cell(void)
{
	for (size_t i = 0; i < sizeof(cell); i++)
		cell[i] = (unsigned char)(i * 37 + 11);
}

/* The registers and the cell after one piece. */
static void run_one(void *piece, struct tr_regs *r, unsigned char *after)
{
	fill_cell();
	tr_fill(r);
	tr_run(r, piece);
	memcpy(after, cell, sizeof(cell));
	r->r11 = 0;
}

static void run_row(const struct row *row)
{
	unsigned char rip[sizeof(cell)], reg[sizeof(cell)];
	unsigned long sum = 0;
	struct tr_regs a, b;
	int failed = tr_failures;

	for (int i = 0; i < 2; i++) {
		run_one(row->rip, &a, rip);
		run_one(row->reg, &b, reg);
		tr_same(&a, &b);
		EXPECT(memcmp(rip, reg, sizeof(cell)), 0);
	}
	for (size_t i = 0; i < sizeof(cell); i++)
		sum = sum * 31 + rip[i];
	if (failed != tr_failures)
		printf("that was %s\n", row->name);
	if (strncmp(row->name, "lea", 3) != 0)
		say("%s: rax %lx flags %lx memory %lx", row->name, a.rax,
		    a.flags & TR_FLAGS, sum);
}

static void run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_row(&rows[i]);
}

static void run_plain(void)
{
	run_rows(plain, ARRAY_SIZE(plain));
}

static void run_avx2(void)
{
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		run_rows(avx2, ARRAY_SIZE(avx2));
}

static void run_avx512(void)
{
	if (__builtin_cpu_supports("avx512f"))
		run_rows(avx512, ARRAY_SIZE(avx512));
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "plain", run_plain },
		{ "avx2", run_avx2 },
		{ "avx512", run_avx512 },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
