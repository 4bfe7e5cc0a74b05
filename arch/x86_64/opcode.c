/* The legacy opcode maps: main, 0F, 0F38, 0F3A, what splits them, and x87. */
#include "arch/x86_64/opcode.h"

/* clang-format off */
#define OK	(F_OK)
#define M	(F_OK | F_MODRM)
#define MM	(F_OK | F_MODRM | F_NOREG) /* memory alone */
#define MR	(F_OK | F_MODRM | F_NOMEM) /* registers alone */
#define IB	(F_OK | IMM_B)
#define IW	(F_OK | IMM_W)
#define IZ	(F_OK | IMM_Z)
#define LOCK	F_LOCK
#define NO64	(F_OK | F_NO64)
#define ONLY64	F_ONLY64
#define KIND(k) (F_OK | (uint32_t)X86_##k << 16)

/* The mandatory prefixes with which an opcode exists. */
#define NP	   (F_NO_66 | F_NO_F3 | F_NO_F2)
#define P66	   (F_NO_NP | F_NO_F3 | F_NO_F2)
#define PF3	   (F_NO_NP | F_NO_66 | F_NO_F2)
#define PF2	   (F_NO_NP | F_NO_66 | F_NO_F3)
#define NP_66	   (F_NO_F3 | F_NO_F2)
#define NP_F3	   (F_NO_66 | F_NO_F2)
#define NP_66_F3   (F_NO_F2)
#define P66_F2	   (F_NO_NP | F_NO_F3)
#define P66_F3_F2  (F_NO_NP)

#define BY_PFX(row) (F_BY_PFX | (row))
#define BY_REG(row) (F_BY_REG | (row))
#define BY_RM(row)  (F_BY_RM | (row))
#define BY_MOD(row) (F_BY_MOD | (row))

enum {
	S_80, S_81, S_82, S_8C, S_8E, S_8F, S_C6, S_C6_7, S_C6_7R, S_C7, S_C7_7,
	S_C7_7R, S_F6, S_F7, S_FE, S_FF,
	S_0F00, S_0F00_6, S_0F01, S_0F01_MEM, S_0F01_REG, S_0F01_0,
	S_0F01_0_6, S_0F01_1, S_0F01_1_2, S_0F01_1_4, S_0F01_2, S_0F01_3,
	S_0F01_5, S_0F01_5_0, S_0F01_5_6, S_0F01_7, S_0F12, S_0F16, S_0F20,
	S_0F71, S_0F73, S_0F78, S_0F78_66, S_0F79, S_0FA6, S_0FA6_0, S_0FA7,
	S_0FA7_0, S_0FAE, S_0FAE_NP, S_0FAE_MEM, S_0FAE_REG, S_0FAE_66,
	S_0FAE_F3, S_0FAE_F2, S_0FBA,
	S_0FC7, S_0FC7_MEM, S_0FC7_REG, S_0FD6,
	S_38D8, S_38D8_F3, S_38DC, S_38DD, S_38F0, S_38F6, S_38F8,
	S_38F8_F3, S_38F8_F2, S_3AF0, S_3AF0_REG
};

/* The eight arithmetic operations share their six encodings. */
#define ALU(base, lock)                                                        \
	[(base)] = M | (lock), [(base) + 1] = M | (lock), [(base) + 2] = M,     \
	[(base) + 3] = M, [(base) + 4] = IB, [(base) + 5] = IZ

