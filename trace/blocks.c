/* Which blocks ran, and how often, out of a story: drcov and the table of
 * `--count`, as trace/hits.h writes them of what the translator has counted. */
#include <stdlib.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/profile.h"

struct blocks {
	struct profile *p;
	struct globs all, *globs;
	unsigned version;
};

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct blocks *b = xcalloc(1, sizeof(*b));

	(void)e;
	b->p = profile_new(s, 0);
	b->version = args->drcov_version;
	b->globs = args->globs ? (struct globs *)args->globs : &b->all;
	return b;
}

static void take(struct hits *h, const struct profile *p, uint32_t block)
{
	const struct story_block *b = &p->run->blocks[block];
	const struct story_object *o = &p->run->objects[place_object(b->begin)];
	struct translate_module m = { o->path, o->base, o->size, o->offset, 0 };

	hits_add(h, &(struct translate_block){
			    .pc = o->base + place_offset(b->begin),
			    .length = b->bytes,
			    .instructions = b->instructions,
			    .hits = profile_count(p, block),
			    .module = place_object(b->begin) ? &m : NULL,
		    });
}

typedef void write_fn(struct hits *h, FILE *out);

static void write_hits(void *state, FILE *out, write_fn *fn)
{
	struct blocks *b = state;
	struct hits h = { .globs = b->globs };

	profile_settle(b->p);
	for (uint32_t i = 1; i <= b->p->run->n_blocks; i++)
		take(&h, b->p, i);
	fn(&h, out);
	hits_fini(&h);
}

static void drcov2(struct hits *h, FILE *out)
{
	hits_write_drcov(h, out);
}

static void drcov3(struct hits *h, FILE *out)
{
	hits_write_drcov3(h, out);
}

static void write_drcov(void *state, FILE *out)
{
	const struct blocks *b = state;

	write_hits(state, out, b->version == 3 ? drcov3 : drcov2);
}

static void write_counts(void *state, FILE *out)
{
	write_hits(state, out, hits_write_counts);
}

static void free_blocks(void *state)
{
	struct blocks *b = state;

	profile_free(b->p);
	free(b);
}

const struct format format_drcov = {
	.name = "drcov",
	.help = "coverage as drcov: --coverage is cheaper",
	.begin = begin,
	.write = write_drcov,
	.free = free_blocks,
};

const struct format format_counts = {
	.name = "counts",
	.help = "a table of how often each block was executed",
	.begin = begin,
	.write = write_counts,
	.free = free_blocks,
};
