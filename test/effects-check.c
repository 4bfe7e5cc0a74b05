/*
 * What x86_effects() says against capstone, over all real 64-bit code: which
 * status flags and general registers an instruction reads and writes. Each
 * difference must be one that the table `excuses` knows of: a fault of
 * capstone 4, or caution of ours. What of the two is true, the processor says:
 * test/effects-hw.c.
 *
 *	effects-check [--quick] [--verbose] [FILE|FOLDER]...
 *
 * Exits 0 when every difference is explained.
 */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/effects.h"
#include "base/mem.h"
#include "test/code-sweep.h"

enum set { FLAGS_READ, FLAGS_WRITTEN, REGS_READ, REGS_WRITTEN, N_SETS };

static const char *const set_names[N_SETS] = { "flags read", "flags written",
					       "registers read",
					       "registers written" };

/* FAULT_: capstone is wrong. CARE_: so are we, on the safe side. */
enum why {
	FAULT_FLAGS_READ,
	FAULT_FLAGS_WRITTEN,
	FAULT_C1,
	FAULT_CMPPS,
	FAULT_FIXED,
	FAULT_OPERAND,
	FAULT_VSIB,
	FAULT_SSP,
	FAULT_REX,
	FAULT_NOP,
	FAULT_SAME,
	CARE_COUNT,
	CARE_UNDEFINED,
	CARE_CONDITION,
	CARE_16,
	N_WHYS
};

static const char *const why_names[N_WHYS] = {
	[FAULT_FLAGS_READ] = "it forgets flags that are read",
	[FAULT_FLAGS_WRITTEN] = "it forgets flags that are written",
	[FAULT_C1] = "it takes C1 of the x87 for CF",
	[FAULT_CMPPS] = "it takes cmpps and the like for cmps",
	[FAULT_FIXED] = "it has other fixed registers than the manual",
	[FAULT_OPERAND] = "it forgets that an operand is read, or not written",
	[FAULT_VSIB] = "it takes an EVEX memory operand's index for a vector's",
	[FAULT_SSP] = "it takes incssp for lfence",
	[FAULT_REX] = "it heeds a REX before other prefixes",
	[FAULT_NOP] = "it has nops read an address",
	[FAULT_SAME] = "it has x ^ x and x - x read x",
	[CARE_COUNT] = "a count of 0 leaves flags",
	[CARE_UNDEFINED] = "flags that are undefined, but left alone",
	[CARE_CONDITION] = "a register that is not always written",
	[CARE_16] = "of 16 bits, the rest survives",
};

#define IDS(...) ((const uint16_t[]){ __VA_ARGS__, 0 })

