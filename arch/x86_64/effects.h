/*
 * What one instruction reads and writes of the status flags and of the general
 * registers: for finding out where they are dead. Pure, a few table look-ups.
 *
 * It errs to one side only: what is said to be not read has no part in
 * anything that the instruction does, and what is said to be written is gone.
 * What the tables do not know (what leaves for the kernel, privileged and very
 * new instructions, and all of 32-bit mode) reads everything and writes
 * nothing.
 *
 * Where the instruction goes is not its effect: of a call, a return or a
 * syscall only what the instruction itself does is told. All of it holds of one
 * that runs to its end: who looks at a fault sees every register and flag.
 */
#ifndef ARCH_X86_64_EFFECTS_H
#define ARCH_X86_64_EFFECTS_H

#include <stdint.h>

#include "arch/x86_64/decode.h"

/* The status flags. DF is none of them. */
enum {
	X86_F_CF = 1 << 0,
	X86_F_PF = 1 << 1,
	X86_F_AF = 1 << 2,
	X86_F_ZF = 1 << 3,
	X86_F_SF = 1 << 4,
	X86_F_OF = 1 << 5,
	X86_F_ALL = 0x3f,
};

/*
 * Registers are bits, 1 << their number: rax 0, rcx 1, rdx 2, rbx 3, rsp 4,
 * rbp 5, rsi 6, rdi 7, r8 to r15.
 *
 * Read is also what may survive: a register of which 8 or 16 bits are written,
 * or that is written on a condition. Written is only what certainly gets all
 * its bits anew. A flag that becomes undefined does not count, so that even a
 * program that relies on its staying is safe: processors of AMD leave SF, ZF,
 * AF and PF alone in mul and imul, and OF in tzcnt and lzcnt; those of Intel
 * leave others. It counts where all are known to write it: AF of and, or, xor,
 * test, shld and shrd, and all flags of shifts. A flag that is written on a
 * condition (shl %cl) is neither.
 */
struct x86_effects {
	uint8_t flags_read, flags_written; /* X86_F_* */
	uint16_t regs_read, regs_written;
};

/* Of the instruction at code, which x86_decode() made *in of. */
void x86_effects(const struct x86_instr *in, const uint8_t *code,
		 struct x86_effects *out);

#endif
