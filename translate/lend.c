#include "translate/lend.h"

#include <stddef.h>

#include "translate/births.h"
#include "translate/layer.h"
#include "translate/translate.h"

bool lend_any(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (tr_thread_of(th)->lent)
			return true;
	}
	return false;
}

void lend_note_history(struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		tr_thread_of(th)->by_history |= tr_thread_of(th)->lent;
}

static void set_all(struct process *p, bool lent)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		tr_thread_of(th)->lent = lent;
}

bool lend_is_kept(const struct thread *th)
{
	return tr_thread_of(th)->by_history ||
	       tr_process_of(th->proc)->for_conditions;
}

int translate_lend(struct target *t, struct process *p, struct err *e)
{
	const struct space *sp = space_of(p);
	struct thread *th;
	int r;

	list_each(th, &p->threads, node)
		tr_thread_of(th)->lent = !follow_of(th) || lend_is_kept(th);
	r = process_follow(translator_of(t), p, NULL, sp ? sp->mode : MODE_NONE,
			   false, e);
	if (r < 0)
		set_all(p, false);
	return r;
}

static void take_back(struct target *t, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (tr_thread_of(th)->lent && !lend_is_kept(th))
			translate_unfollow_thread(t, th);
		tr_thread_of(th)->lent = false;
	}
}

void translate_take_back(struct target *t, struct process *p)
{
	struct translator *tr = translator_of(t);

	if (!lend_any(p))
		return;
	if (tr->calling || list_empty(&tr->running)) {
		take_back(t, p);
		return;
	}
	translator_pause(tr);
	take_back(t, p);
	translator_unpause(tr, NULL);
}
