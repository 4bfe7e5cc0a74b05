/*
 * One instruction made to run elsewhere: a slot holds code that has the effect
 * which the original has at its own address, and then goes on where the
 * original would. Pure: bytes in, bytes out; the caller places the slot.
 *
 * A program sees nothing of it: what keeps its own address (x87) is not made to
 * run elsewhere. Nothing is written but what the original writes, with one
 * exception: an indirect call also writes the word below the return address
 * that it pushes, which the program has given up by calling. Calls are made of
 * pushes and jumps, and so must not be relocated for a thread that has a user
 * shadow stack (CET).
 */
#ifndef ARCH_X86_64_RELOCATE_H
#define ARCH_X86_64_RELOCATE_H

#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/decode.h"

#define X86_SLOT_MAX   64 /* bytes of any slot */
#define X86_POINTS_MAX 6

/* What a thread stopped at a point of a slot is to be taken for. */
enum x86_point_state {
	/* In every respect at pc. */
	X86_POINT_CLEAN,

	/*
	 * Inside a sequence. Steps that follow lead to a clean point; or (if
	 * a step faults, for one) it is rolled back by adding `undo` to the
	 * stack pointer and is then at pc, the original, again.
	 */
	X86_POINT_INSIDE,

	/*
	 * Right after a syscall: at pc, but rcx must be made to read as pc.
	 * One step does it too, unless the kernel is to restart the call.
	 */
	X86_POINT_SYSCALLED,

	/* Right after a breakpoint that ends a step (arch/x86_64/step.h), at
	 * a jump: otherwise clean. */
	X86_POINT_STEPPED,
};

struct x86_point {
	uint64_t pc;
	uint8_t offset; /* into the slot: a boundary of its instructions */
	uint8_t undo;
	uint8_t state; /* enum x86_point_state */
};

/*
 * Every instruction boundary in code has a point, in the order of offsets, but
 * for the end of it, which no thread reaches. The first is clean, at the
 * original's pc.
 */
struct x86_slot {
	uint8_t code[X86_SLOT_MAX];
	uint8_t len;
	uint8_t n_points;
	struct x86_point points[X86_POINTS_MAX];
};

/*
 * Relocates the instruction at pc, whose bytes are at code (avail of them), to
 * the address slot. Returns the original's length, or
 *	-EINVAL, -ENODATA	as x86_decode()
 *	-ERANGE			its rip-relative operand is out of reach of a
 *				slot there: take a nearer one
 *	-ENOEXEC		it cannot run elsewhere: x87, a far call, xbegin,
 *				near branches of 16 bits, sysenter in 64-bit
 *				mode
 */
int x86_relocate(const uint8_t *code, size_t avail, enum x86_mode mode,
		 uint64_t pc, uint64_t slot, struct x86_slot *out);

/* The point at that offset, or NULL. Borrowed from s. */
const struct x86_point *x86_slot_point(const struct x86_slot *s,
				       uint64_t offset);

#endif
