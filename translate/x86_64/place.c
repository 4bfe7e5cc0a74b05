/*
 * Saved code is put into the cache, at the end of a region's streams. What is
 * there then is as if it had been translated: blocks, sites, marks and landings
 * have their records.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/aside.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/save.h"
#include "translate/x86_64/window.h"

struct placer {
	struct compiler *c;
	struct region *rg;
	const struct saved *from;
	uint64_t base;
	uint32_t module;
	bool apart; /* aside.h */
	/* The chain, and of all before it together what comes first. */
	const struct saved_chain *ch;
	uint32_t at[N_SAVED_PARTS];
	uint32_t hot, cold;   /* where its parts lie */
	uint32_t (*parts)[2]; /* ... and those of each, hot and cold */
	uint32_t *blocks; /* the numbers of all in the region; 0: not there */
	/* What chains that are placed may still need. */
	uint32_t n_apart, n_stubs;
	uint32_t n_placed; /* blocks */
};

/* The chain's records of that kind, from n on. */
static const void *records(const struct placer *p, enum saved_part part,
			   uint32_t n)
{
	const uint8_t *all = p->from->parts[part];

	return all + (p->at[part] + (size_t)n) * saved_sizes[part];
}

/* The first chain, and the one behind it. */
static void begin_chains(struct placer *p)
{
	memset(p->at, 0, sizeof(p->at));
	p->ch = p->from->parts[SAVED_CHAINS];
}

static void next_chain(struct placer *p)
{
	const struct saved_chain *ch = p->ch++;

	p->at[SAVED_BLOCKS] += ch->blocks;
	p->at[SAVED_SITES] += ch->sites;
	p->at[SAVED_RELOCS] += ch->relocs;
	p->at[SAVED_MARKS] += ch->hot_marks + ch->cold_marks;
	p->at[SAVED_CACHES] += ch->caches;
	p->at[SAVED_LANDINGS] += ch->landings;
	p->at[SAVED_CODE] += ch->hot + ch->cold;
}

/* An offset of the chain as one of the region. */
static uint32_t placed(const struct placer *p, uint32_t at)
{
	return at & SAVED_COLD ? p->cold + (at & ~SAVED_COLD) : p->hot + at;
}

static void put32(const struct placer *p, uint32_t at, uint32_t v)
{
	memcpy(p->rg->map + at, &v, sizeof(v));
}

/* --- fields --------------------------------------------------------------- */

/* As w_push_return() has written it. */
static void place_return(const struct placer *p, uint32_t at, uint64_t pc,
			 bool wide)
{
	uint32_t slot = TAB_RETURNS + 8 * (uint32_t)(pc & (TAB_DIRECT - 1));

	put32(p, at, (uint32_t)pc);
	if (wide)
		put32(p, at + 8, (uint32_t)(pc >> 32));
	put32(p, at + (wide ? 17 : 9), slot);
}

static uint32_t goal(const struct placer *p, uint32_t to)
{
	if (!(to & SAVED_ROUTINE) || to & SAVED_COLD)
		return placed(p, to);
	return (to & ~SAVED_ROUTINE) == SAVED_RETURN_FIX ? p->rg->return_fix
							 : p->rg->indirect_fix;
}

static void place_field(const struct placer *p, const struct saved_reloc *r)
{
	uint32_t at = r->at + (r->cold ? p->cold : p->hot);
	uint64_t pc = p->base + r->to;

	switch (r->kind) {
	case RELOC_OPERAND:
		pc = p->base + (uint64_t)(int64_t)(int32_t)r->to;
		put32(p, at, (uint32_t)(pc - (p->rg->addr + at)));
		break;
	case RELOC_LOW:
		put32(p, at, (uint32_t)pc);
		break;
	case RELOC_NEGATED:
		put32(p, at, -(uint32_t)pc);
		break;
	case RELOC_JUMP:
		put32(p, at, goal(p, r->to) - (at + 4));
		break;
	default:
		place_return(p, at, pc, r->kind == RELOC_RETURN_WIDE);
	}
}

/* --- chains --------------------------------------------------------------- */

/* Code of the stream lies in cache lines as it did. */
static uint32_t place_bytes(struct stream *s, const void *code, uint32_t n,
			    unsigned line)
{
	uint32_t at;

	while (n && stream_at(s) % 64 != line)
		x86_emit_inline(&s->e, "\xcc", 1);
	at = stream_at(s);
	x86_emit_inline(&s->e, code, n);
	return at;
}

