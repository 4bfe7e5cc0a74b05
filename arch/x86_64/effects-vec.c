/* Effects of VEX, EVEX and XOP opcodes: few kinds, one byte each in a table. */
#include "arch/x86_64/effects-form.h"

enum effect_kind {
	VECTOR, /* flags and general registers stay as they are */
	UNKNOWN,
	COMPARE, /* all flags */
	FROM_RM, /* a general register or memory to a vector or mask */
	TO_RM,
	TO_REG,
	MOVE2, /* rm to reg, without flags */
	MOVE3, /* and vvvv */
	BITS1, /* rm to reg, with flags */
	BITS2, /* rm to vvvv */
	BITS3, /* rm and vvvv to reg */
	MULX,
	CMPADD,
	MASKMOV,
	GATHER,
	TILE_ROW,
	ESTRM, /* vpcmpestrm, vpcmpestri, vpcmpistri */
	ESTRI,
	ISTRI,
};

/* What all of BMI and TBM define: of the rest each leaves some undefined. */
#define FW_BITS FW(X86_F_CF | X86_F_ZF | X86_F_OF)

static const uint64_t effects[] = {
	[VECTOR] = NONE,
	[UNKNOWN] = 0,
	[COMPARE] = FW_ALL,
	[FROM_RM] = RM_R,
	[TO_RM] = RM_W,
	[TO_REG] = REG_W,
	[MOVE2] = REG_W | RM_R,
	[MOVE3] = REG_W | RM_R | V_R,
	[BITS1] = REG_W | RM_R | FW_BITS,
	[BITS2] = V_W | RM_R | FW_BITS,
	[BITS3] = REG_W | RM_R | V_R | FW_BITS,
	[MULX] = REG_W | V_W | RM_R | READS(RDX),
	[CMPADD] = REG_RW | V_R | FW_ALL,
	[MASKMOV] = READS(RDI),
	[GATHER] = NOADDR,
	[TILE_ROW] = V_R,
	[ESTRM] = READS(RAX | RDX) | FW_ALL,
	[ESTRI] = READS(RAX | RDX) | WRITES(RCX) | FW_ALL,
	[ISTRI] = WRITES(RCX) | FW_ALL,
};

/* clang-format off */
#define NP  0
#define P66 1
#define PF3 2
#define PF2 3

/* Which of the tables a row belongs to: the others get nothing of it. */
#define ROW_VEX(map, pp, opcodes, kind)	[map][pp][opcodes] = kind,
#define ROW_EVEX(map, pp, opcodes, kind)
#define ROW_XOP(map, pp, opcodes, kind)
#define OP(table, ...) ROW_##table(__VA_ARGS__)

static const uint8_t vex[4][4][256] = {
#include "arch/x86_64/effects-vec.def"
};

#undef ROW_VEX
#undef ROW_EVEX
#define ROW_VEX(map, pp, opcodes, kind)
#define ROW_EVEX(map, pp, opcodes, kind) [map][pp][opcodes] = kind,

static const uint8_t evex[7][4][256] = {
#include "arch/x86_64/effects-vec.def"
};

#undef ROW_EVEX
#undef ROW_XOP
#define ROW_EVEX(map, pp, opcodes, kind)
#define ROW_XOP(map, pp, opcodes, kind)	[(map)-8][pp][opcodes] = kind,

static const uint8_t xop[3][4][256] = {
#include "arch/x86_64/effects-vec.def"
};
/* clang-format on */

static uint64_t find_effect(const struct x86_instr *in)
{
	switch (in->map) {
	case X86_MAP_VEX:
		return effects[vex[in->vex_map][in->vex_pp][in->opcode]];
	case X86_MAP_EVEX:
		return effects[evex[in->vex_map][in->vex_pp][in->opcode]];
	case X86_MAP_XOP:
		return effects[xop[in->vex_map - 8][in->vex_pp][in->opcode]];
	}
	return 0;
}

/* A gather's base; its index is a vector. */
static uint64_t gather_base(const struct x86_instr *in)
{
	unsigned base = in->sib & 7;

	if (base == 5 && in->modrm < 0x40)
		return NONE;
	return READS(1u << (base | (in->rex & X86_REX_B) << 3));
}

uint64_t x86_effect_vex(const struct x86_instr *in)
{
	uint64_t e = find_effect(in);

	if (e >> V_AT & 1)
		e |= READS(1u << in->vvvv);
	if (e >> V_AT & 2)
		e |= WRITES(1u << in->vvvv);
	return e >> NOADDR_AT & 1 ? e | gather_base(in) : e;
}
