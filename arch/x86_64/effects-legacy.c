/* Effects of the legacy opcode maps, laid out as those of opcode.c. */
#include "arch/x86_64/effects-form.h"

/* clang-format off */
#define C X86_F_CF
#define P X86_F_PF
#define Z X86_F_ZF
#define S X86_F_SF
#define O X86_F_OF
#define ALL X86_F_ALL
#define AH_FLAGS (ALL & ~O) /* those of lahf and sahf */
#define BUT_CF	 (ALL & ~C)

#define BY_MUL	 FW(C | O)    /* AMD's leave the others as they were */
#define BY_SHLD	 FW(ALL & ~O) /* unless by 1 */

#define AX_R  READS(RAX)
#define AX_W  WRITES(RAX)
#define AX_RW (AX_R | AX_W)
#define CX_R  READS(RCX)
#define CX_RW (CX_R | WRITES(RCX))
#define DX_R  READS(RDX)
#define DX_W  WRITES(RDX)
#define DX_RW (DX_R | DX_W)
#define SP_W  WRITES(RSP)
#define SP_RW (READS(RSP) | SP_W)
#define BP_RW (READS(RBP) | WRITES(RBP))
#define SI_RW (READS(RSI) | WRITES(RSI))
#define DI_RW (READS(RDI) | WRITES(RDI))
#define BYTES (REG_BYTE | RM_BYTE)
#define EVERYTHING (READS(ALL_REGS) | FR(ALL))

#define BY_PFX(row) (E_BY_PFX | E(row, REGS_READ_AT))
#define BY_REG(row) (E_BY_REG | E(row, REGS_READ_AT))
#define BY_RM(row)  (E_BY_RM | E(row, REGS_READ_AT))
#define BY_MOD(row) (E_BY_MOD | E(row, REGS_READ_AT))

enum {
	S_80, S_81, S_C0, S_C1, S_C6, S_C7, S_D0, S_D1, S_D2, S_D3, S_F6, S_F7,
	S_FE, S_FF,
	S_0F00, S_0F01, S_0F01_REG, S_0F01_2, S_0F01_5, S_0F01_5_6,
	S_0F01_5_7, S_0F01_7,
	S_0F1E, S_0F1E_MOD, S_0F1E_REG, S_0F2A, S_0F2C, S_0F78, S_0F7E, S_0FAE,
	S_0FAE_NP, S_0FAE_MEM, S_0FAE_REG, S_0FAE_66, S_0FAE_66_6, S_0FAE_F3,
	S_0FAE_F3_6, S_0FAE_F2, S_0FBA, S_0FC7, S_0FC7_MEM, S_0FC7_REG,
	S_0FC7_6, S_0FC7_7,
	S_38DC, S_38F0, S_38F1, S_38F6, S_38F8
};

/* Arithmetic: r/m8 r8, r/m r, r8 r/m8, r r/m, al imm, rax imm. */
#define ALU(base, flags, how)                                                  \
	[(base)] = BYTES | (flags),                                            \
	[(base) + 1] = REG_R | RM_RW | (flags) | (how),                        \
	[(base) + 2] = BYTES | (flags),                                        \
	[(base) + 3] = REG_RW | RM_R | (flags) | (how),                        \
	[(base) + 4] = AX_R | (flags), [(base) + 5] = AX_RW | (flags)

/* Of jcc, setcc and cmovcc: o, b, z, be, s, p, l, le and their opposites. */
#define CONDITIONS(base, effect)                                               \
	[(base) ... (base) + 1] = (effect) | FR(O),                            \
	[(base) + 2 ... (base) + 3] = (effect) | FR(C),                        \
	[(base) + 4 ... (base) + 5] = (effect) | FR(Z),                        \
	[(base) + 6 ... (base) + 7] = (effect) | FR(C | Z),                    \
	[(base) + 8 ... (base) + 9] = (effect) | FR(S),                        \
	[(base) + 10 ... (base) + 11] = (effect) | FR(P),                      \
	[(base) + 12 ... (base) + 13] = (effect) | FR(S | O),                  \
	[(base) + 14 ... (base) + 15] = (effect) | FR(Z | S | O)

