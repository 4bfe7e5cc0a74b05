/*
 * Blocks and what leads to them: private to translate/.
 *
 * A block is code from some pc to the next instruction that may go elsewhere.
 * It is found by its pc; a jump into the middle of one makes another. A site
 * aims at a pc: it leads to the block if there is one, else to a stub that
 * asks the server for it. New blocks are published once all of a batch are
 * written: until then no thread can come to them.
 */
#ifndef TRANSLATE_BLOCK_H
#define TRANSLATE_BLOCK_H

#include "translate/cache.h"

/* The live block at pc, or NULL. Borrowed until the next block_add(). */
struct block *block_find(const struct space *sp, uint64_t pc);
/* By reference (struct region). */
static inline struct block *block_at(const struct space *sp, uint32_t ref)
{
	return &sp->regions[ref >> REF_SHIFT]->blocks[ref & (REF_MAX - 1)];
}
static inline uint32_t block_ref(const struct space *sp, const struct block *b)
{
	const struct region *rg = sp->regions[b->region];

	return rg->index << REF_SHIFT | (uint32_t)(b - rg->blocks);
}

/* A new one, whose code begins where the region's hot stream is: a reference.
 * Found by its pc only if it is shown: then there is no other yet. */
uint32_t block_add(struct space *sp, struct region *rg, uint64_t pc,
		   bool shown);
/* Once its length is known: it is found by its pages too. */
void block_close(struct space *sp, uint32_t ref, uint32_t length);
static inline uint64_t block_cpc(const struct space *sp, const struct block *b)
{
	return sp->regions[b->region]->addr + b->entry;
}

/* Its entry is there from now on, an offset: sites that lead to it follow. */
void block_enter_at(struct space *sp, struct block *b, uint32_t entry);

/* The site leads to pc from now on: to its block, or to an exit stub for what
 * comes so. */
void site_aim(struct space *sp, struct region *rg, uint32_t at,
	      enum site_kind kind, uint64_t pc, enum slow_kind slow);
/* The same in code that nobody can reach before blocks_settle(), of a batch:
 * most of what it leads to comes with the batch, and needs no exit. */
void site_aim_new(struct space *sp, struct region *rg, uint32_t at,
		  enum site_kind kind, uint64_t pc, enum slow_kind slow);

/* A new one, a displacement in the region, to code that is there and has such a
 * list. */
void site_aim_at(struct region *rg, uint32_t at, enum slow_kind slow,
		 uint64_t cpc, uint32_t *list);

/* The sites of the list lead to the code for pc from now on, as far as there is
 * room for exits; the others stay in the list. */
void sites_move(struct space *sp, uint32_t *list, uint64_t pc);

/* Sites of that region leave the list: they are no more. */
void sites_forget(struct space *sp, uint32_t *list, const struct region *rg);

/* Code of a batch is complete: it may be reached. */
void blocks_settle(struct space *sp);
/* So are all blocks of the region: who waits for them at its stubs before that
 * one, or at those of other regions, gets to them. Nobody does behind it. */
void blocks_come(struct space *sp, struct region *rg, uint32_t n_stubs);
/* ... and who waits for blocks that were added since the last time gets to
 * them. */
void blocks_publish(struct space *sp);

/* Nothing leads to the block any more, and a thread that gets to its entry all
 * the same (it falls through to it) is led on or traps. A region that has no
 * room for what would lead past it is worn, and its code leads there. */
void block_drop(struct space *sp, struct block *b);
/* The dropped one whose entry that is, or NULL. Slow. */
struct block *block_dead_at(const struct region *rg, uint64_t cpc);
/* The block is only a jump, whose displacement is at that offset: it leads to
 * another block for the same pc from now on. */
void block_replace(struct space *sp, struct block *b, uint32_t at);
/* All that have a byte in lo..hi; how many. */
unsigned blocks_drop(struct space *sp, uint64_t lo, uint64_t hi);
/* Those of the page of which it had other bytes once than it has now. */
void blocks_compare(struct space *sp, uint64_t page, const uint8_t *old,
		    const uint8_t *now);
/* All but those that test at each entry whether they are what they were. */
void blocks_drop_fixed(struct space *sp, uint64_t lo, uint64_t hi);
/* The region's blocks, which are dead, are in no list of a page any more. */
void blocks_tidy(struct space *sp, const struct region *rg);
/* Is there any? */
bool blocks_touch(const struct space *sp, uint64_t lo, uint64_t hi);

/* The addresses of a block's landings, which are in its cluster. */
static inline uint64_t landing_cpc(const struct space *sp,
				   const struct block *b, uint32_t landing)
{
	return sp->regions[b->region]->addr + (uint64_t)(int32_t)landing;
}
static inline uint32_t landing_at(const struct space *sp, const struct block *b,
				  uint64_t cpc)
{
	return (uint32_t)(cpc - sp->regions[b->region]->addr);
}

/* A landing of pc is about to be set. */
void landing_fetch(const struct space *sp, bool is_return, uint64_t pc);
/* A landing of pc, at cpc, is found by returns (or indirect branches). */
void landing_set(struct space *sp, bool is_return, uint64_t pc, uint64_t cpc);
/* Returns find none there any more. */
void landing_forget(struct space *sp, uint64_t pc);

#endif
