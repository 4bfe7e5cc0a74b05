/*
 * What an instruction set is: its registers, where the kernel keeps them, its
 * breakpoint instruction. Pure: no process, no I/O.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/regdesc.h"

#define ARCH_TRAP_MAX 4	 /* bytes of a breakpoint instruction */
#define ARCH_INSN_MAX 15 /* bytes of any instruction */

/* The kernel's register sets, as ptrace moves them; x86's two. */
enum regset {
	REGSET_GENERAL,	 /* struct user_regs_struct, the 64-bit form always */
	REGSET_EXTENDED, /* the XSAVE area, standard format */
	N_REGSETS
};

struct arch {
	const char *name;  /* gdb's <architecture> */
	const char *osabi; /* gdb's <osabi> */
	unsigned word;	   /* bytes of a pointer */

	const struct regtype *types;
	size_t n_types;
	const struct regdesc *regs;
	size_t n_regs;
	size_t regs_size; /* bytes of all registers, as in the g packet */
	size_t basic_size; /* ... of those, the first ones, that every such CPU
			    * has: what a client knows without reading on */
	unsigned pc, sp, fp;

	uint8_t trap[ARCH_TRAP_MAX];
	uint8_t trap_len;
	int8_t trap_pc_adjust; /* added to the pc that a trap leaves: -1 */

	/*
	 * raw: a register set as the kernel hands it out, of len bytes;
	 * regs: regs_size bytes as in the g packet. unpack fills those
	 * registers of regs that live in the set; pack changes raw (fetched
	 * before, so that what we do not describe is kept) to what regs says.
	 * A component that XSTATE_BV declares to be in its initial state
	 * reads as that state; pack sets its bit when a value differs.
	 * Bits of MXCSR that the CPU has not are dropped by pack, since the
	 * kernel would refuse the whole set for them. What a short set does
	 * not hold reads as its initial state and is not written.
	 */
	void (*unpack)(const struct arch *a, enum regset set, const void *raw,
		       size_t len, uint8_t *regs);
	void (*pack)(const struct arch *a, enum regset set, const uint8_t *regs,
		     void *raw, size_t len);
};

/*
 * The state components that the CPU has and the kernel uses, and where the
 * standard format keeps each: CPUID leaf 0Dh (SDM vol. 1, 13.2).
 */
struct xsave_layout {
	uint64_t features;   /* XCR0; 0: no XSAVE, the area is FXSAVE's 512 */
	uint32_t size;	     /* bytes of the whole area */
	uint32_t offset[64]; /* 0: x87 and SSE, in the legacy region */
};

/* From CPUID of the CPU this runs on. */
void xsave_layout_read(struct xsave_layout *l);

/*
 * Tables for this layout: SSE always, AVX, MPX, AVX-512 and PKRU as features
 * says. In gdbserver's order, so that numbers agree. Owned by the caller:
 * arch_free().
 */
struct arch *arch_x86_64_new(const struct xsave_layout *l);
struct arch *arch_i386_new(const struct xsave_layout *l);
void arch_free(struct arch *a);

#endif
