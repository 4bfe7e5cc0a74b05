/*
 * Linear probing, of a table that is half empty at least: pieces of code that
 * come to the same place fill it by turns. What goes leaves no tombstone: as in
 * base/map.c, what was behind moves up.
 */
#include "translate/index.h"

#include <assert.h>
#include <stdbool.h>

#include "base/mem.h"
#include "translate/block.h"

#define CODE_SHIFT  7 /* that much code ... */
#define SLOTS_SHIFT 4 /* ... shares so many slots */

static size_t home(const struct block_index *x, uint32_t low)
{
	uint64_t piece = (low >> CODE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t within = low >> (CODE_SHIFT - SLOTS_SHIFT);

	return (size_t)(piece >> 32 << SLOTS_SHIFT |
			(within & ((1u << SLOTS_SHIFT) - 1))) &
	       x->mask;
}

uint32_t index_find(const struct space *sp, uint64_t pc)
{
	const struct block_index *x = &sp->index;
	const struct index_slot *s;

	if (!x->slots)
		return 0;
	for (size_t i = home(x, (uint32_t)pc);; i = (i + 1) & x->mask) {
		s = &x->slots[i];
		if (!s->ref)
			return 0;
		if (s->low == (uint32_t)pc && block_at(sp, s->ref)->pc == pc)
			return s->ref;
	}
}

void index_fetch(const struct block_index *x, uint64_t pc)
{
	if (x->slots)
		__builtin_prefetch(&x->slots[home(x, (uint32_t)pc)]);
}

static void put(struct block_index *x, struct index_slot slot)
{
	size_t i = home(x, slot.low);

	while (x->slots[i].ref)
		i = (i + 1) & x->mask;
	x->slots[i] = slot;
}

static bool is_room(size_t slots, size_t n)
{
	return 2 * n <= slots;
}

void index_reserve(struct block_index *x, size_t n)
{
	size_t slots = x->slots ? x->mask + 1 : 0, wanted = 64;
	struct block_index old = *x;

	while (!is_room(wanted, n))
		wanted *= 2;
	if (wanted <= slots)
		return;
	x->slots = table_alloc(wanted * sizeof(*x->slots));
	x->mask = wanted - 1;
	for (size_t i = 0; i < slots; i++) {
		if (old.slots[i].ref)
			put(x, old.slots[i]);
	}
	table_free(old.slots, index_bytes(&old));
}

void index_add(struct block_index *x, uint64_t pc, uint32_t ref)
{
	index_reserve(x, ++x->count);
	put(x, (struct index_slot){ (uint32_t)pc, ref });
}

void index_drop(struct block_index *x, uint64_t pc, uint32_t ref)
{
	size_t hole = home(x, (uint32_t)pc), i;

	for (; x->slots[hole].ref != ref; hole = (hole + 1) & x->mask)
		assert(x->slots[hole].ref);
	x->count--;
	for (i = (hole + 1) & x->mask; x->slots[i].ref; i = (i + 1) & x->mask) {
		size_t h = home(x, x->slots[i].low);

		/* It stays where its home lies behind the hole. */
		if (((i - h) & x->mask) < ((i - hole) & x->mask))
			continue;
		x->slots[hole] = x->slots[i];
		hole = i;
	}
	x->slots[hole] = (struct index_slot){ 0 };
}

void index_fini(struct block_index *x)
{
	table_free(x->slots, index_bytes(x));
	*x = (struct block_index){ 0 };
}
