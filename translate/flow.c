/*
 * Numbers, and what they stand for. A table's entries never move: others may
 * look at them while it grows.
 */
#include "translate/flows.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "translate/layer.h"
#include "translate/ring.h"
#include "translate/x86_64/watch.h"

#define CHUNK	   4096u
#define CHUNKS_MAX (FLOW_NUMBER / CHUNK)
#define ARENA	   65536u

struct item {
	struct flow_block b;
	uint32_t next; /* of the same begin */
	uint8_t edge;  /* 0: nobody has asked yet; 1: no; 2: it writes one */
};

struct flow_code {
	struct flow_ways *ways; /* flow-ways.c's */
	struct flow_hops *hops; /* flow-hops.c's; NULL: calls are not alone */
	uint32_t image;
	struct item **chunks;
	uint32_t n;	     /* numbers given, 0 included */
	struct map by_begin; /* + 1 -> number of the newest */
	struct map by_pc;    /* + 1 -> number of the address */
	struct map statics;  /* + 1 -> number of the block there */
	uint64_t **places;   /* chunks */
	uint32_t n_places;
	uint32_t n_told;      /* the first block that was not */
	pthread_mutex_t lock; /* of statics */
	uint8_t *arena;	      /* begins with the address of the one before */
	size_t used;
	struct translate_module **modules;
	uint32_t n_modules;
};

/* --- blocks --------------------------------------------------------------- */

static struct item *item_at(const struct flow_code *fc, uint32_t id)
{
	return &fc->chunks[id / CHUNK][id % CHUNK];
}

const struct flow_block *flow_block(const struct flow_code *fc, uint32_t id)
{
	uint32_t n = __atomic_load_n(&fc->n, __ATOMIC_ACQUIRE);

	return id && id < n ? &item_at(fc, id)->b : NULL;
}

void flow_tell_blocks(struct flow_code *fc, const struct flow_sink *sink,
		      const struct flow_who *who)
{
	uint32_t n = __atomic_load_n(&fc->n, __ATOMIC_ACQUIRE);

	for (; fc->n_told < n; fc->n_told++) {
		if (sink->block)
			sink->block(sink->user, who, fc->n_told,
				    &item_at(fc, fc->n_told)->b);
	}
}

void flow_untell_blocks(struct flow_code *fc)
{
	fc->n_told = 1;
}

static bool is_same(const struct flow_block *a, const struct flow_block *b)
{
	return a->bytes == b->bytes && a->instructions == b->instructions &&
	       a->native == b->native && a->end == b->end &&
	       !memcmp(a->code, b->code, a->bytes);
}

static const uint8_t *keep_code(struct flow_code *fc, const uint8_t *code,
				size_t n)
{
	uint8_t *at;

	if (!fc->arena || fc->used + n > ARENA) {
		at = xmalloc(ARENA);
		memcpy(at, &fc->arena, sizeof(fc->arena));
		fc->arena = at;
		fc->used = sizeof(fc->arena);
	}
	at = fc->arena + fc->used;
	memcpy(at, code, n);
	fc->used += n;
	return at;
}

/* The space's own move. */
const struct translate_module *
flow_module(struct flow_code *fc, const struct space *sp, uint32_t number)
{
	struct translate_module *m;

	if (!number)
		return NULL;
	if (number > fc->n_modules) {
		fc->modules =
			xrealloc(fc->modules, number * sizeof(*fc->modules));
		while (fc->n_modules < number)
			fc->modules[fc->n_modules++] = NULL;
	}
	m = fc->modules[number - 1];
	if (!m) {
		m = fc->modules[number - 1] = xmalloc(sizeof(*m));
		*m = sp->modules[number - 1];
	}
	return m;
}

static uint32_t item_add(struct space *sp, const struct flow_block *b,
			 uint32_t next)
{
	struct flow_code *fc = sp->flow;
	uint32_t id = fc->n;
	struct item *it;

	if (id / CHUNK >= CHUNKS_MAX)
		die("too many blocks");
	if (!fc->chunks[id / CHUNK])
		fc->chunks[id / CHUNK] = xcalloc(CHUNK, sizeof(struct item));
	it = item_at(fc, id);
	it->b = *b;
	it->b.code = keep_code(fc, b->code, b->bytes);
	it->b.module = flow_module(fc, sp, module_at(sp, b->begin));
	it->next = next;
	map_set(&fc->by_begin, b->begin + 1, (void *)(uintptr_t)id);
	__atomic_store_n(&fc->n, id + 1, __ATOMIC_RELEASE);
	return id;
}

