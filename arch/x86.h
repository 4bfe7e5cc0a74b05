/*
 * What x86-64 and i386 have in common; private to arch/. An instruction set
 * is a list of rows; x86_arch_new() takes those that the CPU has, gives them
 * their places, and makes a plan of copies out of them.
 */
#ifndef ARCH_X86_H
#define ARCH_X86_H

#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"

/* gdb's standard features (its manual, "i386 Features") */
#define X86_CORE     "org.gnu.gdb.i386.core"
#define X86_SSE_REGS "org.gnu.gdb.i386.sse"
#define X86_LINUX    "org.gnu.gdb.i386.linux"
#define X86_SEGMENTS "org.gnu.gdb.i386.segments"
#define X86_AVX_REGS "org.gnu.gdb.i386.avx"
#define X86_MPX	     "org.gnu.gdb.i386.mpx"
#define X86_AVX512   "org.gnu.gdb.i386.avx512"
#define X86_PKEYS    "org.gnu.gdb.i386.pkeys"

/* Bits of XCR0 and XSTATE_BV (SDM vol. 1, 13.1), and places of our own. */
enum x86_component {
	X86_X87,
	X86_SSE,
	X86_AVX,
	X86_BNDREGS,
	X86_BNDCSR,
	X86_OPMASK,
	X86_ZMM_HI256, /* upper halves of zmm0-15 */
	X86_HI16_ZMM,  /* all of zmm16-31 */
	X86_PKRU = 9,
	N_X86_COMPONENTS,

	X86_GENERAL = 64, /* struct user_regs_struct */
	X86_CONTROL,	  /* x87's words: converted, not copied */
	X86_MXCSR,	  /* shared by SSE and AVX */
};

#define X86_BIT(component) (UINT64_C(1) << (component))

#define X86_GENERAL_SIZE   216 /* struct user_regs_struct */

/* Of the XSAVE area, standard format (SDM vol. 1, 13.4). */
#define X86_MXCSR_AT	  24
#define X86_MXCSR_MASK_AT 28
#define X86_ST_AT	  32
#define X86_XMM_AT	  160
#define X86_LEGACY_SIZE	  512
#define X86_STATE_BV_AT	  512
#define X86_HEADER_END	  576

#define X86_MXCSR_INIT	  0x1f80

struct x86_row {
	const char *name;
	uint16_t bits;
	const char *type, *group, *feature;
	uint8_t component;
	uint16_t offset; /* in the component; x87 and SSE: in the area */
};

/* What tells one instruction set from the other. */
struct x86_isa {
	const char *name;
	unsigned word, pc, sp, fp;
	unsigned fctrl, mxcsr; /* register numbers */
	const struct x86_row *rows;
	size_t n_rows;
	const struct regtype *types;
	size_t n_types;
	void (*general_pack)(const struct arch *a, const uint8_t *regs,
			     uint8_t *raw); /* X86_GENERAL_SIZE bytes */
};

#define X86_REGS_MAX  160
#define X86_TYPES_MAX 32
#define X86_RUNS_MAX  24

/*
 * Registers of one size that follow each other in the g packet, and lie at
 * equal distances in the register set.
 */
struct x86_run {
	uint16_t raw, packed, size, count;
	int16_t stride; /* in the set; in the packet it is size */
	uint16_t end;	/* in the set, after the last byte of all */
	uint8_t component;
};

struct x86_plan {
	struct x86_run runs[X86_RUNS_MAX];
	size_t n;
};

struct x86_arch {
	struct arch arch; /* first: one block is freed with it */
	const struct x86_isa *isa;
	struct xsave_layout layout;
	unsigned control_at, mxcsr_at; /* in the g packet */
	struct x86_plan general, extended;
	struct regdesc regs[X86_REGS_MAX];
	struct regtype types[X86_TYPES_MAX];
};

struct arch *x86_arch_new(const struct x86_isa *isa,
			  const struct xsave_layout *l);

/* The plans' steps: see x86-copy.c. */
void x86_plan_add(struct x86_plan *p, unsigned component, unsigned raw,
		  unsigned packed, unsigned size);
void x86_run_load(const struct x86_run *r, const uint8_t *raw, uint8_t *regs);
void x86_run_store(const struct x86_run *r, const uint8_t *regs, uint8_t *raw);
void x86_general_unpack(const struct x86_arch *x, const uint8_t *raw,
			uint8_t *regs);
void x86_general_pack(const struct arch *a, const uint8_t *regs, uint8_t *raw);

/* The XSAVE area: see x86-extended.c. */
void x86_extended_unpack(const struct x86_arch *x, const uint8_t *raw,
			 size_t len, uint8_t *regs);
void x86_extended_pack(const struct x86_arch *x, const uint8_t *regs,
		       uint8_t *raw, size_t len);

#endif
