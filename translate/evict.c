#include "translate/evict.h"

#include "translate/block.h"
#include "translate/coverage.h"
#include "translate/gate.h"
#include "translate/hints.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

/* --- what leads to it ---------------------------------------------------- */

/* Calls fn for all blocks, dead ones too. */
typedef void any_fn(struct space *sp, struct block *b,
		    const struct region *going);

static void each_block(struct space *sp, const struct region *going, any_fn *fn)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		struct region *rg = sp->regions[i];

		for (uint32_t n = 1; n < rg->n_blocks; n++)
			fn(sp, &rg->blocks[n], going);
	}
}

static bool lies_in(const struct space *sp, const struct region *going,
		    const struct block *b, uint32_t landing)
{
	return landing && landing_cpc(sp, b, landing) - going->addr <
				  going->trail->layout.data;
}

/* A block that stays: neither sites nor landings of it go away with others. */
static void forget_places(struct space *sp, struct block *b,
			  const struct region *going)
{
	sites_forget(sp, &b->sites, going);
	if (lies_in(sp, going, b, b->return_landing))
		b->return_landing = 0;
	if (lies_in(sp, going, b, b->indirect_landing))
		b->indirect_landing = 0;
}

static void forget_block(struct space *sp, struct block *b)
{
	if (!(b->flags & (BLOCK_DEAD | BLOCK_STEPPED)))
		index_drop(&sp->index, b->pc, block_ref(sp, b));
	sp->tr->stats.blocks_evicted += !(b->flags & BLOCK_DEAD);
	b->flags |= BLOCK_DEAD;
	sites_move(sp, &b->sites, b->pc);
}

/* What is recorded of it is told; events have been read. */
static void tell_records(struct space *sp, const struct region *rg)
{
	sp->ending = rg;
	if (sp->mode == MODE_COVERAGE || sp->mode == MODE_COUNT)
		records_end(sp);
	else
		hints_learn(sp);
	sp->ending = NULL;
}

static void evict(struct space *sp, struct region *rg)
{
	struct translate_stats *stats = &sp->tr->stats;
	struct trail *tl = rg->trail;

	if (!stats->evictions++)
		space_measure(sp);
	sp->n_evicted++;
	stats->evicted_bytes += rg->hot.e.len + rg->cold.e.len +
				(uint64_t)tl->n_stubs * STUB_BYTES;
	tell_records(sp, rg);
	gates_evict(sp, rg);
	each_block(sp, rg, forget_places);
	for (uint32_t n = 1; n < rg->n_blocks; n++)
		forget_block(sp, &rg->blocks[n]);
	blocks_tidy(sp, rg);
	coverage_forget(sp, rg->index);
	tl->n_hot = tl->n_cold = tl->n_stubs = 0;
	region_reset(sp, rg);
}

/* --- tables -------------------------------------------------------------- */

static void tell_landings(struct space *sp, struct block *b,
			  const struct region *none)
{
	(void)none;
	if (b->flags & (BLOCK_DEAD | BLOCK_STEPPED))
		return;
	if (b->return_landing)
		landing_set(sp, true, b->pc,
			    landing_cpc(sp, b, b->return_landing));
	if (b->indirect_landing)
		landing_set(sp, false, b->pc,
			    landing_cpc(sp, b, b->indirect_landing));
}

/* Of the landings that changed flags, those that are left. */
static void look_over_slots(struct space *sp)
{
	for (uint32_t i = 0; i < 2 * TAB_DIRECT; i++) {
		uint32_t *plain = &sp->slots[i / 2].plain[i % 2];
		const struct block *b;

		if (!*plain || *plain == SLOT_KEEPS)
			continue;
		b = block_find(sp, (uint64_t)*plain * TAB_DIRECT + i / 2);
		if (!b || !b->return_landing)
			*plain = 0;
	}
}

