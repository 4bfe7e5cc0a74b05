/* What followed threads make: threads, processes, programs. */
#include "translate/births.h"

#include "base/log.h"
#include "translate/bystander.h"
#include "translate/history.h"
#include "translate/lend.h"
#include "translate/trap.h"
#include "translate/x87.h"

/* From now on several threads count blocks: code that does not lock what it
 * counts in goes first. */
static void share_counts(struct translator *tr, struct thread *th)
{
	struct space *sp = follow_of(th)->space;

	if (!sp->flow || sp->keep != FLOW_CALLS || sp->shares_counts)
		return;
	sp->shares_counts = true;
	sp->by = lower_thread(th);
	process_flush(tr, sp);
}

/* Both are stopped; the child's record is there. */
bool take_clone(struct translator *tr, struct thread *th, struct stop *ev)
{
	struct follow *f = follow_of(th);
	struct thread *child = thread_find(&tr->t, ev->child.tid);
	struct thread *low = child ? lower_thread(child) : NULL;
	struct resume go = { .kind = RESUME_CONT };

	if (!child)
		return false;
	follow_rewind_child(tr, f, low);
	share_counts(tr, th);
	if (!f->alone &&
	    follow_begin(tr, child, f->space, lower_thread(th), NULL) == 0) {
		follow_of(child)->gs_base = f->gs_base;
		follow_of(child)->gs = f->gs;
		tr_thread_of(child)->by_history = tr_thread_of(th)->by_history;
		tr_thread_of(child)->lent = tr_thread_of(th)->lent;
		bystander_end(tr, child);
	}
	if (th->options & THREAD_TELL_CLONE)
		return true;
	go.who = th->id;
	follow_resume(tr, th, &f->asked);
	if (tr->t.report_threads) {
		*ev = (struct stop){ .id = child->id, .kind = STOP_CREATED };
		return true;
	}
	go.who = child->id;
	if (follow_of(child))
		follow_resume(tr, child, &go);
	else
		follow_go(tr, low, RESUME_CONT, 0);
	mirror_running(tr, child);
	return false;
}

/* As its parent, or the program before. */
struct manner {
	enum trace_mode mode;
	bool inactive, alone;
};

static void follow_so(struct translator *tr, struct process *p,
		      const struct manner *m)
{
	struct err e = { 0 };

	if (process_follow(tr, p, NULL, m->mode, true, &e) < 0) {
		debug(SESSION, "%d: not followed: %s", p->pid, e.text);
		return;
	}
	space_of(p)->inactive = space_of(p)->to_be_inactive = m->inactive;
	follow_of(first_thread(p))->alone = m->alone;
}

static void forget_points(struct translator *tr, const struct map *m,
			  const struct process *parent, struct process *child)
{
	for (size_t i = 0; m->slots && i <= m->mask; i++) {
		uint64_t pc = m->slots[i].key - 1;

		if (m->slots[i].key && !point_find(parent, POINT_SW, pc, 1))
			target_point_clear(&tr->t, child, POINT_SW, pc, 1);
	}
}

void births_forget_points(struct translator *tr, const struct process *p,
			  const struct stop *ev)
{
	struct process *child = process_find(&tr->t, ev->child.pid);
	const struct space *sp = space_of(p);

	if (!sp || !child)
		return;
	forget_points(tr, &sp->returns, p, child);
	forget_points(tr, &sp->section_ends, p, child);
}

/* Of a vfork child the memory is its parent's; another has no cache. */
static void take_child(struct translator *tr, struct thread *th,
		       struct process *child, bool shares)
{
	struct follow *f = follow_of(th);
	struct space *sp = f->space;
	struct thread *low = lower_thread(first_thread(child));
	const struct manner as = { sp->mode, sp->inactive, f->alone };

	follow_rewind_child(tr, f, low);
	/* What is followed for a while alone would have made it natively. */
	if (!tr->follow_forks || tr_thread_of(th)->lent || lend_is_kept(th))
		return;
	if (!shares) {
		follow_so(tr, child, &as);
		if (space_of(child))
			space_of(child)->is_forked = true;
	} else if (process_follow_in(tr, child, NULL, sp, low, NULL) == 0)
		sp->refs++;
}

void follow_await_vfork(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);

	if (!f->in_cache && f->wait != WAIT_CALL)
		return;
	follow_rewind(tr, th);
	x87_settle(tr, f->space, lower_thread(th));
	f->wait = WAIT_VFORK;
}

bool take_fork(struct translator *tr, struct thread *th, struct stop *ev)
{
	struct process *child = process_find(&tr->t, ev->child.pid);
	bool vfork = ev->kind == STOP_VFORK;

	if (!child)
		return false;
	if (!vfork)
		births_forget_points(tr, th->proc, ev);
	take_child(tr, th, child, vfork);
	if (vfork)
		follow_await_vfork(tr, th);
	if (vfork ? tr->t.report_vfork : tr->t.report_fork)
		return true;
	if (space_of(child)) {
		struct thread *first = first_thread(child);
		struct resume go = { .who = first->id };

		tr_process_of(child)->is_ours = true;
		follow_resume(tr, first, &go);
		mirror_running(tr, first);
	} else {
		tr->lower->ops->detach(tr->lower, lower_process(child), 0);
	}
	follow_resume(tr, th, &follow_of(th)->asked);
	return false;
}

bool process_let_go(struct translator *tr, struct process *p)
{
	if (!tr_process_of(p)->is_ours)
		return false;
	tr->stats.let_go++;
	debug(SESSION, "%d: let go of", p->pid);
	tr->t.ops->detach(&tr->t, p, 0);
	return true;
}

bool process_yield(struct translator *tr, const struct thread *by, pid_t tid)
{
	struct thread *th = tid > 0 ? thread_find(&tr->t, tid) : NULL;

	return th && th->proc != by->proc && process_let_go(tr, th->proc);
}

/* The process has a new memory, in which nothing of ours is. */
void exec_settle(struct translator *tr, struct process *p)
{
	struct tr_process *tp = tr_process_of(p);
	struct thread *th = first_thread(p);
	struct manner as = { .alone = tp->execer.alone };
	bool for_conditions = tp->for_conditions;

	if (!tp->has_execed)
		return;
	as.mode = space_of(p)->mode;
	as.inactive = space_of(p)->inactive;
	sections_end(space_of(p), lower_process(p));
	process_forget(tr, p);
	if (tr->follow_execs && tp->execer.followed)
		follow_so(tr, p, &as);
	tp->for_conditions = for_conditions && space_of(p);
	tr_thread_of(th)->lent = follow_of(th) && tp->execer.lent;
	history_execed(th);
}

bool take_exec(struct translator *tr, struct thread *th)
{
	struct resume go = { .who = th->id };

	exec_settle(tr, th->proc);
	if (tr->t.report_exec)
		return true;
	if (follow_of(th))
		follow_resume(tr, th, &go);
	else
		follow_go(tr, lower_thread(th), RESUME_CONT, 0);
	return false;
}
