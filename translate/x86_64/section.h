/*
 * Restartable sequences (rseq(2)): private to translate/.
 *
 * The kernel restarts a critical section whose thread it has interrupted; it
 * tells that by the pc, which would lie in the cache. So a section runs in the
 * original code, as a whole and without a stop: from the store that arms it,
 * which is the last instruction that can be stopped at, to where it ends. There
 * the lower target has breakpoints for us: behind its last instruction, at its
 * abort handler, and where it branches to.
 *
 * Which stores arm sections is learned. Only code near an abort handler's
 * signature is looked at; there each store of a word stops once, and stops on
 * if it was one to the field of the thread's area. Other programs pay for one
 * search of their executable mappings, or none, where hints know the file.
 *
 * A thread that comes to such a breakpoint otherwise, or is to execute what is
 * there, goes over it (native.c). One that is to arm a section there does not:
 * the kernel goes by where the store is. Its breakpoint is taken out.
 *
 * A section that is left by an indirect branch is right too, but the thread is
 * not followed again before something else stops it.
 */
#ifndef TRANSLATE_X86_64_SECTION_H
#define TRANSLATE_X86_64_SECTION_H

#include "translate/x86_64/code.h"

struct thread;

/* Original code that a thread runs by itself: lo <= pc < hi. */
struct section {
	uint64_t lo, hi;
};

/* mov r64, m64 and mov imm, m64 */
static inline bool stores_word(const struct insn *i)
{
	const struct x86_instr *in = &i->in;

	return (in->opcode == 0x89 || in->opcode == 0xc7) &&
	       in->rex & X86_REX_W && i->ok && in->kind == X86_PLAIN &&
	       in->map == X86_MAP_MAIN && in->modrm < 0xc0 &&
	       !(in->prefixes & X86_PFX_GS);
}

/* The mapping that pc is in holds no abort handlers: a sum of its file, of its
 * inode, size, times and what of it is mapped. 0: it may, or is of no file, or
 * of one that changed not long ago. */
uint64_t section_file(struct space *sp, uint64_t pc);

/* Is the store one of those that are looked at? */
bool section_is_near(struct code_reader *r, const struct insn *i);

/* May the instruction arm a section? */
static inline bool section_may_begin(struct code_reader *r,
				     const struct insn *i)
{
	return stores_word(i) && section_is_near(r, i);
}

enum section_store {
	SECTION_NONE,  /* it is none that does, ever */
	SECTION_OTHER, /* it arms nothing this time */
	SECTION_ARMS,  /* the section is *out */
};

/* The lower thread is at such an instruction, with that image. */
enum section_store section_begin(struct space *sp, struct thread *low,
				 uint8_t *image, uint64_t fs_base,
				 struct section *out);

/* The store of that STUB_SECTION of the region arms none: section_may_begin()
 * says no from now on, and who comes to the stub's block gets to another. */
void section_not(struct space *sp, const struct region *rg,
		 const struct stub *stub);

/* Is that where sections end? */
bool section_ends_at(const struct space *sp, uint64_t pc);

/* The breakpoints go; p is the lower process. */
void sections_end(struct space *sp, struct process *p);

#endif
