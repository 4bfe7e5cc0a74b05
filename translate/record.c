/* Modules, and the blocks with what they recorded. */
#include "translate/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/block.h"
#include "translate/exclude.h"
#include "translate/flows.h"
#include "translate/folds.h"
#include "translate/hints.h"
#include "translate/layer.h"

/* --- modules ------------------------------------------------------------- */

static bool same_file(const struct map_range *a, const struct map_range *b)
{
	return a->inode == b->inode && !strcmp(a->name, b->name);
}

/* The module's lowest range: a file that is mapped twice begins twice. */
static const struct map_range *first_range(const struct maps *m,
					   const struct map_range *r)
{
	while (r > m->all && r->offset && same_file(r - 1, r) &&
	       r[-1].offset <= r->offset)
		r--;
	return r;
}

static uint64_t module_end(const struct maps *m, const struct map_range *r)
{
	const struct map_range *last = m->all + m->n - 1;

	while (r < last && same_file(r, r + 1) && r[1].offset >= r->offset &&
	       r[1].offset)
		r++;
	return r->hi;
}

static uint32_t module_add(struct space *sp, const struct translate_module *m)
{
	if (sp->n_modules == sp->cap_modules) {
		sp->cap_modules = sp->cap_modules ? 2 * sp->cap_modules : 16;
		sp->modules =
			xrealloc(sp->modules, sp->cap_modules * sizeof(*m));
		sp->hints = xrealloc(sp->hints,
				     sp->cap_modules * sizeof(*sp->hints));
	}
	sp->hints[sp->n_modules] = hints_open(sp, m->base);
	sp->modules[sp->n_modules] = *m;
	sp->modules[sp->n_modules].path = xstrdup(m->path);
	return ++sp->n_modules;
}

static uint32_t module_known(struct space *sp, const struct translate_module *m)
{
	for (uint32_t i = 0; i < sp->n_modules; i++) {
		struct translate_module *known = &sp->modules[i];

		if (known->base != m->base || strcmp(known->path, m->path))
			continue;
		if (known->size < m->size)
			known->size = m->size;
		return i + 1;
	}
	return module_add(sp, m);
}

uint32_t module_at(struct space *sp, uint64_t pc)
{
	struct map_range *r = (struct map_range *)space_find(sp, pc);
	const struct map_range *first;
	struct translate_module m;

	if (!r || !r->name[0])
		return 0;
	if (!r->module) {
		first = first_range(&sp->maps, r);
		m.path = r->name;
		m.base = first->lo;
		m.size = module_end(&sp->maps, r) - first->lo;
		m.offset = first->offset;
		m.excluded = exclude_module(sp->tr, r->name);
		r->module = module_known(sp, &m);
	}
	return r->module;
}

void modules_free(struct space *sp)
{
	for (uint32_t i = 0; i < sp->n_modules; i++) {
		free((char *)sp->modules[i].path);
		saved_free(&sp->hints[i].saved);
	}
	free(sp->modules);
	free(sp->hints);
}

void translate_modules_each(const struct space *sp, translate_module_fn *fn,
			    void *user)
{
	for (uint32_t i = 0; i < sp->n_modules; i++)
		fn(user, &sp->modules[i]);
}

/* --- blocks -------------------------------------------------------------- */

static uint64_t hits(const struct space *sp, const struct block *b)
{
	const uint8_t *at = sp->regions[b->region]->map + b->slot;
	uint64_t n = 0;

	if (b->slot && (sp->mode == MODE_COVERAGE || sp->mode == MODE_NONE))
		n = *at != 0;
	else if (b->slot)
		memcpy(&n, at, sizeof(n));
	return n;
}

void block_record(const struct space *sp, const struct block *b,
		  struct translate_block *out)
{
	*out = (struct translate_block){
		.pc = b->pc,
		.length = b->length,
		.instructions = b->instructions,
		.hits = hits(sp, b),
		.module = b->module ? &sp->modules[b->module - 1] : NULL,
	};
}

static void region_each(const struct space *sp, const struct region *rg,
			translate_block_fn *fn, void *user)
{
	struct translate_block out;

	for (uint32_t i = 1; i < rg->n_blocks; i++) {
		block_record(sp, &rg->blocks[i], &out);
		fn(user, &out);
	}
}

void translate_blocks_each(const struct space *sp, translate_block_fn *fn,
			   void *user)
{
	for (unsigned i = 0; i < sp->n_regions; i++) {
		if (!sp->ending || sp->ending == sp->regions[i])
			region_each(sp, sp->regions[i], fn, user);
	}
}

const struct space *translate_space(const struct process *p)
{
	return space_of(p);
}

enum trace_mode translate_mode(const struct space *sp)
{
	return sp->mode;
}

void translate_on_end(struct target *t, translate_end_fn *fn, void *user)
{
	translator_of(t)->on_end = fn;
	translator_of(t)->on_end_user = user;
}

void records_end(struct space *sp)
{
	struct translator *tr = sp->tr;

	for (unsigned i = 0; i < sp->n_regions; i++)
		region_tell_counters(tr, sp->regions[i]);
	for (unsigned i = 0; i < sp->n_regions; i++) {
		if (sp->flow && sp->keep == FLOW_CALLS)
			hops_tell_counts(sp, sp->regions[i]);
	}
	if (sp->flow && sp->keep == FLOW_CALLS) {
		consumer_lock(tr);
		folds_tell(sp);
		consumer_unlock(tr);
	}
	hints_learn(sp);
	if (tr->on_end && sp->pid)
		tr->on_end(tr->on_end_user, sp->pid, sp);
}