const uint64_t x86_effects_main[256] = {
	ALU(0x00, FW_ALL, 0),
	ALU(0x08, FW_ALL, 0),
	ALU(0x10, FW_ALL | FR(C), 0),
	ALU(0x18, FW_ALL | FR(C), SAME),
	ALU(0x20, FW_ALL, 0),
	ALU(0x28, FW_ALL, SAME),
	ALU(0x30, FW_ALL, SAME),
	[0x38] = BYTES | FW_ALL,
	[0x39] = REG_R | RM_R | FW_ALL | SAME,
	[0x3a] = BYTES | FW_ALL,
	[0x3b] = REG_R | RM_R | FW_ALL | SAME,
	[0x3c ... 0x3d] = AX_R | FW_ALL,
	[0x50 ... 0x57] = OP_R | SP_RW,
	[0x58 ... 0x5f] = OP_W | SP_RW,
	[0x63] = REG_W | RM_R,
	[0x68] = SP_RW,
	[0x69] = REG_W | RM_R | BY_MUL,
	[0x6a] = SP_RW,
	[0x6b] = REG_W | RM_R | BY_MUL,
	CONDITIONS(0x70, NONE),
	[0x80] = BY_REG(S_80),
	[0x81] = BY_REG(S_81),
	[0x83] = BY_REG(S_81),
	[0x84] = BYTES | FW_ALL,
	[0x85] = REG_R | RM_R | FW_ALL,
	[0x86] = BYTES,
	[0x87] = REG_RW | RM_RW,
	[0x88] = BYTES,
	[0x89] = REG_R | RM_W,
	[0x8a] = BYTES,
	[0x8b] = REG_W | RM_R,
	[0x8c] = RM_W,
	[0x8d] = REG_W,
	[0x8f] = RM_W | SP_RW,
	[0x90] = OP_RW | AX_RW | E_OTHER,
	[0x91 ... 0x97] = OP_RW | AX_RW,
	[0x98] = AX_RW,
	[0x99] = AX_R | DX_W,
	[0x9b] = NONE,
	[0x9c] = SP_RW | FR(ALL),
	[0x9d] = SP_RW | FW_ALL,
	[0x9e] = AX_R | FW(AH_FLAGS),
	[0x9f] = AX_R | FR(AH_FLAGS),
	[0xa0] = AX_R,
	[0xa1] = AX_W,
	[0xa2 ... 0xa3] = AX_R,
	[0xa4 ... 0xa5] = SI_RW | DI_RW | E_STRING,
	[0xa6 ... 0xa7] = SI_RW | DI_RW | FW_ALL | E_STRING,
	[0xa8 ... 0xa9] = AX_R | FW_ALL,
	[0xaa ... 0xab] = AX_R | DI_RW | E_STRING,
	[0xac] = AX_R | SI_RW | E_STRING,
	[0xad] = AX_W | SI_RW | E_STRING,
	[0xae ... 0xaf] = AX_R | DI_RW | FW_ALL | E_STRING,
	[0xb0 ... 0xb7] = OP_BYTE,
	[0xb8 ... 0xbf] = OP_W,
	[0xc0] = BY_REG(S_C0),
	[0xc1] = BY_REG(S_C1),
	[0xc2 ... 0xc3] = SP_RW,
	[0xc6] = BY_REG(S_C6),
	[0xc7] = BY_REG(S_C7),
	[0xc8] = SP_RW | BP_RW,
	[0xc9] = BP_RW | SP_W,
	[0xd0] = BY_REG(S_D0),
	[0xd1] = BY_REG(S_D1),
	[0xd2] = BY_REG(S_D2),
	[0xd3] = BY_REG(S_D3),
	[0xd7] = READS(RAX | RBX),
	[0xd8 ... 0xdf] = NONE | E_OTHER,
	[0xe0 ... 0xe1] = CX_RW | FR(Z),
	[0xe2] = CX_RW,
	[0xe3] = CX_R,
	[0xe8] = SP_RW,
	[0xe9] = NONE,
	[0xeb] = NONE,
	[0xf5] = FR(C) | FW(C),
	[0xf6] = BY_REG(S_F6),
	[0xf7] = BY_REG(S_F7),
	[0xf8 ... 0xf9] = FW(C),
	[0xfc ... 0xfd] = NONE,
	[0xfe] = BY_REG(S_FE),
	[0xff] = BY_REG(S_FF),
};

