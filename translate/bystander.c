#include "translate/bystander.h"

#include <stdlib.h>

#include "base/mem.h"
#include "target/syscalls.h"
#include "translate/call.h"
#include "translate/runs.h"
#include "translate/trap.h"

static void set_told(struct translator *tr, struct thread *th, bool on)
{
	if (tr_thread_of(th)->tells_calls == on)
		return;
	tr_thread_of(th)->tells_calls = on;
	mirror_options(tr, th);
}

static void forget_call(struct tr_thread *tt)
{
	free(tt->call);
	tt->call = NULL;
}

void bystander_begin(struct translator *tr, struct thread *th)
{
	set_told(tr, th, space_of(th->proc));
}

void bystander_end(struct translator *tr, struct thread *th)
{
	forget_call(tr_thread_of(th));
	set_told(tr, th, false);
}

/* Who has been one and is followed now may stand at a call. */
void bystanders_note(struct translator *tr, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (!space_of(p))
			bystander_end(tr, th);
		else if (!follow_of(th))
			set_told(tr, th, true);
	}
}

/* --- calls --------------------------------------------------------------- */

/* False: the process has been let go of, or the thread goes on already. */
static bool call_begins(struct translator *tr, struct thread *th,
			uint32_t number)
{
	struct tr_thread *tt = tr_thread_of(th);
	struct space *sp = space_of(th->proc);
	struct watch w;

	forget_call(tt);
	if (!sp || !watch_matters(number))
		return true;
	tr->stats.calls_beside++;
	w = call_look(tr, lower_thread(th), sp);
	if ((w.way == WATCH_LEAVE && process_let_go(tr, th->proc)) ||
	    process_yield(tr, th, w.traces))
		return false;
	if (w.way == WATCH_NATIVE || w.way == WATCH_ACTION) {
		tt->call = xmalloc(sizeof(w));
		*tt->call = w;
	}
	return true;
}

static void call_returns(struct translator *tr, struct thread *th)
{
	struct tr_thread *tt = tr_thread_of(th);
	struct space *sp = space_of(th->proc);
	struct watch w;

	if (!tt->call)
		return;
	w = *tt->call;
	forget_call(tt);
	if (sp && !sp->inactive)
		call_end(tr, th, sp, &w);
}

static bool is_caught(const struct process *p, const struct stop *ev)
{
	return syscall_set_has(p->caught, (uint32_t)ev->code);
}

/* As it was asked to: at the entry of a call its registers are what they are,
 * and behind it a followed one enters the cache. */
static void go_on(struct translator *tr, struct thread *th, bool entry)
{
	struct resume act = tr_thread_of(th)->asked;
	struct follow *f = follow_of(th);

	act.who = th->id;
	if (!entry && act.kind == RESUME_CONT)
		run_prepare(tr, th);
	if (f && entry)
		follow_go(tr, lower_thread(th), RESUME_CONT, 0);
	else if (f)
		follow_resume(tr, th, &f->asked);
	else
		target_resume(tr->lower, &act, 1);
}

static bool take_call(struct translator *tr, struct thread *th, struct stop *ev)
{
	bool entry = ev->kind == STOP_SYSCALL_ENTRY;

	if (entry && !call_begins(tr, th, (uint32_t)ev->code))
		return false;
	if (!entry)
		call_returns(tr, th);
	if (!entry && follow_of(th))
		set_told(tr, th, false);
	if (is_caught(th->proc, ev))
		return true;
	if (!entry && tr_thread_of(th)->asked.kind != RESUME_CONT) {
		ev->kind = STOP_STEP;
		return true;
	}
	go_on(tr, th, entry);
	return false;
}

bool bystander_event(struct translator *tr, struct thread *th, struct stop *ev)
{
	if (ev->kind == STOP_SYSCALL_ENTRY || ev->kind == STOP_SYSCALL_RETURN)
		return take_call(tr, th, ev);
	if (follow_of(th))
		bystander_end(tr, th);
	return true;
}

/* --- breakpoints --------------------------------------------------------- */

bool bystander_passes(void *user, struct thread *low, uint64_t addr)
{
	const struct translator *tr = user;
	const struct thread *th = upper_thread(tr, low);

	return th && !follow_of(th) && !run_returned(th, addr) &&
	       !point_find(th->proc, POINT_SW, addr, 0);
}
