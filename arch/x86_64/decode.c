#include "arch/x86_64/decode.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/opcode.h"

/*
 * All readers may read this far without asking whether there is so much: what
 * lies behind avail reads as 0, and x86_decode() sees in the end that it was
 * read. 15 prefixes, then opcode, ModRM, SIB, displacement and immediate.
 */
#define LOOKAHEAD 40

struct cursor {
	const uint8_t *code, *p;
	const uint8_t *seen; /* bytes before it had a say, taken or not */
};

static const uint16_t prefix_bits[256] = {
	[0x26] = X86_PFX_ES, [0x2e] = X86_PFX_CS, [0x36] = X86_PFX_SS,
	[0x3e] = X86_PFX_DS, [0x64] = X86_PFX_FS, [0x65] = X86_PFX_GS,
	[0x66] = X86_PFX_66, [0x67] = X86_PFX_67, [0xf0] = X86_PFX_LOCK,
	[0xf2] = X86_PFX_F2, [0xf3] = X86_PFX_F3,
};

static bool mode64(const struct x86_instr *in)
{
	return in->mode == X86_MODE_64;
}

static int32_t le_signed(const uint8_t *p, unsigned size)
{
	int32_t v4;
	int16_t v2;

	switch (size) {
	case 1:
		return (int8_t)*p;
	case 2:
		memcpy(&v2, p, 2);
		return v2;
	default:
		memcpy(&v4, p, 4);
		return v4;
	}
}

/* Takes size bytes; their offset. */
static unsigned take(struct cursor *c, unsigned size)
{
	unsigned at = c->p - c->code;

	c->p += size;
	return at;
}

/* A REX prefix counts only right before the opcode (SDM vol. 2, 2.2.1). */
static int take_prefixes(struct cursor *c, struct x86_instr *in)
{
	for (; c->p < c->code + X86_INSN_MAX; c->p++) {
		uint16_t bit = prefix_bits[*c->p];

		if (mode64(in) && (*c->p & 0xf0) == 0x40) {
			in->prefixes |= X86_PFX_REX;
			in->rex = *c->p & 15;
			continue;
		}
		if (!bit)
			return 0;
		in->prefixes &= ~X86_PFX_REX;
		in->rex = 0;
		if (bit & (X86_PFX_F2 | X86_PFX_F3))
			in->prefixes &= ~(X86_PFX_F2 | X86_PFX_F3);
		in->prefixes |= bit;
	}
	return -EINVAL;
}

/* Index of the mandatory prefix: F2 and F3 go before 66. */
static unsigned legacy_pp(const struct x86_instr *in)
{
	if (in->prefixes & X86_PFX_F3)
		return 2;
	if (in->prefixes & X86_PFX_F2)
		return 3;
	return in->prefixes & X86_PFX_66 ? 1 : 0;
}

static bool operand16(const struct x86_instr *in)
{
	return (in->prefixes & X86_PFX_66) && !(in->rex & X86_REX_W);
}

static bool address16(const struct x86_instr *in)
{
	return !mode64(in) && (in->prefixes & X86_PFX_67);
}

static unsigned disp_size16(uint8_t modrm)
{
	unsigned mod = modrm >> 6;

	return mod ? mod : (modrm & 7) == 6 ? 2 : 0;
}

static unsigned disp_size32(uint8_t modrm, uint8_t sib)
{
	unsigned mod = modrm >> 6, base = modrm & 7;

	if (base == 4)
		base = sib & 7;
	if (mod == 0)
		return base == 5 ? 4 : 0;
	return mod == 1 ? 1 : 4;
}

static bool has_sib(const struct x86_instr *in)
{
	return (in->modrm & 7) == 4 && in->modrm < 0xc0 && !address16(in);
}

/* ModRM has been taken: SIB and displacement (SDM vol. 2, tables 2-1 to 2-3).*/
static void take_memory(struct cursor *c, struct x86_instr *in)
{
	if (has_sib(in))
		in->sib = *c->p++;
	if (address16(in))
		in->disp_size = disp_size16(in->modrm);
	else
		in->disp_size = disp_size32(in->modrm, in->sib);
	if (in->disp_size)
		in->disp_at = take(c, in->disp_size);
	in->rip_relative = mode64(in) && (in->modrm & 0xc7) == 5;
}

static void take_modrm(struct cursor *c, struct x86_instr *in)
{
	in->modrm_at = take(c, 1);
	in->modrm = c->code[in->modrm_at];
}

static void take_opcode(struct cursor *c, struct x86_instr *in)
{
	in->opcode_at = take(c, 1);
	in->opcode = c->code[in->opcode_at];
}

