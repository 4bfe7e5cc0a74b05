#include "arch/x86_64/decode.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/cursor.h"
#include "arch/x86_64/opcode.h"

static const uint16_t prefix_bits[256] = {
	[0x26] = X86_PFX_ES, [0x2e] = X86_PFX_CS, [0x36] = X86_PFX_SS,
	[0x3e] = X86_PFX_DS, [0x64] = X86_PFX_FS, [0x65] = X86_PFX_GS,
	[0x66] = X86_PFX_66, [0x67] = X86_PFX_67, [0xf0] = X86_PFX_LOCK,
	[0xf2] = X86_PFX_F2, [0xf3] = X86_PFX_F3,
};

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

/* Near branches that have such an operand have a pc of 16 bits. */
static bool branch16(const struct x86_instr *in)
{
	return operand16(in) && (!mode64(in) || x86_vendor == X86_AMD);
}

static unsigned imm_size(const struct x86_instr *in, enum x86_imm imm)
{
	/* With operands of 32, 16 and 64 bits. */
	static const uint8_t sizes[][3] = {
		[IMM_B] = { 1, 1, 1 },	[IMM_W] = { 2, 2, 2 },
		[IMM_BB] = { 2, 2, 2 }, [IMM_WB] = { 3, 3, 3 },
		[IMM_Z] = { 4, 2, 4 },	[IMM_V] = { 4, 2, 8 },
		[IMM_P] = { 6, 4, 6 },	[IMM_JB] = { 1, 1, 1 },
		[IMM_JZ] = { 4, 2, 4 }, [IMM_JX] = { 4, 2, 4 },
	};

	if (imm == IMM_O)
		return (mode64(in) ? 8 : 4) >> !!(in->prefixes & X86_PFX_67);
	if (imm == IMM_JZ && !branch16(in))
		return 4;
	return sizes[imm][in->rex & X86_REX_W ? 2 : operand16(in)];
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

/* APM vol. 3, MOV CRn: where no REX.R can say so. */
static bool lock_is_cr8(const struct x86_instr *in, uint32_t form)
{
	return (form & F_LOCK_CR8) && x86_vendor == X86_AMD &&
	       !(in->rex & X86_REX_R);
}

/* What can be told before ModRM has been read. */
static bool form_exists(const struct x86_instr *in, uint32_t form)
{
	if (!form || form & (mode64(in) ? F_NO64 : F_ONLY64))
		return false;
	if (form & (uint32_t)F_NO_NP << legacy_pp(in))
		return false;
	return !(in->prefixes & X86_PFX_LOCK) || (form & F_LOCK) ||
	       lock_is_cr8(in, form);
}

static int take_operand(struct cursor *c, struct x86_instr *in, uint32_t form)
{
	bool reg;

	take_modrm(c, in);
	reg = in->modrm >= 0xc0 || (form & F_FIXED);
	if (form & (reg ? F_NOREG : F_NOMEM))
		return -EINVAL;
	if (reg && (in->prefixes & X86_PFX_LOCK) && !lock_is_cr8(in, form))
		return -EINVAL;
	if ((form & F_FPU) && !fpu_exists(in))
		return -EINVAL;
	if (!reg)
		take_memory(c, in);
	return 0;
}

static bool is_near(const struct x86_instr *in)
{
	return x86_is_direct(in) || in->kind == X86_JMP_IND ||
	       in->kind == X86_CALL_IND || in->kind == X86_RET;
}

static void take_branch(const struct cursor *c, struct x86_instr *in,
			enum x86_imm imm)
{
	if (imm >= IMM_JB)
		in->rel = le_signed(c->code + in->imm_at, in->imm_size);
	if (in->kind == X86_INT && in->opcode == 0xcd &&
	    c->code[in->imm_at] == 0x80)
		in->kind = X86_INT80;
	in->near16 = branch16(in) && is_near(in);
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

/* The opcode's bytes behind 0F; 3DNow!'s is at the end. */
static uint32_t take_0f(struct cursor *c, struct x86_instr *in)
{
	take_opcode(c, in);
	switch (in->opcode) {
	case 0x0f:
		in->map = X86_MAP_3DNOW;
		return F_OK;
	case 0x38:
		in->map = X86_MAP_0F38;
		take_opcode(c, in);
		return x86_0f38[in->opcode];
	case 0x3a:
		in->map = X86_MAP_0F3A;
		take_opcode(c, in);
		return x86_0f3a[in->opcode];
	default:
		in->map = X86_MAP_0F;
		return x86_0f[in->opcode];
	}
}

/* Opcode bytes that may begin a longer prefix. */
static bool is_escape(uint8_t opcode)
{
	return opcode == 0x62 || opcode == 0x8f || (opcode & 0xfe) == 0xc4;
}

/*
 * Whether it does, by what follows: in 32-bit mode les, lds and bound keep
 * their memory forms, and pop r/m has reg 0.
 */
static bool is_vex(struct cursor *c, const struct x86_instr *in)
{
	c->seen = c->p + 1;
	if (in->opcode == 0x8f)
		return (*c->p & 31) >= 8;
	return mode64(in) || *c->p >= 0xc0;
}

/* They get a copy, so that elsewhere the compiler keeps the cursor in
 * registers: reading it back from memory is what the decoder would wait for. */
static int decode_escape(struct cursor *c, struct x86_instr *in)
{
	struct cursor copy = *c;
	int r;

	switch (in->opcode) {
	case 0x62:
		r = x86_decode_evex(&copy, in);
		break;
	case 0x8f:
		r = x86_decode_xop(&copy, in);
		break;
	case 0xc4:
		r = x86_decode_vex3(&copy, in);
		break;
	default:
		r = x86_decode_vex2(&copy, in);
	}
	*c = copy;
	return r;
}

static int decode_main(struct cursor *c, struct x86_instr *in)
{
	uint32_t form;

	take_opcode(c, in);
	if (is_escape(in->opcode) && is_vex(c, in))
		return decode_escape(c, in);
	form = in->opcode == 0x0f ? take_0f(c, in) : x86_main[in->opcode];
	if (in->map == X86_MAP_3DNOW)
		return decode_3dnow(c, in);
	return decode_form(c, in, form);
}

/* With LOOKAHEAD bytes to read at code, of which the first limit are given. */
static int decode_ahead(const uint8_t *code, size_t limit, struct x86_instr *in)
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

/* Not inlined: to clear the bytes costs more than most instructions. */
static __attribute__((noinline)) int
decode_padded(const uint8_t *code, size_t limit, struct x86_instr *in)
{
	uint8_t padded[LOOKAHEAD] = { 0 };

	memcpy(padded, code, limit);
	return decode_ahead(padded, limit, in);
}

int x86_decode(const uint8_t *code, size_t avail, enum x86_mode mode,
	       struct x86_instr *out)
{
	size_t limit = avail < X86_INSN_MAX ? avail : X86_INSN_MAX;

	*out = (struct x86_instr){ .mode = mode };
	if (avail >= LOOKAHEAD)
		return decode_ahead(code, limit, out);
	return decode_padded(code, limit, out);
}

uint64_t x86_target(const struct x86_instr *in, uint64_t pc)
{
	uint64_t to = pc + in->length + (int64_t)in->rel;

	if (in->near16)
		return (uint16_t)to;
	return mode64(in) ? to : (uint32_t)to;
}

uint64_t x86_rip_operand(const struct x86_instr *in, const uint8_t *code,
			 uint64_t pc)
{
	uint64_t to = pc + in->length + le_signed(code + in->disp_at, 4);

	return in->prefixes & X86_PFX_67 ? (uint32_t)to : to;
}
