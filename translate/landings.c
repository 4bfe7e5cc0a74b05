/*
 * Where returns and indirect branches find landings: tables that all threads
 * read while we write. See x86_64/landing.c for what is there.
 */
#include <assert.h>

#include "base/mem.h"
#include "translate/block.h"
#include "translate/x86_64/window.h"

/* Of the pair at that index, which is none any more: looking for this address,
 * to which nothing can branch, begins behind it. */
static uint64_t pair_gone(uint32_t i)
{
	return UINT64_C(1) << 63 | (uint64_t)((i + 1) & (TAB_ALL - 1)) << 3;
}

static const struct {
	uint32_t direct, all;
} tables[2] = {
	{ TAB_INDIRECT, TAB_INDIRECT_ALL },
	{ TAB_RETURNS, TAB_RETURNS_ALL },
};

static struct table_pair *pairs(const struct space *sp, bool is_return)
{
	uint32_t table = tables[is_return].all;

	return (struct table_pair *)(void *)(sp->tables + table - WIN_PAGE);
}

/* Code that is near has pairs that are: pages for them come together. */
#define PAIRS_PIECE (TAB_ALL / 64)

static void pairs_bring(struct space *sp, bool is_return, uint32_t i)
{
	uint64_t bit = UINT64_C(1) << i / PAIRS_PIECE;

	if (sp->pairs_ready[is_return] & bit)
		return;
	sp->pairs_ready[is_return] |= bit;
	pages_touch(&pairs(sp, is_return)[i & -PAIRS_PIECE],
		    PAIRS_PIECE * sizeof(struct table_pair));
}

/* Others may look while we write: a pair's pc comes last. */
static void pair_set(struct space *sp, bool is_return, uint64_t pc,
		     uint64_t cpc)
{
	struct table_pair *all = pairs(sp, is_return);
	uint32_t i = table_home(pc), tries = TAB_ALL;

	pairs_bring(sp, is_return, i);
	/* The debuggee may have filled it up. */
	while (all[i].pc && all[i].pc != pc && --tries)
		i = (i + 1) & (TAB_ALL - 1);
	sp->n_pairs[is_return] += !all[i].pc;
	__atomic_store_n(&all[i].landing, cpc, __ATOMIC_RELEASE);
	__atomic_store_n(&all[i].pc, pc, __ATOMIC_RELEASE);
}

static uint64_t *slot_of(const struct space *sp, bool is_return, uint64_t pc)
{
	uint32_t table = tables[is_return].direct;
	uint64_t *slots = (uint64_t *)(void *)(sp->tables + table - WIN_PAGE);

	return &slots[pc & (TAB_DIRECT - 1)];
}

void landing_fetch(const struct space *sp, bool is_return, uint64_t pc)
{
	__builtin_prefetch(slot_of(sp, is_return, pc), 1);
}

static void slot_set(struct space *sp, bool is_return, uint64_t pc,
		     uint64_t cpc)
{
	__atomic_store_n(slot_of(sp, is_return, pc), cpc, __ATOMIC_RELEASE);
}

/* What leads to the routine that looks for a pair. */
static uint64_t slot_free(const struct space *sp, bool is_return)
{
	const struct region *rg = sp->regions[0];

	return rg->addr + (is_return ? rg->return_fix : rg->indirect_fix);
}

static bool is_shared(const struct space *sp, bool is_return, uint64_t pc)
{
	uint32_t i = pc & (TAB_DIRECT - 1);

	return sp->shared[is_return][i / 8] >> i % 8 & 1;
}

/* The pc of returns whose landing was set there last, and what that is now. */
static bool last_landing(const struct space *sp, uint32_t low, uint64_t *pc,
			 uint64_t *cpc)
{
	const struct block *b;

	*pc = (uint64_t)sp->landed[low] * TAB_DIRECT + low;
	b = sp->landed[low] ? block_find(sp, *pc) : NULL;
	if (!b || !b->return_landing)
		return false;
	*cpc = landing_cpc(sp, b, b->return_landing);
	return true;
}

/* Whose landing the slot has, as far as it is one. Marks know all of them, and
 * take longer. */
static bool landing_pc(const struct space *sp, bool is_return, uint32_t low,
		       uint64_t *pc, uint64_t *cpc)
{
	const struct trail *tl;
	struct mark m;

	if (is_return && last_landing(sp, low, pc, cpc))
		return true;
	tl = trails_at(sp->trails, *cpc);
	if (!tl || !trail_mark(tl, (uint32_t)(*cpc - tl->addr), &m))
		return false;
	*pc = m.pc;
	return true;
}

/*
 * While one address alone has a slot, nobody asks for its pair. All of them
 * would be spread over more pages than a short program needs of all else. A
 * landing that the program has overwritten is looked for by the server.
 */
static void pair_note(struct space *sp, bool is_return, uint64_t pc,
		      uint64_t cpc)
{
	uint64_t old = *slot_of(sp, is_return, pc), last;
	uint32_t i = pc & (TAB_DIRECT - 1);
	bool was_one;

	if (!is_shared(sp, is_return, pc)) {
		if (old == slot_free(sp, is_return))
			return;
		was_one = landing_pc(sp, is_return, i, &last, &old);
		if (was_one && last == pc)
			return;
		sp->shared[is_return][i / 8] |= (uint8_t)(1u << i % 8);
		if (was_one && !((last ^ pc) & (TAB_DIRECT - 1)))
			pair_set(sp, is_return, last, old);
	}
	pair_set(sp, is_return, pc, cpc);
}

void landing_set(struct space *sp, bool is_return, uint64_t pc, uint64_t cpc)
{
	/* Other threads come there at once. */
	assert(!sp->n_aims);
	pair_note(sp, is_return, pc, cpc);
	slot_set(sp, is_return, pc, cpc);
	if (is_return)
		sp->landed[pc & (TAB_DIRECT - 1)] = (uint32_t)(pc / TAB_DIRECT);
}

void landing_forget(struct space *sp, uint64_t pc)
{
	struct table_pair *all = pairs(sp, true);
	uint32_t i = table_home(pc), tries = TAB_ALL;

	slot_set(sp, true, pc, slot_free(sp, true));
	if (!is_shared(sp, true, pc))
		return;
	while (all[i].pc && all[i].pc != pc && --tries)
		i = (i + 1) & (TAB_ALL - 1);
	if (all[i].pc == pc)
		__atomic_store_n(&all[i].pc, pair_gone(i), __ATOMIC_RELEASE);
}
