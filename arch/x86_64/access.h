/*
 * Which memory one instruction reads and writes, in 64-bit mode: for watching
 * data. Pure.
 *
 * Where the tables do not know it, or it depends on a mask, more is said than
 * is so, and that it is not exact; never less. Prefetches, cache control, and
 * what only the kernel executes touch nothing here.
 */
#ifndef ARCH_X86_64_ACCESS_H
#define ARCH_X86_64_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86_64/decode.h"

enum x86_where {
	X86_AT_OPERAND, /* of ModRM */
	X86_AT_MOFFS,	/* the 8 bytes (with 67: 4) at imm_at */
	X86_AT_PUSH,	/* size bytes below the stack pointer */
	X86_AT_POP,	/* at it */
	X86_AT_FRAME,	/* at rbp: leave */
	X86_AT_RSI,	/* of strings: rcx times with a prefix, in DF's way */
	X86_AT_RDI,
	X86_AT_BITS, /* of ModRM, and a register's bits away: bt and its kin */
	X86_AT_TABLE,	    /* at rbx and al: xlat */
	X86_AT_BELOW_FRAME, /* size bytes below rbp: enter */
	X86_AT_REGISTER,    /* at ModRM's register: movdir64b */
	X86_AT_LINE,	    /* 64 bytes, aligned, with that at rax: clzero */
	X86_AT_ELEMENTS,    /* of gathers and scatters: x86_elements() */
	X86_AT_ROWS, /* of tiles: 16 at most, SIB's index from each other */
};

struct x86_access {
	uint8_t where; /* enum x86_where */
	bool reads, writes, exact;
	uint16_t size; /* bytes */
};

#define X86_ACCESS_MAX 3

/* Of the instruction at code, which x86_decode() made *in of. How many there
 * are. */
unsigned x86_accesses(const struct x86_instr *in, const uint8_t *code,
		      struct x86_access out[X86_ACCESS_MAX]);

/* Which elements a gather or a scatter has to do with: those whose mask is set,
 * each at the operand's address without an index, and its own index, scaled. */
struct x86_elements {
	uint8_t n;
	uint8_t index, index_size; /* vector register; 4 or 8 bytes, signed */
	uint8_t mask;	     /* vector register: the sign of each element */
	bool mask_is_opmask; /* k register: a bit for each */
	uint8_t scale;	     /* a shift */
};

void x86_elements(const struct x86_instr *in, const uint8_t *code,
		  struct x86_elements *out);

/* By what an EVEX displacement of one byte is multiplied, of an exact access;
 * 1 for all others. */
unsigned x86_disp_scale(const struct x86_instr *in, const uint8_t *code);

#endif
