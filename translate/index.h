/*
 * Where blocks are found by their pc: private to translate/.
 *
 * A hash table, of which most that is asked for in a batch lies near what was
 * asked for before, as code does: 128 bytes of code share 128 bytes of it, and
 * others of the same hash are behind them. It has the low halves of addresses,
 * so that a slot is 8 bytes; who finds one looks whether the block is the one.
 * Zero-initialised is empty.
 */
#ifndef TRANSLATE_INDEX_H
#define TRANSLATE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct space;

struct block_index {
	struct index_slot {
		uint32_t low; /* of the pc */
		uint32_t ref; /* 0: free */
	} * slots;
	size_t count, mask; /* mask + 1 slots; none when slots is NULL */
};

/* Of the space's block at pc: its reference, or 0. */
uint32_t index_find(const struct space *sp, uint64_t pc);

/* pc is about to be asked for, or added. */
void index_fetch(const struct block_index *x, uint64_t pc);

/* The space has none at pc yet. */
void index_add(struct block_index *x, uint64_t pc, uint32_t ref);
/* It was added with both. */
void index_drop(struct block_index *x, uint64_t pc, uint32_t ref);

/* There is room for n in all, so that it does not grow before. */
void index_reserve(struct block_index *x, size_t n);
void index_fini(struct block_index *x);

static inline size_t index_bytes(const struct block_index *x)
{
	return x->slots ? (x->mask + 1) * sizeof(*x->slots) : 0;
}

#endif
