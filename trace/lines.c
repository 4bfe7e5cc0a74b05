#include "trace/lines.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/search.h"
#include "trace/lazy.h"
#include "trace/names.h"
#include "trace/symbols.h"

struct lines {
	const struct elfutils *u;
	Dwfl_Module *module; /* borrowed of the symbols */
	uint64_t bias;
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
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->all = xrealloc(l->all, l->cap * sizeof(*l->all));
	}
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

static void read_rows(struct lines *l)
{
	const struct elfutils *u = l->u;
	Dwarf_Die *cu = NULL;
	Dwarf_Addr bias;
	Dwarf_Lines *rows;
	size_t n;

	while ((cu = u->dwfl_module_nextcu(l->module, cu, &bias))) {
		if (u->dwarf_getsrclines(cu, &rows, &n))
			continue;
		for (size_t i = 0; i < n; i++)
			read_row(l, u->dwarf_onesrcline(rows, i), bias);
	}
	if (l->n)
		qsort(l->all, l->n, sizeof(*l->all), by_begin);
	drop_empty(l);
}

struct lines *lines_new(const struct symbols *s)
{
	struct lines *l = xcalloc(1, sizeof(*l));

	l->u = elfutils();
	l->module = symbols_module(s, &l->bias);
	if (l->module)
		read_rows(l);
	return l;
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	names_fini(&l->files);
	free(l->all);
	free(l);
}

/* --- what is asked -------------------------------------------------------- */

const struct line_row *lines_find(const struct lines *l, uint64_t offset)
{
	size_t at = SEARCH_FIRST(l->n, i, l->all[i].begin > offset);

	return at && l->all[at - 1].file ? &l->all[at - 1] : NULL;
}

const struct line_row *lines_all(const struct lines *l, size_t *n)
{
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
