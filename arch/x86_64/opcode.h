/*
 * What the decoder knows of each opcode: private to arch/x86_64/decode.c.
 *
 * Legacy opcodes are a tree: a form is either a leaf or names a row of
 * x86_split, from which prefix, ModRM.reg, ModRM.rm or ModRM.mod choose the
 * next form. VEX, EVEX and XOP opcodes are flat rows: map, implied prefix,
 * opcode. A form of 0 is an undefined opcode.
 */
#ifndef ARCH_X86_64_OPCODE_H
#define ARCH_X86_64_OPCODE_H

#include <stdint.h>

#include "arch/x86_64/decode.h"

/* A legacy form: bits 0-3 */
enum x86_imm {
	IMM_NONE,
	IMM_B,	/* 1 byte */
	IMM_W,	/* 2 */
	IMM_BB, /* 1 and 1: extrq, insertq */
	IMM_WB, /* 2 and 1: enter */
	IMM_Z,	/* 2 or 4 by operand size */
	IMM_V,	/* 2, 4 or 8 by operand size: mov */
	IMM_O,	/* 2, 4 or 8 by address size: moffs */
	IMM_P,	/* 4 or 6 by operand size: a far pointer */
	IMM_JB, /* 1 byte, a branch's */
	IMM_JZ, /* 4 bytes, or by operand size in 32-bit mode, a branch's */
	IMM_JX, /* 2 or 4 by operand size, a branch's: xbegin */
};

enum {
	F_IMM = 0xf,
	F_MODRM = 1 << 4,
	F_NOREG = 1 << 5,  /* mod 3 is undefined */
	F_NOMEM = 1 << 6,  /* all but mod 3 is undefined */
	F_NO64 = 1 << 7,   /* undefined in 64-bit mode */
	F_ONLY64 = 1 << 8, /* defined there alone */
	F_LOCK = 1 << 9,   /* may be locked when its operand is memory */
	F_FIXED = 1 << 10, /* mod counts as 3 whatever it says: mov cr */
	F_FPU = 1 << 11,   /* x86_fpu_forms says which exist */

	F_NO_NP = 1 << 12, /* undefined without a mandatory prefix */
	F_NO_66 = 1 << 13,
	F_NO_F3 = 1 << 14,
	F_NO_F2 = 1 << 15,
	F_KIND = 0x1f << 16, /* enum x86_kind */

	/* Split: bits 0-7 are a row of x86_split */
	F_ROW = 0xff,
	F_BY = 7 << 24,
	F_BY_PFX = 1 << 24, /* 0 none, 1 66, 2 F3, 3 F2 */
	F_BY_REG = 2 << 24,
	F_BY_RM = 3 << 24,
	F_BY_MOD = 4 << 24, /* 0 memory, 1 register */

	F_OK = 1 << 28,	      /* so that a plain one-byte opcode is not 0 */
	F_LOCK_CR8 = 1 << 29, /* mov cr0, which AMD's lock makes mov cr8 of */
};

/* A form of VEX, EVEX and XOP. */
enum {
	V_L0 = 1 << 0, /* vector lengths that exist */
	V_L1 = 1 << 1,
	V_L2 = 1 << 2,
	V_W0 = 1 << 3, /* values of W that exist */
	V_W1 = 1 << 4,
	V_MEM = 1 << 5, /* forms of ModRM that exist */
	V_REG = 1 << 6,
	V_V = 1 << 7,	      /* vvvv is an operand, else it must be 1111b */
	V_VR = 1 << 8,	      /* so in the register form alone */
	V_SIB = 1 << 9,	      /* needs a SIB byte: gathers, AMX */
	V_IB = 1 << 10,	      /* one byte of immediate */
	V_ID = 1 << 11,	      /* four */
	V_BC = 1 << 12,	      /* memory may be broadcast */
	V_RC = 1 << 13,	      /* registers: b is rounding or suppression */
	V_K = 1 << 14,	      /* may have a mask */
	V_KREQ = 1 << 15,     /* must have one */
	V_Z = 1 << 16,	      /* the mask may zero */
	V_ZR = 1 << 17,	      /* so in the register form alone */
	V_NOMODRM = 1 << 18,  /* vzeroupper, vzeroall */
	V_64 = 1 << 19,	      /* defined in 64-bit mode alone */
	V_RM0 = 1 << 20,      /* rm of a register form must be 0: AMX */
	V_KR = 1 << 21,	      /* reg is a mask register: 0 to 7 */
	V_KV = 1 << 22,	      /* vvvv is one */
	V_GR = 1 << 23,	      /* EVEX: reg is a general register: 0 to 15 */
	V_R0 = 1u << 24,      /* bits 24-31: the values of reg that exist; */
	V_REGS = 0xffu << 24, /* none of them set: all */
};

struct x86_fpu_form {
	uint8_t mem;  /* bit n: /n with a memory operand exists */
	uint64_t reg; /* bit n: ModRM C0h + n exists */
};

extern const uint32_t x86_main[256], x86_0f[256], x86_0f38[256], x86_0f3a[256];
extern const uint32_t x86_split[][8];
extern const struct x86_fpu_form x86_fpu_forms[8]; /* D8h to DFh */
extern const uint64_t x86_3dnow[4];		   /* bit set of 256 */

/* By map's number, implied prefix, opcode. */
extern const uint32_t x86_vex[4][4][256];
extern const uint32_t x86_evex[7][4][256];
extern const uint32_t x86_xop[3][4][256]; /* map - 8 */

#endif