const uint32_t x86_main[256] = {
	ALU(0x00, LOCK), [0x06 ... 0x07] = NO64,
	ALU(0x08, LOCK), [0x0e] = NO64,
	ALU(0x10, LOCK), [0x16 ... 0x17] = NO64,
	ALU(0x18, LOCK), [0x1e ... 0x1f] = NO64,
	ALU(0x20, LOCK), [0x27] = NO64,
	ALU(0x28, LOCK), [0x2f] = NO64,
	ALU(0x30, LOCK), [0x37] = NO64,
	ALU(0x38, 0), [0x3f] = NO64,
	[0x40 ... 0x4f] = NO64,
	[0x50 ... 0x5f] = OK,
	[0x60 ... 0x61] = NO64,
	[0x62] = MM | NO64,
	[0x63] = M,
	[0x68] = IZ,
	[0x69] = M | IZ,
	[0x6a] = IB,
	[0x6b] = M | IB,
	[0x6c ... 0x6f] = OK,
	[0x70 ... 0x7f] = KIND(JCC) | IMM_JB,
	[0x80] = BY_REG(S_80),
	[0x81] = BY_REG(S_81),
	[0x82] = BY_REG(S_82),
	[0x83] = BY_REG(S_80),
	[0x84 ... 0x85] = M,
	[0x86 ... 0x87] = M | LOCK,
	[0x88 ... 0x8b] = M,
	[0x8c] = BY_REG(S_8C),
	[0x8d] = MM,
	[0x8e] = BY_REG(S_8E),
	[0x8f] = BY_REG(S_8F),
	[0x90 ... 0x99] = OK,
	[0x9a] = KIND(CALL_FAR) | IMM_P | NO64,
	[0x9b ... 0x9f] = OK,
	[0xa0 ... 0xa3] = OK | IMM_O,
	[0xa4 ... 0xa7] = OK,
	[0xa8] = IB,
	[0xa9] = IZ,
	[0xaa ... 0xaf] = OK,
	[0xb0 ... 0xb7] = IB,
	[0xb8 ... 0xbf] = OK | IMM_V,
	[0xc0 ... 0xc1] = M | IB,
	[0xc2] = KIND(RET) | IW,
	[0xc3] = KIND(RET),
	[0xc4 ... 0xc5] = MM | NO64,
	[0xc6] = BY_REG(S_C6),
	[0xc7] = BY_REG(S_C7),
	[0xc8] = OK | IMM_WB,
	[0xc9] = OK,
	[0xca] = KIND(RET_FAR) | IW,
	[0xcb] = KIND(RET_FAR),
	[0xcc] = KIND(INT3),
	[0xcd] = KIND(INT) | IB,
	[0xce] = KIND(INT) | NO64,
	[0xcf] = KIND(IRET),
	[0xd0 ... 0xd3] = M,
	[0xd4 ... 0xd5] = IB | NO64,
	[0xd6] = NO64,
	[0xd7] = OK,
	[0xd8 ... 0xdf] = M | F_FPU,
	[0xe0 ... 0xe3] = KIND(LOOP) | IMM_JB,
	[0xe4 ... 0xe7] = IB,
	[0xe8] = KIND(CALL) | IMM_JZ,
	[0xe9] = KIND(JMP) | IMM_JZ,
	[0xea] = KIND(JMP_FAR) | IMM_P | NO64,
	[0xeb] = KIND(JMP) | IMM_JB,
	[0xec ... 0xef] = OK,
	[0xf1] = KIND(INT),
	[0xf4] = KIND(HLT),
	[0xf5] = OK,
	[0xf6] = BY_REG(S_F6),
	[0xf7] = BY_REG(S_F7),
	[0xf8 ... 0xfd] = OK,
	[0xfe] = BY_REG(S_FE),
	[0xff] = BY_REG(S_FF),
};

