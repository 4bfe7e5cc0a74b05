#include "arch/x86_64/effects.h"

#include "arch/x86_64/effects-form.h"

static bool has(uint64_t e, unsigned at)
{
	return e >> at & 1;
}

static unsigned reg_number(const struct x86_instr *in)
{
	return (in->modrm >> 3 & 7) | (in->rex & X86_REX_R) << 1;
}

static unsigned low_number(const struct x86_instr *in, uint8_t byte)
{
	return (byte & 7) | (in->rex & X86_REX_B) << 3;
}

/* F2 and F3 go before 66. */
static unsigned prefix_column(const struct x86_instr *in)
{
	if (in->prefixes & X86_PFX_F3)
		return 2;
	if (in->prefixes & X86_PFX_F2)
		return 3;
	return in->prefixes & X86_PFX_66 ? 1 : 0;
}

/* Walks the splits to an effect. */
static uint64_t find_leaf(const struct x86_instr *in, uint64_t e)
{
	for (;;) {
		const uint64_t *row =
			x86_effect_split[e >> REGS_READ_AT & 0xff];

		switch (e & E_HOW_MASK) {
		case E_BY_REG:
			e = row[in->modrm >> 3 & 7];
			break;
		case E_BY_PFX:
			e = row[prefix_column(in)];
			break;
		case E_BY_RM:
			e = row[in->modrm & 7];
			break;
		case E_BY_MOD:
			e = row[in->modrm >= 0xc0];
			break;
		default:
			return e;
		}
	}
}

static uint64_t without_flags(uint64_t e)
{
	return (e & ~FW_ALL) | NONE;
}

/* A byte's count has 5 bits even with REX.W. */
static uint64_t shift_effect(const struct x86_instr *in, uint8_t count,
			     uint64_t e)
{
	bool wide = (in->rex & X86_REX_W) && in->opcode != 0xc0;

	return count & (wide ? 63 : 31) ? e : without_flags(e);
}

/* After no round nothing is new, lods' rax neither. */
static uint64_t string_effect(const struct x86_instr *in, uint64_t e)
{
	if (!(in->prefixes & (X86_PFX_F2 | X86_PFX_F3)))
		return e;
	e = without_flags(e) | READS(e >> REGS_WRITTEN_AT);
	return e | READS(RCX) | WRITES(RCX);
}

/* fcmov reads flags, fcomi writes them, fnstsw writes ax. */
static uint64_t x87_effect(const struct x86_instr *in)
{
	static const uint8_t fcmov[4] = { X86_F_CF, X86_F_ZF,
					  X86_F_CF | X86_F_ZF, X86_F_PF };
	unsigned group = in->modrm >> 3 & 7;

	if (in->modrm < 0xc0)
		return NONE;
	if ((in->opcode & ~1) == 0xda && group < 4)
		return FR(fcmov[group]);
	if ((in->opcode | 4) == 0xdf && (group == 5 || group == 6))
		return FW(X86_F_ZF | X86_F_PF | X86_F_CF);
	if (in->opcode == 0xdf && in->modrm == 0xe0)
		return READS(RAX);
	return NONE;
}

/* 90: xchg %rax with itself, which it does not even clear the half of. */
static uint64_t nop_effect(const struct x86_instr *in, uint64_t e)
{
	return in->rex & X86_REX_B ? e : NONE;
}

/* What the word of the opcode leaves open. */
static uint64_t refine(const struct x86_instr *in, const uint8_t *code,
		       uint64_t e)
{
	e = find_leaf(in, e);
	switch (e & E_HOW_MASK) {
	case E_SHIFT:
		return shift_effect(in, code[in->imm_at], e);
	case E_STRING:
		return string_effect(in, e);
	case E_OTHER:
		return in->opcode == 0x90 ? nop_effect(in, e) : x87_effect(in);
	}
	return e;
}

static uint64_t find_effect(const struct x86_instr *in, const uint8_t *code)
{
	static const uint64_t *const legacy[] = {
		[X86_MAP_MAIN] = x86_effects_main,
		[X86_MAP_0F] = x86_effects_0f,
		[X86_MAP_0F38] = x86_effects_0f38,
		[X86_MAP_0F3A] = x86_effects_0f3a,
	};
	uint64_t e;

	if (in->mode != X86_MODE_64)
		return 0;
	if (in->map == X86_MAP_3DNOW)
		return NONE;
	if (in->map > X86_MAP_3DNOW)
		return x86_effect_vex(in);
	e = legacy[in->map][in->opcode];
	return e & E_HOW_MASK ? refine(in, code, e) : e;
}

