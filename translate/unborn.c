/*
 * Threads and processes that followed threads have made, as they stand at their
 * start: where their parents were in the cache, and with their windows.
 */
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"
#include "translate/x87.h"

void follow_rewind_child(struct translator *tr, const struct follow *parent,
			 struct thread *low)
{
	struct follow f = *parent;
	uint8_t *image = follow_image(tr, low, false);

	/* What the parent has executed is not the child's. */
	f.log = NULL;
	if (image && space_region_at(f.space, *image_reg(image, IMAGE_RIP)))
		follow_leave(tr, low, &f, false);
	x87_settle(tr, f.space, low);
}

/* Whose window a thread has in its gs base. */
static const struct follow *follow_with_window(struct process *p, uint64_t addr)
{
	const struct follow *f;
	struct thread *th;

	list_each(th, &p->threads, node) {
		f = follow_of(th);
		if (f && window_addr(f->space, f->window) == addr)
			return f;
	}
	return NULL;
}

static void rewind_unborn(struct translator *tr, struct process *p,
			  struct thread *low)
{
	const struct thread *th = upper_thread(tr, low);
	const struct follow *parent;

	if ((th && follow_of(th)) || low->running ||
	    !follow_image(tr, low, false))
		return;
	parent = follow_with_window(p, *follow_special(low, tr->gs_base));
	if (!parent)
		return;
	follow_rewind_child(tr, parent, low);
	follow_commit(tr, low);
}

void follow_rewind_unborn(struct translator *tr, struct process *p)
{
	struct process *low = lower_process(p), *q;
	struct thread *th;

	list_each(q, &tr->lower->processes, node) {
		if (q != low && !q->untold)
			continue;
		list_each(th, &q->threads, node)
			rewind_unborn(tr, p, th);
	}
}
