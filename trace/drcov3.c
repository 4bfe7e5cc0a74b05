/*
 * drcov files, version 3: module table version 5 with a row for each segment,
 * of which the first of a module contains the others; a block's row is that of
 * the segment that it lies in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/hits.h"
#include "trace/symbols.h"

#define SEGMENTS_MAX 64

struct rows {
	struct row {
		uint32_t module;
		uint64_t begin, end, file; /* offsets from the module's base */
	} * all;
	uint32_t n, cap;
	uint32_t *first; /* by module: of its rows */
};

static void add(struct rows *r, const struct row *row)
{
	GROW(r->all, r->n, r->cap, 64);
	r->all[r->n++] = *row;
}

/* A file that cannot be read is one segment. */
static void add_module(struct rows *r, const struct hits_module *m, uint32_t i)
{
	struct symbols_segment all[SEGMENTS_MAX];
	struct symbols *s = symbols_new(m->path, 0);
	size_t n = symbols_segments(s, all, SEGMENTS_MAX);

	symbols_free(s);
	r->first[i] = r->n;
	for (size_t k = 0; k < n; k++)
		add(r,
		    &(struct row){ i, all[k].begin, all[k].end, all[k].file });
	if (!n)
		add(r, &(struct row){ i, 0, m->size, 0 });
}

static void make_rows(struct rows *r, const struct hits *h)
{
	r->first = xcalloc(h->n_modules + 1, sizeof(*r->first));
	for (uint32_t i = 0; i < h->n_modules; i++) {
		r->first[i] = r->n;
		if (h->modules[i].path[0] && h->modules[i].wanted)
			add_module(r, &h->modules[i], i);
	}
	r->first[h->n_modules] = r->n;
}

/* Of the block; UINT32_MAX: it lies in none. */
static uint32_t row_of(const struct rows *r, const struct hits_block *b)
{
	for (uint32_t i = r->first[b->module]; i < r->first[b->module + 1];
	     i++) {
		if (b->offset >= r->all[i].begin && b->offset < r->all[i].end)
			return i;
	}
	return UINT32_MAX;
}

static void put_rows(const struct rows *r, const struct hits *h, FILE *f)
{
	fprintf(f,
		"DRCOV VERSION: 3\nDRCOV FLAVOR: drcov-64\n"
		"Module Table: version 5, count %u\n"
		"Columns: id, containing_id, start, end, entry, offset, "
		"preferred_base, path\n",
		r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct row *row = &r->all[i];
		const struct hits_module *m = &h->modules[row->module];

		fprintf(f,
			"%3u, %3u, 0x%016lx, 0x%016lx, 0x%016lx, %016lx, "
			"0x%016lx,  ",
			i, r->first[row->module], m->base + row->begin,
			m->base + row->end, 0ul, row->file, 0ul);
		drcov_put_path(m->path, f);
	}
}

static void put_block(const struct rows *r, const struct hits_block *b, FILE *f)
{
	uint32_t row = row_of(r, b);
	uint32_t start = b->offset - (uint32_t)r->all[row].begin;
	uint8_t out[8];

	memcpy(out, &start, 4);
	memcpy(out + 4, &b->length, 2);
	memcpy(out + 6, &row, 2);
	fwrite(out, sizeof(out), 1, f);
}

void hits_write_drcov3(const struct hits *h, FILE *f)
{
	struct rows r = { 0 };
	uint32_t n = 0;

	make_rows(&r, h);
	put_rows(&r, h, f);
	for (uint32_t i = 0; i < h->n_blocks; i++)
		n += row_of(&r, &h->blocks[i]) != UINT32_MAX;
	fprintf(f, "BB Table: %u bbs\n", n);
	for (uint32_t i = 0; i < h->n_blocks; i++) {
		if (row_of(&r, &h->blocks[i]) != UINT32_MAX)
			put_block(&r, &h->blocks[i], f);
	}
	free(r.all);
	free(r.first);
}
