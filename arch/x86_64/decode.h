/*
 * One x86 instruction: how long it is, where its parts lie, and where it goes.
 * Written after the SDM, vol. 2 (chapter 2 and the opcode maps of appendix A),
 * and AMD's manual, vol. 3 and 6, for XOP, 3DNow! and SSE4a. Pure: bytes in,
 * facts out; no allocation, no state but x86_vendor.
 *
 * Both 64-bit mode and 32-bit protected mode (a flat i386 program) are known,
 * legacy encodings, VEX, EVEX (without APX), XOP and 3DNow!. Encodings that
 * nobody documents are refused, never guessed.
 */
#ifndef ARCH_X86_64_DECODE_H
#define ARCH_X86_64_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_INSN_MAX 15 /* the processor refuses longer ones */

enum x86_mode {
	X86_MODE_64,
	X86_MODE_32,
};

/*
 * Whose processor executes it, which matters where they differ: before a near
 * branch of 64-bit mode Intel's ignore 66 (SDM vol. 2, A.2.5: f64), for AMD's
 * it makes an operand of 16 bits (APM vol. 3, 1.2.2 and B.4). One of those cuts
 * the pc to 16 bits and has words of 2 bytes on the stack, as in 32-bit mode.
 */
enum x86_vendor {
	X86_INTEL,
	X86_AMD, /* and Hygon, whose are of AMD's design */
};

/* Intel until it is set, once, before there are threads. */
extern enum x86_vendor x86_vendor;

/* Of the processor that this runs on. */
enum x86_vendor x86_vendor_here(void);

enum x86_map {
	X86_MAP_MAIN, /* one byte */
	X86_MAP_0F,
	X86_MAP_0F38,
	X86_MAP_0F3A,
	X86_MAP_3DNOW, /* opcode is the byte at the end */
	X86_MAP_VEX,   /* the numbered maps: vex_map tells which */
	X86_MAP_EVEX,
	X86_MAP_XOP,
};

/* How the instruction passes control. */
enum x86_kind {
	X86_PLAIN,    /* on to the next one; it may fault, as any may */
	X86_JMP,      /* jmp rel */
	X86_JCC,      /* jcc rel; the condition is opcode & 15 */
	X86_LOOP,     /* loopne, loope, loop, jrcxz: rel8 and no other form */
	X86_CALL,     /* call rel */
	X86_JMP_IND,  /* jmp r/m */
	X86_CALL_IND, /* call r/m */
	X86_RET,      /* with or without an immediate */
	X86_JMP_FAR,
	X86_CALL_FAR,
	X86_RET_FAR,
	X86_IRET,
	X86_SYSCALL,
	X86_SYSENTER,
	X86_INT80,  /* int $0x80 */
	X86_INT,    /* int n, int1, into */
	X86_INT3,   /* the one-byte form */
	X86_XBEGIN, /* falls through now, goes to its target at an abort */
	X86_HLT,
	X86_UD,	  /* ud0, ud1, ud2: defined to be undefined */
	X86_PRIV, /* leaves the kernel: sysret, sysexit, eretu, rsm... */
	N_X86_KINDS
};

/* Prefixes seen. Of F2 and F3 the last one counts and is the one kept. */
enum {
	X86_PFX_66 = 1 << 0,
	X86_PFX_67 = 1 << 1,
	X86_PFX_F2 = 1 << 2,
	X86_PFX_F3 = 1 << 3,
	X86_PFX_LOCK = 1 << 4,
	X86_PFX_ES = 1 << 5,
	X86_PFX_CS = 1 << 6,
	X86_PFX_SS = 1 << 7,
	X86_PFX_DS = 1 << 8, /* before an indirect branch: notrack */
	X86_PFX_FS = 1 << 9,
	X86_PFX_GS = 1 << 10,
	X86_PFX_REX = 1 << 11, /* one that counts, right before the opcode */
};

/* The bits of rex, also when they come out of a VEX, EVEX or XOP prefix; R2 is
 * EVEX's fifth bit of ModRM.reg. */
enum {
	X86_REX_B = 1 << 0,
	X86_REX_X = 1 << 1,
	X86_REX_R = 1 << 2,
	X86_REX_W = 1 << 3,
	X86_REX_R2 = 1 << 4,
};

/*
 * Offsets count from the instruction's first byte; a part that is not there
 * has size 0. A displacement is signed, 1, 2 or 4 bytes; EVEX's one-byte form
 * is scaled, which is not undone here.
 */
struct x86_instr {
	uint8_t length; /* 1 to 15 */
	uint8_t kind;	/* enum x86_kind */
	uint8_t mode;	/* enum x86_mode */
	uint8_t map;	/* enum x86_map */
	uint8_t opcode;
	uint8_t rex;	   /* X86_REX_* */
	uint16_t prefixes; /* X86_PFX_* */
	uint8_t vex_map;   /* VEX, EVEX, XOP: the map's number */
	uint8_t vex_pp;	   /* and the implied prefix: none, 66, F3, F2 */
	uint8_t vvvv;	   /* and the register there, not inverted */
	uint8_t opcode_at;
	uint8_t modrm, modrm_at; /* modrm_at is 0: none */
	uint8_t sib;		 /* when modrm says that there is one */
	uint8_t disp_at, disp_size;
	uint8_t imm_at, imm_size; /* includes moffs, rel, both of enter's */
	bool rip_relative; /* the 4 bytes at disp_at count from the end */
	bool near16;	   /* a near branch of 16 bits: see x86_vendor */
	int32_t rel;	   /* of direct branches: counts from the end */
};

/*
 * The instruction that starts at code, of which avail bytes may be read.
 * Returns its length; -EINVAL for what is undefined in this mode or longer
 * than 15 bytes; -ENODATA when it goes on after avail bytes (never with
 * X86_INSN_MAX or more). *out is whole only on success.
 */
int x86_decode(const uint8_t *code, size_t avail, enum x86_mode mode,
	       struct x86_instr *out);

/* Has a target that rel tells: jmp, jcc, loop, call, xbegin. */
static inline bool x86_is_direct(const struct x86_instr *in)
{
	return in->kind == X86_JMP || in->kind == X86_JCC ||
	       in->kind == X86_LOOP || in->kind == X86_CALL ||
	       in->kind == X86_XBEGIN;
}

/* Where a direct branch at pc goes; wraps as the processor's pc does. */
uint64_t x86_target(const struct x86_instr *in, uint64_t pc);

/* The address of the memory operand of an instruction at pc, if rip_relative;
 * without a segment's base. */
uint64_t x86_rip_operand(const struct x86_instr *in, const uint8_t *code,
			 uint64_t pc);

#endif
