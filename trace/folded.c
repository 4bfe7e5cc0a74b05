/*
 * Folded stacks, as flamegraph.pl and speedscope read them: a line for each
 * context with a cost of its own,
 *
 *	main;work;fib 12345
 *
 * outermost first, in instructions. Stubs of the PLT are left out: their cost
 * is that of who called them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/profile.h"

#define DEPTH_MAX 4096 /* frames of a line: what is deeper is cut off there */

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

/* Contexts that look alike without what is left out: of each node the first
 * one that does; of what is not shown, its caller's. */
static uint32_t *find_alike(const struct profile *p)
{
	uint32_t *alike = xcalloc(p->n_nodes + 1, sizeof(*alike));
	struct map known = { 0 };

	for (uint32_t i = 1; i <= p->n_nodes; i++) {
		uint32_t caller = alike[p->nodes[i].parent];
		uint64_t key =
			((uint64_t)caller + 1) << 32 | p->nodes[i].function;

		alike[i] = caller;
		if (!is_shown(p, i))
			continue;
		alike[i] = (uint32_t)(uintptr_t)map_find(&known, key);
		if (alike[i])
			continue;
		alike[i] = i;
		map_set(&known, key, (void *)(uintptr_t)i);
	}
	map_fini(&known);
	return alike;
}

/* Semicolons and line ends part frames and lines. */
static void put_name(const struct story *r, uint32_t function, FILE *out)
{
	const struct story_function *f = &r->functions[function];
	const char *object = story_object_name(r, f->object), *p;

	for (p = f->name; *p; p++)
		fputc(*p == ';' || *p == '\n' ? ':' : *p, out);
	if (f->name[0] != '?' && f->name[0] != '0')
		return;
	/* No name of its own: where it is says something. */
	p = strrchr(object, '/');
	fprintf(out, " (%s)", p ? p + 1 : object);
}

static void put_stack(const struct profile *p, uint32_t node, FILE *out)
{
	uint32_t path[DEPTH_MAX], n = 0;

	for (; node; node = p->nodes[node].parent) {
		if (is_shown(p, node))
			path[n++ % DEPTH_MAX] = node;
	}
	/* With more of them the outermost are there. */
	for (uint32_t i = n, left = n < DEPTH_MAX ? n : DEPTH_MAX; left > 0;
	     left--) {
		put_name(p->run, p->nodes[path[--i % DEPTH_MAX]].function, out);
		if (left > 1)
			fputc(';', out);
	}
}

static void write_folded(void *state, FILE *out)
{
	struct profile *p = state;
	uint64_t *costs = xcalloc(p->n_nodes + 1, sizeof(*costs));
	uint32_t *alike;

	profile_settle(p);
	alike = find_alike(p);
	for (uint32_t i = 1; i <= p->n_nodes; i++)
		costs[alike[i]] += p->nodes[i].cost;
	for (uint32_t i = 1; i <= p->n_nodes; i++) {
		if (!costs[i])
			continue;
		put_stack(p, i, out);
		fprintf(out, " %lu\n", costs[i]);
	}
	free(costs);
	free(alike);
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
