/* Counters in translated code that rules have: what becomes of them. */
#include <string.h>

#include "base/mem.h"
#include "translate/layer.h"
#include "translate/cache.h"

uint32_t region_counter(struct region *rg, int id)
{
	uint32_t slot = region_data(rg, 16);

	memset(rg->map + slot, 0, 16);
	GROW(rg->counters, rg->n_counters, rg->cap_counters, 64);
	rg->counters[rg->n_counters++] =
		(struct counter){ .id = id, .slot = slot };
	return slot;
}

/* What the program has made of the counters is not trusted, but is all that
 * there is. */
void region_tell_counters(struct translator *tr, const struct region *rg)
{
	for (uint32_t i = 0; i < rg->n_counters; i++) {
		struct counter *c = &rg->counters[i];
		uint64_t now[2];

		memcpy(now, rg->map + c->slot, sizeof(now));
		if (tr->count_fn)
			tr->count_fn(tr->count_user, c->id, now[0] - c->told[0],
				     now[1] - c->told[1]);
		memcpy(c->told, now, sizeof(now));
	}
}

static void tell_space(const struct space *sp)
{
	for (unsigned i = 0; i < sp->n_regions; i++)
		region_tell_counters(sp->tr, sp->regions[i]);
}

void translate_counts(struct target *t)
{
	struct process *p;

	list_each(p, &t->processes, node) {
		if (space_of(p))
			tell_space(space_of(p));
	}
}

void translate_on_count(struct target *t, transform_count_fn *fn, void *user)
{
	translator_of(t)->count_fn = fn;
	translator_of(t)->count_user = user;
}
