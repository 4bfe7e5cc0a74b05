/*
 * Coverage that removes itself. A block says that it was run by a store at its
 * entry; now and then we look who has, and take the store away while the
 * program runs: what jumps to the block jumps behind the store, and for what
 * falls through into it the store becomes a nop.
 *
 * Only blocks that were not seen running are looked at. There may be many
 * that never will, so the time between two sweeps is a multiple of what the
 * last one took, and grows while sweeps find nothing.
 */
#include "translate/coverage.h"


#include "base/clock.h"
#include "base/mem.h"
#include "translate/block.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"

#define NS_PER_MS  INT64_C(1000000)
#define FIRST_MS   100 /* what starts up is over soon, or much code comes */
#define SHORTEST   (10 * NS_PER_MS)
#define LONGEST	   (640 * NS_PER_MS)
#define COST_SHARE 50 /* of the time, in sweeps: one part in so many */

void coverage_wait(struct space *sp, const struct waiting *w)
{
	GROW(sp->waiting, sp->n_waiting, sp->cap_waiting, 4096);
	sp->waiting[sp->n_waiting++] = *w;
}

void coverage_forget(struct space *sp, unsigned region)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < sp->n_waiting; i++) {
		if (sp->waiting[i].region != region)
			sp->waiting[kept++] = sp->waiting[i];
	}
	sp->n_waiting = kept;
}

static void take_store_away(struct space *sp, const struct waiting *w)
{
	struct block *b = block_at(sp, w->block);

	if (b->flags & BLOCK_DEAD)
		return;
	store_remove(sp->regions[b->region], w->at);
	if (b->entry == w->at)
		block_enter_at(sp, b, w->at + STORE_BYTES);
	sp->tr->stats.stores_removed++;
}

/* How many of the space's blocks were seen running for the first time. */
static uint32_t sweep(struct space *sp)
{
	uint32_t kept = 0, n = sp->n_waiting;

	for (uint32_t i = 0; i < n; i++) {
		const struct waiting *w = &sp->waiting[i];

		if (sp->regions[w->region]->map[w->slot])
			take_store_away(sp, w);
		else
			sp->waiting[kept++] = *w;
	}
	sp->n_waiting = kept;
	return n - kept;
}

void coverage_begin(struct translator *tr)
{
	tr->sweep_at = clock_ns() + FIRST_MS * NS_PER_MS;
	tr->sweep_every = SHORTEST;
}

/* More was translated since the last time? Then it is likely to run. */
static bool has_grown(struct translator *tr)
{
	bool grown = tr->stats.blocks != tr->swept_blocks;

	tr->swept_blocks = tr->stats.blocks;
	return grown;
}

static void sweep_all(struct translator *tr, int64_t now)
{
	struct process *p;
	uint32_t found = 0, waiting = 0;
	int64_t cost;

	list_each(p, &tr->t.processes, node) {
		if (!space_of(p))
			continue;
		found += sweep(space_of(p));
		waiting += space_of(p)->n_waiting;
	}
	cost = (clock_ns() - now) * COST_SHARE;
	tr->sweep_every =
		has_grown(tr) || found ? SHORTEST : 2 * tr->sweep_every;
	if (tr->sweep_every > LONGEST)
		tr->sweep_every = LONGEST;
	tr->sweep_at = now + (cost > tr->sweep_every ? cost : tr->sweep_every);
	tr->stats.sweeps++;
}

int coverage_tick(struct translator *tr)
{
	int64_t now;

	if (!tr->sweep_at)
		return -1;
	now = clock_ns();
	if (now >= tr->sweep_at)
		sweep_all(tr, now);
	return (int)((tr->sweep_at - now) / NS_PER_MS) + 1;
}
