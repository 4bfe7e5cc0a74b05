/*
 * From original code to translated code. Private to translate/.
 */
#ifndef TRANSLATE_X86_64_COMPILE_H
#define TRANSLATE_X86_64_COMPILE_H

#include "translate/block.h"

struct follow;

/*
 * The code for pc, translated now, with up to so many blocks that follow it by
 * direct branches and return addresses, if there is none. Code that cannot be
 * read or decoded becomes a block that asks for a native step. Returns NULL
 * only when the cache is full: it has to be flushed first. Borrowed until the
 * next call.
 */
struct block *compile(struct space *sp, uint64_t pc);

/*
 * The same for a thread that is at pc and has done some of what comes before
 * the instruction there: the block is found by nobody else.
 */
struct compile_start {
	uint64_t pc;
	bool at_point; /* it has met the breakpoint, and is to run on */
	bool watched;  /* one instruction, and then STUB_WATCHED */
	uint16_t puts; /* struct mark's */
};
struct block *compile_behind(struct space *sp,
			     const struct compile_start *start);

/* Where returns to b's pc (or indirect branches) may jump to: made if need
 * be, and found from then on. False: there is no room for it. */
bool compile_landing(struct space *sp, struct block *b, bool is_return);

/* A thread that was not followed before will return to what is on its stack. */
void landings_expect(struct space *sp, struct thread *low);

/* A store that says that a block was run, at that offset; it becomes a nop of
 * as many bytes, whoever executes it. */
#define STORE_BYTES 7
void store_remove(struct region *rg, uint32_t at);

/*
 * The branch whose cache, one of the region's, is met for the first time goes
 * to target. Returns the offset at which the thread goes on, at the original
 * branch.
 */
uint32_t compile_learn(struct space *sp, struct region *rg, uint32_t cache,
		       uint64_t target);

#endif
