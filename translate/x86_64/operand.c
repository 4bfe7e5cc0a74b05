#include "translate/x86_64/operand.h"

#include <string.h>

#include "arch/x86_64/effects.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

/* Registers that can be borrowed, those first that are the least used. */
static const struct {
	uint8_t reg, rewind;
	uint16_t slot;
} borrowed[] = {
	{ RCX, REWIND_RCX, WIN_RCX },
	{ RDX, REWIND_RDX, WIN_RDX },
	{ RAX, REWIND_RAX, WIN_RAX },
};

#define N_BORROWED (sizeof(borrowed) / sizeof(borrowed[0]))

/* An index into borrowed; -1: all are taken. */
static int choose(const struct insn *i)
{
	struct x86_effects e;

	x86_effects(&i->in, i->bytes, &e);
	for (unsigned n = 0; n < N_BORROWED; n++) {
		if (!((e.regs_read | e.regs_written) >> borrowed[n].reg & 1))
			return (int)n;
	}
	return -1;
}

static bool is_vector(const struct x86_instr *in)
{
	return in->map != X86_MAP_MAIN && in->map != X86_MAP_0F &&
	       in->map != X86_MAP_0F38 && in->map != X86_MAP_0F3A;
}

/* Gathers, scatters and tiles say more in SIB than an address. */
static bool needs_sib(const struct x86_instr *in)
{
	return is_vector(in) && (in->modrm & 7) == 4 && in->vex_map == 2 &&
	       (in->opcode == 0x4b || (in->opcode & 0xfc) == 0x90 ||
		(in->opcode & 0xfc) == 0xa0 || (in->opcode & 0xfe) == 0xc6);
}

/* EVEX's short displacements are scaled; pop moves the stack first; and 32-bit
 * addresses wrap. */
static bool can_replace(const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	bool pops = in->map == X86_MAP_MAIN && in->opcode == 0x8f;

	return i->ok && in->kind == X86_PLAIN && in->modrm_at &&
	       in->modrm < 0xc0 && in->map != X86_MAP_3DNOW &&
	       !(in->prefixes & X86_PFX_67) &&
	       !(in->prefixes & X86_PFX_FS && in->prefixes & X86_PFX_GS) &&
	       !(in->rip_relative && in->prefixes & X86_PFX_GS) &&
	       !needs_sib(in) && !(is_vector(in) && in->disp_size == 1) &&
	       !(pops && (in->modrm & 7) == 4);
}

/* --- the address --------------------------------------------------------- */

/* lea disp(base, index * 2^scale), reg */
static void lea(struct writer *w, unsigned reg, unsigned base, unsigned index,
		unsigned scale, int32_t disp)
{
	uint8_t code[4] = {
		(uint8_t)(0x48 | base >> 3 | index >> 3 << 1),
		0x8d,
		(uint8_t)(0x84 | reg << 3),
		(uint8_t)(scale << 6 | (index & 7) << 3 | (base & 7)),
	};

	w_bytes(w, code, sizeof(code));
	w_num(w, (uint32_t)disp, 4);
}

static int32_t displacement(const struct insn *i)
{
	int32_t disp;

	if (i->in.disp_size == 1)
		return (int8_t)i->bytes[i->in.disp_at];
	if (!i->in.disp_size)
		return 0;
	memcpy(&disp, i->bytes + i->in.disp_at, sizeof(disp));
	return disp;
}

static void gs_address(struct writer *w, const struct insn *i, unsigned reg,
		       unsigned rewind)
{
	const struct x86_instr *in = &i->in;
	bool is_sib = (in->modrm & 7) == 4;
	unsigned base = (is_sib ? in->sib & 7 : in->modrm & 7);
	unsigned index = is_sib ? in->sib >> 3 & 7 : 4;
	bool no_base = is_sib && base == 5 && in->modrm < 0x40;
	int32_t disp = displacement(i);

	index |= in->rex & X86_REX_X && is_sib ? 8 : 0;
	w_mark(w, rewind, 0);
	w_fill(w, reg, WIN_GS);
	if (!no_base) {
		w_mark(w, rewind, 0);
		lea(w, reg, base | (in->rex & X86_REX_B ? 8 : 0), reg, 0, disp);
		disp = 0;
	}
	if (index != 4 || no_base) {
		/* an index of 4 is none */
		w_mark(w, rewind, 0);
		lea(w, reg, reg, index, in->sib >> 6, disp);
	}
}

static void rip_address(struct writer *w, const struct insn *i, unsigned reg,
			unsigned rewind)
{
	uint8_t code[2] = { 0x48, (uint8_t)(0xb8 | reg) };

	chain_spoil(w->sp);
	w_mark(w, rewind, 0);
	w_bytes(w, code, sizeof(code));
	w_num(w, x86_rip_operand(&i->in, i->bytes, i->pc), 8);
}

/* --- the instruction ----------------------------------------------------- */

/* The legacy prefixes but that of gs; how many there were. */
static unsigned copy_prefixes(const struct insn *i, uint8_t *out, unsigned *n)
{
	unsigned at = 0;

	while (memchr("\x66\x67\xf2\xf3\xf0\x2e\x3e\x26\x36\x64\x65",
		      i->bytes[at], 11)) {
		if (i->bytes[at] != 0x65)
			out[(*n)++] = i->bytes[at];
		at++;
	}
	return at;
}

/* With (%reg) as its operand, where reg is one of the first eight. */
static void write_with(struct writer *w, const struct insn *i, unsigned reg)
{
	const struct x86_instr *in = &i->in;
	unsigned n = 0, at, first;
	uint8_t out[X86_INSN_MAX];

	at = copy_prefixes(i, out, &n);
	first = n;
	memcpy(out + n, i->bytes + at, in->modrm_at - at);
	n += in->modrm_at - at;
	/* B and X: in REX as they are, in the others inverted; C5 has none. */
	if (!is_vector(in) && in->prefixes & X86_PFX_REX)
		out[first] &= (uint8_t) ~(X86_REX_B | X86_REX_X);
	else if (is_vector(in) && out[first] != 0xc5)
		out[first + 1] |= 0x60;
	out[n++] = (uint8_t)((in->modrm & 0x38) | reg);
	memcpy(out + n, i->bytes + in->imm_at, in->imm_size);
	w_bytes(w, out, n + in->imm_size);
}

bool operand_replace(struct writer *w, const struct insn *i)
{
	int n = can_replace(i) ? choose(i) : -1;
	unsigned reg, rewind;

	if (n < 0)
		return false;
	reg = borrowed[n].reg;
	rewind = borrowed[n].rewind;
	w_mark(w, 0, 0);
	w_spill(w, reg, borrowed[n].slot);
	if (i->in.prefixes & X86_PFX_GS)
		gs_address(w, i, reg, rewind);
	else
		rip_address(w, i, reg, rewind);
	w_mark(w, rewind, 0);
	write_with(w, i, reg);
	w_at(w, insn_next(i));
	w_mark(w, rewind, 0);
	w_fill(w, reg, borrowed[n].slot);
	return true;
}