/* Who has more in which set, for which instructions, and why. */
static const struct excuse {
	enum why why;
	enum set set;
	bool ours;
	const uint16_t *ids;
} excuses[] = {
	{ FAULT_FLAGS_READ, FLAGS_READ, true,
	  IDS(X86_INS_ADC, X86_INS_SBB, X86_INS_RCL, X86_INS_RCR, X86_INS_ADCX,
	      X86_INS_ADOX, X86_INS_CMC, X86_INS_FCMOVB, X86_INS_FCMOVBE,
	      X86_INS_FCMOVE, X86_INS_FCMOVNB, X86_INS_FCMOVNBE,
	      X86_INS_FCMOVNE, X86_INS_FCMOVNU, X86_INS_FCMOVU, X86_INS_LAHF,
	      X86_INS_PUSHF, X86_INS_PUSHFQ) },
	{ FAULT_FLAGS_WRITTEN, FLAGS_WRITTEN, true,
	  IDS(X86_INS_FCOMI, X86_INS_FCOMIP, X86_INS_FUCOMI, X86_INS_FUCOMIP,
	      X86_INS_KORTESTW, X86_INS_LZCNT, X86_INS_PCMPESTRI,
	      X86_INS_PCMPESTRM, X86_INS_PCMPISTRI, X86_INS_PCMPISTRM,
	      X86_INS_PTEST, X86_INS_VCOMISD, X86_INS_VCOMISS, X86_INS_VUCOMISD,
	      X86_INS_VUCOMISS, X86_INS_VPTEST, X86_INS_VTESTPS,
	      X86_INS_VTESTPD, X86_INS_VPCMPESTRI, X86_INS_VPCMPESTRM,
	      X86_INS_VPCMPISTRI, X86_INS_VPCMPISTRM) },
	{ FAULT_C1, FLAGS_WRITTEN, false,
	  IDS(X86_INS_FSTP, X86_INS_FLDL2E, X86_INS_FLDL2T, X86_INS_FLDLN2) },
	{ FAULT_FIXED, REGS_READ, true,
	  IDS(X86_INS_ENTER, X86_INS_XLATB, X86_INS_PUSH, X86_INS_MOVSD) },
	{ FAULT_FIXED, REGS_WRITTEN, true,
	  IDS(X86_INS_ENTER, X86_INS_PUSH, X86_INS_MOVSD) },
	{ FAULT_FIXED, REGS_READ, false, IDS(X86_INS_LEAVE, X86_INS_STOSQ) },
	{ FAULT_FIXED, REGS_WRITTEN, false,
	  IDS(X86_INS_CDQ, X86_INS_CQO, X86_INS_STOSQ) },
	{ FAULT_OPERAND, REGS_READ, true,
	  IDS(X86_INS_ADOX, X86_INS_CMPXCHG, X86_INS_VPBROADCASTD,
	      X86_INS_VPBROADCASTQ) },
	{ FAULT_OPERAND, REGS_WRITTEN, false, IDS(X86_INS_TEST) },
	{ FAULT_NOP, REGS_READ, false, IDS(X86_INS_NOP) },
	{ CARE_UNDEFINED, FLAGS_WRITTEN, false,
	  IDS(X86_INS_ANDN, X86_INS_BEXTR, X86_INS_BLSI, X86_INS_BLSMSK,
	      X86_INS_BLSR, X86_INS_BSF, X86_INS_BSR, X86_INS_BT, X86_INS_BTC,
	      X86_INS_BTR, X86_INS_BTS, X86_INS_BZHI, X86_INS_DIV, X86_INS_IDIV,
	      X86_INS_IMUL, X86_INS_LZCNT, X86_INS_MUL, X86_INS_ROL,
	      X86_INS_ROR, X86_INS_RCL, X86_INS_RCR, X86_INS_SHLD, X86_INS_SHRD,
	      X86_INS_TZCNT) },
	{ CARE_CONDITION, REGS_READ, true,
	  IDS(X86_INS_BSF, X86_INS_BSR, X86_INS_TZCNT, X86_INS_LZCNT,
	      X86_INS_LAR, X86_INS_LSL, X86_INS_LODSD, X86_INS_LODSQ) },
	{ CARE_CONDITION, REGS_WRITTEN, false,
	  IDS(X86_INS_BSF, X86_INS_BSR, X86_INS_TZCNT, X86_INS_LZCNT,
	      X86_INS_LAR, X86_INS_LSL, X86_INS_CMPXCHG, X86_INS_CMPXCHG8B,
	      X86_INS_CMPXCHG16B) },
};

/* Both sides as x86_effects has it: members are bits. */
struct view {
	unsigned sets[N_SETS];
};

static struct {
	csh cs;
	cs_insn *insn;
	const char *file;
	bool verbose;
	uint8_t reg_numbers[X86_REG_ENDING], reg_sizes[X86_REG_ENDING];
	unsigned long files, insns, unknown, wrong, whys[N_WHYS];
} check;