const uint32_t x86_0f[256] = {
	[0x00] = BY_REG(S_0F00),
	[0x01] = BY_MOD(S_0F01),
	[0x02 ... 0x03] = M,
	[0x05] = KIND(SYSCALL),
	[0x06] = OK,
	[0x07] = KIND(PRIV),
	[0x08 ... 0x09] = OK,
	[0x0b] = KIND(UD),
	[0x0d] = M,
	[0x0e] = OK,
	[0x10 ... 0x11] = M,
	[0x12] = BY_PFX(S_0F12),
	[0x13] = MM | NP_66,
	[0x14 ... 0x15] = M | NP_66,
	[0x16] = BY_PFX(S_0F16),
	[0x17] = MM | NP_66,
	[0x18 ... 0x1f] = M,
	[0x20] = BY_REG(S_0F20),
	[0x21] = M | F_FIXED,
	[0x22] = BY_REG(S_0F20),
	[0x23] = M | F_FIXED,
	[0x28 ... 0x29] = M | NP_66,
	[0x2a] = M,
	[0x2b] = MM,
	[0x2c ... 0x2d] = M,
	[0x2e ... 0x2f] = M | NP_66,
	[0x30 ... 0x33] = OK,
	[0x34] = KIND(SYSENTER),
	[0x35] = KIND(PRIV),
	[0x37] = OK | NP,
	[0x40 ... 0x4f] = M,
	[0x50] = MR | NP_66,
	[0x51] = M,
	[0x52 ... 0x53] = M | NP_F3,
	[0x54 ... 0x57] = M | NP_66,
	[0x58 ... 0x5a] = M,
	[0x5b] = M | NP_66_F3,
	[0x5c ... 0x5f] = M,
	[0x60 ... 0x6b] = M | NP_66,
	[0x6c ... 0x6d] = M | P66,
	[0x6e] = M | NP_66,
	[0x6f] = M | NP_66_F3,
	[0x70] = M | IB,
	[0x71] = BY_REG(S_0F71),
	[0x72] = BY_REG(S_0F71),
	[0x73] = BY_REG(S_0F73),
	[0x74 ... 0x76] = M | NP_66,
	[0x77] = OK | NP,
	[0x78] = BY_PFX(S_0F78),
	[0x79] = BY_PFX(S_0F79),
	[0x7c ... 0x7d] = M | P66_F2,
	[0x7e ... 0x7f] = M | NP_66_F3,
	[0x80 ... 0x8f] = KIND(JCC) | IMM_JZ,
	[0x90 ... 0x9f] = M,
	[0xa0 ... 0xa2] = OK,
	[0xa3] = M,
	[0xa4] = M | IB,
	[0xa5] = M,
	[0xa6] = BY_RM(S_0FA6),
	[0xa7] = BY_RM(S_0FA7),
	[0xa8 ... 0xa9] = OK,
	[0xaa] = KIND(PRIV),
	[0xab] = M | LOCK,
	[0xac] = M | IB,
	[0xad] = M,
	[0xae] = BY_PFX(S_0FAE),
	[0xaf] = M,
	[0xb0 ... 0xb1] = M | LOCK,
	[0xb2] = MM,
	[0xb3] = M | LOCK,
	[0xb4 ... 0xb5] = MM,
	[0xb6 ... 0xb7] = M,
	[0xb8] = M | PF3,
	[0xb9] = KIND(UD) | M,
	[0xba] = BY_REG(S_0FBA),
	[0xbb] = M | LOCK,
	[0xbc ... 0xbf] = M,
	[0xc0 ... 0xc1] = M | LOCK,
	[0xc2] = M | IB,
	[0xc3] = MM | NP,
	[0xc4] = M | IB | NP_66,
	[0xc5] = MR | IB | NP_66,
	[0xc6] = M | IB | NP_66,
	[0xc7] = BY_MOD(S_0FC7),
	[0xc8 ... 0xcf] = OK,
	[0xd0] = M | P66_F2,
	[0xd1 ... 0xd5] = M | NP_66,
	[0xd6] = BY_PFX(S_0FD6),
	[0xd7] = MR | NP_66,
	[0xd8 ... 0xe5] = M | NP_66,
	[0xe6] = M | P66_F3_F2,
	[0xe7] = MM | NP_66,
	[0xe8 ... 0xef] = M | NP_66,
	[0xf0] = MM | PF2,
	[0xf1 ... 0xf6] = M | NP_66,
	[0xf7] = MR | NP_66,
	[0xf8 ... 0xfe] = M | NP_66,
	[0xff] = KIND(UD) | M,
};

const uint32_t x86_0f38[256] = {
	[0x00 ... 0x0b] = M | NP_66,
	[0x10] = M | P66,
	[0x14 ... 0x15] = M | P66,
	[0x17] = M | P66,
	[0x1c ... 0x1e] = M | NP_66,
	[0x20 ... 0x25] = M | P66,
	[0x28 ... 0x29] = M | P66,
	[0x2a] = MM | P66,
	[0x2b] = M | P66,
	[0x30 ... 0x35] = M | P66,
	[0x37 ... 0x41] = M | P66,
	[0x80 ... 0x82] = MM | P66,
	[0x8a ... 0x8b] = MM | NP_66 | ONLY64,
	[0xc8 ... 0xcd] = M | NP,
	[0xcf] = M | P66,
	[0xd8] = BY_PFX(S_38D8),
	[0xdb] = M | P66,
	[0xdc] = BY_PFX(S_38DC),
	[0xdd ... 0xdf] = BY_PFX(S_38DD),
	[0xf0 ... 0xf1] = BY_PFX(S_38F0),
	[0xf5] = MM | P66,
	[0xf6] = BY_PFX(S_38F6),
	[0xf8] = BY_PFX(S_38F8),
	[0xf9] = MM | NP,
	[0xfa ... 0xfb] = MR | PF3,
	[0xfc] = MM | LOCK,
};

const uint32_t x86_0f3a[256] = {
	[0x08 ... 0x0e] = M | IB | P66,
	[0x0f] = M | IB | NP_66,
	[0x14 ... 0x17] = M | IB | P66,
	[0x20 ... 0x22] = M | IB | P66,
	[0x40 ... 0x42] = M | IB | P66,
	[0x44] = M | IB | P66,
	[0x60 ... 0x63] = M | IB | P66,
	[0xcc] = M | IB | NP,
	[0xce ... 0xcf] = M | IB | P66,
	[0xdf] = M | IB | P66,
	[0xf0] = BY_RM(S_3AF0),
};

