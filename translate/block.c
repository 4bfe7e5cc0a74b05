/*
 * Where code is, by pc and by page, and what leads there. What code is, and the
 * memory it lies in, is not known here.
 */
#include "translate/block.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "translate/layer.h"

#define PAGE_SHIFT 12

struct block *block_find(const struct space *sp, uint64_t pc)
{
	uint32_t ref = index_find(sp, pc);

	return ref ? block_at(sp, ref) : NULL;
}

uint32_t block_add(struct space *sp, struct region *rg, uint64_t pc, bool shown)
{
	uint32_t n = rg->n_blocks++, ref = rg->index << REF_SHIFT | n;

	assert(n < REF_MAX);
	GROW_TABLE(rg->blocks, n, rg->cap_blocks, 1024);
	rg->blocks[n] = (struct block){
		.pc = pc,
		.entry = stream_at(&rg->hot),
		.region = (uint8_t)rg->index,
		.flags = shown ? 0 : BLOCK_STEPPED,
	};
	if (shown)
		index_add(&sp->index, pc, ref);
	return ref;
}

/* --- pages --------------------------------------------------------------- */

static uint32_t *page_link(struct block *b, uint64_t page)
{
	return &b->page_next[page != b->pc >> PAGE_SHIFT];
}

static void page_add(struct space *sp, uint32_t ref, uint64_t page)
{
	struct block *b = block_at(sp, ref);

	*page_link(b, page) =
		(uint32_t)(uintptr_t)map_find(&sp->pages, page + 1);
	map_set(&sp->pages, page + 1, (void *)(uintptr_t)ref);
}

void block_close(struct space *sp, uint32_t ref, uint32_t length)
{
	struct block *b = block_at(sp, ref);
	uint64_t first = b->pc >> PAGE_SHIFT;
	uint64_t last = (b->pc + length - 1) >> PAGE_SHIFT;

	b->length = length;
	page_add(sp, ref, first);
	if (length && last != first)
		page_add(sp, ref, last);
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
		struct block *b = block_at(sp, index);

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

static struct site *site_at(const struct space *sp, uint32_t ref)
{
	return &sp->regions[ref >> REF_SHIFT]->sites[ref & (REF_MAX - 1)];
}

static void site_write(struct region *rg, const struct site *s, uint64_t cpc)
{
	uint8_t *p = rg->map + s->at;
	uint64_t from = rg->addr + s->at + 4;

	assert(s->kind == SITE_LITERAL || x86_reaches(X86_MODE_64, from, cpc));
	if (s->kind == SITE_LITERAL)
		__atomic_store_n((uint64_t *)(void *)p, cpc, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)(void *)p, (uint32_t)(cpc - from),
				 __ATOMIC_RELEASE);
}

/* Where sites of that region that aim at pc go: a list to be in. NULL: there is
 * no room for an exit. */
static uint32_t *site_goal(struct space *sp, struct region *rg,
			   enum slow_kind slow, uint64_t pc, uint64_t *cpc)
{
	struct block *b = block_find(sp, pc);
	uint32_t at;

	if (b) {
		*cpc = block_cpc(sp, b);
		return &b->sites;
	}
	at = region_exit(rg, pc, slow);
	*cpc = rg->addr + at;
	return at ? &trail_stub(rg->trail, at)->sites : NULL;
}

static bool site_link(struct space *sp, uint32_t ref, uint64_t pc)
{
	struct region *rg = sp->regions[ref >> REF_SHIFT];
	struct site *s = site_at(sp, ref);
	uint64_t cpc;
	uint32_t *list = site_goal(sp, rg, s->slow, pc, &cpc);

	if (!list)
		return false;
	s->next = *list;
	*list = ref;
	site_write(rg, s, cpc);
	return true;
}

static uint32_t site_add(struct region *rg, uint32_t at, enum site_kind kind,
			 enum slow_kind slow)
{
	uint32_t n = rg->n_sites++;

	assert(kind == SITE_LITERAL || at / 64 == (at + 3) / 64);
	assert(n < REF_MAX);
	GROW_TABLE(rg->sites, n, rg->cap_sites, 2048);
	rg->sites[n] = (struct site){
		.at = at,
		.kind = (uint8_t)kind,
		.slow = (uint8_t)slow,
	};
	return rg->index << REF_SHIFT | n;
}

