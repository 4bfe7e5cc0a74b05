#include "translate/counts.h"

#include <stdlib.h>

#include "base/mem.h"
#include "target/filter.h"
#include "translate/x86_64/window.h"

#define COUNTS_MOST ((TAB_MAPPED - TAB_COUNTS) / 8)

struct count {
	struct list node; /* in struct space's counts */
	uint32_t at;	  /* of the word, by %gs */
	struct filter_grant grant;
	struct point_filter *filter;
};

static struct count *find(const struct space *sp, const struct point_filter *f)
{
	struct count *c;

	list_each(c, &sp->counts, node) {
		if (c->filter == f)
			return c;
	}
	return NULL;
}

uint32_t counts_word(struct space *sp, struct point_filter *f)
{
	struct count *c = find(sp, f);

	if (c)
		return c->at;
	if (sp->n_counts == COUNTS_MOST)
		return 0;
	c = xcalloc(1, sizeof(*c));
	c->at = TAB_COUNTS + 8 * sp->n_counts++;
	c->filter = f;
	filter_grant_add(f, &c->grant,
			 (int64_t *)(void *)(sp->tables + c->at - WIN_PAGE));
	list_add(&sp->counts, &c->node);
	return c->at;
}

void counts_grant(struct space *sp, struct point_filter *f)
{
	struct count *c = find(sp, f);

	if (c)
		filter_grant(f, &c->grant);
}

void counts_free(struct space *sp)
{
	struct count *c, *next;

	list_each_safe(c, next, &sp->counts, node) {
		filter_grant_drop(c->filter, &c->grant);
		free(c);
	}
}