/* Register n is one of ah, ch, dh and bh if it is a byte and 4 to 7. */
static uint64_t high_byte(uint64_t e, unsigned at, unsigned n)
{
	if ((e >> at & 3) != 1 || n < 4)
		return e;
	return (e & ~(3ull << at)) | READS(1u << (n - 4));
}

/* Byte operands without REX. */
static uint64_t high_bytes(const struct x86_instr *in, uint64_t e)
{
	unsigned rm = in->modrm >= 0xc0 ? in->modrm & 7 : 0;

	e = high_byte(e, REG_AT, in->modrm >> 3 & 7);
	e = high_byte(e, OP_AT, in->opcode & 7);
	return high_byte(e, RM_AT, rm);
}

/* Reads nothing of its operands if both are the same register. */
static uint64_t same_effect(const struct x86_instr *in, uint64_t e)
{
	if (in->modrm < 0xc0 || reg_number(in) != low_number(in, in->modrm))
		return e;
	return e & ~(1ull << REG_AT | 1ull << RM_AT);
}

/*
 * From here on sets of registers are pairs: what is read in the lower half,
 * what is written in the upper.
 */
#define READ_HALF    0xffffu
#define WRITTEN_HALF 0xffff0000u

/* Register n, in the halves that the two bits say. */
static uint32_t pick(unsigned n, unsigned bits)
{
	static const uint32_t halves[4] = { 0, READ_HALF, WRITTEN_HALF,
					    READ_HALF | WRITTEN_HALF };

	return 0x10001u << n & halves[bits & 3];
}

/* Of a memory operand. */
static uint32_t address_regs(const struct x86_instr *in)
{
	unsigned base = in->modrm & 7, index;
	uint32_t set = 0;

	if (base == 4) {
		base = in->sib & 7;
		index = (in->sib >> 3 & 7) | (in->rex & X86_REX_X) << 2;
		if (index != 4)
			set = 1u << index;
	}
	if (base == 5 && in->modrm < 0x40)
		return set;
	return set | 1u << low_number(in, base);
}

static uint32_t modrm_regs(const struct x86_instr *in, uint64_t e)
{
	uint32_t set = pick(reg_number(in), e >> REG_AT);

	if (in->modrm >= 0xc0)
		return set | pick(low_number(in, in->modrm), e >> RM_AT);
	return has(e, NOADDR_AT) ? set : set | address_regs(in);
}

/* Writes 16 bits: the rest of what is written survives. */
static bool is_partial(const struct x86_instr *in, uint64_t e)
{
	return (in->prefixes & X86_PFX_66) && !(in->rex & X86_REX_W) &&
	       !has(e, FULL_AT);
}

static uint32_t all_regs(const struct x86_instr *in, uint64_t e)
{
	uint32_t set = e >> REGS_READ_AT;

	if (in->modrm_at)
		set |= modrm_regs(in, e);
	else
		set |= pick(low_number(in, in->opcode), e >> OP_AT);
	return is_partial(in, e) ? (set | set >> 16) & READ_HALF : set;
}

void x86_effects(const struct x86_instr *in, const uint8_t *code,
		 struct x86_effects *out)
{
	uint64_t e = find_effect(in, code);
	uint32_t regs;

	if (!e) {
		*out = (struct x86_effects){ .flags_read = X86_F_ALL,
					     .regs_read = ALL_REGS };
		return;
	}
	if (has(e, BYTE_AT) && !(in->prefixes & X86_PFX_REX))
		e = high_bytes(in, e);
	if (has(e, SAME_AT))
		e = same_effect(in, e);
	regs = all_regs(in, e);
	*out = (struct x86_effects){
		.flags_read = e >> FLAGS_READ_AT,
		.flags_written = e >> FLAGS_WRITTEN_AT,
		.regs_read = regs,
		.regs_written = regs >> 16,
	};
}