void site_aim(struct space *sp, struct region *rg, uint32_t at,
	      enum site_kind kind, uint64_t pc, enum slow_kind slow)
{
	bool linked = site_link(sp, site_add(rg, at, kind, slow), pc);

	assert(linked);
}

void site_aim_at(struct region *rg, uint32_t at, enum slow_kind slow,
		 uint64_t cpc, uint32_t *list)
{
	uint32_t ref = site_add(rg, at, SITE_REL32, slow);
	struct site *s = &rg->sites[ref & (REF_MAX - 1)];

	s->next = *list;
	*list = ref;
	site_write(rg, s, cpc);
}

void site_aim_new(struct space *sp, struct region *rg, uint32_t at,
		  enum site_kind kind, uint64_t pc, enum slow_kind slow)
{
	if (!sp->in_batch) {
		site_aim(sp, rg, at, kind, pc, slow);
		return;
	}
	GROW(sp->aims, sp->n_aims, sp->cap_aims, 256);
	sp->aims[sp->n_aims++] =
		(struct aim){ pc, site_add(rg, at, kind, slow) };
	rg->n_aims++;
}

void blocks_settle(struct space *sp)
{
	for (uint32_t i = 0; i < sp->n_aims; i++) {
		const struct aim *aim = &sp->aims[i];
		bool linked;

		sp->regions[aim->site >> REF_SHIFT]->n_aims--;
		linked = site_link(sp, aim->site, aim->pc);
		assert(linked);
	}
	sp->n_aims = 0;
}

void sites_move(struct space *sp, uint32_t *list, uint64_t pc)
{
	uint32_t ref = *list, next;

	*list = 0;
	for (; ref; ref = next) {
		next = site_at(sp, ref)->next;
		if (site_link(sp, ref, pc))
			continue;
		sp->regions[ref >> REF_SHIFT]->worn = sp->worn = true;
		site_at(sp, ref)->next = *list;
		*list = ref;
	}
}

void sites_forget(struct space *sp, uint32_t *list, const struct region *rg)
{
	while (*list) {
		struct site *s = site_at(sp, *list);

		if (*list >> REF_SHIFT == rg->index)
			*list = s->next;
		else
			list = &s->next;
	}
}

static void exits_move(struct space *sp, const struct region *rg, uint64_t pc)
{
	struct stub *all = rg->trail->stubs;
	uintptr_t n = (uintptr_t)map_find(&rg->exits, pc + 1);

	for (; n; n = all[n - 1].arg)
		sites_move(sp, &all[n - 1].sites, pc);
}

/* Those of its exits for which there are blocks now. */
static void exits_move_all(struct space *sp, const struct region *rg)
{
	for (size_t i = 0; rg->exits.slots && i <= rg->exits.mask; i++) {
		uint64_t key = rg->exits.slots[i].key;

		if (key && block_find(sp, key - 1))
			exits_move(sp, rg, key - 1);
	}
}

static void exits_move_for(struct space *sp, const struct region *rg,
			   const struct region *of)
{
	for (uint32_t n = of->n_published; n < of->n_blocks; n++) {
		const struct block *b = &of->blocks[n];

		if (!(b->flags & (BLOCK_DEAD | BLOCK_STEPPED)))
			exits_move(sp, rg, b->pc);
	}
}

/* What is fewer is gone over. */
static void publish(struct space *sp, const struct region *rg, size_t n_new)
{
	if (rg->exits.mask < n_new) {
		exits_move_all(sp, rg);
		return;
	}
	for (unsigned i = 0; i < sp->n_regions; i++)
		exits_move_for(sp, rg, sp->regions[i]);
}

static void stubs_move(struct space *sp, const struct trail *tl, uint32_t n)
{
	for (struct stub *s = tl->stubs; n; n--, s++) {
		if (s->kind == STUB_EXIT && s->sites && block_find(sp, s->pc))
			sites_move(sp, &s->sites, s->pc);
	}
}

