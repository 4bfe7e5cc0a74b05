#include "translate/callback.h"

#include "base/mem.h"
#include "translate/collects.h"
#include "translate/follow.h"
#include "translate/layer.h"

bool transforms(const struct space *sp)
{
	return sp->tr->transform && !sp->leaving;
}

void callback_transform(struct space *sp, struct transform *it)
{
	struct translator *tr = sp->tr;

	tr->calling++;
	tr->transform(tr->transform_user, it);
	tr->calling--;
}

uint32_t callout_new(struct region *rg, const struct callout *k)
{
	GROW(rg->callouts, rg->n_callouts, rg->cap_callouts, 64);
	rg->callouts[rg->n_callouts] = *k;
	return rg->n_callouts++;
}

bool callback_callout(struct translator *tr, struct thread *th,
		      const struct callout *k)
{
	tr->callout_stops = false;
	tr->calling++;
	tr->stats.callouts++;
	k->fn(k->user, &tr->t, th);
	tr->calling--;
	if (th->fresh | th->dirty)
		target_regs_flush(&tr->t, th);
	return tr->callout_stops;
}

void translate_callout_stop(struct target *t)
{
	translator_of(t)->callout_stops = true;
}

/* --- what is left for later ---------------------------------------------- */

/* False: it was the last. */
static bool let_threads_leave(struct translator *tr, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (follow_of(th) && follow_of(th)->leaving)
			translate_unfollow_thread(&tr->t, th);
	}
	return space_of(p);
}

static void settle_process(struct translator *tr, struct process *p)
{
	struct space *sp = space_of(p);

	if (!sp || list_empty(&p->threads))
		return;
	sp->by = lower_thread(list_entry(p->threads.next, struct thread, node));
	if (sp->leaving) {
		translate_unfollow(&tr->t, p);
		return;
	}
	if (!let_threads_leave(tr, p))
		return;
	if (sp->outdated) {
		process_drop_code(tr, sp);
		collectors_end_rules(sp);
	}
	activation_settle(tr, p);
}

void callbacks_settle(struct translator *tr)
{
	struct process *p;

	while (tr->due && !tr->calling) {
		tr->due = false;
		translator_pause(tr);
		list_each(p, &tr->t.processes, node)
			settle_process(tr, p);
		translator_unpause(tr, NULL);
	}
}

void callbacks_outdate(struct translator *tr, struct space *sp)
{
	struct process *p;

	list_each(p, &tr->t.processes, node) {
		if (space_of(p) && (!sp || sp == space_of(p)))
			space_of(p)->outdated = true;
	}
	tr->due = true;
	callbacks_settle(tr);
}

void translate_transform(struct target *t, transform_fn *fn, void *user)
{
	struct translator *tr = translator_of(t);

	tr->transform = fn;
	tr->transform_user = user;
	callbacks_outdate(tr, NULL);
}

void translate_observe(struct target *t, bool on)
{
	struct translator *tr = translator_of(t);

	if (tr->observed == on)
		return;
	tr->observed = on;
	callbacks_outdate(tr, NULL);
}
