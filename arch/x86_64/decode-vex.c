/* VEX, EVEX and XOP: prefixes with a payload, then one opcode of a flat table.
 */
#include <errno.h>

#include "arch/x86_64/cursor.h"
#include "arch/x86_64/opcode.h"

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

int x86_decode_vex2(struct cursor *c, struct x86_instr *in)
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

int x86_decode_vex3(struct cursor *c, struct x86_instr *in)
{
	const uint8_t *p = take_payload(c, in);

	in->map = X86_MAP_VEX;
	in->vex_map = p[0] & 31;
	if (in->vex_map < 1 || in->vex_map > 3)
		return -EINVAL;
	return decode_vex(c, in, x86_vex[in->vex_map], (p[1] & 4) << 3);
}

int x86_decode_xop(struct cursor *c, struct x86_instr *in)
{
	const uint8_t *p = take_payload(c, in);

	in->map = X86_MAP_XOP;
	in->vex_map = p[0] & 31;
	if (in->vex_map > 10)
		return -EINVAL;
	return decode_vex(c, in, x86_xop[in->vex_map - 8], (p[1] & 4) << 3);
}

int x86_decode_evex(struct cursor *c, struct x86_instr *in)
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
