/*
 * Chains of the cache go into a file's tables. There, fields that depend on
 * where something lies have what is the same wherever that is.
 */
#include "translate/x86_64/save.h"

#include <string.h>

#include "base/mem.h"
#include "base/search.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"

/* --- a chain ------------------------------------------------------------- */

/* One on its way to the tables. */
struct saved_way {
	struct saver *k;
	const struct region *rg;
	const struct chain *ch;
	uint8_t *code; /* in the table: the hot part, then the cold one */
	struct saved_chain head;
};

static uint32_t length(struct span s)
{
	return s.to - s.from;
}

static bool is_in(struct span s, uint32_t at)
{
	return at - s.from < length(s);
}

/* An offset of the region as one of the chain. */
static uint32_t within(const struct saved_way *y, uint32_t at)
{
	if (is_in(y->ch->hot, at))
		return at - y->ch->hot.from;
	if (is_in(y->ch->cold, at))
		return SAVED_COLD | (at - y->ch->cold.from);
	return SAVED_NOWHERE;
}

/* The copy of what is at that offset of the chain. */
static uint8_t *copy_of(const struct saved_way *y, uint32_t at)
{
	return y->code + (at & ~SAVED_COLD) +
	       (at & SAVED_COLD ? length(y->ch->hot) : 0);
}

static bool place_of(const struct saver *k, uint64_t pc, uint32_t *place)
{
	uint64_t at = pc - k->base;

	*place = (uint32_t)at;
	return at < k->size;
}

static void put(struct saved_way *y, enum saved_part part, const void *record)
{
	buf_put(&y->k->to.parts[part], record, saved_sizes[part]);
}

static uint32_t load(const uint8_t *field)
{
	uint32_t v;

	memcpy(&v, field, sizeof(v));
	return v;
}

/* --- fields --------------------------------------------------------------- */

/* Where a displacement in the region leads. */
static uint32_t leads_to(const struct region *rg, uint32_t at)
{
	return at + 4 + load(rg->map + at);
}

static bool jump_of(const struct saved_way *y, uint32_t at, uint32_t *to)
{
	uint32_t goal = leads_to(y->rg, at);

	*to = within(y, goal);
	if (goal == y->rg->return_fix)
		*to = SAVED_ROUTINE | SAVED_RETURN_FIX;
	else if (goal == y->rg->indirect_fix)
		*to = SAVED_ROUTINE | SAVED_INDIRECT_FIX;
	return *to != SAVED_NOWHERE;
}

static bool operand_of(struct saved_way *y, uint32_t at, uint32_t *to)
{
	struct saver *k = y->k;
	int64_t disp = (int32_t)load(y->rg->map + at);
	int64_t reach = (int64_t)(y->rg->addr + at - k->base) + disp;

	/* More or less, by what is between the field and the end of its
	 * instruction: 12 bytes at most. */
	k->to.head.lo = reach < k->to.head.lo ? reach : k->to.head.lo;
	k->to.head.hi = reach > k->to.head.hi ? reach : k->to.head.hi;
	*to = (uint32_t)reach;
	return reach == (int32_t)reach;
}

static bool return_of(const struct saved_way *y, uint32_t at, bool wide,
		      uint32_t *to)
{
	int64_t low = (int32_t)load(y->rg->map + at);
	uint64_t pc = (uint64_t)low;

	if (wide)
		pc = (uint32_t)low | (uint64_t)load(y->rg->map + at + 8) << 32;
	return place_of(y->k, pc, to);
}

/* The value of the field as a place, or where it leads. */
static bool field_of(struct saved_way *y, enum reloc_kind kind, uint32_t at,
		     uint32_t *to)
{
	uint32_t v = load(y->rg->map + at), base = (uint32_t)y->k->base;

	switch (kind) {
	case RELOC_OPERAND:
		return operand_of(y, at, to);
	case RELOC_LOW:
		*to = v - base;
		return true;
	case RELOC_NEGATED:
		*to = -v - base;
		return true;
	case RELOC_RETURN:
	case RELOC_RETURN_WIDE:
		return return_of(y, at, kind == RELOC_RETURN_WIDE, to);
	case RELOC_JUMP:
		return jump_of(y, at, to);
	case RELOC_STORE:
		break;
	}
	return true;
}

/* Of a branch that is to learn, a jump leads to its stub. */
static bool is_caches(const struct saved_way *y, uint32_t at)
{
	for (uint32_t n = y->ch->caches.from; n < y->ch->caches.to; n++) {
		if (y->rg->caches[n].else_at == at)
			return true;
	}
	return false;
}