const uint64_t x86_effects_0f[256] = {
	[0x00] = BY_REG(S_0F00),
	[0x01] = BY_MOD(S_0F01),
	[0x02 ... 0x03] = REG_R | RM_R | FW(Z),
	[0x05] = EVERYTHING | WRITES(RCX | R11),
	[0x0d ... 0x0e] = NONE,
	[0x10 ... 0x17] = NONE,
	[0x18 ... 0x1d] = RM_R,
	[0x1e] = BY_PFX(S_0F1E),
	[0x1f] = NOADDR,
	[0x28 ... 0x29] = NONE,
	[0x2a] = BY_PFX(S_0F2A),
	[0x2b] = NONE,
	[0x2c ... 0x2d] = BY_PFX(S_0F2C),
	[0x2e ... 0x2f] = FW_ALL,
	[0x31] = AX_W | DX_W,
	CONDITIONS(0x40, REG_RW | RM_R),
	[0x50] = REG_W | FULL,
	[0x51 ... 0x6d] = NONE,
	[0x6e] = RM_R,
	[0x6f ... 0x77] = NONE,
	[0x78 ... 0x79] = BY_PFX(S_0F78),
	[0x7c ... 0x7d] = NONE,
	[0x7e] = BY_PFX(S_0F7E),
	[0x7f] = NONE,
	CONDITIONS(0x80, NONE),
	CONDITIONS(0x90, RM_BYTE),
	[0xa0] = SP_RW,
	[0xa2] = READS(RAX | RCX) | WRITES(RAX | RBX | RCX | RDX),
	[0xa3] = REG_R | RM_R | FW(C),
	[0xa4] = REG_R | RM_RW | BY_SHLD | E_SHIFT,
	[0xa5] = REG_R | RM_RW | CX_R,
	[0xa8] = SP_RW,
	[0xab] = REG_R | RM_RW | FW(C),
	[0xac] = REG_R | RM_RW | BY_SHLD | E_SHIFT,
	[0xad] = REG_R | RM_RW | CX_R,
	[0xae] = BY_PFX(S_0FAE),
	[0xaf] = REG_RW | RM_R | BY_MUL,
	[0xb0] = BYTES | AX_R | FW_ALL,
	[0xb1] = REG_R | RM_R | AX_R | FW_ALL,
	[0xb3] = REG_R | RM_RW | FW(C),
	[0xb6] = REG_W | RM_BYTE,
	[0xb7] = REG_W | RM_R,
	[0xb8] = REG_W | RM_R | FW_ALL,
	[0xba] = BY_REG(S_0FBA),
	[0xbb] = REG_R | RM_RW | FW(C),
	/* bsf, bsr: of 0 they leave the destination as it is, and define ZF
	 * alone. So do tzcnt and lzcnt on processors that take them for these;
	 * on AMD's these leave OF. */
	[0xbc ... 0xbd] = REG_R | RM_R | FW(Z),
	[0xbe] = REG_W | RM_BYTE,
	[0xbf] = REG_W | RM_R,
	[0xc0] = BYTES | FW_ALL,
	[0xc1] = REG_RW | RM_RW | FW_ALL,
	[0xc2] = NONE,
	[0xc3] = REG_R,
	[0xc4] = RM_R,
	[0xc5] = REG_W | FULL,
	[0xc6] = NONE,
	[0xc7] = BY_MOD(S_0FC7),
	[0xc8 ... 0xcf] = OP_RW,
	[0xd0 ... 0xd6] = NONE,
	[0xd7] = REG_W | FULL,
	[0xd8 ... 0xf6] = NONE,
	[0xf7] = READS(RDI),
	[0xf8 ... 0xfe] = NONE,
};

