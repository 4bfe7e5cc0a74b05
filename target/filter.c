#include "target/filter.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ax.h"
#include "base/mem.h"
#include "target/target.h"

struct point_filter *filter_new(void)
{
	struct point_filter *f = xcalloc(1, sizeof(*f));

	f->refs = 1;
	f->every = 1;
	list_init(&f->grants);
	return f;
}

void filter_unref(struct point_filter *f)
{
	if (!f || --f->refs)
		return;
	for (size_t i = 0; i < f->n_when; i++)
		ax_free(f->when[i]);
	free(f->when);
	free(f->thread);
	free(f);
}

bool filter_counts(const struct point_filter *f)
{
	return f->ignore || f->every > 1;
}

/* --- what is told elsewhere ----------------------------------------------- */

/* The program can write there: it is never more than what was granted. */
static int64_t used(const struct filter_grant *g, int64_t left)
{
	if (left > g->given)
		left = g->given;
	return g->given - (left > 0 ? left : 0);
}

/* What was granted is taken back. */
static void drain(struct point_filter *f)
{
	struct filter_grant *g;

	list_each(g, &f->grants, node) {
		int64_t left =
			__atomic_exchange_n(g->word, 0, __ATOMIC_SEQ_CST);

		f->hits += (uint64_t)used(g, left);
		g->given = 0;
	}
}

uint64_t filter_hits(const struct point_filter *f)
{
	const struct filter_grant *g;
	uint64_t hits = f->hits;

	list_each(g, &f->grants, node)
		hits += (uint64_t)used(
			g, __atomic_load_n(g->word, __ATOMIC_SEQ_CST));
	return hits;
}

void filter_grant_add(struct point_filter *f, struct filter_grant *g,
		      int64_t *word)
{
	*g = (struct filter_grant){ .word = word };
	*word = 0;
	list_add(&f->grants, &g->node);
	f->refs++;
}

void filter_grant_drop(struct point_filter *f, struct filter_grant *g)
{
	drain(f);
	list_drop(&g->node);
	filter_unref(f);
}

static bool is_stop(const struct point_filter *f, uint64_t hit)
{
	return hit > f->ignore && (hit - f->ignore) % f->every == 0;
}

void filter_grant(struct point_filter *f, struct filter_grant *g)
{
	uint64_t next;

	drain(f);
	next = f->hits < f->ignore
		       ? f->ignore + f->every
		       : f->hits + f->every - (f->hits - f->ignore) % f->every;
	g->given = (int64_t)(next - f->hits - 1);
	__atomic_store_n(g->word, g->given, __ATOMIC_SEQ_CST);
}

/* --- hits ----------------------------------------------------------------- */

static bool is_thread(struct target *t, struct thread *th, const char *name)
{
	char now[64];

	return !name || (t->ops->thread_name(t, th, now, sizeof(now)) >= 0 &&
			 !strcmp(now, name));
}

/* One that cannot be evaluated counts as true: nobody else tests it again, so
 * whoever asked for it is to see that. */
static bool holds(struct target *t, struct thread *th,
		  const struct point_filter *f)
{
	struct target_hit hit = { t, th };
	const struct ax_env env = {
		.reg = target_hit_reg,
		.mem = target_hit_mem,
		.getv = target_hit_variable,
		.user = &hit,
	};
	int64_t v;

	for (size_t i = 0; i < f->n_when; i++) {
		if (ax_eval(f->when[i], &env, &v) == 0 && !v)
			return false;
	}
	return is_thread(t, th, f->thread);
}

bool filter_stops(struct target *t, struct thread *th, struct point_filter *f)
{
	if (!f)
		return true;
	if (!holds(t, th, f))
		return false;
	drain(f);
	th->counts = !is_stop(f, ++f->hits);
	if (th->counts)
		return false;
	f->stops++;
	return true;
}
