/*
 * Calls alone: what hops are, and how a thread's log is read that has no more
 * than those (FLOW_CALLS). Tables grow by chunks that stay, since the reading
 * thread looks at them meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/flows.h"
#include "translate/folds.h"
#include "translate/layer.h"

#define CHUNK	   4096u
#define CHUNKS_MAX (FLOW_NUMBER / CHUNK)
#define RECENT	   4096u /* functions of addresses that were asked for */

struct hop_item {
	struct flow_hop hop;
	struct fold_hop fold;
};

struct flow_hops {
	struct hop_item **chunks;
	struct folds *folds;
	uint32_t n; /* numbers given, 0 included */
	uint32_t n_told;
	struct map by_key;
	struct recent {
		uint64_t pc;
		uint32_t function;
		unsigned flags;
	} recent[RECENT];
};

struct flow_hops *flow_hops_new(const struct space *sp)
{
	struct flow_hops *h = xcalloc(1, sizeof(*h));

	h->chunks = xcalloc(CHUNKS_MAX, sizeof(*h->chunks));
	h->n = h->n_told = 1;
	h->folds = folds_new(sp);
	return h;
}

void flow_hops_free(struct flow_hops *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i * CHUNK < h->n; i++)
		free(h->chunks[i]);
	free(h->chunks);
	map_fini(&h->by_key);
	folds_free(h->folds);
	free(h);
}

/* --- functions ------------------------------------------------------------ */

static void ask_function(struct space *sp, struct recent *out)
{
	const struct flow_sink *sink = flow_sink_of(sp);
	struct flow_who who = { .image = flow_image(sp->flow) };

	if (!sink->function)
		return;
	if (sp->by)
		who.id = sp->by->id;
	consumer_lock(sp->tr);
	out->function = sink->function(
		sink->user, &who, out->pc,
		flow_module(sp->flow, sp, module_at(sp, out->pc)), &out->flags);
	consumer_unlock(sp->tr);
}

static const struct recent *look_up(struct space *sp, uint64_t pc)
{
	struct recent *known =
		&flow_hops_of(sp->flow)->recent[pc * 0x9e3779b97f4a7c15u >> 52 &
						(RECENT - 1)];

	if (known->pc != pc) {
		*known = (struct recent){ .pc = pc };
		ask_function(sp, known);
	}
	return known;
}

uint32_t flow_function(struct space *sp, uint64_t pc)
{
	return look_up(sp, pc)->function;
}

unsigned flow_function_flags(struct space *sp, uint64_t pc)
{
	return look_up(sp, pc)->flags;
}

/* --- what hops are -------------------------------------------------------- */

static struct hop_item *item_at(const struct flow_hops *h, uint32_t id)
{
	return &h->chunks[id / CHUNK][id % CHUNK];
}

static struct flow_hop *hop_at(const struct flow_hops *h, uint32_t id)
{
	return &item_at(h, id)->hop;
}

static uint64_t key_of(const struct flow_block *b, enum flow_hop_kind kind,
		       uint64_t pc)
{
	bool falls = b && kind == HOP_JUMPS && pc != b->target;

	return (b ? b->last : pc) << 3 | falls << 2 | kind;
}

/* Those of one branch are one, whichever block of the function ends with it. */
static bool is_same(struct space *sp, const struct flow_hop *hop,
		    const struct flow_block *b, uint64_t pc)
{
	const struct flow_block *other = flow_block(sp->flow, hop->from);

	return hop->pc == pc && (!b || flow_function(sp, b->begin) ==
					       flow_function(sp, other->begin));
}

static uint32_t hop_add(struct space *sp, const struct flow_hop *hop)
{
	struct flow_hops *h = flow_hops_of(sp->flow);
	const struct fold_hop fold =
		fold_hop_of(sp, hop, flow_block(sp->flow, hop->from));
	uint32_t id = h->n;

	if (id / CHUNK >= CHUNKS_MAX)
		die("too many calls");
	if (!h->chunks[id / CHUNK])
		h->chunks[id / CHUNK] = xcalloc(CHUNK, sizeof(**h->chunks));
	*item_at(h, id) = (struct hop_item){ *hop, fold };
	__atomic_store_n(&h->n, id + 1, __ATOMIC_RELEASE);
	return id;
}

static uint32_t block_instructions(const struct flow_code *fc, uint32_t id)
{
	const struct flow_block *b = flow_block(fc, id);

	return b ? b->instructions : 0;
}

/* Up to and with the jump. */
static uint32_t through_instructions(struct flow_code *fc, uint32_t jump)
{
	return jump ? block_instructions(fc,
					 hop_at(flow_hops_of(fc), jump)->from)
		    : 0;
}

