/*
 * Regions: where they lie, how their memory is shared out to streams, stubs and
 * data, and the clusters of code that they serve.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "translate/cache.h"
#include "translate/flows.h"
#include "translate/inject.h"
#include "translate/layer.h"
#include "translate/trail.h"
#include "translate/x86_64/emit.h"

/*
 * More than any block takes, with all that belongs to it: 128 instructions of
 * 15 bytes, each with an event and an operand that is replaced, all their bytes
 * compared, and what a transformer puts, with 4096 bytes of conditions, and as
 * many of what is collected and of a breakpoint's. Behind that, stubs for what
 * is learned, dropped and landed on later.
 */
#define HOT_ROOM   53248u
#define COLD_ROOM  4096u
#define STUBS_ROOM 768u
#ifdef HOSTILE
#define STUBS_KEPT 0u
#else
#define STUBS_KEPT 512u
#endif
#define DATA_ROOM 1536u

/* --- layout -------------------------------------------------------------- */

#define REGION_LEAST (256u << 10)
#define SHARES	     16 /* a cache has so many regions, or fewer */

static uint32_t part(uint32_t size, unsigned sixteenths)
{
	return size / 16 * sixteenths & -(uint32_t)4096;
}

void space_lay_out(struct space *sp, uint64_t bytes)
{
	uint32_t size = (uint32_t)(bytes / SHARES) & -REGION_LEAST;

	if (size < REGION_LEAST)
		size = REGION_LEAST;
	sp->max_regions = (unsigned)(bytes / size);
	sp->layout = (struct layout){
		.cold = part(size, 6),
		.stubs = part(size, 6) + part(size, 4),
		.data = part(size, 15),
		.size = size,
	};
}

static void stream_init(struct stream *s, struct region *rg, bool cold)
{
	struct trail *tl = rg->trail;
	const struct layout *l = &tl->layout;
	uint32_t start = cold ? l->cold : 0;

	*s = (struct stream){
		.marks = cold ? tl->cold : tl->hot,
		.n_marks = cold ? &tl->n_cold : &tl->n_hot,
		.max_marks = layout_marks_max(l),
		.e = { .code = rg->map + start,
		       .max = cold ? l->stubs - l->cold : l->cold,
		       .base = rg->addr + start,
		       .mode = X86_MODE_64 },
		.start = start,
	};
	*s->n_marks = 0;
}

/* Calls that threads are made to make. */
static void provide_calls(struct space *sp, struct region *rg)
{
	const struct target_inject_ops *inject = sp->tr->lower->ops->inject;

	memcpy(rg->map + sp->layout.cold + STOP_BYTES, inject->call_code,
	       CALL_CODE_BYTES);
	inject->call_at(sp->tr->lower, sp->by->proc,
			rg->addr + sp->layout.cold + STOP_BYTES);
}

void region_reset(struct space *sp, struct region *rg)
{
	if (sp->flow && sp->keep == FLOW_CALLS)
		hops_tell_counts(sp, rg);
	rg->trail->n_stubs = 0;
	rg->stub_code_ready = 0;
	stream_init(&rg->hot, rg, false);
	stream_init(&rg->cold, rg, true);
	map_fini(&rg->exits);
	rg->n_blocks = rg->n_published = rg->n_sites = 1;
	rg->n_caches = rg->n_events = 1;
	if (rg->n_counters)
		region_tell_counters(sp->tr, rg);
	chains_reset(rg);
	rg->n_callouts = rg->n_faults = rg->n_counters = rg->n_folds = 0;
	flow_disown(rg, false);
	rg->worn = false;
	rg->born = 0;
	rg->data_used = 16;
	rg->map[layout_never(&rg->trail->layout)] = 0;
	rg->map[layout_always(&rg->trail->layout)] = 1;
	emit_stop(rg->map + sp->layout.cold, sp->only_traps);
	rg->cold.e.len = STOP_BYTES + CALL_CODE_BYTES;
	emit_routines(rg);
}

/* --- mapping ------------------------------------------------------------- */