static void learn_registers(void)
{
	static const uint16_t regs[16][5] = {
#define OLD(l, x)                                                  \
	{ X86_REG_R##x, X86_REG_E##x, X86_REG_##x, X86_REG_##l##L, \
	  X86_REG_##l##H }
#define MID(x)                                                          \
	{                                                               \
		X86_REG_R##x, X86_REG_E##x, X86_REG_##x, X86_REG_##x##L \
	}
#define NEW(n)                                                  \
	{                                                       \
		X86_REG_R##n, X86_REG_R##n##D, X86_REG_R##n##W, \
			X86_REG_R##n##B                         \
	}
		OLD(A, AX), OLD(C, CX), OLD(D, DX), OLD(B, BX),
		MID(SP),    MID(BP),	MID(SI),    MID(DI),
		NEW(8),	    NEW(9),	NEW(10),    NEW(11),
		NEW(12),    NEW(13),	NEW(14),    NEW(15),
	};
	static const uint8_t sizes[5] = { 8, 4, 2, 1, 1 };

	for (int n = 0; n < 16; n++)
		for (int k = 0; k < 5; k++) {
			check.reg_numbers[regs[n][k]] = n;
			check.reg_sizes[regs[n][k]] = sizes[k];
		}
	check.reg_sizes[X86_REG_INVALID] = 0; /* MID and NEW have four */
}

/* What capstone says of the registers; parts of them count as read. */
static void view_regs(const cs_insn *i, struct view *v)
{
	cs_regs reads, writes;
	uint8_t n_reads = 0, n_writes = 0;

	cs_regs_access(check.cs, i, reads, &n_reads, writes, &n_writes);
	for (int k = 0; k < n_reads; k++)
		if (check.reg_sizes[reads[k]])
			v->sets[REGS_READ] |= 1u << check.reg_numbers[reads[k]];
	for (int k = 0; k < n_writes; k++) {
		unsigned size = check.reg_sizes[writes[k]];

		if (size)
			v->sets[size >= 4 ? REGS_WRITTEN : REGS_READ] |=
				1u << check.reg_numbers[writes[k]];
	}
}

static void view_flags(const cs_insn *i, struct view *v)
{
#define FLAG(f)                                                               \
	{                                                                     \
		X86_F_##f, X86_EFLAGS_TEST_##f,                               \
			X86_EFLAGS_MODIFY_##f | X86_EFLAGS_RESET_##f |        \
				X86_EFLAGS_SET_##f | X86_EFLAGS_UNDEFINED_##f \
	}
	static const struct {
		unsigned flag;
		uint64_t read, written;
	} flags[] = {
		FLAG(CF), FLAG(PF), FLAG(ZF), FLAG(SF), FLAG(OF), FLAG(AF)
	};
	uint64_t word = i->detail->x86.eflags;

	if (cs_insn_group(check.cs, i, X86_GRP_FPU))
		return; /* the word is about the x87's own */
	for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
		if (word & flags[k].read)
			v->sets[FLAGS_READ] |= flags[k].flag;
		if (word & flags[k].written)
			v->sets[FLAGS_WRITTEN] |= flags[k].flag;
	}
}

static void view_capstone(const cs_insn *i, struct view *v)
{
	*v = (struct view){ 0 };
	view_regs(i, v);
	view_flags(i, v);
}

static void view_ours(const struct x86_effects *e, struct view *v)
{
	*v = (struct view){ .sets = { e->flags_read, e->flags_written,
				      e->regs_read, e->regs_written } };
}

static bool in_list(const uint16_t *ids, unsigned id)
{
	while (*ids && *ids != id)
		ids++;
	return *ids;
}

static enum why listed(unsigned id, enum set set, bool ours)
{
	for (size_t k = 0; k < ARRAY_SIZE(excuses); k++)
		if (excuses[k].set == set && excuses[k].ours == ours &&
		    in_list(excuses[k].ids, id))
			return excuses[k].why;
	return N_WHYS;
}

/* Shifts by cl, or by an immediate that is masked to 0, and rep cmps. */
static bool count_may_be_0(const struct x86_instr *in)
{
	if (in->map == X86_MAP_0F)
		return (in->opcode & 0xf6) == 0xa4;
	return in->map == X86_MAP_MAIN &&
	       ((in->opcode & 0xec) == 0xc0 || (in->opcode & 0xf6) == 0xa6);
}

static bool same_register(const struct x86_instr *in)
{
	unsigned reg = (in->modrm >> 3 & 7) | (in->rex & X86_REX_R) << 1;
	unsigned rm = (in->modrm & 7) | (in->rex & X86_REX_B) << 3;

	return in->map == X86_MAP_MAIN && in->modrm >= 0xc0 && reg == rm;
}

/* Whether the last prefix of the encoding is none, though it has a REX. */
static bool has_idle_rex(const struct x86_instr *in, const uint8_t *code)
{
	if (in->map >= X86_MAP_VEX)
		return false;
	for (int k = 0; k < in->opcode_at; k++)
		if ((code[k] & 0xf0) == 0x40)
			return !(in->prefixes & X86_PFX_REX);
	return false;
}

/* What depends on more than which instruction it is. */
static enum why derived(const struct x86_instr *in, const uint8_t *code,
			enum set set, bool ours, bool kept)
{
	bool regs = set == REGS_READ || set == REGS_WRITTEN;