uint32_t flow_hop(struct space *sp, enum flow_hop_kind kind, uint32_t from,
		  uint64_t pc, uint32_t through)
{
	struct flow_hops *h = flow_hops_of(sp->flow);
	const struct flow_block *b = flow_block(sp->flow, from);
	uint64_t key = key_of(b, kind, pc) + 1;
	uint32_t id = (uint32_t)(uintptr_t)map_find(&h->by_key, key);

	if (id && is_same(sp, hop_at(h, id), b, pc))
		return id;
	id = hop_add(
		sp,
		&(struct flow_hop){
			.kind = (uint8_t)kind,
			.from = from,
			.pc = pc,
			.module = flow_module(sp->flow, sp, module_at(sp, pc)),
			.through = through,
			.instructions = through_instructions(sp->flow, through),
		});
	map_set(&h->by_key, key, (void *)(uintptr_t)id);
	return id;
}

uint32_t hops_through(const struct flow_code *fc, uint32_t id)
{
	return hop_at(flow_hops_of(fc), id)->through;
}

uint64_t flow_hop_pc(struct space *sp, uint32_t id)
{
	return hop_at(flow_hops_of(sp->flow), id)->pc;
}

bool flow_hop_is_regular(struct space *sp, uint32_t id, bool goes_on)
{
	const struct fold_hop *fold =
		&item_at(flow_hops_of(sp->flow), id)->fold;

	return fold->regular || (goes_on && fold->goes_on);
}

bool flow_hop_may_be(struct space *sp, uint32_t id)
{
	return item_at(flow_hops_of(sp->flow), id)->fold.may_be;
}

const struct flow_hop *flow_hop_find(struct flow_code *fc, uint32_t id,
				     struct fold_hop **fold)
{
	const struct flow_hops *h = flow_hops_of(fc);

	if (!id || id >= __atomic_load_n(&h->n, __ATOMIC_ACQUIRE))
		return NULL;
	*fold = &item_at(h, id)->fold;
	return hop_at(h, id);
}

struct folds **flow_folds_of(struct flow_code *fc)
{
	return &flow_hops_of(fc)->folds;
}

static void tell_hops(struct flow_code *fc, const struct flow_sink *sink,
		      const struct flow_who *who)
{
	struct flow_hops *h = flow_hops_of(fc);
	uint32_t n = __atomic_load_n(&h->n, __ATOMIC_ACQUIRE);

	flow_tell_blocks(fc, sink, who);
	for (; h->n_told < n; h->n_told++) {
		if (sink->hop)
			sink->hop(sink->user, who, h->n_told,
				  hop_at(h, h->n_told));
	}
}

/* --- reading -------------------------------------------------------------- */

void hops_read_done(struct flow_reader *r)
{
	uint32_t n = r->n_out;

	r->n_out = 0;
	if (!n)
		return;
	tell_hops(r->code, r->sink, &r->who);
	if (r->sink->events)
		r->sink->events(r->sink->user, &r->who, r->events, n);
}

static bool is_hop(uint32_t word, uint32_t n_hops)
{
	uint32_t number = word & FLOW_NUMBER, kind = word >> FLOW_KIND_SHIFT;

	return number && number < n_hops &&
	       (kind == HOP_PLAIN || kind == HOP_LEAF || kind == HOP_LONG);
}

/* The call has gone on by that jump, right behind it. */
static void jump_on(struct flow_reader *r, struct flow_event *out,
		    uint32_t jump)
{
	*out = (struct flow_event){
		.hop = jump,
		.now = r->count + through_instructions(r->code, jump),
	};
}

/* Records up to one that is none, or as many as events have room. Returns how
 * many words that are. */
static uint32_t read_some(struct flow_reader *r, const uint32_t *words,
			  uint32_t n, uint32_t n_hops)
{
	struct flow_event *out = r->events + r->n_out;
	const struct flow_event *end = r->events + FLOW_OUT - 1;
	uint64_t both[2] = { 0 };
	uint32_t i;

	for (i = 0; i < n && out < end; i += HOP_WORDS, out++) {
		uint32_t word, more;

		memcpy(both, words + i, sizeof(both));
		word = (uint32_t)both[1];
		more = both[1] >> 32;
		if (!is_hop(word, n_hops))
			break;
		r->count = both[0];
		folds_learn(r->code, word, more);
		out->hop = word & FLOW_NUMBER;
		out->from = more && flow_block(r->code, more) ? more : 0;
		out->leaf = word >> FLOW_KIND_SHIFT == HOP_LEAF;
		out->now = out->leaf ? more : both[0];
		if (!out->leaf && is_hop(more, n_hops)) {
			out->from = 0;
			jump_on(r, ++out, more & FLOW_NUMBER);
		}
	}
	if (i)
		r->how = FLOW_GOES_ON;
	r->n_out = (uint32_t)(out - r->events);
	return i;
}

