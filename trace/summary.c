#include "trace/summary.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/symbols.h"

/* While it is made: where each function of the story, and each module, is. */
struct making {
	struct summary *s;
	struct profile *p;
	struct story *story;
	uint32_t *of_function, *of_object; /* index + 1; 0: it is not wanted */
	uint32_t cap_functions;
};

/* --- functions and modules ------------------------------------------------ */

static uint32_t add_function(struct making *m, const struct summary_function *f)
{
	struct summary *s = m->s;

	GROW(s->functions, s->n_functions, m->cap_functions, 256);
	s->functions[s->n_functions] = *f;
	return ++s->n_functions;
}

static void add_module(struct making *m, uint32_t object)
{
	struct summary *s = m->s;

	s->modules =
		xrealloc(s->modules, (s->n_modules + 1) * sizeof(*s->modules));
	s->modules[s->n_modules] = (struct summary_module){ .object = object };
	m->of_object[object] = ++s->n_modules;
}

/* Functions of its symbols, and where the story's own are among them. */
static void add_symbols(struct making *m, uint32_t object)
{
	const struct story_object *o = &m->story->objects[object];
	size_t n = o->symbols ? symbols_count(o->symbols) : 0;

	for (size_t i = 0; i < n; i++) {
		const struct symbol *sym = symbols_at(o->symbols, i);
		uint32_t function = o->functions ? o->functions[i] : 0, index;

		if (sym->flags || symbols_find(o->symbols, sym->begin) != sym)
			continue; /* a stub, or a part of another one */
		index = add_function(
			m, &(struct summary_function){
				   .name = symbols_name(o->symbols, sym),
				   .object = object,
				   .begin = ((uint64_t)object << PLACE_SHIFT) +
					    sym->begin,
				   .size = sym->end - sym->begin,
			   });
		if (function)
			m->of_function[function] = index;
	}
}

/* What the story has beside: stubs, and code without a symbol. */
static void add_others(struct making *m)
{
	for (uint32_t i = 1; i <= m->story->n_functions; i++) {
		const struct story_function *f = &m->story->functions[i];

		if (!m->of_function[i] && m->of_object[f->object])
			m->of_function[i] =
				add_function(m, &(struct summary_function){
							.name = f->name,
							.object = f->object,
						});
	}
}

static struct summary_function *function_of(struct making *m, uint32_t function)
{
	uint32_t index = m->of_function[function];

	return index ? &m->s->functions[index - 1] : NULL;
}

/* --- costs ---------------------------------------------------------------- */

static void add_costs(struct making *m)
{
	uint64_t *costs = profile_costs(m->p);
	struct summary_function *f;

	for (uint32_t i = 1; i <= m->story->n_blocks; i++) {
		m->s->instructions += costs[i];
		m->s->executions += profile_count(m->p, i);
		m->s->blocks += profile_count(m->p, i) != 0;
		f = function_of(m, m->story->blocks[i].function);
		if (f)
			f->cost += costs[i];
	}
	free(costs);
	for (uint32_t i = 1; i <= m->p->n_calls; i++) {
		f = function_of(m, m->p->calls[i].function);
		if (f)
			f->calls += m->p->calls[i].count;
	}
}

static bool is_recursive(const struct profile *p, uint32_t node)
{
	uint32_t i = p->nodes[node].parent;

	for (; i; i = p->nodes[i].parent) {
		if (p->nodes[i].function == p->nodes[node].function)
			return true;
	}
	return false;
}

/* Of each context that is not within one of the same function. */
static void add_inclusive(struct making *m)
{
	const struct profile *p = m->p;
	uint64_t *all = xcalloc(p->n_nodes + 1, sizeof(*all));
	struct summary_function *f;

	for (uint32_t i = p->n_nodes; i > 0; i--) {
		all[i] += p->nodes[i].cost;
		all[p->nodes[i].parent] += all[i];
		f = function_of(m, p->nodes[i].function);
		if (f && !is_recursive(p, i))
			f->all += all[i];
	}
	free(all);
}

/* --- coverage ------------------------------------------------------------- */

struct range {
	uint64_t begin, end;
	uint32_t function;
};

static int by_place(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Blocks overlap where one begins in the middle of another. */
static void add_covered(struct making *m)
{
	struct range *all = xcalloc(m->story->n_blocks + 1, sizeof(*all));
	uint64_t end = 0;
	size_t n = 0;

	for (uint32_t i = 1; i <= m->story->n_blocks; i++) {
		const struct story_block *b = &m->story->blocks[i];

		if (profile_count(m->p, i))
			all[n++] =
				(struct range){ b->begin, b->begin + b->bytes,
						b->function };
	}
	qsort(all, n, sizeof(*all), by_place);
	for (size_t i = 0; i < n; i++) {
		struct summary_function *f = function_of(m, all[i].function);
		uint64_t from = all[i].begin;

		if (!i || all[i].function != all[i - 1].function)
			end = 0;
		if (from < end)
			from = end;
		if (f && all[i].end > from)
			f->covered += all[i].end - from;
		if (all[i].end > end)
			end = all[i].end;
	}
	free(all);
}

static void add_modules(struct making *m)
{
	for (uint32_t i = 0; i < m->s->n_functions; i++) {
		const struct summary_function *f = &m->s->functions[i];
		struct summary_module *mod =
			&m->s->modules[m->of_object[f->object] - 1];

		mod->cost += f->cost;
		mod->size += f->size;
		mod->covered += f->covered < f->size ? f->covered : f->size;
		mod->functions += f->size != 0;
		mod->executed += f->size && f->covered;
	}
}

void summary_make(struct summary *s, struct profile *p,
		  const struct globs *globs)
{
	struct making m = { .s = s, .p = p, .story = p->run };
	uint32_t n = p->run->n_objects;

	*s = (struct summary){ 0 };
	profile_settle(p);
	m.of_object = xcalloc(n + 1, sizeof(*m.of_object));
	m.of_function =
		xcalloc(p->run->n_functions + 1, sizeof(*m.of_function));
	for (uint32_t i = 0; i <= n; i++) {
		if (!globs || globs_want(globs, p->run->objects[i].path))
			add_module(&m, i);
		if (i && m.of_object[i])
			add_symbols(&m, i);
	}
	add_others(&m);
	add_costs(&m);
	add_inclusive(&m);
	add_covered(&m);
	add_modules(&m);
	free(m.of_object);
	free(m.of_function);
}

void summary_fini(struct summary *s)
{
	free(s->functions);
	free(s->modules);
}
