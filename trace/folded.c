/*
 * Folded stacks, as flamegraph.pl and speedscope read them: a line for each
 * context with a cost of its own,
 *
 *	main;work;fib 12345
 *
 * outermost first, in instructions. Stubs of the PLT are left out: their cost
 * is that of who called them.
 *
 * All is counted here, and so a program has contexts of some instructions each
 * by hundreds of thousands, which no viewer shows. What costs less than one
 * part in PARTS of all, with what it calls, is one frame in who called it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "trace/format.h"
#include "trace/names.h"
#include "trace/profile.h"

#define DEPTH_MAX 4096	/* frames of a line: what is deeper is cut off there */
#define PARTS	  20000 /* a screen is some thousand points wide */
#define REST	  "[less]"

struct folding {
	const struct profile *p;
	struct names names;
	uint32_t *name_of;   /* by function: as it is shown */
	uint32_t *alike;     /* by node, as the following: see find_alike() */
	uint64_t *own, *all; /* costs, of the first ones that look so */
	uint64_t *rest;	     /* of what is called there, and not shown */
	FILE *out;
};

static void *begin(struct story *r, const struct format_args *args,
		   struct err *e)
{
	(void)args;
	(void)e;
	return profile_new(r, PROFILE_TREE);
}

static bool is_shown(const struct profile *p, uint32_t node)
{
	return !(p->run->functions[p->nodes[node].function].flags &
		 (FUNCTION_PLT | FUNCTION_LINK));
}

/* Semicolons and line ends part frames and lines. A function that has no name
 * of its own has its module's with it. */
static void name_functions(struct folding *f)
{
	const struct story *s = f->p->run;
	struct buf name = { 0 };

	f->name_of = xcalloc(s->n_functions + 1, sizeof(*f->name_of));
	for (uint32_t i = 1; i <= s->n_functions; i++) {
		const struct story_function *of = &s->functions[i];
		const char *object = story_object_name(s, of->object), *p;

		buf_reset(&name);
		for (p = of->name; *p; p++)
			buf_putc(&name, *p == ';' || *p == '\n' ? ':' : *p);
		p = strrchr(object, '/');
		if (of->name[0] == '?' || of->name[0] == '0')
			buf_printf(&name, " (%s)", p ? p + 1 : object);
		f->name_of[i] = names_id(&f->names, buf_str(&name));
	}
	buf_fini(&name);
}

/* Contexts that look alike, without what is left out: of each node the first
 * one that does; of what is not shown, its caller's. A caller comes before what
 * it calls. */
static void find_alike(struct folding *f)
{
	const struct profile *p = f->p;
	struct map known = { 0 };

	f->alike = xcalloc(p->n_nodes + 1, sizeof(*f->alike));
	for (uint32_t i = 1; i <= p->n_nodes; i++) {
		uint32_t caller = f->alike[p->nodes[i].parent];
		uint64_t key = ((uint64_t)caller + 1) << 32 |
			       f->name_of[p->nodes[i].function];

		f->alike[i] = caller;
		if (!is_shown(p, i))
			continue;
		f->alike[i] = (uint32_t)(uintptr_t)map_find(&known, key);
		if (f->alike[i])
			continue;
		f->alike[i] = i;
		map_set(&known, key, (void *)(uintptr_t)i);
	}
	map_fini(&known);
}

static uint32_t caller_of(const struct folding *f, uint32_t node)
{
	return f->alike[f->p->nodes[node].parent];
}

static void add_costs(struct folding *f)
{
	const struct profile *p = f->p;

	f->own = xcalloc(p->n_nodes + 1, sizeof(*f->own));
	f->all = xcalloc(p->n_nodes + 1, sizeof(*f->all));
	f->rest = xcalloc(p->n_nodes + 1, sizeof(*f->rest));
	for (uint32_t i = 1; i <= p->n_nodes; i++)
		f->own[f->alike[i]] += p->nodes[i].cost;
	for (uint32_t i = p->n_nodes; i > 0; i--) {
		f->all[i] += f->own[i];
		if (f->alike[i] == i)
			f->all[caller_of(f, i)] += f->all[i];
	}
	f->all[0] += f->own[0];
}

/* --- lines ---------------------------------------------------------------- */

static void put_stack(struct folding *f, uint32_t node, const char *rest,
		      uint64_t cost)
{
	const struct profile *p = f->p;
	uint32_t path[DEPTH_MAX], n = 0;

	for (; node; node = caller_of(f, node))
		path[n++ % DEPTH_MAX] = node;
	/* With more of them the outermost are there. */
	for (uint32_t i = n, left = n < DEPTH_MAX ? n : DEPTH_MAX; left > 0;
	     left--) {
		uint32_t function = p->nodes[path[--i % DEPTH_MAX]].function;

		fputs(f->names.all[f->name_of[function]], f->out);
		if (left > 1 || rest)
			fputc(';', f->out);
	}
	fprintf(f->out, "%s %lu\n", rest ? rest : "", cost);
}

static void put_stacks(struct folding *f)
{
	const uint32_t n = f->p->n_nodes;
	uint64_t least = f->all[0] / PARTS;

	for (uint32_t i = 1; i <= n; i++) {
		if (f->alike[i] == i && f->all[i] < least &&
		    f->all[caller_of(f, i)] >= least)
			f->rest[caller_of(f, i)] += f->all[i];
	}
	if (f->rest[0])
		put_stack(f, 0, REST, f->rest[0]);
	for (uint32_t i = 1; i <= n; i++) {
		if (f->alike[i] != i || f->all[i] < least)
			continue;
		if (f->own[i])
			put_stack(f, i, NULL, f->own[i]);
		if (f->rest[i])
			put_stack(f, i, REST, f->rest[i]);
	}
}

static void write_folded(void *state, FILE *out)
{
	struct folding f = { .p = state, .out = out };

	profile_settle(state);
	name_functions(&f);
	find_alike(&f);
	add_costs(&f);
	put_stacks(&f);
	names_fini(&f.names);
	free(f.name_of);
	free(f.alike);
	free(f.own);
	free(f.all);
	free(f.rest);
}

static void free_folded(void *state)
{
	profile_free(state);
}

const struct format format_folded = {
	.name = "folded",
	.help = "folded stacks, for flamegraph.pl and speedscope",
	.begin = begin,
	.write = write_folded,
	.free = free_folded,
};