/* At rg->addr. -EEXIST: something else is there. */
static int map_there(struct space *sp, struct region *rg, int remote,
		     struct err *e)
{
	const int fixed = MAP_SHARED | MAP_FIXED_NOREPLACE;
	const struct layout *l = &sp->layout;
	int64_t code, data;

	code = inject_mmap(sp, rg->addr, l->data, PROT_READ | PROT_EXEC, fixed,
			   remote, 0);
	if (inject_failed(code))
		return err_set(e, (int)code,
			       "the program cannot map a code cache at %#lx",
			       rg->addr);
	data = inject_mmap(sp, rg->addr + l->data, l->size - l->data,
			   PROT_READ | PROT_WRITE, fixed, remote, l->data);
	if (!inject_failed(data)) {
		/* The first is so with the tables. */
		if (sp->tables)
			inject_withhold(sp, rg->addr, l->size);
		return 0;
	}
	inject_munmap(sp, rg->addr, l->data);
	return err_set(e, (int)data,
		       "the program cannot map data of a cache at %#lx",
		       rg->addr);
}

/* Is the place another region's? The kernel tells of all others. */
static bool is_taken(const struct space *sp, uint64_t addr)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		if (sp->regions[i]->addr == addr)
			return true;
	}
	return false;
}

/* Somewhere in the cluster. */
static int map_in(struct space *sp, struct region *rg, struct err *e)
{
	const struct cluster *c = &sp->clusters[rg->cluster];
	int remote, r = -EEXIST;
	uint64_t addr = c->addr;

	rg->map =
		inject_share(sp, "tracestub-code", sp->layout.size, &remote, e);
	if (!rg->map)
		return -ENOMEM;
	for (unsigned i = 0; i < sp->max_regions && r == -EEXIST; i++) {
		if (!is_taken(sp, addr)) {
			rg->addr = addr;
			r = map_there(sp, rg, remote, e);
		}
		addr += sp->layout.size;
	}
	inject_call(sp, SYS_close, (uint64_t[6]){ (uint64_t)remote });
	if (r < 0)
		munmap(rg->map, sp->layout.size);
	return r;
}

/* --- clusters ------------------------------------------------------------ */

/* As near as one that is made for the pc is. */
unsigned space_cluster(const struct space *sp, uint64_t pc)
{
	unsigned i;

	pc &= -(uint64_t)4096; /* all of a page goes to one */
	for (i = 0; i < sp->n_clusters; i++) {
		uint64_t at = sp->clusters[i].addr;

		if ((at < pc ? pc - at : at - pc) <= MAPS_REACH)
			return i;
	}
	return CLUSTERS_MAX;
}

static uint64_t cluster_place(struct space *sp, uint64_t pc)
{
	/* The heap grows unseen. */
	space_look(sp);
	return maps_place(&sp->maps, pc & -(uint64_t)4096,
			  (uint64_t)sp->layout.size * sp->max_regions);
}

static unsigned cluster_new(struct space *sp, uint64_t pc, struct err *e)
{
	uint64_t addr =
		sp->n_clusters < CLUSTERS_MAX ? cluster_place(sp, pc) : 0;

	if (addr) {
		sp->clusters[sp->n_clusters] = (struct cluster){ addr, NULL };
		return sp->n_clusters++;
	}
	err_set(e, -ENOMEM, "no room for a code cache near %#lx", pc);
	return CLUSTERS_MAX;
}

bool space_can_serve(struct space *sp, uint64_t pc)
{
	return space_cluster(sp, pc) < CLUSTERS_MAX ||
	       cluster_new(sp, pc, NULL) < CLUSTERS_MAX;
}

/* --- regions ------------------------------------------------------------- */

static struct region *region_new(struct space *sp, unsigned cluster,
				 struct err *e)
{
	struct region *rg = xcalloc(1, sizeof(*rg));
	int r;

