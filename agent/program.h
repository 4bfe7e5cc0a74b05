/* A verified program: written by ax.c, run by eval.c. */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include "agent/ax.h"
#include "agent/format.h"

/*
 * The decoded program: one record a bytecode in program order. depth is the
 * number of values on the stack before it, the same on every way there;
 * AX_DEAD when there is no way. The last one that is not dead is an end or a
 * goto.
 */
#define AX_DEAD 0xffff

struct ax_insn {
	uint8_t op;	 /* enum ax_op; AX_FLOAT_OP | op */
	uint16_t target; /* jumps: index of the instruction to go on with */
	uint16_t depth;
	uint64_t imm; /* the operand; ext, zero_ext: 64 at most; printf: the
			 number of its format */
};

struct ax_program {
	struct ax_insn *insns; /* owned */
	size_t n_insns;
	struct ax_format **formats; /* owned, and so is each */
	size_t n_formats;
};

#endif