static unsigned imm_size(const struct x86_instr *in, enum x86_imm imm)
{
	unsigned z = operand16(in) ? 2 : 4;

	switch (imm) {
	case IMM_NONE:
		return 0;
	case IMM_B:
	case IMM_JB:
		return 1;
	case IMM_W:
	case IMM_BB:
		return 2;
	case IMM_WB:
		return 3;
	case IMM_Z:
	case IMM_JX:
		return z;
	case IMM_V:
		return in->rex & X86_REX_W ? 8 : z;
	case IMM_O:
		return (mode64(in) ? 8 : 4) >> !!(in->prefixes & X86_PFX_67);
	case IMM_P:
		return z + 2;
	case IMM_JZ:
		return mode64(in) ? 4 : z;
	}
	return 0;
}

static void take_imm(struct cursor *c, struct x86_instr *in, unsigned size)
{
	if (!size)
		return;
	in->imm_at = take(c, size);
	in->imm_size = size;
}

/* Walks the tree to a leaf; 0 is an undefined opcode. */
static uint32_t find_form(struct cursor *c, const struct x86_instr *in,
			  uint32_t form)
{
	while (form & F_BY) {
		const uint32_t *row = x86_split[form & F_ROW];

		if ((form & F_BY) == F_BY_PFX) {
			form = row[legacy_pp(in)];
			continue;
		}
		c->seen = c->p + 1;
		switch (form & F_BY) {
		case F_BY_REG:
			form = row[*c->p >> 3 & 7];
			break;
		case F_BY_RM:
			form = row[*c->p & 7];
			break;
		default:
			form = row[*c->p >= 0xc0];
		}
	}
	return form;
}

static bool fpu_exists(const struct x86_instr *in)
{
	const struct x86_fpu_form *f = &x86_fpu_forms[in->opcode & 7];

	if (in->modrm < 0xc0)
		return f->mem >> (in->modrm >> 3 & 7) & 1;
	return f->reg >> (in->modrm & 63) & 1;
}

/* What can be told before ModRM has been read. */
static bool form_exists(const struct x86_instr *in, uint32_t form)
{
	if (!form || form & (mode64(in) ? F_NO64 : F_ONLY64))
		return false;
	if (form & (uint32_t)F_NO_NP << legacy_pp(in))
		return false;
	return !(in->prefixes & X86_PFX_LOCK) || (form & F_LOCK);
}

static int take_operand(struct cursor *c, struct x86_instr *in, uint32_t form)
{
	bool reg;

	take_modrm(c, in);
	reg = in->modrm >= 0xc0 || (form & F_FIXED);
	if (form & (reg ? F_NOREG : F_NOMEM))
		return -EINVAL;
	if (reg && (in->prefixes & X86_PFX_LOCK))
		return -EINVAL;
	if ((form & F_FPU) && !fpu_exists(in))
		return -EINVAL;
	if (!reg)
		take_memory(c, in);
	return 0;
}

static void take_branch(const struct cursor *c, struct x86_instr *in,
			enum x86_imm imm)
{
	if (imm >= IMM_JB)
		in->rel = le_signed(c->code + in->imm_at, in->imm_size);
	if (in->kind == X86_INT && in->opcode == 0xcd &&
	    c->code[in->imm_at] == 0x80)
		in->kind = X86_INT80;
}

static int decode_form(struct cursor *c, struct x86_instr *in, uint32_t form)
{
	enum x86_imm imm;

	if (form & F_BY)
		form = find_form(c, in, form);
	if (!form_exists(in, form))
		return -EINVAL;
	if ((form & F_MODRM) && take_operand(c, in, form) < 0)
		return -EINVAL;
	imm = form & F_IMM;
	if (imm)
		take_imm(c, in, imm_size(in, imm));
	if (form & F_KIND) {
		in->kind = (form & F_KIND) >> 16;
		take_branch(c, in, imm);
	}
	return 0;
}

static int decode_3dnow(struct cursor *c, struct x86_instr *in)
{
	in->map = X86_MAP_3DNOW;
	if (in->prefixes & X86_PFX_LOCK)
		return -EINVAL;
	take_modrm(c, in);
	if (in->modrm < 0xc0)
		take_memory(c, in);
	take_opcode(c, in);
	if (!(x86_3dnow[in->opcode >> 6] >> (in->opcode & 63) & 1))
		return -EINVAL;
	return 0;
}