	rg->stats = &sp->tr->stats;
	rg->cluster = cluster;
	r = map_in(sp, rg, e);
	if (r < 0) {
		/* A filter of system calls does not change its mind. */
		sp->sealed = r != -EEXIST;
		free(rg);
		return NULL;
	}
	rg->index = sp->n_regions;
	trail_add(sp, rg);
	sp->regions[sp->n_regions++] = rg;
	space_grown(sp);
	sp->tr->stats.regions++;
	region_reset(sp, rg);
	provide_calls(sp, rg);
	return rg;
}

static struct region *region_empty(const struct space *sp, unsigned cluster)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		struct region *rg = sp->regions[i];

		if (rg->cluster == cluster && !rg->born)
			return rg;
	}
	return NULL;
}

/* With another region, if there is one or may be one. */
static struct region *cluster_fill(struct space *sp, unsigned cluster,
				   struct err *e)
{
	struct cluster *c = &sp->clusters[cluster];
	struct region *rg = region_empty(sp, cluster);

	if (!rg && !sp->sealed && sp->n_regions < sp->max_regions)
		rg = region_new(sp, cluster, e);
	else if (!rg && !c->filling)
		err_set(e, -ENOMEM, "the code cache is full");
	if (rg) {
		rg->born = ++sp->last_born;
		c->filling = rg;
	}
	return c->filling;
}

struct region *space_region(struct space *sp, uint64_t pc, struct err *e)
{
	unsigned n = space_cluster(sp, pc);
	struct region *rg = n < CLUSTERS_MAX ? sp->clusters[n].filling : NULL;

	if (rg && region_has_room(rg))
		return rg;
	if (n == CLUSTERS_MAX)
		n = cluster_new(sp, pc, e);
	if (n == CLUSTERS_MAX)
		return NULL;
	return cluster_fill(sp, n, e);
}

int region_move(struct space *sp, struct region *rg, unsigned cluster)
{
	struct region was = *rg;
	int r;

	rg->cluster = cluster;
	r = map_in(sp, rg, NULL);
	if (r < 0) {
		*rg = was;
		return r;
	}
	munmap(was.map, sp->layout.size);
	inject_munmap(sp, was.addr, sp->layout.size);
	space_remapped(sp);
	rg->trail->addr = rg->addr;
	region_reset(sp, rg);
	provide_calls(sp, rg);
	if (sp->clusters[was.cluster].filling == rg)
		sp->clusters[was.cluster].filling = NULL;
	return 0;
}

void region_free(struct region *rg)
{
	munmap(rg->map, rg->trail->layout.size);
	map_fini(&rg->exits);
	table_free(rg->blocks, rg->cap_blocks * sizeof(*rg->blocks));
	table_free(rg->sites, rg->cap_sites * sizeof(*rg->sites));
	free(rg->caches);
	free(rg->chains);
	free(rg->relocs);
	free(rg->events);
	free(rg->callouts);
	flow_disown(rg, true);
	free(rg->faults);
	free(rg->counters);
	free(rg->folds);
	free(rg);
}

struct region *space_region_at(const struct space *sp, uint64_t cpc)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		if (cpc - sp->regions[i]->addr < sp->layout.data)
			return sp->regions[i];
	}
	return NULL;
}

/* --- room ---------------------------------------------------------------- */

bool region_has_stubs(const struct region *rg, uint32_t n)
{
	const struct trail *tl = rg->trail;

	return layout_stubs_max(&tl->layout) >= tl->n_stubs + rg->n_aims + n;
}

static void stream_prepare(struct stream *s)
{
	pages_ahead(s->e.code, s->e.max, s->e.len, &s->code_ready);
	pages_ahead(s->marks, s->max_marks * sizeof(*s->marks),
		    *s->n_marks * sizeof(*s->marks), &s->marks_ready);
}

void region_prepare_stubs(struct region *rg)
{
	const struct trail *tl = rg->trail;

	pages_ahead(tl->stubs,
		    layout_stubs_max(&tl->layout) * sizeof(*tl->stubs),
		    tl->n_stubs * sizeof(*tl->stubs), &rg->stubs_ready);
}