uint32_t hops_read(struct flow_reader *r, const uint32_t *words, uint32_t n)
{
	uint32_t n_hops =
		__atomic_load_n(&flow_hops_of(r->code)->n, __ATOMIC_ACQUIRE);
	uint32_t i = 0, some;

	if (!r->events)
		r->events = xcalloc(FLOW_OUT, sizeof(*r->events));
	do {
		if (r->n_out >= FLOW_OUT - 1)
			hops_read_done(r);
		some = read_some(r, words + i, n - i, n_hops);
		i += some;
	} while (i < n && some);
	return i;
}

/* --- notes ---------------------------------------------------------------- */

static void arrive(struct flow_reader *r, uint32_t block)
{
	hops_read_done(r);
	tell_hops(r->code, r->sink, &r->who);
	if (r->sink->arrives)
		r->sink->arrives(r->sink->user, &r->who,
				 &(struct flow_arrival){
					 .how = r->how,
					 .from = r->from,
					 .block = block,
					 .now = r->count,
				 });
	r->how = FLOW_GOES_ON;
	r->from = 0;
}

static void count_once(struct flow_reader *r, uint32_t block)
{
	if (r->sink->count)
		r->sink->count(r->sink->user, r->who.image, block, 1);
}

static void leave(struct flow_reader *r, uint32_t block, uint32_t instructions)
{
	const struct flow_block *b = flow_block(r->code, block);

	r->from = block;
	r->how = FLOW_LEFT;
	if (instructions >= b->instructions)
		return;
	hops_read_done(r);
	tell_hops(r->code, r->sink, &r->who);
	r->how = instructions ? FLOW_CUT : FLOW_GOES_ON;
	if (r->sink->part)
		r->sink->part(r->sink->user, &r->who, block, instructions);
}

static void skip(struct flow_reader *r, uint64_t pc)
{
	hops_read_done(r);
	if (r->how != FLOW_UNKNOWN && r->sink->gap)
		r->sink->gap(r->sink->user, &r->who, pc);
	r->how = FLOW_UNKNOWN;
	r->from = 0;
}

void hops_read_note(struct flow_reader *r, const struct flow_note *note,
		    uint64_t count)
{
	r->count = count;
	switch (note->kind) {
	case NOTE_ENTERS:
		arrive(r, note->block);
		break;
	case NOTE_INSIDE:
		arrive(r, note->block);
		count_once(r, note->block);
		break;
	case NOTE_LEAVES:
		leave(r, note->block, note->instructions);
		break;
	case NOTE_LEAVES_AT:
		break;
	case NOTE_ENDS:
		r->how = note->block ? FLOW_JUMPED : FLOW_RETURNED;
		r->from = note->block;
		break;
	case NOTE_REACHES:
		r->is_told = true;
		break;
	case NOTE_NATIVE:
		arrive(r, note->block);
		count_once(r, note->block);
		r->how = FLOW_LEFT;
		r->from = note->block;
		break;
	case NOTE_SKIPS:
		skip(r, note->pc);
		break;
	}
}

void hops_read_end(struct flow_reader *r, uint64_t count)
{
	if (count > r->count)
		r->count = count;
	arrive(r, 0);
	free(r->events);
	r->events = NULL;
}

/* --- how often blocks ran ------------------------------------------------- */

static void tell_fold(const struct flow_sink *sink, uint32_t image,
		      const struct region *rg, const struct fold *f)
{
	uint64_t n[2];

	memcpy(n, rg->map + f->slot, sizeof(n));
	memset(rg->map + f->slot, 0, sizeof(n));
	if (n[1] && sink->folded)
		sink->folded(sink->user, image,
			     &(struct flow_fold){
				     .hop = f->hop,
				     .through = f->through,
				     .times = n[1],
				     .instructions = n[0],
			     });
}

uint32_t hops_fold(struct region *rg, uint32_t hop, bool through)
{
	uint32_t slot = region_data(rg, 16);

	memset(rg->map + slot, 0, 16);
	GROW(rg->folds, rg->n_folds, rg->cap_folds, 256);
	rg->folds[rg->n_folds++] = (struct fold){ hop, slot, through };
	return slot;
}

void hops_tell_counts(struct space *sp, const struct region *rg)
{
	const struct flow_sink *sink = flow_sink_of(sp);
	struct flow_who who = { .image = flow_image(sp->flow) };
	uint64_t times;

	consumer_lock(sp->tr);
	tell_hops(sp->flow, sink, &who);
	for (uint32_t i = 0; i < rg->n_folds; i++)
		tell_fold(sink, who.image, rg, &rg->folds[i]);
	for (uint32_t i = 1; i < rg->n_blocks; i++) {
		const struct block *b = &rg->blocks[i];

		if (!b->slot || !b->flow)
			continue;
		memcpy(&times, rg->map + b->slot, sizeof(times));
		memset(rg->map + b->slot, 0, sizeof(times));
		if (times && sink->count)
			sink->count(sink->user, who.image, b->flow, times);
	}
	consumer_unlock(sp->tr);
}
