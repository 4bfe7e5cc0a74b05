/*
 * Where code is, by pc and by page, and what leads there. What code is, and the
 * memory it lies in, is not known here.
 */
#include "translate/block.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

#define PAGE_SHIFT 12

struct block *block_find(const struct space *sp, uint64_t pc)
{
	uintptr_t index = (uintptr_t)map_find(&sp->by_pc, pc + 1);

	return index ? &sp->blocks[index] : NULL;
}

uint32_t block_add(struct space *sp, struct region *rg, uint64_t pc, bool shown)
{
	uint32_t index = sp->n_blocks++;

	if (index >= sp->cap_blocks) {
		sp->cap_blocks = sp->cap_blocks ? 2 * sp->cap_blocks : 4096;
		sp->blocks = xrealloc(sp->blocks,
				      sp->cap_blocks * sizeof(*sp->blocks));
	}
	sp->blocks[index] = (struct block){
		.pc = pc,
		.entry = stream_at(&rg->hot),
		.region = (uint8_t)rg->index,
		.flags = shown ? 0 : BLOCK_STEPPED,
	};
	if (shown)
		map_set(&sp->by_pc, pc + 1, (void *)(uintptr_t)index);
	return index;
}

/* --- pages --------------------------------------------------------------- */

static uint32_t *page_link(struct block *b, uint64_t page)
{
	return &b->page_next[page != b->pc >> PAGE_SHIFT];
}

static void page_add(struct space *sp, uint32_t index, uint64_t page)
{
	struct block *b = &sp->blocks[index];

	*page_link(b, page) =
		(uint32_t)(uintptr_t)map_find(&sp->pages, page + 1);
	map_set(&sp->pages, page + 1, (void *)(uintptr_t)index);
}

void block_close(struct space *sp, uint32_t index, uint32_t length)
{
	struct block *b = &sp->blocks[index];
	uint64_t first = b->pc >> PAGE_SHIFT;
	uint64_t last = (b->pc + length - 1) >> PAGE_SHIFT;

	b->length = length;
	page_add(sp, index, first);
	if (length && last != first)
		page_add(sp, index, last);
}

/* Calls fn for the page's blocks until it returns true. */
typedef bool block_fn(struct space *sp, struct block *b, uint64_t lo,
		      uint64_t hi);

/* Dead blocks leave the page's list on the way. */
static bool page_each(struct space *sp, uint64_t page, uint64_t lo, uint64_t hi,
		      block_fn *fn)
{
	uint32_t first = (uint32_t)(uintptr_t)map_find(&sp->pages, page + 1);
	uint32_t index = first, *link = &first;
	bool done = false;

	while (index && !done) {
		struct block *b = &sp->blocks[index];

		if (!(b->flags & BLOCK_DEAD) && b->pc < hi &&
		    b->pc + b->length > lo)
			done = fn(sp, b, lo, hi);
		index = *page_link(b, page);
		if (b->flags & BLOCK_DEAD)
			*link = index;
		else
			link = page_link(b, page);
	}
	if (first != (uintptr_t)map_find(&sp->pages, page + 1))
		map_set(&sp->pages, page + 1, (void *)(uintptr_t)first);
	return done;
}

/* By page, or over all pages when those are fewer. */
static bool range_each(struct space *sp, uint64_t lo, uint64_t hi, block_fn *fn)
{
	uint64_t first = lo >> PAGE_SHIFT, last = (hi - 1) >> PAGE_SHIFT;

	if (lo >= hi)
		return false;
	if (last - first < sp->pages.count) {
		for (uint64_t page = first; page <= last; page++) {
			if (page_each(sp, page, lo, hi, fn))
				return true;
		}
		return false;
	}
	for (size_t i = 0; sp->pages.slots && i <= sp->pages.mask; i++) {
		uint64_t page = sp->pages.slots[i].key - 1;

		if (sp->pages.slots[i].key && page >= first && page <= last &&
		    page_each(sp, page, lo, hi, fn))
			return true;
	}
	return false;
}

/* --- sites --------------------------------------------------------------- */

static void site_write(struct space *sp, const struct site *s, uint64_t cpc)
{
	struct region *rg = sp->regions[s->region];
	uint8_t *p = rg->map + s->at;

	if (s->kind == SITE_LITERAL)
		__atomic_store_n((uint64_t *)(void *)p, cpc, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)(void *)p,
				 (uint32_t)(cpc - (rg->addr + s->at + 4)),
				 __ATOMIC_RELEASE);
}