void region_prepare(struct region *rg)
{
	const struct trail *tl = rg->trail;
	const struct layout *l = &tl->layout;

	stream_prepare(&rg->hot);
	stream_prepare(&rg->cold);
	region_prepare_stubs(rg);
	pages_ahead(rg->map + l->stubs, l->data - l->stubs,
		    tl->n_stubs * STUB_BYTES, &rg->stub_code_ready);
	pages_ahead(rg->blocks, rg->cap_blocks * sizeof(*rg->blocks),
		    rg->n_blocks * sizeof(*rg->blocks), &rg->blocks_ready);
	pages_ahead(rg->sites, rg->cap_sites * sizeof(*rg->sites),
		    rg->n_sites * sizeof(*rg->sites), &rg->sites_ready);
}

void region_expect(struct region *rg, uint32_t blocks, uint32_t sites)
{
	blocks += rg->n_blocks;
	sites += rg->n_sites;
	GROW_TABLE(rg->blocks, blocks, rg->cap_blocks, blocks);
	GROW_TABLE(rg->sites, sites, rg->cap_sites, sites);
}

/* Code has a mark in every three bytes, or fewer. */
static bool stream_has_room(const struct stream *s, uint32_t bytes)
{
	return s->e.max - s->e.len >= bytes &&
	       s->max_marks - *s->n_marks >= bytes / 3;
}

bool region_has_room(const struct region *rg)
{
	const struct layout *l = &rg->trail->layout;

	return stream_has_room(&rg->hot, HOT_ROOM) &&
	       stream_has_room(&rg->cold, COLD_ROOM) &&
	       region_has_stubs(rg, STUBS_ROOM + STUBS_KEPT) &&
	       l->size - l->data - rg->data_used >= DATA_ROOM &&
	       rg->n_sites < REF_MAX - STUBS_ROOM &&
	       rg->n_blocks < REF_MAX - 1 && rg->n_events < REF_MAX - 512;
}

bool region_has_cold(const struct region *rg)
{
	return stream_has_room(&rg->cold, COLD_LEAST) &&
	       region_has_stubs(rg, 4) && rg->n_sites < REF_MAX - 4;
}

uint32_t region_data(struct region *rg, unsigned size)
{
	const struct layout *l = &rg->trail->layout;
	uint32_t at = l->data + rg->data_used;

	size = (size + 7) & ~7u;
	assert(size <= l->size - at);
	rg->data_used += size;
	memset(rg->map + at, 0, size);
	return at;
}

/* --- stubs and marks ----------------------------------------------------- */

uint32_t region_stub(struct region *rg, const struct stub *stub)
{
	struct trail *tl = rg->trail;
	uint32_t at = tl->layout.stubs + tl->n_stubs * STUB_BYTES;

	assert(region_has_stubs(rg, 1));
	tl->stubs[tl->n_stubs] = *stub;
	__atomic_store_n(&tl->n_stubs, tl->n_stubs + 1, __ATOMIC_RELEASE);
	emit_stub(rg, tl->n_stubs - 1, at);
	rg->stats->stub_bytes += STUB_BYTES;
	return at;
}

uint32_t region_exit(struct region *rg, uint64_t pc, enum slow_kind slow)
{
	uint32_t first = (uint32_t)(uintptr_t)map_find(&rg->exits, pc + 1);
	struct trail *tl = rg->trail;
	struct stub *last = NULL;
	struct stub stub = {
		.pc = pc,
		.kind = STUB_EXIT,
		.slow = (uint8_t)slow,
	};
	uint32_t at;

	for (uint32_t n = first; n; n = last->arg) {
		last = &tl->stubs[n - 1];
		if (last->slow == slow)
			return tl->layout.stubs + (n - 1) * STUB_BYTES;
	}
	if (!region_has_stubs(rg, 1))
		return 0;
	at = region_stub(rg, &stub);
	if (last)
		last->arg = tl->n_stubs;
	else
		map_set(&rg->exits, pc + 1, (void *)(uintptr_t)tl->n_stubs);
	return at;
}