static int decode_0f(struct cursor *c, struct x86_instr *in)
{
	take_opcode(c, in);
	in->map = X86_MAP_0F;
	switch (in->opcode) {
	case 0x0f:
		return decode_3dnow(c, in);
	case 0x38:
		in->map = X86_MAP_0F38;
		take_opcode(c, in);
		return decode_form(c, in, x86_0f38[in->opcode]);
	case 0x3a:
		in->map = X86_MAP_0F3A;
		take_opcode(c, in);
		return decode_form(c, in, x86_0f3a[in->opcode]);
	default:
		return decode_form(c, in, x86_0f[in->opcode]);
	}
}

/* EVEX: what its last payload byte may say (SDM vol. 2, 2.7.11). */
static bool evex_exists(const struct x86_instr *in, uint32_t form, uint8_t p2)
{
	bool reg = in->modrm >= 0xc0, b = p2 & 0x10, z = p2 & 0x80;
	unsigned mask = p2 & 7, length = p2 >> 5 & 3;

	if (b && !(form & (reg ? V_RC : V_BC)))
		return false;
	if (!(b && reg) && !(form & V_L0 << length & (V_L0 | V_L1 | V_L2)))
		return false;
	if (mask ? !(form & (V_K | V_KREQ)) : (form & V_KREQ) || z)
		return false;
	if (z && !(form & (reg ? V_Z | V_ZR : V_Z)))
		return false;
	return true;
}

static bool vvvv_exists(const struct x86_instr *in, uint32_t form, bool v_high)
{
	if (form & V_V)
		return true;
	if ((form & V_VR) && in->modrm >= 0xc0)
		return true;
	if (in->vvvv)
		return false;
	return !v_high || (form & V_SIB);
}

/* What VEX, EVEX and XOP have in common; ModRM has been taken. */
static bool vex_exists(const struct x86_instr *in, uint32_t form)
{
	bool reg = in->modrm >= 0xc0;

	if (!(form & (reg ? V_REG : V_MEM)))
		return false;
	if ((form & V_REGS) && !(form & (uint32_t)V_R0 << (in->modrm >> 3 & 7)))
		return false;
	if ((form & V_SIB) && !has_sib(in))
		return false;
	if ((form & V_KR) && (in->rex & (X86_REX_R | X86_REX_R2)))
		return false;
	if ((form & V_GR) && (in->rex & X86_REX_R2))
		return false;
	if ((form & V_KV) && (in->vvvv & (mode64(in) ? 8 : 0)))
		return false;
	return !reg || !(form & V_RM0) || !(in->modrm & 7);
}

/*
 * From the opcode on; table is the map's. p2 is EVEX's third payload byte, for
 * the others length << 5 with nothing else set.
 */
static int decode_vex(struct cursor *c, struct x86_instr *in,
		      const uint32_t table[4][256], uint8_t p2)
{
	bool evex = in->map == X86_MAP_EVEX, v_high = evex && !(p2 & 8);
	uint32_t form;

	if (in->prefixes &
	    (X86_PFX_LOCK | X86_PFX_66 | X86_PFX_F2 | X86_PFX_F3 | X86_PFX_REX))
		return -EINVAL;
	take_opcode(c, in);
	form = table[in->vex_pp][in->opcode];
	if (!form || ((form & V_64) && !mode64(in)))
		return -EINVAL;
	if (!(form & (in->rex & X86_REX_W ? V_W1 : V_W0)))
		return -EINVAL;
	if (!evex && !(form & V_L0 << (p2 >> 5)))
		return -EINVAL;
	if (form & V_NOMODRM)
		return vvvv_exists(in, form, v_high) ? 0 : -EINVAL;
	take_modrm(c, in);
	if (!vex_exists(in, form) || !vvvv_exists(in, form, v_high) ||
	    (evex && !evex_exists(in, form, p2)))
		return -EINVAL;
	if (in->modrm < 0xc0)
		take_memory(c, in);
	take_imm(c, in, form & V_IB ? 1 : form & V_ID ? 4 : 0);
	return 0;
}

/* RXB are the inverted high bits of a payload byte; 32-bit mode has none. */
static uint8_t payload_rex(const struct x86_instr *in, uint8_t rxb, uint8_t w)
{
	return (mode64(in) ? ~rxb >> 5 & 7 : 0) | (w >> 7) << 3;
}

static int decode_vex2(struct cursor *c, struct x86_instr *in)
{
	uint8_t p = *c->p++;

	in->map = X86_MAP_VEX;
	in->vex_map = 1;
	in->vex_pp = p & 3;
	in->vvvv = ~p >> 3 & 15;
	in->rex = payload_rex(in, p | 0x60, 0);
	return decode_vex(c, in, x86_vex[1], (p & 4) << 3);
}