	if (regs && has_idle_rex(in, code))
		return FAULT_REX;
	if (set == REGS_WRITTEN && !ours && kept && (in->prefixes & X86_PFX_66))
		return CARE_16;
	if (set == REGS_READ && !ours && same_register(in))
		return FAULT_SAME;
	if (set == REGS_READ && in->map == X86_MAP_EVEX &&
	    (in->modrm & 7) == 4 && in->modrm < 0xc0)
		return FAULT_VSIB;
	if (set == REGS_READ && ours && in->map == X86_MAP_0F &&
	    in->opcode == 0xae)
		return FAULT_SSP;
	if (set == FLAGS_WRITTEN && !ours && count_may_be_0(in))
		return CARE_COUNT;
	if (set == FLAGS_WRITTEN && !ours && in->map == X86_MAP_0F &&
	    in->opcode == 0xc2)
		return FAULT_CMPPS;
	return N_WHYS;
}

static void report(const struct x86_instr *in, const uint8_t *code,
		   enum set set, unsigned ours, unsigned theirs)
{
	const cs_insn *i = check.insn;

	printf("%s: %s %s: ", check.file, i->mnemonic, i->op_str);
	for (int k = 0; k < in->length; k++)
		printf("%02x", code[k]);
	printf(": %s: ours %x, capstone %x\n", set_names[set], ours, theirs);
}

static void compare(const struct x86_instr *in, const uint8_t *code,
		    const struct view *ours, const struct view *theirs,
		    enum set set, bool ours_more)
{
	unsigned o = ours->sets[set], t = theirs->sets[set];
	unsigned more = ours_more ? o & ~t : t & ~o;
	bool kept = !(more & ~ours->sets[REGS_READ]);
	enum why why;

	if (!more)
		return;
	why = derived(in, code, set, ours_more, kept);
	if (why == N_WHYS)
		why = listed(check.insn->id, set, ours_more);
	if (why == N_WHYS)
		check.wrong++;
	else
		check.whys[why]++;
	if (why == N_WHYS || check.verbose)
		report(in, code, set, o, t);
}

/* Those that the decoder and capstone disagree on are decode-check's. */
static size_t check_one(const uint8_t *code, size_t avail)
{
	const uint8_t *p = code;
	struct x86_instr in;
	int length = x86_decode(code, avail, X86_MODE_64, &in);
	size_t left = length;
	uint64_t at = 0;
	struct x86_effects e;
	struct view ours, theirs;

	if (length < 0)
		return 1;
	if (!cs_disasm_iter(check.cs, &p, &left, &at, check.insn) ||
	    check.insn->size != length)
		return length;
	check.insns++;
	x86_effects(&in, code, &e);
	if (e.flags_read == X86_F_ALL && e.regs_read == 0xffff) {
		check.unknown++;
		return length;
	}
	view_ours(&e, &ours);
	view_capstone(check.insn, &theirs);
	for (int set = 0; set < N_SETS; set++) {
		compare(&in, code, &ours, &theirs, set, true);
		compare(&in, code, &ours, &theirs, set, false);
	}
	return length;
}

static void sweep(const struct code_section *s)
{
	if (s->mode != X86_MODE_64)
		return;
	check.file = s->file;
	for (size_t at = 0; at < s->size;)
		at += check_one(s->code + at, s->size - at);
}

static void print_result(void)
{
	printf("%lu files, %lu instructions compared, %lu of which we know "
	       "nothing\n",
	       check.files, check.insns, check.unknown);
	for (int i = 0; i < N_WHYS; i++)
		printf("%10lu %s\n", check.whys[i], why_names[i]);
	printf("%lu differences unexplained\n", check.wrong);
}

int main(int argc, char **argv)
{
	bool quick = false;
	int i;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		quick |= !strcmp(argv[i], "--quick");
		check.verbose |= !strcmp(argv[i], "--verbose");
	}
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &check.cs))
		exit((fprintf(stderr, "cannot open capstone\n"), 2));
	cs_option(check.cs, CS_OPT_DETAIL, CS_OPT_ON);
	check.insn = cs_malloc(check.cs);
	learn_registers();
	check.files = code_sweep(argv + i, quick, sweep);
	print_result();
	return check.wrong || !check.insns;
}
