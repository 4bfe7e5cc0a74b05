/*
 * The tables behind x86_effects(): private to arch/x86_64/effects*.c.
 *
 * An effect is one word. Its upper 48 bits are a struct x86_effects: what the
 * opcode alone tells. The lower 16 tell which operands are general registers
 * and what is done to them, and what else is open. Effects are ORed together.
 * Legacy opcodes may be split by prefix and ModRM, as in opcode.h; then the
 * word names a row of x86_effect_split. 0 is an opcode of which nothing is
 * known.
 */
#ifndef ARCH_X86_64_EFFECTS_FORM_H
#define ARCH_X86_64_EFFECTS_FORM_H

#include <stdint.h>

#include "arch/x86_64/effects.h"

enum {
	/* Pairs of bits: the register is read, is written. */
	REG_AT = 0, /* ModRM.reg */
	RM_AT = 2,  /* ModRM.rm, unless it is memory */
	OP_AT = 4,  /* the opcode's low bits */
	V_AT = 6,   /* vvvv: of VEX, EVEX and XOP alone */
	HOW_AT = 8, /* 3 bits, E_HOW() */
	BYTE_AT = 11,
	FULL_AT,
	SAME_AT,
	NOADDR_AT,
	KNOWN_AT,
	FLAGS_READ_AT = 16,
	FLAGS_WRITTEN_AT = 24,
	REGS_READ_AT = 32,
	REGS_WRITTEN_AT = 48,
};

#define E(n, at) ((uint64_t)(n) << (at) | 1ull << KNOWN_AT)

#define NONE	 E(0, 0)
#define REG_R	 E(1, REG_AT)
#define REG_W	 E(2, REG_AT)
#define REG_RW	 E(3, REG_AT)
#define RM_R	 E(1, RM_AT)
#define RM_W	 E(2, RM_AT)
#define RM_RW	 E(3, RM_AT)
#define OP_R	 E(1, OP_AT)
#define OP_W	 E(2, OP_AT)
#define OP_RW	 E(3, OP_AT)
#define V_R	 E(1, V_AT)
#define V_W	 E(2, V_AT)

/* Operands that are not written are byte registers: one that is written as a
 * byte is merely read, as the rest of it survives. */
#define BYTE	    E(1, BYTE_AT)
#define REG_BYTE    (REG_R | BYTE)
#define RM_BYTE	    (RM_R | BYTE)
#define OP_BYTE	    (OP_R | BYTE)

#define FULL	    E(1, FULL_AT) /* 66 does not make 16 bits of what is written */
#define SAME	    E(1, SAME_AT) /* of reg = rm nothing is read: x ^ x, x - x */
#define NOADDR	    E(1, NOADDR_AT) /* base and index are not read, or told */

#define FR(set)	    E(set, FLAGS_READ_AT)
#define FW(set)	    E(set, FLAGS_WRITTEN_AT)
#define FW_ALL	    FW(X86_F_ALL)
#define READS(set)  E(set, REGS_READ_AT)
#define WRITES(set) E(set, REGS_WRITTEN_AT)

/* What the word does not say by itself, or the split; it has its row where
 * other words have the registers that are read. */
#define E_HOW(n)   ((uint64_t)(n) << HOW_AT)
#define E_HOW_MASK E_HOW(7)
#define E_BY_PFX   E_HOW(1) /* 0 none, 1 66, 2 F3, 3 F2 */
#define E_BY_REG   E_HOW(2)
#define E_BY_RM	   E_HOW(3)
#define E_BY_MOD   E_HOW(4) /* 0 memory, 1 register */
#define E_SHIFT	   E_HOW(5) /* a count of 0 leaves the flags alone */
#define E_STRING   E_HOW(6) /* may be repeated, zero times too */
#define E_OTHER	   E_HOW(7) /* x87; nop, which xchg is without REX.B */

enum {
	RAX = 1 << 0,
	RCX = 1 << 1,
	RDX = 1 << 2,
	RBX = 1 << 3,
	RSP = 1 << 4,
	RBP = 1 << 5,
	RSI = 1 << 6,
	RDI = 1 << 7,
	R11 = 1 << 11,
	ALL_REGS = 0xffff,
};

extern const uint64_t x86_effects_main[256], x86_effects_0f[256];
extern const uint64_t x86_effects_0f38[256], x86_effects_0f3a[256];
extern const uint64_t x86_effect_split[][8];

/* The effect of a VEX, EVEX or XOP opcode: most touch vectors alone. */
uint64_t x86_effect_vex(const struct x86_instr *in);

#endif
