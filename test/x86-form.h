/*
 * Random encodings of a given form: which opcode, which ModRM.reg, memory or
 * a register; all else by chance, but such that most of them exist. Included
 * behind x86-rig.h, whose random numbers it takes.
 */
#ifndef TEST_X86_FORM_H
#define TEST_X86_FORM_H

#include "arch/x86_64/decode.h"
#include "test/x86-rig.h"

struct form {
	enum x86_map map; /* one of 3DNow! and XOP is not made */
	uint8_t vex_map, pp, opcode, reg;
	bool direct;
};

static uint8_t make_modrm(const struct form *f)
{
	return f->reg << 3 | (rnd() & 7) |
	       (f->direct ? 0xc0 : (rnd() % 3) << 6);
}

static void make_legacy(uint8_t *p, const struct form *f)
{
	static const uint8_t mandatory[] = { 0, 0x66, 0xf3, 0xf2 };

	if (rnd() % 8 == 0)
		*p++ = 0x67;
	if (rnd() % 8 == 0)
		*p++ = 0x66;
	if (f->pp)
		*p++ = mandatory[f->pp];
	if (rnd() % 2)
		*p++ = 0x40 | (rnd() & 15);
	if (f->map != X86_MAP_MAIN)
		*p++ = 0x0f;
	if (f->map == X86_MAP_0F38)
		*p++ = 0x38;
	if (f->map == X86_MAP_0F3A)
		*p++ = 0x3a;
	*p++ = f->opcode;
	*p = make_modrm(f);
}

/* Payload bits that most opcodes demand are mostly as demanded. */
static void make_vex(uint8_t *p, const struct form *f)
{
	bool evex = f->map == X86_MAP_EVEX;
	uint8_t vvvv = rnd() % 2 ? 0x78 : rnd() & 0x78;

	*p++ = evex ? 0x62 : 0xc4;
	*p++ = (rnd() & 0xe0) | (evex ? rnd() & 0x10 : 0) | f->vex_map;
	*p++ = (rnd() & 0x80) | vvvv | (evex ? 4 : rnd() & 4) | f->pp;
	if (evex)
		*p++ = (rnd() % 4 ? 0 : rnd() & 0x90) | (rnd() % 3) << 5 |
		       (rnd() % 4 ? 8 : 0) | (rnd() % 2 ? rnd() & 7 : 0);
	*p++ = f->opcode;
	*p = make_modrm(f);
}

/* Writes X86_INSN_MAX bytes, of which the first are the instruction, if any. */
static void make_form(uint8_t *code, const struct form *f)
{
	for (int i = 0; i < X86_INSN_MAX; i++)
		code[i] = rnd();
	if (f->map >= X86_MAP_VEX)
		make_vex(code, f);
	else
		make_legacy(code, f);
}

#endif