uint32_t flow_number(struct space *sp, const struct flow_block *b)
{
	struct flow_code *fc = sp->flow;
	uint32_t first =
		(uint32_t)(uintptr_t)map_find(&fc->by_begin, b->begin + 1);

	for (uint32_t id = first; id; id = item_at(fc, id)->next) {
		if (is_same(&item_at(fc, id)->b, b))
			return id;
	}
	return item_add(sp, b, first);
}

/* --- where control goes --------------------------------------------------- */

uint32_t flow_static(struct flow_code *fc, uint64_t pc)
{
	uint32_t id;

	pthread_mutex_lock(&fc->lock);
	id = (uint32_t)(uintptr_t)map_find(&fc->statics, pc + 1);
	pthread_mutex_unlock(&fc->lock);
	return id;
}

bool flow_make_static(struct space *sp, uint32_t id)
{
	struct flow_code *fc = sp->flow;
	uint64_t pc = item_at(fc, id)->b.begin;
	uint32_t known = flow_static(fc, pc);

	pthread_mutex_lock(&fc->lock);
	if (!known)
		map_set(&fc->statics, pc + 1, (void *)(uintptr_t)id);
	pthread_mutex_unlock(&fc->lock);
	return !known || known == id;
}

uint64_t flow_next(const struct flow_block *b)
{
	switch ((enum flow_end)b->end) {
	case FLOW_CONDITIONAL:
		return b->turned ? b->target : b->begin + b->bytes;
	case FLOW_FALLS:
	case FLOW_SYSCALL:
		return b->begin + b->bytes;
	case FLOW_JUMP:
	case FLOW_CALL:
		return b->target;
	default:
		return 0;
	}
}

uint64_t flow_edge(const struct flow_block *b)
{
	return b->turned ? b->begin + b->bytes : b->target;
}

#define WALK_MAX 64

/*
 * A circle has a branch that goes back. Of those that do, each which might
 * close one writes a record: unless it leads to a record for certain, whatever
 * else is translated later.
 */
static bool leads_back(struct flow_code *fc, uint32_t id,
		       flow_foresee_fn *foresee, void *user)
{
	const struct item *it = item_at(fc, id);
	uint64_t pc = it->b.target;

	if (pc > it->b.last)
		return false;
	for (unsigned n = 0; n < WALK_MAX; n++) {
		uint32_t to = flow_static(fc, pc);

		if (!to)
			to = foresee(user, pc);
		if (!to || to == id)
			return true;
		it = item_at(fc, to);
		pc = it->edge == 2 ? 0 : flow_next(&it->b);
		if (!pc)
			return false;
	}
	return true;
}

bool flow_has_edge(struct space *sp, uint32_t id, flow_foresee_fn *foresee,
		   void *user)
{
	struct item *it = item_at(sp->flow, id);

	if (!it->edge)
		it->edge = leads_back(sp->flow, id, foresee, user) ? 2 : 1;
	return it->edge == 2;
}

/* --- addresses ------------------------------------------------------------ */

uint32_t flow_place(struct space *sp, uint64_t pc)
{
	struct flow_code *fc = sp->flow;
	uint32_t n = (uint32_t)(uintptr_t)map_find(&fc->by_pc, pc + 1);

	if (n)
		return n;
	n = fc->n_places;
	if (n / CHUNK >= CHUNKS_MAX)
		die("too many addresses");
	if (!fc->places[n / CHUNK])
		fc->places[n / CHUNK] = xcalloc(CHUNK, sizeof(**fc->places));
	fc->places[n / CHUNK][n % CHUNK] = pc;
	__atomic_store_n(&fc->n_places, n + 1, __ATOMIC_RELEASE);
	map_set(&fc->by_pc, pc + 1, (void *)(uintptr_t)n);
	return n;
}

uint64_t flow_address(const struct flow_code *fc, uint32_t number)
{
	uint32_t n = __atomic_load_n(&fc->n_places, __ATOMIC_ACQUIRE);

	return number < n ? fc->places[number / CHUNK][number % CHUNK] : 0;
}

/* --- whose code it is ----------------------------------------------------- */

static struct flow_owners *owners_of(struct region *rg, const struct stream *s)
{
	return &rg->owners[s == &rg->cold];
}

void flow_own(struct region *rg, const struct stream *s, uint32_t block,
	      enum flow_phase phase)
{
	struct flow_owners *o = owners_of(rg, s);
	struct flow_owner now = { stream_at(s), block, (uint8_t)phase };
	struct flow_owner *last = o->n ? &o->all[o->n - 1] : NULL;