/* The first two payload bytes of the others: RXB and map; W, vvvv, L, pp. */
static const uint8_t *take_payload(struct cursor *c, struct x86_instr *in)
{
	const uint8_t *p = c->p;

	c->p += 2;
	in->vex_pp = p[1] & 3;
	in->vvvv = ~p[1] >> 3 & 15;
	in->rex = payload_rex(in, p[0], p[1]);
	return p;
}

static int decode_vex3(struct cursor *c, struct x86_instr *in)
{
	const uint8_t *p = take_payload(c, in);

	in->map = X86_MAP_VEX;
	in->vex_map = p[0] & 31;
	if (in->vex_map < 1 || in->vex_map > 3)
		return -EINVAL;
	return decode_vex(c, in, x86_vex[in->vex_map], (p[1] & 4) << 3);
}

static int decode_xop(struct cursor *c, struct x86_instr *in)
{
	const uint8_t *p = take_payload(c, in);

	in->map = X86_MAP_XOP;
	in->vex_map = p[0] & 31;
	if (in->vex_map > 10)
		return -EINVAL;
	return decode_vex(c, in, x86_xop[in->vex_map - 8], (p[1] & 4) << 3);
}

static int decode_evex(struct cursor *c, struct x86_instr *in)
{
	const uint8_t *p = take_payload(c, in);

	in->map = X86_MAP_EVEX;
	in->vex_map = p[0] & 7;
	if ((p[0] & 8) || !(p[1] & 4) || in->vex_map == 7)
		return -EINVAL;
	if (mode64(in) && !(p[0] & 0x10))
		in->rex |= X86_REX_R2;
	return decode_vex(c, in, x86_evex[in->vex_map], *c->p++);
}

/*
 * An opcode byte that may begin a longer prefix, by what follows: in 32-bit
 * mode les, lds and bound keep their memory forms, and pop r/m has reg 0.
 */
static int decode_escape(struct cursor *c, struct x86_instr *in)
{
	c->seen = c->p + 1;
	if (in->opcode == 0x8f && (*c->p & 31) >= 8)
		return decode_xop(c, in);
	if (in->opcode == 0x8f || (!mode64(in) && *c->p < 0xc0))
		return decode_form(c, in, x86_main[in->opcode]);
	if (in->opcode == 0x62)
		return decode_evex(c, in);
	return in->opcode == 0xc4 ? decode_vex3(c, in) : decode_vex2(c, in);
}

static int decode_main(struct cursor *c, struct x86_instr *in)
{
	take_opcode(c, in);
	switch (in->opcode) {
	case 0x0f:
		return decode_0f(c, in);
	case 0x62:
	case 0x8f:
	case 0xc4:
	case 0xc5:
		return decode_escape(c, in);
	default:
		return decode_form(c, in, x86_main[in->opcode]);
	}
}

/* With LOOKAHEAD bytes to read at code, of which the first limit are given. */
static int decode_padded(const uint8_t *code, size_t limit,
			 struct x86_instr *in)
{
	struct cursor c = { .code = code, .p = code, .seen = code };
	int r = take_prefixes(&c, in);

	if (!r)
		r = decode_main(&c, in);
	if (c.p > code + limit || c.seen > code + limit)
		return limit < X86_INSN_MAX ? -ENODATA : -EINVAL;
	in->length = c.p - code;
	return r < 0 ? r : in->length;
}

int x86_decode(const uint8_t *code, size_t avail, enum x86_mode mode,
	       struct x86_instr *out)
{
	size_t limit = avail < X86_INSN_MAX ? avail : X86_INSN_MAX;
	uint8_t padded[LOOKAHEAD] = { 0 };

	*out = (struct x86_instr){ .mode = mode };
	if (avail >= LOOKAHEAD)
		return decode_padded(code, limit, out);
	memcpy(padded, code, limit);
	return decode_padded(padded, limit, out);
}

uint64_t x86_target(const struct x86_instr *in, uint64_t pc)
{
	uint64_t to = pc + in->length + (int64_t)in->rel;

	if (mode64(in))
		return to;
	return operand16(in) ? (uint16_t)to : (uint32_t)to;
}

uint64_t x86_rip_operand(const struct x86_instr *in, const uint8_t *code,
			 uint64_t pc)
{
	uint64_t to = pc + in->length + le_signed(code + in->disp_at, 4);

	return in->prefixes & X86_PFX_67 ? (uint32_t)to : to;
}