/* The store has told already. */
static void drop_store(uint8_t *copy)
{
	memset(copy, 0, STORE_BYTES);
	memcpy(copy, "\x0f\x1f\x80", 3);
}

static bool save_field(struct saved_way *y, uint32_t reloc)
{
	uint32_t at = reloc & RELOC_AT, in = within(y, at);
	struct saved_reloc out = {
		.at = in & RELOC_AT,
		.kind = (reloc >> RELOC_SHIFT) & 7,
		.cold = in >> 31,
	};

	if (in == SAVED_NOWHERE)
		return false;
	if (out.kind == RELOC_STORE) {
		drop_store(copy_of(y, in));
		return true;
	}
	if (!field_of(y, out.kind, at, &out.to))
		return out.kind == RELOC_JUMP && is_caches(y, at);
	/* What does not leave its part stays as it is. */
	if (out.kind == RELOC_JUMP && !(out.to & SAVED_ROUTINE) &&
	    (out.to & SAVED_COLD) == (in & SAVED_COLD))
		return true;
	put(y, SAVED_RELOCS, &out);
	y->head.relocs++;
	return true;
}

static bool save_fields(struct saved_way *y)
{
	for (uint32_t n = y->ch->relocs.from; n < y->ch->relocs.to; n++) {
		if (!save_field(y, y->rg->relocs[n]))
			return false;
	}
	return true;
}

/* --- marks --------------------------------------------------------------- */

static bool save_mark(struct saved_way *y, const struct mark *m)
{
	uint32_t in = within(y, m->at);
	struct saved_mark out = {
		.at = (in & ~SAVED_COLD) | (uint32_t)m->run << 31,
		.rewind = m->rewind,
		.undo = m->undo,
	};

	if (m->puts || !place_of(y->k, m->pc, &out.place))
		return false;
	put(y, SAVED_MARKS, &out);
	return true;
}

static bool save_marks(struct saved_way *y, const struct mark *all, uint32_t n,
		       struct span s, uint32_t *count)
{
	uint32_t i = (uint32_t)SEARCH_FIRST(n, j, all[j].at >= s.from);

	for (; i < n && all[i].at < s.to; i++, ++*count) {
		if (!save_mark(y, &all[i]))
			return false;
	}
	return true;
}

/* --- what branches have learned, and where they lead --------------------- */

/* The pc whose code is at that offset, or that an exit there is for. */
static bool pc_at(const struct region *rg, uint32_t at, uint64_t *pc)
{
	const struct stub *stub = trail_stub(rg->trail, at);
	uint32_t n;

	if (stub) {
		*pc = stub->pc;
		return stub->kind == STUB_EXIT;
	}
	n = (uint32_t)SEARCH_FIRST(rg->n_blocks, i,
				   i && rg->blocks[i].entry >= at);
	if (n == rg->n_blocks || rg->blocks[n].entry != at ||
	    rg->blocks[n].flags & (BLOCK_DEAD | BLOCK_STEPPED))
		return false;
	*pc = rg->blocks[n].pc;
	return true;
}

/* Where a site leads. */
static bool goal_of(const struct saved_way *y, uint32_t at, uint64_t *pc)
{
	uint64_t cpc = y->rg->addr + at + 4 +
		       (uint64_t)(int64_t)(int32_t)load(y->rg->map + at);
	const struct region *rg = space_region_at(y->k->sp, cpc);

	return rg && pc_at(rg, (uint32_t)(cpc - rg->addr), pc);
}

static enum saved_learned learned(const struct saved_way *y,
				  const struct branch_cache *c,
				  uint32_t *target)
{
	uint32_t low = (uint32_t)c->target;
	uint64_t pc;

	if (!c->learned)
		return SAVED_TO_LEARN;
	if (!c->then_at ||
	    load(y->rg->map + c->value_at) != (c->quiet ? -low : low))
		return SAVED_NEVER;
	return goal_of(y, c->then_at, &pc) && pc == c->target &&
			       place_of(y->k, pc, target)
		       ? SAVED_LEARNED
		       : SAVED_TO_LEARN;
}

