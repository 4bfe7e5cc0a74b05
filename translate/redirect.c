#include "translate/redirect.h"

#include <errno.h>

#include "translate/callback.h"
#include "translate/layer.h"
#include "translate/redirects.h"

bool redirects(const struct space *sp)
{
	return sp->redirects.count || sp->tr->switch_fn;
}

bool redirect_is_at(const struct space *sp, uint64_t pc)
{
	return sp->redirects.count && map_find(&sp->redirects, pc + 1);
}

uint64_t redirect_of(struct space *sp, uint64_t pc)
{
	struct translator *tr = sp->tr;
	uintptr_t to = (uintptr_t)map_find(&sp->redirects, pc + 1);

	if (to)
		return to - 1;
	if (!tr->switch_fn || sp->leaving)
		return pc;
	tr->calling++;
	to = tr->switch_fn(tr->switch_user, &tr->t, sp->by->proc->pid, pc);
	tr->calling--;
	return to ? to : pc;
}

/* --- what is asked of it ------------------------------------------------- */

int translate_redirect(struct target *t, struct process *p, uint64_t from,
		       uint64_t to)
{
	struct space *sp = space_of(p);

	if (!sp || !to)
		return -EINVAL;
	if (from == to)
		map_drop(&sp->redirects, from + 1);
	else
		map_set(&sp->redirects, from + 1, (void *)(uintptr_t)(to + 1));
	callbacks_outdate(translator_of(t), sp);
	return 0;
}

void translate_set_switch(struct target *t, translate_switch_fn *fn, void *user)
{
	struct translator *tr = translator_of(t);

	tr->switch_fn = fn;
	tr->switch_user = user;
	callbacks_outdate(tr, NULL);
}