/* Where sites of that region that aim at pc go: a list to be in. */
static uint32_t *site_goal(struct space *sp, struct region *rg, uint64_t pc,
			   uint64_t *cpc)
{
	struct block *b = block_find(sp, pc);
	uint32_t at;

	if (b) {
		*cpc = block_cpc(sp, b);
		return &b->sites;
	}
	at = region_exit(rg, pc);
	*cpc = rg->addr + at;
	return &trail_stub(rg->trail, at)->sites;
}

static void site_link(struct space *sp, uint32_t index, uint64_t pc)
{
	struct site *s = &sp->sites[index];
	uint64_t cpc;
	uint32_t *list = site_goal(sp, sp->regions[s->region], pc, &cpc);

	s->next = *list;
	*list = index;
	site_write(sp, s, cpc);
}

void site_aim(struct space *sp, struct region *rg, uint32_t at,
	      enum site_kind kind, uint64_t pc)
{
	uint32_t index = sp->n_sites++;

	assert(kind == SITE_LITERAL || at / 64 == (at + 3) / 64);
	if (index >= sp->cap_sites) {
		sp->cap_sites = sp->cap_sites ? 2 * sp->cap_sites : 8192;
		sp->sites =
			xrealloc(sp->sites, sp->cap_sites * sizeof(*sp->sites));
	}
	sp->sites[index] = (struct site){
		.at = at,
		.region = (uint8_t)rg->index,
		.kind = (uint8_t)kind,
	};
	site_link(sp, index, pc);
}

static void sites_move(struct space *sp, uint32_t *list, uint64_t pc)
{
	uint32_t index = *list, next;

	*list = 0;
	for (; index; index = next) {
		next = sp->sites[index].next;
		site_link(sp, index, pc);
	}
}

void blocks_publish(struct space *sp)
{
	for (; sp->n_published < sp->n_blocks; sp->n_published++) {
		struct block *b = &sp->blocks[sp->n_published];
		uint64_t pc = b->pc;

		if (b->flags & (BLOCK_DEAD | BLOCK_STEPPED))
			continue;
		for (unsigned i = 0; i < sp->n_regions; i++) {
			struct region *rg = sp->regions[i];
			uintptr_t n = (uintptr_t)map_find(&rg->exits, pc + 1);

			if (n)
				sites_move(sp, &rg->trail->stubs[n - 1].sites,
					   pc);
		}
	}
}

void block_enter_at(struct space *sp, struct block *b, uint32_t entry)
{
	uint64_t cpc;

	b->entry = entry;
	cpc = block_cpc(sp, b);
	for (uint32_t i = b->sites; i; i = sp->sites[i].next)
		site_write(sp, &sp->sites[i], cpc);
}

/* Its entry leads to the code for its pc, whatever that is from now on. */
static void lead_on(struct space *sp, struct region *rg, const struct block *b)
{
	uint32_t always = ALWAYS_AT - (b->flag_at + 4);

	site_aim(sp, rg, b->away_at, SITE_REL32, b->pc);
	__atomic_store_n((uint32_t *)(void *)(rg->map + b->flag_at), always,
			 __ATOMIC_RELEASE);
}

void block_drop(struct space *sp, struct block *b)
{
	struct region *rg = sp->regions[b->region];

	b->flags |= BLOCK_DEAD;
	if (!(b->flags & BLOCK_STEPPED))
		map_drop(&sp->by_pc, b->pc + 1);
	if (b->flag_at)
		lead_on(sp, rg, b);
	else
		__atomic_store_n(rg->map + b->entry, 0xcc, __ATOMIC_RELEASE);
	sites_move(sp, &b->sites, b->pc);
	sp->tr->stats.invalidated++;
}

struct block *block_dead_at(struct space *sp, const struct region *rg,
			    uint64_t cpc)
{
	for (uint32_t i = sp->n_blocks; --i;) {
		struct block *b = &sp->blocks[i];

		if (b->region == rg->index && rg->addr + b->entry == cpc &&
		    b->flags & BLOCK_DEAD)
			return b;
	}
	return NULL;
}