static void tables_renew(struct space *sp)
{
	tables_reset(sp);
	look_over_slots(sp);
	each_block(sp, NULL, tell_landings);
}

/* --- which --------------------------------------------------------------- */

/* Of that cluster, or with CLUSTERS_MAX of any. */
static struct region *oldest(const struct space *sp, unsigned cluster)
{
	struct region *found = NULL;

	for (unsigned i = 0; i < sp->n_regions; i++) {
		struct region *rg = sp->regions[i];

		if (cluster != CLUSTERS_MAX && rg->cluster != cluster)
			continue;
		if (!found || rg->born < found->born)
			found = rg;
	}
	return found;
}

static struct region *worn(const struct space *sp)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		if (sp->regions[i]->worn)
			return sp->regions[i];
	}
	return NULL;
}

static bool has_room(struct space *sp, uint64_t pc)
{
	const struct region *rg = space_region(sp, pc, NULL);

	return rg && region_has_room(rg);
}

bool space_can_evict(struct space *sp, uint64_t pc)
{
	unsigned cluster = space_cluster(sp, pc);

	return has_room(sp, pc) ||
	       (cluster < CLUSTERS_MAX && oldest(sp, cluster)) ||
	       (!sp->sealed && space_can_serve(sp, pc));
}

static void make_room(struct space *sp, uint64_t pc)
{
	unsigned cluster = space_cluster(sp, pc);
	struct region *rg =
		oldest(sp, sp->sealed ? cluster : (unsigned)CLUSTERS_MAX);

	if (!rg || cluster == CLUSTERS_MAX)
		return;
	evict(sp, rg);
	if (rg->cluster == cluster || region_move(sp, rg, cluster) == 0)
		return;
	rg = oldest(sp, cluster);
	if (rg)
		evict(sp, rg);
}

bool space_evict(struct space *sp, uint64_t pc)
{
	struct region *rg;

	if (!has_room(sp, pc))
		make_room(sp, pc);
	while ((rg = worn(sp)))
		evict(sp, rg);
	sp->worn = false;
	tables_renew(sp);
	return has_room(sp, pc);
}

static bool is_used(const struct region *rg)
{
	for (uint32_t n = 1; n < rg->n_blocks; n++) {
		if (!(rg->blocks[n].flags & BLOCK_DEAD))
			return true;
	}
	return rg->n_blocks == 1;
}

void space_collect(struct space *sp)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		struct region *rg = sp->regions[i];

		if (is_used(rg))
			continue;
		evict(sp, rg);
		if (sp->clusters[rg->cluster].filling == rg)
			sp->clusters[rg->cluster].filling = NULL;
	}
	tables_renew(sp);
}

/* --- what it takes ------------------------------------------------------- */

static uint64_t map_bytes(const struct map *m)
{
	return m->slots ? (m->mask + 1) * sizeof(*m->slots) : 0;
}

static uint64_t region_own_bytes(const struct region *rg)
{
	const struct trail *tl = rg->trail;

	return rg->cap_blocks * sizeof(*rg->blocks) +
	       rg->cap_sites * sizeof(*rg->sites) +
	       rg->cap_caches * sizeof(*rg->caches) + map_bytes(&rg->exits) +
	       rg->cap_chains * sizeof(*rg->chains) +
	       rg->cap_relocs * sizeof(*rg->relocs) +
	       (tl->n_hot + tl->n_cold) * sizeof(*tl->hot) +
	       tl->n_stubs * sizeof(*tl->stubs);
}

void space_measure(const struct space *sp)
{
	struct translate_stats *stats = &sp->tr->stats;
	uint64_t sum = index_bytes(&sp->index) + map_bytes(&sp->pages) +
		       TAB_DIRECT * sizeof(*sp->slots);

	for (unsigned i = 0; i < sp->n_regions; i++)
		sum += region_own_bytes(sp->regions[i]);
	if (stats->own_bytes < sum)
		stats->own_bytes = sum;
}
