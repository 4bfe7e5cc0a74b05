#include "trace/compare.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "trace/names.h"
#include "trace/summary.h"
#include "trace/where.h"

/* Of one function in both runs. */
struct pair {
	const char *name; /* function and module */
	uint64_t calls[2], cost[2];
};

struct comparison {
	struct names names;
	struct pair *all; /* by number of the name */
	uint32_t cap;
	uint64_t cost[2];
};

static struct pair *pair_at(struct comparison *c, const char *name)
{
	uint32_t i = names_id(&c->names, name), cap = c->cap;

	if (i >= cap) {
		c->cap = 2 * i + 256;
		c->all = xrealloc(c->all, c->cap * sizeof(*c->all));
		for (; cap < c->cap; cap++)
			c->all[cap] = (struct pair){ 0 };
	}
	c->all[i].name = c->names.all[i];
	return &c->all[i];
}

static void take(struct comparison *c, int side, struct profile *p,
		 const struct globs *globs)
{
	struct summary s;

	summary_make(&s, p, globs);
	c->cost[side] = s.instructions;
	for (uint32_t i = 0; i < s.n_functions; i++) {
		const struct summary_function *f = &s.functions[i];
		const char *object = story_object_name(p->run, f->object);
		char *name;
		struct pair *pair;

		if (!f->calls && !f->cost)
			continue;
		name = xasprintf("%s (%s)", f->name, path_name(object));
		pair = pair_at(c, name);
		pair->calls[side] += f->calls;
		pair->cost[side] += f->cost;
		free(name);
	}
	summary_fini(&s);
}

static uint64_t difference(const struct pair *p)
{
	return p->cost[0] > p->cost[1] ? p->cost[0] - p->cost[1]
				       : p->cost[1] - p->cost[0];
}

static bool is_different(const struct pair *p)
{
	return p->calls[0] != p->calls[1] || p->cost[0] != p->cost[1];
}

static int by_difference(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	uint64_t dx = difference(x), dy = difference(y);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static void put_pair(const struct pair *p, FILE *out)
{
	fprintf(out,
		"%12" PRIu64 " %12" PRIu64 " %+12" PRId64 "  %14" PRIu64
		" %14" PRIu64 " %+14" PRId64 "  %s\n",
		p->calls[0], p->calls[1], (int64_t)(p->calls[1] - p->calls[0]),
		p->cost[0], p->cost[1], (int64_t)(p->cost[1] - p->cost[0]),
		p->name);
}

void compare_write(struct profile *a, struct profile *b,
		   const struct globs *globs, FILE *out)
{
	struct comparison c = { 0 };
	struct pair all = { .name = "all of both runs" };

	take(&c, 0, a, globs);
	take(&c, 1, b, globs);
	all.cost[0] = c.cost[0];
	all.cost[1] = c.cost[1];
	fprintf(out, "%12s %12s %12s  %14s %14s %14s  %s\n", "calls before",
		"after", "difference", "instr. before", "after", "difference",
		"function (module)");
	put_pair(&all, out);
	if (c.names.n)
		qsort(c.all + 1, c.names.n, sizeof(*c.all), by_difference);
	for (uint32_t i = 1; i <= c.names.n; i++) {
		if (is_different(&c.all[i]))
			put_pair(&c.all[i], out);
	}
	names_fini(&c.names);
	free(c.all);
}
