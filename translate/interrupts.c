/* Interrupts that outlast what the layer above does not see. */
#include "translate/layer.h"

static void note_thread(struct thread *th)
{
	if (th)
		tr_thread_of(th)->stop_due = th->running;
}

void interrupts_note(struct translator *tr, struct ptid who)
{
	struct tr_thread *tt;

	if (!who.tid) {
		tr->interrupt.due = true;
		tr->interrupt.who = who;
	} else if (who.tid > 0) {
		note_thread(thread_find(&tr->t, who.tid));
	} else {
		list_each(tt, &tr->running, running_node)
			tt->stop_due |= ptid_matches(who, tt->th->id);
	}
}

void interrupts_told(struct translator *tr, const struct stop *ev)
{
	if (ev->kind == STOP_SIGNAL && !ev->signo && ev->code == INTERRUPT_ANY)
		tr->interrupt.due = false;
}

void interrupts_renew(struct translator *tr, pid_t tid)
{
	struct thread *th = thread_find(&tr->t, tid);

	if (th && tr_thread_of(th)->stop_due && lower_thread(th)->running)
		tr->lower->ops->interrupt(tr->lower, th->id);
}

void interrupts_renew_all(struct translator *tr)
{
	struct tr_thread *tt, *next;

	list_each_safe(tt, next, &tr->running, running_node)
		interrupts_renew(tr, tt->th->id.tid);
	if (tr->interrupt.due)
		tr->lower->ops->interrupt(tr->lower, tr->interrupt.who);
}
