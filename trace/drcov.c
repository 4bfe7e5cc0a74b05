/*
 * drcov files. What their readers insist on: bncov on `DRCOV VERSION: 2` and on
 * numbers of modules in the second column, so there is one row a module;
 * Cartographer on a line of columns, an offset without 0x and blocks shorter
 * than 32 KiB; all of them on paths without a comma and a blank behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/hits.h"

static bool is_shown(const struct hits_module *m)
{
	return m->path[0] && m->wanted;
}

/* Rows are numbered without gaps: what each module's is. */
static uint32_t number_modules(const struct hits *h, uint32_t *rows)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n_modules; i++)
		rows[i] = is_shown(&h->modules[i]) ? n++ : UINT32_MAX;
	return n;
}

void drcov_put_path(const char *path, FILE *f)
{
	for (const char *p = path; *p; p++)
		fputc(*p == ' ' && p > path && p[-1] == ',' ? '_' : *p, f);
	fputc('\n', f);
}

static void write_modules(const struct hits *h, uint32_t n, FILE *f)
{
	uint32_t row = 0;

	fprintf(f, "Module Table: version 5, count %u\n", n);
	fputs("Columns: id, containing_id, start, end, entry, offset, "
	      "preferred_base, path\n",
	      f);
	for (uint32_t i = 0; i < h->n_modules; i++) {
		const struct hits_module *m = &h->modules[i];

		if (!is_shown(m))
			continue;
		fprintf(f,
			"%3u, %3u, 0x%016lx, 0x%016lx, 0x%016lx, %016x, "
			"0x%016lx,  ",
			row, row, m->base, m->base + m->size, 0ul, 0, 0ul);
		drcov_put_path(m->path, f);
		row++;
	}
}

static void write_block(const struct hits_block *b, uint32_t row, FILE *f)
{
	uint8_t out[8];

	memcpy(out, &b->offset, 4);
	memcpy(out + 4, &b->length, 2);
	memcpy(out + 6, &row, 2);
	fwrite(out, sizeof(out), 1, f);
}

void hits_write_drcov(const struct hits *h, FILE *f)
{
	uint32_t *rows = xcalloc(h->n_modules + 1, sizeof(*rows)), n = 0;
	uint32_t shown;

	shown = number_modules(h, rows);
	for (uint32_t i = 0; i < h->n_blocks; i++)
		n += rows[h->blocks[i].module] != UINT32_MAX;
	fputs("DRCOV VERSION: 2\nDRCOV FLAVOR: drcov\n", f);
	write_modules(h, shown, f);
	fprintf(f, "BB Table: %u bbs\n", n);
	for (uint32_t i = 0; i < h->n_blocks; i++) {
		if (rows[h->blocks[i].module] != UINT32_MAX)
			write_block(&h->blocks[i], rows[h->blocks[i].module],
				    f);
	}
	free(rows);
}

bool drcov_take_version(const char *text, unsigned *version)
{
	*version =
		text[0] == '2' || text[0] == '3' ? (unsigned)text[0] - '0' : 0;
	if (*version && !text[1])
		return true;
	fprintf(stderr, "tracestub: drcov has versions 2 and 3, not %s\n",
		text);
	return false;
}
