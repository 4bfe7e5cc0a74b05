#include "trace/hits.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* --- which modules ------------------------------------------------------- */

static bool matches(const char **globs, unsigned n, const char *path)
{
	const char *slash = strrchr(path, '/');

	for (unsigned i = 0; i < n; i++) {
		if (fnmatch(globs[i], path, 0) == 0 ||
		    (slash && fnmatch(globs[i], slash + 1, 0) == 0))
			return true;
	}
	return false;
}

bool globs_want(const struct globs *g, const char *path)
{
	return (!g->n_include || matches(g->include, g->n_include, path)) &&
	       !matches(g->exclude, g->n_exclude, path);
}

void globs_add(const char ***list, unsigned *n, const char *glob)
{
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = glob;
}

void globs_fini(struct globs *g)
{
	free(g->include);
	free(g->exclude);
}

/* --- what ran ------------------------------------------------------------ */

static uint32_t module_find(struct hits *h, const char *path, uint64_t base)
{
	struct hits_module *m = h->modules;

	for (uint32_t i = 0; i < h->n_modules; i++, m++) {
		if (!strcmp(m->path, path) && (path[0] || m->base == base))
			return i;
	}
	GROW(h->modules, h->n_modules, h->cap_modules, 16);
	h->modules[h->n_modules] = (struct hits_module){
		.path = xstrdup(path),
		.base = base,
		.wanted = globs_want(h->globs, path),
	};
	return h->n_modules++;
}

static struct hits_block *block_find(struct hits *h, uint64_t key)
{
	uintptr_t known = (uintptr_t)map_find(&h->known, key);

	if (known)
		return &h->blocks[known - 1];
	GROW(h->blocks, h->n_blocks, h->cap_blocks, 4096);
	map_set(&h->known, key, (void *)(uintptr_t)(h->n_blocks + 1));
	h->blocks[h->n_blocks] = (struct hits_block){ 0 };
	return &h->blocks[h->n_blocks++];
}

/* One block after the other is of the same module. */
struct taking {
	struct hits *h;
	const struct translate_module *last;
	uint32_t module;
};

static uint32_t module_of(struct taking *t, const struct translate_block *b)
{
	const struct translate_module *from = b->module;
	struct hits_module *m;

	if (!from)
		return module_find(t->h, "", b->pc & ~UINT64_C(0xffffffff));
	if (from != t->last)
		t->module = module_find(t->h, from->path, from->base);
	t->last = from;
	m = &t->h->modules[t->module];
	if (m->size < from->size)
		m->size = from->size;
	return t->module;
}

/* Blocks are shorter than 32 KiB, modules than 4 GiB and fewer than 2^16. */
static void add_block(struct hits *h, const struct hits_block *more)
{
	struct hits_block *mine;

	mine = block_find(h, ((uint64_t)(more->module + 1) << 48) |
				     ((uint64_t)more->length << 32) |
				     more->offset);
	mine->module = more->module;
	mine->offset = more->offset;
	mine->length = more->length;
	mine->instructions = more->instructions;
	mine->hits += more->hits;
}

static void take_block(void *user, const struct translate_block *b)
{
	struct taking *t = user;
	struct hits_block more = {
		.length = (uint16_t)b->length,
		.instructions = (uint16_t)b->instructions,
		.hits = b->hits,
	};
	uint64_t base;

	if (!b->hits)
		return;
	more.module = module_of(t, b);
	if (!t->h->modules[more.module].wanted)
		return;
	base = b->module ? b->module->base : t->h->modules[more.module].base;
	more.offset = (uint32_t)(b->pc - base);
	add_block(t->h, &more);
}

void hits_merge(struct hits *h, const struct hits *more)
{
	for (uint32_t i = 0; i < more->n_blocks; i++) {
		struct hits_block b = more->blocks[i];
		const struct hits_module *from = &more->modules[b.module];

		b.module = module_find(h, from->path, from->base);
		if (h->modules[b.module].size < from->size)
			h->modules[b.module].size = from->size;
		add_block(h, &b);
	}
}

void hits_add(struct hits *h, const struct translate_block *b)
{
	struct taking t = { .h = h };

	take_block(&t, b);
}

void hits_take(struct hits *h, const struct space *sp)
{
	struct taking t = { .h = h };

	translate_blocks_each(sp, take_block, &t);
}

void hits_fini(struct hits *h)
{
	for (uint32_t i = 0; i < h->n_modules; i++)
		free(h->modules[i].path);
	free(h->modules);
	free(h->blocks);
	map_fini(&h->known);
}

/* --- counts -------------------------------------------------------------- */

/* Which module was met first is chance. */
static int by_count(const void *a, const void *b, void *user)
{
	const struct hits_block *x = a, *y = b;
	const struct hits *h = user;
	uint64_t x_pc = h->modules[x->module].base + x->offset;
	uint64_t y_pc = h->modules[y->module].base + y->offset;

	if (x->hits != y->hits)
		return x->hits < y->hits ? 1 : -1;
	if (x_pc != y_pc)
		return x_pc < y_pc ? -1 : 1;
	return x->length < y->length ? -1 : x->length > y->length;
}

static void print_totals(const struct hits *h, FILE *f)
{
	uint64_t blocks = 0, instructions = 0;

	for (uint32_t i = 0; i < h->n_blocks; i++) {
		blocks += h->blocks[i].hits;
		instructions += h->blocks[i].hits * h->blocks[i].instructions;
	}
	fprintf(f, "# %lu blocks and %lu instructions were executed.\n", blocks,
		instructions);
}

void hits_write_counts(struct hits *h, FILE *f)
{
	if (h->n_blocks)
		qsort_r(h->blocks, h->n_blocks, sizeof(*h->blocks), by_count,
			h);
	/* The indices in it are not those any more. */
	map_fini(&h->known);
	print_totals(h, f);
	fputs("# count instructions bytes pc module+offset\n", f);
	for (uint32_t i = 0; i < h->n_blocks; i++) {
		const struct hits_block *b = &h->blocks[i];
		const struct hits_module *m = &h->modules[b->module];

		fprintf(f, "%lu %u %u %#lx %s+%#x\n", b->hits, b->instructions,
			b->length, m->base + b->offset,
			m->path[0] ? m->path : "?", b->offset);
	}
}