	if (last && last->block == block && last->phase == phase)
		return;
	if (last && last->at == now.at) {
		*last = now;
		return;
	}
	GROW(o->all, o->n, o->cap, 4096);
	o->all[o->n++] = now;
}

void flow_own_stub(struct region *rg, uint32_t stub, uint32_t block)
{
	if (stub >= rg->cap_stub_blocks) {
		rg->cap_stub_blocks = 2 * stub + 1024;
		rg->stub_blocks = xrealloc(rg->stub_blocks,
					   rg->cap_stub_blocks * sizeof(block));
	}
	while (rg->n_stub_blocks <= stub)
		rg->stub_blocks[rg->n_stub_blocks++] = 0;
	rg->stub_blocks[stub] = block;
}

struct flow_owner flow_owner_at(const struct region *rg, uint32_t at)
{
	const struct flow_owners *o = &rg->owners[at >= rg->trail->layout.cold];
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (o->all[mid].at <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? o->all[lo - 1] : (struct flow_owner){ 0 };
}

uint32_t flow_owner_of_stub(const struct region *rg, uint32_t stub)
{
	return stub < rg->n_stub_blocks ? rg->stub_blocks[stub] : 0;
}

void flow_disown(struct region *rg, bool freed)
{
	rg->owners[0].n = rg->owners[1].n = 0;
	rg->n_stub_blocks = 0;
	if (!freed)
		return;
	free(rg->owners[0].all);
	free(rg->owners[1].all);
	free(rg->stub_blocks);
}

const struct flow_sink *flow_sink_of(const struct space *sp)
{
	static const struct flow_sink nobody;

	return sp->mode == MODE_FLOW ? &sp->tr->flow_sink : &nobody;
}

/* --- images --------------------------------------------------------------- */

int flow_begin(struct space *sp, struct err *e)
{
	static uint32_t last_image;
	struct flow_code *fc;

	sp->rings = space_map(sp, "tracestub-rings",
			      WINDOWS_MAX * flow_ring_size(sp), FLOW_CHUNK,
			      &sp->rings_addr, e);
	if (!sp->rings)
		return -ENOMEM;
	fc = xcalloc(1, sizeof(*fc));
	fc->image = ++last_image;
	fc->n = fc->n_places = 1;
	fc->chunks = xcalloc(CHUNKS_MAX, sizeof(*fc->chunks));
	fc->n_told = 1;
	fc->places = xcalloc(CHUNKS_MAX, sizeof(*fc->places));
	fc->places[0] = xcalloc(CHUNK, sizeof(**fc->places));
	/* Before the reading thread knows of it. */
	if (sp->keep == FLOW_CALLS)
		fc->hops = flow_hops_new(sp);
	pthread_mutex_init(&fc->lock, NULL);
	sp->flow = fc;
	watch_ends(sp, true);
	return 0;
}

static void tables_free(struct flow_code *fc)
{
	for (uint32_t i = 0; i * CHUNK < fc->n; i++)
		free(fc->chunks[i]);
	for (uint32_t i = 0; i < fc->n_modules; i++)
		free(fc->modules[i]);
	for (uint32_t i = 0; i * CHUNK < fc->n_places; i++)
		free(fc->places[i]);
	pthread_mutex_destroy(&fc->lock);
	free(fc->chunks);
	free(fc->modules);
	free(fc->places);
	map_fini(&fc->by_begin);
	map_fini(&fc->by_pc);
	map_fini(&fc->statics);
}

void flow_free(struct space *sp)
{
	struct flow_code *fc = sp->flow;
	const struct flow_sink *sink = flow_sink_of(sp);
	uint64_t size = WINDOWS_MAX * flow_ring_size(sp);
	uint8_t *before;

	if (!fc)
		return;
	consumer_lock(sp->tr);
	if (sink->image_end)
		sink->image_end(sink->user, fc->image);
	consumer_unlock(sp->tr);
	tables_free(fc);
	flow_ways_free(fc->ways);
	flow_hops_free(fc->hops);
	for (; fc->arena; fc->arena = before) {
		memcpy(&before, fc->arena, sizeof(before));
		free(fc->arena);
	}
	free(fc);
	munmap(sp->rings, size);
	sp->flow = NULL;
	sp->rings = NULL;
}

struct flow_ways **flow_ways_of(struct flow_code *fc)
{
	return &fc->ways;
}

struct flow_hops *flow_hops_of(const struct flow_code *fc)
{
	return fc->hops;
}

uint32_t flow_image(const struct flow_code *fc)
{
	return fc->image;
}