static bool save_cache(struct saved_way *y, const struct branch_cache *c)
{
	struct saved_cache out = {
		.value_at = within(y, c->value_at),
		.else_at = within(y, c->else_at),
		.then_at = within(y, c->then_at),
		.generic = within(y, c->generic),
		.miss = within(y, c->miss),
		.quiet = c->quiet,
		.slow = c->slow,
		.is_call = c->slow == SLOW_CALL_REG || c->slow == SLOW_CALL_MEM,
	};

	out.learned = (uint8_t)learned(y, c, &out.target);
	if (!place_of(y->k, c->pc, &out.place) ||
	    out.value_at == SAVED_NOWHERE || out.else_at == SAVED_NOWHERE ||
	    out.then_at == SAVED_NOWHERE || out.generic == SAVED_NOWHERE ||
	    out.miss == SAVED_NOWHERE)
		return false;
	put(y, SAVED_CACHES, &out);
	y->head.caches++;
	return true;
}

static bool save_caches(struct saved_way *y)
{
	for (uint32_t n = y->ch->caches.from; n < y->ch->caches.to; n++) {
		if (!save_cache(y, &y->rg->caches[n]))
			return false;
	}
	return true;
}

/* The record of what was saved of the branch whose jump is there, or NULL. */
static const struct saved_cache *cache_then(const struct saved_way *y,
					    uint32_t in)
{
	const struct buf *b = &y->k->to.parts[SAVED_CACHES];
	const struct saved_cache *end = (const void *)(b->data + b->len);

	for (uint32_t n = 1; n <= y->head.caches; n++) {
		if (end[-(ptrdiff_t)n].then_at == in)
			return &end[-(ptrdiff_t)n];
	}
	return NULL;
}

static bool save_site(struct saved_way *y, uint32_t at, uint32_t slow)
{
	struct saved_site out = { .at = within(y, at), .slow = slow };
	const struct saved_cache *c = cache_then(y, out.at);
	uint64_t pc;

	if (c && c->learned != SAVED_LEARNED)
		return true;
	if (out.at == SAVED_NOWHERE || !goal_of(y, at, &pc) ||
	    !place_of(y->k, pc, &out.place))
		return false;
	put(y, SAVED_SITES, &out);
	y->head.sites++;
	return true;
}

/* What was learned later is a site since then, which is none of the chain's. */
static bool is_late(const struct saved_way *y, const struct branch_cache *c)
{
	for (uint32_t n = y->ch->sites.from; n < y->ch->sites.to; n++) {
		if (y->rg->sites[n].at == c->then_at)
			return false;
	}
	return true;
}

static bool save_sites(struct saved_way *y)
{
	const struct chain *ch = y->ch;

	for (uint32_t n = ch->sites.from; n < ch->sites.to; n++) {
		const struct site *s = &y->rg->sites[n];

		if (s->kind != SITE_REL32 || !save_site(y, s->at, s->slow))
			return false;
	}
	for (uint32_t n = ch->caches.from; n < ch->caches.to; n++) {
		const struct branch_cache *c = &y->rg->caches[n];
		const struct saved_cache *out =
			cache_then(y, within(y, c->then_at));

		if (out->learned == SAVED_LEARNED && is_late(y, c) &&
		    !save_site(y, c->then_at, c->slow))
			return false;
	}
	return true;
}

/* --- blocks -------------------------------------------------------------- */

static bool save_landing(struct saved_way *y, uint32_t at, uint64_t pc)
{
	struct saved_landing out = {
		.at = within(y, at),
		.plain = y->rg->map[at] == 0x81,
	};

	if (!place_of(y->k, pc, &out.place))
		return false;
	put(y, SAVED_LANDINGS, &out);
	y->head.landings++;
	return true;
}

/* Behind a store that is no more. */
static uint32_t entry_of(const struct saved_way *y, const struct block *b)
{
	for (uint32_t n = y->ch->relocs.from; n < y->ch->relocs.to; n++) {
		uint32_t reloc = y->rg->relocs[n];

		if (reloc >> RELOC_SHIFT == RELOC_STORE &&
		    (reloc & RELOC_AT) == b->entry)
			return b->entry + STORE_BYTES;
	}
	return b->entry;
}

static bool save_block(struct saved_way *y, const struct block *b)
{
	uint32_t lands = b->return_landing;
	struct saved_block out = {
		.entry = within(y, entry_of(y, b)),
		.length = (uint16_t)b->length,
		.instructions = b->instructions,
	};

	if (!place_of(y->k, b->pc, &out.place))
		return false;
	if (lands && is_in(y->ch->hot, lands)) {
		if (!save_landing(y, lands, b->pc))
			return false;
	} else if (lands) {
		out.lands |= SAVED_RETURNS;
	}
	if (b->indirect_landing)
		out.lands |= SAVED_MET;
	put(y, SAVED_BLOCKS, &out);
	y->head.blocks++;
	return true;
}