void block_replace(struct space *sp, struct block *b, uint32_t at)
{
	b->flags |= BLOCK_DEAD;
	map_drop(&sp->by_pc, b->pc + 1);
	sites_move(sp, &b->sites, b->pc);
	site_aim(sp, sp->regions[b->region], at, SITE_REL32, b->pc);
}

static bool drop_one(struct space *sp, struct block *b, uint64_t lo,
		     uint64_t hi)
{
	(void)lo, (void)hi;
	block_drop(sp, b);
	return false;
}

unsigned blocks_drop(struct space *sp, uint64_t lo, uint64_t hi)
{
	uint64_t before = sp->tr->stats.invalidated;

	range_each(sp, lo, hi, drop_one);
	return (unsigned)(sp->tr->stats.invalidated - before);
}

static bool drop_fixed(struct space *sp, struct block *b, uint64_t lo,
		       uint64_t hi)
{
	(void)lo, (void)hi;
	if (!b->flag_at)
		block_drop(sp, b);
	return false;
}

void blocks_drop_fixed(struct space *sp, uint64_t lo, uint64_t hi)
{
	range_each(sp, lo, hi, drop_fixed);
}

static bool stays(struct space *sp, struct block *b, uint64_t lo, uint64_t hi)
{
	(void)sp, (void)b, (void)lo, (void)hi;
	return false;
}

void blocks_compare(struct space *sp, uint64_t page, const uint8_t *old,
		    const uint8_t *now)
{
	const uint64_t size = UINT64_C(1) << PAGE_SHIFT;
	uint32_t index = (uint32_t)(uintptr_t)map_find(
		&sp->pages, (page >> PAGE_SHIFT) + 1);

	while (index) {
		struct block *b = &sp->blocks[index];
		uint64_t lo = b->pc > page ? b->pc - page : 0;
		uint64_t hi = b->pc + b->length - page;

		index = *page_link(b, page >> PAGE_SHIFT);
		hi = hi < size ? hi : size;
		if (!(b->flags & BLOCK_DEAD) &&
		    memcmp(old + lo, now + lo, hi - lo) != 0)
			block_drop(sp, b);
	}
	range_each(sp, page, page + size, stays);
}

static bool is_there(struct space *sp, struct block *b, uint64_t lo,
		     uint64_t hi)
{
	(void)sp, (void)b, (void)lo, (void)hi;
	return true;
}

bool blocks_touch(const struct space *sp, uint64_t lo, uint64_t hi)
{
	return range_each((struct space *)sp, lo, hi, is_there);
}

/* --- landings ------------------------------------------------------------ */

/* Others may look while we write: a pair's pc comes last. */
static void pair_set(struct table_pair *all, uint32_t *used, uint64_t pc,
		     uint64_t cpc)
{
	uint32_t i = table_home(pc), tries = TAB_ALL;

	/* The debuggee may have filled it up. */
	while (all[i].pc && all[i].pc != pc && --tries)
		i = (i + 1) & (TAB_ALL - 1);
	*used += !all[i].pc;
	__atomic_store_n(&all[i].landing, cpc, __ATOMIC_RELEASE);
	__atomic_store_n(&all[i].pc, pc, __ATOMIC_RELEASE);
}

static void slot_set(struct space *sp, uint32_t table, uint64_t pc,
		     uint64_t cpc)
{
	uint64_t *slots = (uint64_t *)(void *)(sp->tables + table - WIN_PAGE);

	__atomic_store_n(&slots[pc & (TAB_DIRECT - 1)], cpc, __ATOMIC_RELEASE);
}

static struct table_pair *pairs(const struct space *sp, uint32_t table)
{
	return (struct table_pair *)(void *)(sp->tables + table - WIN_PAGE);
}

void landing_set(struct space *sp, bool is_return, uint64_t pc, uint64_t cpc)
{
	if (is_return)
		pair_set(pairs(sp, TAB_RETURNS_ALL), &sp->n_returns, pc, cpc);
	slot_set(sp, is_return ? TAB_RETURNS : TAB_INDIRECT, pc, cpc);
}

void landing_set_kept(struct space *sp, uint64_t pc, uint64_t cpc)
{
	pair_set(pairs(sp, TAB_INDIRECT_ALL), &sp->n_indirect, pc, cpc);
	slot_set(sp, TAB_KEPT, pc, cpc);
}