const uint32_t x86_split[][8] = {
	[S_80] = { [0 ... 6] = M | IB | LOCK, [7] = M | IB },
	[S_81] = { [0 ... 6] = M | IZ | LOCK, [7] = M | IZ },
	[S_82] = { [0 ... 6] = M | IB | LOCK | NO64, [7] = M | IB | NO64 },
	[S_8C] = { [0 ... 5] = M },
	[S_8E] = { [0] = M, [2 ... 5] = M },
	[S_8F] = { [0] = M },
	[S_C6] = { [0] = M | IB, [7] = BY_RM(S_C6_7) },
	[S_C6_7] = { [0] = BY_MOD(S_C6_7R) },
	[S_C6_7R] = { [1] = M | IB }, /* xabort */
	[S_C7] = { [0] = M | IZ, [7] = BY_RM(S_C7_7) },
	[S_C7_7] = { [0] = BY_MOD(S_C7_7R) },
	[S_C7_7R] = { [1] = M | KIND(XBEGIN) | IMM_JX },
	[S_F6] = { [0 ... 1] = M | IB, [2 ... 3] = M | LOCK, [4 ... 7] = M },
	[S_F7] = { [0 ... 1] = M | IZ, [2 ... 3] = M | LOCK, [4 ... 7] = M },
	[S_FE] = { [0 ... 1] = M | LOCK },
	[S_FF] = {
		[0 ... 1] = M | LOCK,
		[2] = M | KIND(CALL_IND),
		[3] = MM | KIND(CALL_FAR),
		[4] = M | KIND(JMP_IND),
		[5] = MM | KIND(JMP_FAR),
		[6] = M,
	},

	[S_0F00] = { [0 ... 5] = M, [6] = BY_PFX(S_0F00_6) },
	[S_0F00_6] = { [3] = M | ONLY64 }, /* lkgs */
	[S_0F01] = { BY_REG(S_0F01_MEM), BY_REG(S_0F01_REG) },
	[S_0F01_MEM] = { [0 ... 4] = M, [5] = M | PF3, [6 ... 7] = M },
	[S_0F01_REG] = {
		[0] = BY_RM(S_0F01_0),
		[1] = BY_RM(S_0F01_1),
		[2] = BY_RM(S_0F01_2),
		[3] = BY_RM(S_0F01_3),
		[4] = M,
		[5] = BY_RM(S_0F01_5),
		[6] = M,
		[7] = BY_RM(S_0F01_7),
	},
	[S_0F01_0] = {
		[0 ... 5] = M | NP,
		[6] = BY_PFX(S_0F01_0_6),
		[7] = M | NP,
	},
	[S_0F01_0_6] = { M, 0, M | ONLY64, M | ONLY64 }, /* wrmsrns, lists */
	[S_0F01_1] = {
		[0 ... 1] = M | NP,
		[2] = BY_PFX(S_0F01_1_2),
		[3] = M | NP,
		[4] = BY_PFX(S_0F01_1_4),
		[5 ... 6] = M | P66,
		[7] = M | NP_66,
	},
	/* clac, eretu, erets */
	[S_0F01_1_2] = {
		M, 0, M | ONLY64 | KIND(PRIV), M | ONLY64 | KIND(PRIV)
	},
	[S_0F01_1_4] = { [1] = M },
	[S_0F01_2] = { [0 ... 1] = M | NP, [4 ... 7] = M | NP },
	[S_0F01_3] = { [0 ... 7] = M },
	[S_0F01_5] = {
		[0] = BY_PFX(S_0F01_5_0),
		[1] = M | PF2,
		[2] = M | PF3,
		[4] = M | PF3 | ONLY64 | KIND(PRIV), /* uiret */
		[5] = M | PF3 | ONLY64,
		[6 ... 7] = BY_PFX(S_0F01_5_6),
	},
	[S_0F01_5_0] = { [0] = M, [2 ... 3] = M },
	[S_0F01_5_6] = { [0] = M, [2] = M | ONLY64 },
	[S_0F01_7] = { [0] = M | ONLY64, [1 ... 7] = M },
	[S_0F12] = { M, MM, M, M },
	[S_0F16] = { M, MM, M, 0 },
	[S_0F20] = { [0] = M | F_FIXED | F_LOCK_CR8, [2 ... 4] = M | F_FIXED },
	[S_0F71] = {
		[2] = MR | IB | NP_66,
		[4] = MR | IB | NP_66,
		[6] = MR | IB | NP_66,
	},
	[S_0F73] = {
		[2] = MR | IB | NP_66,
		[3] = MR | IB | P66,
		[6] = MR | IB | NP_66,
		[7] = MR | IB | P66,
	},
	[S_0F78] = { M, BY_REG(S_0F78_66), 0, MR | IMM_BB },
	[S_0F78_66] = { [0] = MR | IMM_BB },
	[S_0F79] = { M, MR, 0, MR },
	[S_0FA6] = { [0] = BY_MOD(S_0FA6_0) },
	[S_0FA6_0] = { [1] = M },
	[S_0FA7] = { [0] = BY_MOD(S_0FA7_0) },
	[S_0FA7_0] = { [1] = M },
	[S_0FAE] = {
		BY_MOD(S_0FAE_NP), BY_REG(S_0FAE_66),
		BY_REG(S_0FAE_F3), BY_REG(S_0FAE_F2)
	},
	[S_0FAE_NP] = { BY_REG(S_0FAE_MEM), BY_REG(S_0FAE_REG) },
	[S_0FAE_MEM] = { [0 ... 7] = M },
	[S_0FAE_REG] = { [5 ... 7] = M },
	[S_0FAE_66] = { [6] = M, [7] = MM }, /* clwb, tpause, clflushopt */
	[S_0FAE_F3] = {
		[0 ... 3] = MR | ONLY64,
		[4] = M,
		[5] = MR,
		[6] = M,
	},
	[S_0FAE_F2] = { [6] = MR },
	[S_0FBA] = { [4] = M | IB, [5 ... 7] = M | IB | LOCK },
	[S_0FC7] = { BY_REG(S_0FC7_MEM), BY_REG(S_0FC7_REG) },
	[S_0FC7_MEM] = {
		[1] = M | LOCK,
		[3 ... 5] = M | NP,
		[6] = M | F_NO_F2,
		[7] = M | NP,
	},
	[S_0FC7_REG] = {
		[6] = M | F_NO_F2,
		[7] = M | F_NO_F2,
	},
	[S_0FD6] = { 0, M, MR, MR },

	[S_38D8] = { [2] = BY_REG(S_38D8_F3) },
	[S_38D8_F3] = { [0 ... 3] = MM },
	[S_38DC] = { [1] = M, [2] = M },
	[S_38DD] = { [1] = M, [2] = MM },
	[S_38F0] = { MM, MM, 0, M },
	[S_38F6] = { MM, M, M, 0 },
	[S_38F8] = { 0, MM, BY_MOD(S_38F8_F3), BY_MOD(S_38F8_F2) },
	[S_38F8_F3] = { M, M | ONLY64 }, /* enqcmds, uwrmsr */
	[S_38F8_F2] = { M, M | ONLY64 }, /* enqcmd, urdmsr */
	[S_3AF0] = { [0] = BY_REG(S_3AF0_REG) },
	[S_3AF0_REG] = { [0] = MR | IB | PF3 }, /* hreset */
};

