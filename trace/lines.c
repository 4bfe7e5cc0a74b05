#include "trace/lines.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/search.h"
#include "trace/lazy.h"
#include "trace/line-tables.h"
#include "trace/names.h"
#include "trace/symbols.h"

/* Rows of a sequence; n: 0, it has not been looked at. */
struct part {
	size_t first, n;
};

struct lines {
	const struct elfutils *u;
	Dwfl_Module *module; /* borrowed of the symbols */
	uint64_t bias, vaddr;
	/* Rows are read as they are asked for, if tables is not NULL; else all
	 * are there, in order. */
	struct line_tables *tables;
	struct part *parts; /* by sequence */
	const struct line_sequence *now;
	struct line_row *all;
	size_t n, cap;
	struct names files;
	const char *last_source; /* of libdw, which has one for each name */
	uint32_t last_file;
};

/* --- rows ----------------------------------------------------------------- */

static uint32_t file_of(struct lines *l, const char *source)
{
	if (!source)
		return 0;
	if (source != l->last_source) {
		l->last_source = source;
		l->last_file = names_id(&l->files, source);
	}
	return l->last_file;
}

static void add_row(struct lines *l, const struct line_row *row)
{
	GROW(l->all, l->n, l->cap, 1024);
	l->all[l->n] = *row;
	l->all[l->n].order = (uint32_t)l->n;
	l->n++;
}

static void read_row(struct lines *l, Dwarf_Line *from, uint64_t bias)
{
	const struct elfutils *u = l->u;
	struct line_row row = { 0 };
	bool statement = false, end = false;
	Dwarf_Addr addr;
	int line = 0;

	if (u->dwarf_lineaddr(from, &addr) < 0)
		return;
	row.begin = addr + bias - l->bias;
	u->dwarf_lineendsequence(from, &end);
	if (!end) {
		u->dwarf_lineno(from, &line);
		u->dwarf_linebeginstatement(from, &statement);
		row.file = file_of(l, u->dwarf_linesrc(from, NULL, NULL));
		row.line = (uint32_t)line;
		row.statement = statement;
	}
	add_row(l, &row);
}

/* The end of a sequence comes before what begins there; else as they were. */
static int by_begin(const void *a, const void *b)
{
	const struct line_row *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (!x->file != !y->file)
		return x->file ? 1 : -1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Of several rows at one place the last is meant (DWARF 5, 6.2.5.1 has none
 * cover anything but that). What code of an earlier one of another line there
 * is, is nowhere. */
static void drop_empty(struct lines *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (n && l->all[n - 1].begin == l->all[i].begin)
			n--;
		l->all[n++] = l->all[i];
	}
	l->n = n;
}

static void settle(struct lines *l)
{
	if (l->n)
		qsort(l->all, l->n, sizeof(*l->all), by_begin);
	drop_empty(l);
}

/* libdw has rows where a sequence ends behind that, and nothing tells them from
 * those of another that begins there, but that the unit has code there then. */
static bool covers_nothing(const struct lines *l, Dwarf_Die *cu,
			   Dwarf_Line *row, Dwarf_Addr *ended)
{
	const struct elfutils *u = l->u;
	bool end = false;
	Dwarf_Addr at;

	if (u->dwarf_lineaddr(row, &at) < 0)
		return true;
	u->dwarf_lineendsequence(row, &end);
	if (end)
		*ended = at;
	return !end && at == *ended && u->dwarf_haspc(cu, at) == 0;
}