static bool save_blocks(struct saved_way *y)
{
	const struct chain *ch = y->ch;

	for (uint32_t n = ch->blocks.from; n < ch->blocks.to; n++) {
		if (!save_block(y, &y->rg->blocks[n]))
			return false;
	}
	return !ch->tail || save_landing(y, ch->tail, ch->tail_pc);
}

/* --- all of it ----------------------------------------------------------- */

static void note_places(struct saver *k, const struct region *rg,
			const struct chain *ch)
{
	uint32_t number =
		k->to.parts[SAVED_BLOCKS].len / sizeof(struct saved_block) -
		length(ch->blocks);

	for (uint32_t n = ch->blocks.from; n < ch->blocks.to; n++)
		map_set(&k->places, rg->blocks[n].pc - k->base + 1,
			(void *)(uintptr_t)++number);
}

static bool save_all(struct saved_way *y)
{
	const struct trail *tl = y->rg->trail;
	const struct chain *ch = y->ch;

	return save_fields(y) &&
	       save_marks(y, tl->hot, tl->n_hot, ch->hot, &y->head.hot_marks) &&
	       save_marks(y, tl->cold, tl->n_cold, ch->cold,
			  &y->head.cold_marks) &&
	       save_caches(y) && save_sites(y) && save_blocks(y);
}

static void save_code(struct saved_way *y)
{
	struct buf *code = &y->k->to.parts[SAVED_CODE];
	const struct chain *ch = y->ch;
	size_t at = code->len;

	buf_put(code, y->rg->map + ch->hot.from, length(ch->hot));
	buf_put(code, y->rg->map + ch->cold.from, length(ch->cold));
	y->code = (uint8_t *)code->data + at;
	y->head.hot = length(ch->hot);
	y->head.cold = length(ch->cold);
	y->head.hot_line = ch->hot.from % 64;
	y->head.cold_line = ch->cold.from % 64;
}

static bool save_chain(struct saver *k, const struct region *rg,
		       const struct chain *ch)
{
	struct saved_way y = { .k = k, .rg = rg, .ch = ch };
	size_t before[N_SAVED_PARTS];

	for (unsigned i = 0; i < N_SAVED_PARTS; i++)
		before[i] = k->to.parts[i].len;
	save_code(&y);
	if (save_all(&y)) {
		put(&y, SAVED_CHAINS, &y.head);
		note_places(k, rg, ch);
		return true;
	}
	for (unsigned i = 0; i < N_SAVED_PARTS; i++)
		k->to.parts[i].len = before[i];
	return false;
}

/* The blocks that sites and landings lead to are those of the tables, as far as
 * they are there now. */
static uint32_t number_of(const struct saver *k, uint32_t place)
{
	return (uint32_t)(uintptr_t)map_find(&k->places, (uint64_t)place + 1);
}

static void number_goals(struct saver *k)
{
	struct buf *sites = &k->to.parts[SAVED_SITES];
	struct buf *landings = &k->to.parts[SAVED_LANDINGS];
	struct saved_site *s = (void *)sites->data;
	struct saved_landing *l = (void *)landings->data;

	for (size_t n = sites->len / sizeof(*s); n--; s++)
		s->block = number_of(k, s->place);
	for (size_t n = landings->len / sizeof(*l); n--; l++)
		l->block = number_of(k, l->place);
}

static void number_old(struct saver *k)
{
	const struct buf *b = &k->to.parts[SAVED_BLOCKS];
	const struct saved_block *old = (const void *)b->data;
	uint32_t n = (uint32_t)(b->len / sizeof(*old));

	for (uint32_t i = 0; i < n; i++)
		map_set(&k->places, (uint64_t)old[i].place + 1,
			(void *)(uintptr_t)(i + 1));
}

uint32_t save_module(struct saver *k)
{
	uint32_t n = 0;

	number_old(k);
	for (unsigned i = 0; i < k->sp->n_regions; i++) {
		const struct region *rg = k->sp->regions[i];

		for (uint32_t c = 0; c < rg->n_chains; c++) {
			const struct chain *ch = &rg->chains[c];

			if (saved_wants(k, rg, ch) && save_chain(k, rg, ch))
				n += length(ch->blocks);
		}
	}
	number_goals(k);
	map_fini(&k->places);
	return n;
}