static void place_marks(const struct placer *p, struct stream *s, uint32_t at,
			const struct saved_mark *from, uint32_t n)
{
	struct mark *to = s->marks + *s->n_marks;

	for (uint32_t i = 0; i < n; i++, from++, to++)
		*to = (struct mark){
			.pc = p->base + from->place,
			.at = (at + (from->at & ~SAVED_COLD)) & 0x7fffffff,
			.run = from->at >> 31,
			.rewind = from->rewind & (2u * REWIND_SET - 1),
			.undo = from->undo,
		};
	__atomic_store_n(s->n_marks, *s->n_marks + n, __ATOMIC_RELEASE);
}

/* What comes next. */
static void fetch_blocks(const struct placer *p)
{
	const struct saved_block *all = p->from->parts[SAVED_BLOCKS];
	uint32_t at = p->at[SAVED_BLOCKS] + FETCH_AHEAD;

	for (uint32_t i = 0; i < p->ch->blocks; i++, at++) {
		if (at < p->from->head->n[SAVED_BLOCKS])
			index_fetch(&p->c->sp->index, p->base + all[at].place);
	}
}

static void place_blocks(struct placer *p)
{
	const struct saved_block *from = records(p, SAVED_BLOCKS, 0);
	struct translate_stats *stats = &p->c->sp->tr->stats;

	for (uint32_t i = 0; i < p->ch->blocks; i++, from++) {
		uint32_t ref =
			block_add(p->c->sp, p->rg, p->base + from->place, true);
		struct block *b = block_at(p->c->sp, ref);

		p->blocks[p->at[SAVED_BLOCKS] + i] = ref & (REF_MAX - 1);
		b->entry = placed(p, from->entry);
		b->instructions = from->instructions;
		b->module = p->module;
		b->flags = BLOCK_KNOWN | BLOCK_HINTED | BLOCK_SAVED;
		block_close(p->c->sp, ref, from->length);
		stats->instructions += from->instructions;
		stats->original_bytes += from->length;
	}
	stats->blocks += p->ch->blocks;
	stats->blocks_known += p->ch->blocks;
	stats->blocks_saved += p->ch->blocks;
}

/* What is aside is there at once. */
static void prepare(const struct placer *p)
{
	if (p->apart)
		region_prepare_stubs(p->rg);
	else
		region_prepare(p->rg);
}

static void place_chain(struct placer *p)
{
	const struct saved_chain *ch = p->ch;
	const struct saved_reloc *r = records(p, SAVED_RELOCS, 0);

	prepare(p);
	p->hot = place_bytes(&p->rg->hot, records(p, SAVED_CODE, 0), ch->hot,
			     ch->hot_line);
	p->cold = place_bytes(&p->rg->cold, records(p, SAVED_CODE, ch->hot),
			      ch->cold, ch->cold_line);
	p->c->sp->tr->stats.cache_bytes += ch->hot + ch->cold;
	for (uint32_t i = 0; i < ch->relocs; i++)
		place_field(p, &r[i]);
	place_marks(p, &p->rg->hot, p->hot, records(p, SAVED_MARKS, 0),
		    ch->hot_marks);
	place_marks(p, &p->rg->cold, p->cold,
		    records(p, SAVED_MARKS, ch->hot_marks), ch->cold_marks);
	fetch_blocks(p);
	place_blocks(p);
}

/* --- once all blocks are there -------------------------------------------- */

/* number: as sites and landings have it, or 0. NULL: it is not there. */
static struct block *block_of(const struct placer *p, uint32_t number)
{
	uint32_t n = number ? p->blocks[number - 1] : 0;

	return n ? &p->rg->blocks[n] : NULL;
}

/* What comes next. */
static void fetch_goals(const struct placer *p)
{
	const struct saved_site *s = records(p, SAVED_SITES, FETCH_AHEAD);
	uint32_t at = p->at[SAVED_SITES] + FETCH_AHEAD;

	for (uint32_t i = 0; i < p->ch->sites; i++, s++, at++) {
		if (at < p->from->head->n[SAVED_SITES] && s->block)
			__builtin_prefetch(block_of(p, s->block), 1);
	}
}

/* To code that nobody has translated. */
static void place_exit(const struct placer *p, uint32_t at, uint64_t pc,
		       enum slow_kind slow)
{
	uint32_t exit = region_exit(p->rg, pc, slow);

	site_aim_at(p->rg, at, slow, p->rg->addr + exit,
		    &trail_stub(p->rg->trail, exit)->sites);
	compiler_queue(p->c, pc);
}