static void read_unit(struct lines *l, Dwarf_Die *cu, uint64_t bias)
{
	const struct elfutils *u = l->u;
	Dwarf_Addr ended = UINT64_MAX;
	Dwarf_Lines *rows;
	size_t n;

	if (u->dwarf_getsrclines(cu, &rows, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		Dwarf_Line *row = u->dwarf_onesrcline(rows, i);

		if (!covers_nothing(l, cu, row, &ended))
			read_row(l, row, bias);
	}
}

static void read_rows(struct lines *l)
{
	Dwarf_Die *cu = NULL;
	Dwarf_Addr bias;

	while ((cu = l->u->dwfl_module_nextcu(l->module, cu, &bias)))
		read_unit(l, cu, bias);
}

/* --- sequences ------------------------------------------------------------ */

static void take_step(void *user, const struct line_step *s)
{
	struct lines *l = user;
	struct line_row row = { .begin = s->address - l->vaddr };

	if (!s->end) {
		row.file = file_of(l, line_sequence_file(l->now, s->file));
		row.line = s->line;
		row.statement = s->statement;
	}
	add_row(l, &row);
}

/* The rows where a sequence ends cover nothing. It has others: its end, which
 * is the last row, is behind its begin. */
static size_t drop_at_end(struct line_row *all, size_t n)
{
	size_t end = n - 1;

	while (end && all[end - 1].begin == all[n - 1].begin)
		end--;
	all[end] = all[n - 1];
	return end + 1;
}

static void read_sequence(struct lines *l, const struct line_sequence *s,
			  struct part *part)
{
	l->now = s;
	part->first = l->n;
	line_sequence_each(s, take_step, l);
	part->n = drop_at_end(l->all + part->first, l->n - part->first);
	l->n = part->first + part->n;
}

/* The one that covers it, with its rows; NULL: none does. */
static const struct part *part_of(struct lines *l, uint64_t offset)
{
	size_t n;
	const struct line_sequence *all = line_tables_all(l->tables, &n);
	uint64_t address = offset + l->vaddr;
	size_t at = SEARCH_FIRST(n, i, all[i].begin > address);

	if (!at || address >= all[at - 1].end)
		return NULL;
	if (!l->parts[at - 1].n)
		read_sequence(l, &all[at - 1], &l->parts[at - 1]);
	return &l->parts[at - 1];
}

static void open_tables(struct lines *l, const struct symbols *s)
{
	const char *main_file = NULL, *debug_file = NULL;
	struct symbols_segment first;
	size_t n;

	if (!symbols_segments(s, &first, 1))
		return;
	l->u->dwfl_module_info(l->module, NULL, NULL, NULL, NULL, NULL,
			       &main_file, &debug_file);
	l->vaddr = symbols_vaddr(s, 0);
	l->tables = line_tables_new(debug_file ? debug_file : main_file,
				    l->vaddr + first.begin);
	if (!l->tables)
		return;
	line_tables_all(l->tables, &n);
	l->parts = xcalloc(n, sizeof(*l->parts));
}

static void close_tables(struct lines *l)
{
	line_tables_free(l->tables);
	free(l->parts);
	l->tables = NULL;
	l->parts = NULL;
	l->last_source = NULL;
}

/* From now on all rows are there. */
static void read_all(struct lines *l)
{
	size_t n;
	const struct line_sequence *all = line_tables_all(l->tables, &n);

	l->n = 0;
	for (size_t i = 0; i < n; i++)
		read_sequence(l, &all[i], &l->parts[i]);
	close_tables(l);
	settle(l);
}

/* --- all of them ---------------------------------------------------------- */

struct lines *lines_new(const struct symbols *s)
{
	struct lines *l = xcalloc(1, sizeof(*l));

	l->u = elfutils();
	l->module = symbols_module(s, &l->bias);
	if (l->module)
		open_tables(l, s);
	if (l->module && !l->tables) {
		read_rows(l);
		settle(l);
	}
	return l;
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	close_tables(l);
	names_fini(&l->files);
	free(l->all);
	free(l);
}

/* --- what is asked -------------------------------------------------------- */

static const struct line_row *find(const struct line_row *all, size_t n,
				   uint64_t offset)
{
	size_t at = SEARCH_FIRST(n, i, all[i].begin > offset);

	return at && all[at - 1].file ? &all[at - 1] : NULL;
}

const struct line_row *lines_find(struct lines *l, uint64_t offset)
{
	const struct part *part;

	if (!l->tables)
		return find(l->all, l->n, offset);
	part = part_of(l, offset);
	return part ? find(l->all + part->first, part->n, offset) : NULL;
}

const struct line_row *lines_all(struct lines *l, size_t *n)
{
	if (l->tables)
		read_all(l);
	*n = l->n;
	return l->all;
}

const char *lines_file(const struct lines *l, uint32_t file)
{
	return l->files.all[file];
}

uint32_t lines_files(const struct lines *l)
{
	return l->files.n;
}

/* --- functions ------------------------------------------------------------ */

struct function_walk {
	struct lines *l;
	lines_function_fn *fn;
	void *user;
	uint64_t bias;
};

static int take_function(Dwarf_Die *die, void *user)
{
	struct function_walk *w = user;
	const struct elfutils *u = w->l->u;
	const char *name = u->dwarf_diename(die), *file;
	Dwarf_Addr begin;
	int line = 0;

	if (!name || u->dwarf_entrypc(die, &begin) < 0)
		return DWARF_CB_OK;
	file = u->dwarf_decl_file(die);
	u->dwarf_decl_line(die, &line);
	if (file && line > 0)
		w->fn(w->user, begin + w->bias - w->l->bias, name,
		      names_id(&w->l->files, file), (uint32_t)line);
	return DWARF_CB_OK;
}

void lines_functions_each(struct lines *l, lines_function_fn *fn, void *user)
{
	struct function_walk w = { .l = l, .fn = fn, .user = user };
	Dwarf_Die *cu = NULL;

	if (!l->module)
		return;
	while ((cu = l->u->dwfl_module_nextcu(l->module, cu, &w.bias)))
		l->u->dwarf_getfuncs(cu, take_function, &w, 0);
}
