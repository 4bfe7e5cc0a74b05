/*
 * From a place in translated code to the original thread: private to
 * translate/.
 *
 * Every boundary between translated instructions has a rule that says which
 * original instruction the thread is at, and what it takes to have the
 * registers that it would have there. A sequence changes nothing but what the
 * rule can undo until the instruction's effect is whole. So any thread,
 * wherever it was stopped, is rewound by computing, not by running it on.
 */
#ifndef TRANSLATE_X86_64_REWIND_H
#define TRANSLATE_X86_64_REWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/trail.h"

/* Registers as in the g packet. */
enum {
	IMAGE_RAX,
	IMAGE_RBX,
	IMAGE_RCX,
	IMAGE_RDX,
	IMAGE_RSI,
	IMAGE_RDI,
	IMAGE_RBP,
	IMAGE_RSP,
	IMAGE_R8,
	IMAGE_RIP = 16,
	IMAGE_FLAGS = 17, /* 32 bits */
};

static inline uint64_t *image_reg(uint8_t *image, unsigned n)
{
	return (uint64_t *)(void *)(image + 8 * (size_t)n);
}

#define FLAG_STEPS   0x100u   /* TF: a trap after each instruction */
#define FLAG_RESUMES 0x10000u /* RF: a breakpoint in a debug register has been
			       * met, and is not met again (SDM 18.3.1.1) */

static inline uint32_t *image_flags(uint8_t *image)
{
	return (uint32_t *)(void *)(image + 8 * (size_t)IMAGE_FLAGS);
}

/* The register that instructions encode as n. */
uint64_t *image_gpr(uint8_t *image, unsigned n);

struct orphan_memory;
struct space;

/*
 * The image's pc lies in the trail's region, at a boundary of it; trapped: one
 * byte behind a trap that it met. The image becomes the original thread's.
 * *stub is the stub that it was at, or NULL. -ENOENT: that is no boundary.
 */
int trail_rewind(const struct trail *tl, const uint8_t *window, uint8_t *image,
		 bool trapped, const struct orphan_memory *m,
		 const struct stub **stub);

/* Is there a boundary at that address? */
bool trail_knows(const struct trail *tl, uint64_t cpc);

/* Is the thread at that pc stopped by a stub's signal? It is in no system call
 * that the kernel is to restart. */
bool trail_is_stopped(const struct trail *tl, uint64_t pc);

/*
 * The same, of any region. The image's pc lies in the cache; trapped: right
 * behind a trap that it met. The image becomes the original thread's. window is
 * its page, which is not trusted. Reads the program's memory through sp->by.
 * *stub is the stub that it was at, or NULL. -ENOENT: that is no boundary.
 */
int rewind_image(struct space *sp, const uint8_t *window, uint8_t *image,
		 bool trapped, const struct stub **stub);

/*
 * Has the thread with that window made an excluded call that has not returned?
 * Then *stack is where its return address was, and *pc that address. It is to
 * be there again before the thread is seen, or run on, outside of the cache.
 */
bool rewind_excluded(const uint8_t *window, uint64_t *stack, uint64_t *pc);

/* The address behind the original instruction that the copy before that
 * boundary is of; 0: it may have led elsewhere, or is not known. */
uint64_t rewind_behind(struct space *sp, const struct trail *tl, uint64_t cpc);

/* Of what was put before the instruction that a thread at that address of the
 * cache is at, with these registers: how much it has done. */
unsigned rewind_puts(struct space *sp, uint64_t cpc, const uint8_t *window,
		     uint8_t *image);

struct insn;
struct x86_instr;

/* A string instruction with a prefix: it stays where it is between its turns. */
bool insn_repeats(const struct x86_instr *in);

/* Of the memory operand, without a base of gs. */
uint64_t operand_address(const struct insn *i, uint8_t *image,
			 uint64_t fs_base);

/* Of an indirect branch that the thread is at: where it goes. */
int branch_target(struct space *sp, uint8_t *image, uint64_t fs_base,
		  uint64_t *target);

#endif