static void place_site(const struct placer *p, const struct saved_site *s)
{
	enum slow_kind slow = (enum slow_kind)s->slow;
	struct block *to = block_of(p, s->block);
	uint32_t at = placed(p, s->at);

	if (to)
		site_aim_at(p->rg, at, slow, p->rg->addr + to->entry,
			    &to->sites);
	else
		place_exit(p, at, p->base + s->place, slow);
}

static void place_sites(const struct placer *p)
{
	const struct saved_site *s = records(p, SAVED_SITES, 0);

	fetch_goals(p);
	for (uint32_t i = 0; i < p->ch->sites; i++)
		place_site(p, &s[i]);
}

static void place_caches(const struct placer *p)
{
	const struct saved_cache *from = records(p, SAVED_CACHES, 0);

	for (uint32_t i = 0; i < p->ch->caches; i++, from++) {
		struct branch_cache k = {
			.pc = p->base + from->place,
			.module = p->module,
			.value_at = placed(p, from->value_at),
			.else_at = placed(p, from->else_at),
			.then_at = placed(p, from->then_at),
			.generic = placed(p, from->generic),
			.miss = placed(p, from->miss),
			.quiet = from->quiet,
			.slow = from->slow,
			.learned = from->learned != SAVED_TO_LEARN,
		};

		if (from->learned == SAVED_LEARNED)
			k.target = p->base + from->target;
		indirect_place(p->c->sp, p->rg, &k, from->is_call);
	}
}

static void place_landings(const struct placer *p)
{
	const struct saved_landing *l = records(p, SAVED_LANDINGS, 0);

	for (uint32_t i = 0; i < p->ch->landings; i++, l++)
		landing_place(p->c, p->rg, block_of(p, l->block),
			      p->base + l->place, placed(p, l->at), l->plain);
}

/* Landings that lie elsewhere are made anew. */
static void land_elsewhere(const struct placer *p)
{
	const struct saved_block *from = p->from->parts[SAVED_BLOCKS];
	uint32_t n = p->from->head->n[SAVED_BLOCKS];

	for (uint32_t i = 0; i < n; i++) {
		struct block *b = from[i].lands ? block_of(p, i + 1) : NULL;

		if (b && from[i].lands & SAVED_MET)
			landing_met(p->c->sp, b);
	}
}

/* ... and found, which may take more landings of returns. */
static void find_elsewhere(const struct placer *p)
{
	const struct saved_block *from = p->from->parts[SAVED_BLOCKS];
	uint32_t n = p->from->head->n[SAVED_BLOCKS];

	for (uint32_t i = 0; i < n; i++) {
		struct block *b = from[i].lands ? block_of(p, i + 1) : NULL;

		if (b && from[i].lands & SAVED_RETURNS && !b->return_landing)
			compile_landing(p->c->sp, b, true);
		if (b && from[i].lands & SAVED_MET)
			compile_landing(p->c->sp, b, false);
	}
}

/* --- is there room? ------------------------------------------------------- */

/* Of a landing with its jump, apart. */
#define APART_BYTES 64
#define APART_MARKS 8
/* Behind all of it, for blocks that are translated. */
#define LEFT 131072u

static bool stream_takes(const struct stream *s, uint64_t bytes, uint64_t marks)
{
	return s->e.max - s->e.len > bytes + 63 + LEFT &&
	       s->max_marks - *s->n_marks > marks + LEFT;
}

/* Landings that the chain may get apart, once all blocks are there. */
static uint32_t most_apart(const struct placer *p)
{
	const struct saved_block *b = records(p, SAVED_BLOCKS, 0);
	uint32_t n = p->ch->landings;

	for (uint32_t i = 0; i < p->ch->blocks; i++)
		n += (unsigned)__builtin_popcount(b[i].lands);
	return n;
}

/* For the chain, and what those that are placed will get. */
static bool region_takes(struct placer *p)
{
	const struct saved_chain *ch = p->ch;
	const struct region *rg = p->rg;
	uint32_t apart = p->n_apart + most_apart(p);
	uint32_t stubs = p->n_stubs + ch->sites + 3 * ch->caches;

	if (!stream_takes(&rg->hot, ch->hot, ch->hot_marks) ||
	    !stream_takes(&rg->cold, ch->cold + (uint64_t)APART_BYTES * apart,
			  ch->cold_marks + (uint64_t)APART_MARKS * apart) ||
	    !region_has_stubs(rg, stubs + 4096) || rg->n_blocks > REF_MAX / 2 ||
	    rg->n_sites > REF_MAX / 2)
		return false;
	p->n_apart = apart;
	p->n_stubs = stubs;
	return true;
}

