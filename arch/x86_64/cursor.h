/*
 * Reading an instruction's parts: what arch/x86_64/decode.c and decode-vex.c
 * share, and nobody else.
 */
#ifndef ARCH_X86_64_CURSOR_H
#define ARCH_X86_64_CURSOR_H

#include "arch/x86_64/decode.h"

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

static inline bool mode64(const struct x86_instr *in)
{
	return in->mode == X86_MODE_64;
}

/* Takes size bytes; their offset. */
static inline unsigned take(struct cursor *c, unsigned size)
{
	unsigned at = c->p - c->code;

	c->p += size;
	return at;
}

static inline bool address16(const struct x86_instr *in)
{
	return !mode64(in) && (in->prefixes & X86_PFX_67);
}

static inline unsigned disp_size16(uint8_t modrm)
{
	unsigned mod = modrm >> 6;

	return mod ? mod : (modrm & 7) == 6 ? 2 : 0;
}

static inline unsigned disp_size32(uint8_t modrm, uint8_t sib)
{
	unsigned mod = modrm >> 6, base = modrm & 7;

	if (base == 4)
		base = sib & 7;
	if (mod == 0)
		return base == 5 ? 4 : 0;
	return mod == 1 ? 1 : 4;
}

static inline bool has_sib(const struct x86_instr *in)
{
	return (in->modrm & 7) == 4 && in->modrm < 0xc0 && !address16(in);
}

/* ModRM has been taken: SIB and displacement (SDM vol. 2, tables 2-1 to 2-3).*/
static inline void take_memory(struct cursor *c, struct x86_instr *in)
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

static inline void take_modrm(struct cursor *c, struct x86_instr *in)
{
	in->modrm_at = take(c, 1);
	in->modrm = c->code[in->modrm_at];
}

static inline void take_opcode(struct cursor *c, struct x86_instr *in)
{
	in->opcode_at = take(c, 1);
	in->opcode = c->code[in->opcode_at];
}

static inline void take_imm(struct cursor *c, struct x86_instr *in,
			    unsigned size)
{
	if (!size)
		return;
	in->imm_at = take(c, size);
	in->imm_size = size;
}

/*
 * The rest of an instruction whose opcode byte began a VEX, EVEX or XOP
 * prefix. 0, or -EINVAL.
 */
int x86_decode_vex2(struct cursor *c, struct x86_instr *in);
int x86_decode_vex3(struct cursor *c, struct x86_instr *in);
int x86_decode_xop(struct cursor *c, struct x86_instr *in);
int x86_decode_evex(struct cursor *c, struct x86_instr *in);

#endif
