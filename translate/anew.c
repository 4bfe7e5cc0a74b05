/* Followed in another mode: code is translated again for it. */
#include "translate/anew.h"

#include <stdlib.h>

#include "base/mem.h"
#include "translate/collects.h"
#include "translate/follow.h"
#include "translate/layer.h"

struct followed {
	pid_t tid;
	bool alone, lent;
};

/* All that are; owned by the caller. */
static struct followed *note(const struct process *p, size_t *n)
{
	struct followed *all = NULL;
	const struct thread *th;

	*n = 0;
	list_each(th, &p->threads, node) {
		if (!follow_of(th))
			continue;
		all = xrealloc(all, (*n + 1) * sizeof(*all));
		all[(*n)++] =
			(struct followed){ th->id.tid, follow_of(th)->alone,
					   tr_thread_of(th)->lent };
	}
	return all;
}

static int follow_those(struct target *t, struct process *p,
			const struct followed *all, size_t n,
			enum trace_mode mode, struct err *e)
{
	struct thread *th;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		th = thread_find(t, all[i].tid);
		if (th)
			r = translate_follow_thread(t, th, mode, all[i].alone,
						    e);
		if (th && r == 0)
			tr_thread_of(th)->lent = all[i].lent;
	}
	if (r < 0)
		translate_unfollow(t, p);
	return r;
}

static int anew(struct target *t, struct process *p, bool whole,
		enum trace_mode mode, struct err *e)
{
	struct space *sp = space_of(p);
	bool for_conditions = tr_process_of(p)->for_conditions && !whole;
	struct followed *before;
	struct list collectors;
	size_t n;
	int r;

	before = note(p, &n);
	list_init(&collectors);
	if (sp && sp->refs == 1 + n) {
		translate_collect_drain(t);
		collectors_take(sp, &collectors);
	}
	tr_process_of(p)->history_stays = true;
	translate_unfollow(t, p);
	r = whole ? translate_follow(t, p, mode, e)
		  : follow_those(t, p, before, n, mode, e);
	if (r < 0)
		follow_those(t, p, before, n, MODE_NONE, NULL);
	tr_process_of(p)->history_stays = false;
	tr_process_of(p)->for_conditions = for_conditions && space_of(p);
	collectors_put(space_of(p), &collectors);
	free(before);
	return r;
}

int translate_follow_anew(struct target *t, struct process *p,
			  enum trace_mode mode, struct err *e)
{
	return anew(t, p, true, mode, e);
}

int followed_anew(struct target *t, struct process *p, enum trace_mode mode,
		  struct err *e)
{
	return anew(t, p, false, mode, e);
}
