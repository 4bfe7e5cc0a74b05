#include "trace/symbols-list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/search.h"
#include "trace/names.h"

void symbol_list_add(struct symbol_list *l, const struct symbol *s)
{
	GROW(l->all, l->n, l->cap, 256);
	l->all[l->n++] = *s;
}

/* By place; the one that is kept first. */
static int in_order(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->open != y->open)
		return x->open ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* One is left of each place, and none that only its frame tells of where a name
 * covers it. */
static void drop_doubles(struct symbol_list *l)
{
	uint64_t covered = 0;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct symbol *s = &l->all[i];

		if ((n && l->all[n - 1].begin == s->begin) ||
		    (s->rank <= SYMBOL_LABEL && s->begin < covered)) {
			free(s->name);
			continue;
		}
		if (s->rank > SYMBOL_LABEL && !s->open && s->end > covered)
			covered = s->end;
		l->all[n++] = *s;
	}
	l->n = n;
}

static void end_open(struct symbol_list *l)
{
	for (size_t i = 0; i + 1 < l->n; i++) {
		if (l->all[i].open && l->all[i].end > l->all[i + 1].begin)
			l->all[i].end = l->all[i + 1].begin;
	}
}

/* --- cold parts ----------------------------------------------------------- */

static uint32_t whole_of(const struct names *all, const char *name)
{
	const char *cold = strstr(name, ".cold");

	return cold ? names_find(all, name, (size_t)(cold - name)) : 0;
}

/* `f.cold` is f. The numbers of names are not those of symbols: several may
 * have one name, of which the last counts. */
static void join_cold_parts(struct symbol_list *l)
{
	struct names names = { 0 };
	uint32_t *of_name = xcalloc(l->n + 1, sizeof(*of_name));

	for (uint32_t i = 0; i < l->n; i++)
		of_name[names_id(&names, l->all[i].name)] = i + 1;
	l->whole = xcalloc(l->n + 1, sizeof(*l->whole));
	for (size_t i = 0; i < l->n; i++)
		l->whole[i] = of_name[whole_of(&names, l->all[i].name)];
	names_fini(&names);
	free(of_name);
}

void symbol_list_close(struct symbol_list *l)
{
	if (l->n)
		qsort(l->all, l->n, sizeof(*l->all), in_order);
	drop_doubles(l);
	end_open(l);
	join_cold_parts(l);
}

/* --- searching ------------------------------------------------------------ */

#define NESTED 8 /* labels within a function that are looked past */

const struct symbol *symbol_list_find(const struct symbol_list *l,
				      uint64_t offset)
{
	size_t at = SEARCH_FIRST(l->n, i, l->all[i].begin > offset);

	for (size_t i = at; i-- > 0 && at - i <= NESTED;) {
		if (offset < l->all[i].end)
			return &l->all[l->whole[i] ? l->whole[i] - 1 : i];
	}
	return NULL;
}

void symbol_list_fini(struct symbol_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->all[i].plain);
		free(l->all[i].name);
	}
	free(l->all);
	free(l->whole);
}