/* All operands, from anywhere in the region. */
static bool reaches(const struct region *rg, const struct saved_head *h,
		    uint64_t base)
{
	const int64_t most = INT32_MAX - 4096;
	int64_t lo = (int64_t)(base - rg->addr) + h->lo;
	int64_t hi = (int64_t)(base - rg->addr) + h->hi;

	return lo - (int64_t)rg->trail->layout.size > -most && hi < most;
}

/* It is likely to run, and stands on pages as they are in the file. */
static bool is_good(const struct placer *p)
{
	const struct saved_module *m = &p->c->sp->hints[p->module - 1].saved;
	const struct saved_block *b = records(p, SAVED_BLOCKS, 0);

	for (uint32_t i = 0; i < p->ch->blocks; i++) {
		uint64_t pc = p->base + b[i].place;

		if (saved_is_dirty(m, pc) ||
		    saved_is_dirty(m, pc + b[i].length - 1))
			return false;
	}
	return hints_want(p->c->sp, p->base + b->place);
}

#define NO_CHAIN UINT32_MAX

static void place_chains(struct placer *p)
{
	uint32_t n = p->from->head->n[SAVED_CHAINS];

	begin_chains(p);
	for (uint32_t i = 0; i < n; i++, next_chain(p)) {
		p->hot = NO_CHAIN;
		if (is_good(p) && region_takes(p)) {
			place_chain(p);
			p->n_placed += p->ch->blocks;
		}
		p->parts[i][0] = p->hot;
		p->parts[i][1] = p->cold;
	}
}

/* What belongs to chains and needs all blocks. */
static void tie_chains(struct placer *p)
{
	uint32_t n = p->from->head->n[SAVED_CHAINS];

	begin_chains(p);
	for (uint32_t i = 0; i < n; i++, next_chain(p)) {
		p->hot = p->parts[i][0];
		p->cold = p->parts[i][1];
		if (p->hot == NO_CHAIN)
			continue;
		prepare(p);
		place_sites(p);
		place_caches(p);
		place_landings(p);
	}
}

/* What was written before is settled: it is not there for a while. */
static void place_all(struct placer *p)
{
	struct space *sp = p->c->sp;
	uint32_t n_stubs;
	struct aside aside;

	blocks_settle(sp);
	n_stubs = p->rg->trail->n_stubs;
	if (p->apart)
		aside_begin(&aside, p->rg);
	place_chains(p);
	tie_chains(p);
	land_elsewhere(p);
	blocks_settle(sp);
	if (p->apart)
		aside_end(&aside);
	blocks_come(sp, p->rg, n_stubs);
}

/* There is room for all records at once. */
static void expect(struct placer *p)
{
	const struct saved_site *s = p->from->parts[SAVED_SITES];
	const uint32_t *n = p->from->head->n;
	struct compiler *c = p->c;
	size_t landings = c->n_landings + n[SAVED_LANDINGS], exits = 0;

	for (uint32_t i = 0; i < n[SAVED_SITES]; i++)
		exits += !s[i].block;
	map_reserve(&p->rg->exits, p->rg->exits.count + exits);
	region_expect(p->rg, n[SAVED_BLOCKS], n[SAVED_SITES]);
	GROW_TABLE(c->landings, landings, c->cap_landings, landings);
	p->parts = table_alloc(n[SAVED_CHAINS] * sizeof(*p->parts));
	p->blocks = table_alloc(n[SAVED_BLOCKS] * sizeof(*p->blocks));
}

uint32_t place_code(struct compiler *c, const struct saved *from,
		    uint32_t module)
{
	const uint32_t *n = from->head->n;
	struct placer p = {
		.c = c,
		.rg = c->w.rg,
		.from = from,
		.base = c->sp->modules[module - 1].base,
		.module = module,
		.apart = aside_pays(n[SAVED_CODE] +
				    n[SAVED_MARKS] * sizeof(struct mark)),
	};

	if (!reaches(p.rg, from->head, p.base))
		return 0;
	expect(&p);
	place_all(&p);
	compiler_publish(c);
	find_elsewhere(&p);
	table_free(p.parts, n[SAVED_CHAINS] * sizeof(*p.parts));
	table_free(p.blocks, n[SAVED_BLOCKS] * sizeof(*p.blocks));
	return p.n_placed;
}