const uint64_t x86_effects_0f38[256] = {
	[0x00 ... 0x16] = NONE,
	[0x17] = FW_ALL,
	[0x18 ... 0x41] = NONE,
	[0x8a] = REG_BYTE,
	[0x8b] = REG_W,
	[0xc8 ... 0xcf] = NONE,
	[0xdb] = NONE,
	[0xdc ... 0xdf] = BY_PFX(S_38DC),
	[0xf0] = BY_PFX(S_38F0),
	[0xf1] = BY_PFX(S_38F1),
	[0xf6] = BY_PFX(S_38F6),
	[0xf8] = BY_PFX(S_38F8),
	[0xf9] = REG_R,
	[0xfc] = REG_R,
};

/* pcmpestri and its kin: explicit lengths in rax and rdx, an index to rcx. */
const uint64_t x86_effects_0f3a[256] = {
	[0x08 ... 0x0f] = NONE,
	[0x14 ... 0x17] = RM_W | FULL,
	[0x20] = RM_R,
	[0x21] = NONE,
	[0x22] = RM_R,
	[0x40 ... 0x44] = NONE,
	[0x60] = AX_R | DX_R | FW_ALL,
	[0x61] = AX_R | DX_R | WRITES(RCX) | FULL | FW_ALL,
	[0x62] = FW_ALL,
	[0x63] = WRITES(RCX) | FULL | FW_ALL,
	[0xcc ... 0xcf] = NONE,
	[0xdf] = NONE,
};

/* rol, ror, rcl, rcr, shl, shr, sal, sar. Rotating by more than 1 leaves OF
 * undefined, that is, as it was. So do div all flags and bt all but CF. */
#define SHIFTS(rm, rotated, shifted, how)                                      \
	[0 ... 1] = (rm) | (rotated) | (how),                                  \
	[2 ... 3] = (rm) | (rotated) | FR(C) | (how),                          \
	[4 ... 7] = (rm) | (shifted) | (how)
#define CF_OF FW(C | O)

#define ALU_ROW(rm, rm_cmp)                                                    \
	[0 ... 1] = (rm) | FW_ALL, [2 ... 3] = (rm) | FW_ALL | FR(C),          \
	[4 ... 6] = (rm) | FW_ALL, [7] = (rm_cmp) | FW_ALL