/*
 * x87 (SDM vol. 2, tables ). Reserved encodings that every
 * processor executes as an alias of another count as existing.
 */
const struct x86_fpu_form x86_fpu_forms[8] = {
	{ 0xff, 0xffffffffffffffff }, /* D8 */
	{ 0xfd, 0xffff7f33ff01ffff }, /* D9 */
	{ 0xff, 0x00000200ffffffff }, /* DA */
	{ 0xaf, 0x00ffff1fffffffff }, /* DB */
	{ 0xff, 0xffffffffffffffff }, /* DC */
	{ 0xdf, 0x0000ffffffffffff }, /* DD */
	{ 0xff, 0xffffffff02ffffff }, /* DE */
	{ 0xff, 0x00ffff01ffffffff }, /* DF */
};

/* The suffixes of 3DNow! and its extensions, one bit each. */
const uint64_t x86_3dnow[4] = {
	1ull << 0x0c | 1ull << 0x0d | 1ull << 0x1c | 1ull << 0x1d,
	0,
	1ull << 0x0a | 1ull << 0x0e | 1ull << 0x10 | 1ull << 0x14 |
		1ull << 0x16 | 1ull << 0x17 | 1ull << 0x1a | 1ull << 0x1e |
		1ull << 0x20 | 1ull << 0x24 | 1ull << 0x26 | 1ull << 0x27 |
		1ull << 0x2a | 1ull << 0x2e | 1ull << 0x30 | 1ull << 0x34 |
		1ull << 0x36 | 1ull << 0x37 | 1ull << 0x3b | 1ull << 0x3f,
	0,
};