void blocks_come(struct space *sp, struct region *rg, uint32_t n_stubs)
{
	uint32_t all = n_stubs;

	for (unsigned i = 0; i < sp->n_regions; i++)
		all += sp->regions[i] == rg ? 0
					    : sp->regions[i]->trail->n_stubs;
	/* What is fewer is gone over, here too. */
	if (all > rg->n_blocks - rg->n_published)
		return;
	for (unsigned i = 0; i < sp->n_regions; i++)
		stubs_move(sp, sp->regions[i]->trail,
			   sp->regions[i] == rg
				   ? n_stubs
				   : sp->regions[i]->trail->n_stubs);
	rg->n_published = rg->n_blocks;
}

void blocks_publish(struct space *sp)
{
	size_t n_new = 0;

	for (unsigned i = 0; i < sp->n_regions; i++)
		n_new += sp->regions[i]->n_blocks - sp->regions[i]->n_published;
	for (unsigned i = 0; i < sp->n_regions; i++)
		publish(sp, sp->regions[i], n_new);
	for (unsigned i = 0; i < sp->n_regions; i++)
		sp->regions[i]->n_published = sp->regions[i]->n_blocks;
}

void block_enter_at(struct space *sp, struct block *b, uint32_t entry)
{
	uint64_t cpc;

	b->entry = entry;
	cpc = block_cpc(sp, b);
	for (uint32_t ref = b->sites; ref; ref = site_at(sp, ref)->next)
		site_write(sp->regions[ref >> REF_SHIFT], site_at(sp, ref),
			   cpc);
}

/* Its entry leads to the code for its pc, whatever that is from now on. */
static void lead_on(struct space *sp, struct region *rg, const struct block *b)
{
	uint32_t always = layout_always(&rg->trail->layout) - (b->flag_at + 4);

	site_aim(sp, rg, b->away_at, SITE_REL32, b->pc, SLOW_CONTINUATION);
	__atomic_store_n((uint32_t *)(void *)(rg->map + b->flag_at), always,
			 __ATOMIC_RELEASE);
}

void block_drop(struct space *sp, struct block *b)
{
	struct region *rg = sp->regions[b->region];

	b->flags |= BLOCK_DEAD;
	if (!(b->flags & BLOCK_STEPPED))
		index_drop(&sp->index, b->pc, block_ref(sp, b));
	if (b->flag_at && region_has_stubs(rg, 1))
		lead_on(sp, rg, b);
	else
		__atomic_store_n(rg->map + b->entry, 0xcc, __ATOMIC_RELEASE);
	sites_move(sp, &b->sites, b->pc);
	sp->tr->stats.invalidated++;
}

struct block *block_dead_at(const struct region *rg, uint64_t cpc)
{
	for (uint32_t i = rg->n_blocks; --i;) {
		struct block *b = &rg->blocks[i];

		if (rg->addr + b->entry == cpc && b->flags & BLOCK_DEAD)
			return b;
	}
	return NULL;
}

void block_replace(struct space *sp, struct block *b, uint32_t at)
{
	struct region *rg = sp->regions[b->region];

	if (!region_has_stubs(rg, 1)) {
		block_drop(sp, b);
		return;
	}
	b->flags |= BLOCK_DEAD;
	index_drop(&sp->index, b->pc, block_ref(sp, b));
	sites_move(sp, &b->sites, b->pc);
	site_aim(sp, rg, at, SITE_REL32, b->pc, SLOW_CONTINUATION);
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

	saved_changed(sp, lo, hi);
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
	saved_changed(sp, lo, hi);
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
		struct block *b = block_at(sp, index);
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

void blocks_tidy(struct space *sp, const struct region *rg)
{
	uint64_t done = 0;

	for (uint32_t n = 1; n < rg->n_blocks; n++) {
		const struct block *b = &rg->blocks[n];
		uint64_t last = (b->pc + b->length - 1) >> PAGE_SHIFT;

		for (uint64_t page = b->pc >> PAGE_SHIFT; page <= last;
		     page++) {
			if (page + 1 != done)
				page_each(sp, page, 0, 0, stays);
			done = page + 1;
		}
	}
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