const uint64_t x86_effect_split[][8] = {
	[S_80] = { ALU_ROW(RM_BYTE, RM_BYTE) },
	[S_81] = { ALU_ROW(RM_RW, RM_R) },
	[S_C0] = { SHIFTS(RM_BYTE, FW(C), FW_ALL, E_SHIFT) },
	[S_C1] = { SHIFTS(RM_RW, FW(C), FW_ALL, E_SHIFT) },
	[S_C6] = { [0] = RM_BYTE },
	[S_C7] = { [0] = RM_W },
	[S_D0] = { SHIFTS(RM_BYTE, CF_OF, FW_ALL, 0) },
	[S_D1] = { SHIFTS(RM_RW, CF_OF, FW_ALL, 0) },
	[S_D2] = { SHIFTS(RM_BYTE | CX_R, 0, 0, 0) },
	[S_D3] = { SHIFTS(RM_RW | CX_R, 0, 0, 0) },
	[S_F6] = {
		[0 ... 1] = RM_BYTE | FW_ALL,
		[2] = RM_BYTE,
		[3] = RM_BYTE | FW_ALL,
		[4 ... 5] = RM_BYTE | AX_R | BY_MUL,
		[6 ... 7] = RM_BYTE | AX_R,
	},
	[S_F7] = {
		[0 ... 1] = RM_R | FW_ALL,
		[2] = RM_RW,
		[3] = RM_RW | FW_ALL,
		[4 ... 5] = RM_R | AX_RW | DX_W | BY_MUL,
		[6 ... 7] = RM_R | AX_RW | DX_RW,
	},
	[S_FE] = { [0 ... 1] = RM_BYTE | FW(BUT_CF) },
	[S_FF] = {
		[0 ... 1] = RM_RW | FW(BUT_CF),
		[2] = RM_R | SP_RW,
		[4] = RM_R,
		[6] = RM_R | SP_RW,
	},

	[S_0F00] = { [4 ... 5] = RM_R | FW(Z) },
	[S_0F01] = { [1] = BY_REG(S_0F01_REG) },
	[S_0F01_REG] = {
		[2] = BY_RM(S_0F01_2),
		[5] = BY_RM(S_0F01_5),
		[7] = BY_RM(S_0F01_7),
	},
	[S_0F01_2] = {
		[0] = CX_R | AX_W | DX_W, /* xgetbv */
		[6] = FW_ALL, /* xtest */
	},
	[S_0F01_5] = { [6] = BY_PFX(S_0F01_5_6), [7] = BY_PFX(S_0F01_5_7) },
	[S_0F01_5_6] = { CX_R | AX_W | DX_W, 0, 0, 0 }, /* rdpkru */
	[S_0F01_5_7] = { READS(RAX | RCX | RDX), 0, 0, 0 }, /* wrpkru */
	[S_0F01_7] = { [1] = WRITES(RAX | RCX | RDX) }, /* rdtscp */
	[S_0F1E] = { RM_R, RM_R, BY_MOD(S_0F1E_MOD), RM_R },
	[S_0F1E_MOD] = { NONE, BY_REG(S_0F1E_REG) },
	[S_0F1E_REG] = { [0 ... 6] = RM_R, [7] = NONE }, /* rdssp, endbr */
	[S_0F2A] = { NONE, NONE, RM_R, RM_R },
	[S_0F2C] = { NONE, NONE, REG_W | FULL, REG_W | FULL },
	[S_0F78] = { 0, NONE, 0, NONE },
	[S_0F7E] = { RM_W | FULL, RM_W | FULL, NONE, 0 },
	[S_0FAE] = {
		BY_MOD(S_0FAE_NP), BY_REG(S_0FAE_66),
		BY_REG(S_0FAE_F3), BY_REG(S_0FAE_F2)
	},
	[S_0FAE_NP] = { BY_REG(S_0FAE_MEM), BY_REG(S_0FAE_REG) },
	[S_0FAE_MEM] = {
		[0 ... 3] = NONE,
		[4 ... 6] = AX_R | DX_R, /* xsave, xrstor, xsaveopt */
		[7] = NONE,
	},
	[S_0FAE_REG] = { [5 ... 7] = NONE },
	[S_0FAE_66] = { [6] = BY_MOD(S_0FAE_66_6), [7] = NONE },
	[S_0FAE_66_6] = { NONE, RM_R | AX_R | DX_R | FW_ALL }, /* tpause */
	[S_0FAE_F3] = {
		[0 ... 1] = RM_W,
		[2 ... 5] = RM_R,
		[6] = BY_MOD(S_0FAE_F3_6),
	},
	[S_0FAE_F3_6] = { [1] = RM_R }, /* umonitor */
	[S_0FAE_F2] = { [6] = RM_R | AX_R | DX_R | FW_ALL }, /* umwait */
	[S_0FBA] = { [4] = RM_R | FW(C), [5 ... 7] = RM_RW | FW(C) },
	[S_0FC7] = { BY_REG(S_0FC7_MEM), BY_REG(S_0FC7_REG) },
	[S_0FC7_MEM] = {
		[1] = READS(RAX | RCX | RDX | RBX) | FW(Z), /* cmpxchg8b */
		[4] = AX_R | DX_R, /* xsavec */
	},
	[S_0FC7_REG] = { [6] = BY_PFX(S_0FC7_6), [7] = BY_PFX(S_0FC7_7) },
	[S_0FC7_6] = { RM_W | FW_ALL, RM_W | FW_ALL, 0, 0 }, /* rdrand */
	[S_0FC7_7] = { RM_W | FW_ALL, RM_W | FW_ALL, RM_W | FULL, 0 },

	[S_38DC] = { NONE, NONE, 0, 0 },
	[S_38F0] = {
		REG_W, REG_W, 0, REG_RW | RM_BYTE | FULL, /* movbe, crc32 */
	},
	[S_38F1] = { REG_R, REG_R, 0, REG_RW | RM_R | FULL },
	[S_38F6] = {
		REG_R,
		REG_RW | RM_R | FR(C) | FW(C) | FULL,
		REG_RW | RM_R | FR(O) | FW(O) | FULL,
		0,
	},
	[S_38F8] = { 0, REG_R, 0, 0 },
};
