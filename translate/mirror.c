/*
 * The upper records follow the lower ones. Each event costs the same, however
 * many records there are: but a process that shares its memory is looked for
 * among all, and one that is forked gets a copy of its points.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "target/syscalls.h"
#include "translate/blocked.h"
#include "translate/bystander.h"
#include "translate/follow.h"
#include "translate/history.h"
#include "translate/layer.h"
#include "translate/runs.h"
#include "translate/stop.h"

static struct process *upper_process(const struct translator *tr,
				     const struct process *lower)
{
	return map_find(&tr->processes, (uint64_t)lower->pid);
}

/* --- points -------------------------------------------------------------- */

/* The upper process of another one that runs in the same memory. */
static struct process *sharer_of(const struct translator *tr,
				 const struct process *up)
{
	const struct points *points = lower_process(up)->points;
	struct process *p;

	if (points->refs == 1)
		return NULL;
	list_each(p, &tr->t.processes, node) {
		if (p != up && lower_process(p)->points == points)
			return p;
	}
	return NULL;
}

static void points_mirror(struct translator *tr, struct process *up)
{
	const struct point *pt;
	struct process *sharer = sharer_of(tr, up);
	struct point *copy;

	process_set_points(up, sharer);
	if (sharer)
		return;
	list_each(pt, &lower_process(up)->points->list, node) {
		copy = point_add(up, pt->kind, pt->addr, pt->size);
		copy->code = pt->code;
		if (copy->code)
			copy->code->refs++;
	}
}

/* --- what the lower target tells ----------------------------------------- */

static void set_path(struct process *up, const char *path)
{
	free(up->path);
	up->path = path ? xstrdup(path) : NULL;
}

static void process_added(void *user, struct process *lower)
{
	struct translator *tr = user;
	struct tr_process *tp = xcalloc(1, sizeof(*tp));
	struct process *up;

	blocked_forget(tr, lower->pid);
	up = process_add_untold(&tr->t, lower->pid, lower->arch);
	up->priv = tp;
	tp->lower = lower;
	map_set(&tr->processes, (uint64_t)up->pid, up);
	set_path(up, lower->path);
	up->attached = lower->attached;
	process_set_caught(up, syscall_set_ref(lower->caught));
	points_mirror(tr, up);
	process_tell(&tr->t, up);
}

static void process_gone(void *user, struct process *lower)
{
	struct translator *tr = user;
	struct process *up = upper_process(tr, lower);

	process_forget(tr, up);
	tr->n_due -= tr_process_of(up)->follow_due;
	map_drop(&tr->processes, (uint64_t)up->pid);
	free(up->priv);
	process_free(&tr->t, up);
}

static void thread_added(void *user, struct thread *lower)
{
	struct translator *tr = user;
	struct tr_thread *tt = xcalloc(1, sizeof(*tt));
	struct thread *th;

	th = thread_add_untold(&tr->t, upper_process(tr, lower->proc),
			       lower->id.tid);
	th->priv = tt;
	tt->th = th;
	tt->lower = lower;
	list_init(&tt->running_node);
	th->options = lower->options;
	th->last = lower->last;
	mirror_running(tr, th);
	bystander_begin(tr, th);
	thread_tell(&tr->t, th);
}

/* A vfork child's space is its parent's, too. */
static struct thread *other_of(const struct translator *tr,
			       const struct space *sp,
			       const struct thread *but)
{
	struct process *p;
	struct thread *th;

	list_each(p, &tr->t.processes, node) {
		list_each(th, &p->threads, node) {
			if (space_of(p) == sp && lower_thread(th) != but)
				return lower_thread(th);
		}
	}
	return NULL;
}

static void forget_caller(struct translator *tr, const struct thread *lower)
{
	struct process *p;
	struct space *sp;

	list_each(p, &tr->t.processes, node) {
		sp = space_of(p);
		if (sp && sp->by == lower)
			sp->by = other_of(tr, sp, lower);
	}
}

static void thread_gone(void *user, struct thread *lower)
{
	struct translator *tr = user;
	struct thread *th = upper_thread(tr, lower);
	struct tr_thread *tt = tr_thread_of(th);

	forget_caller(tr, lower);
	run_lost(tr, th);
	follow_end(tr, th);
	history_free(tt);
	bystander_end(tr, th);
	list_drop(&tt->running_node);
	free(tt);
	thread_free(&tr->t, th);
}

static void process_execs_below(void *user, struct process *lower, pid_t tid)
{
	struct translator *tr = user;
	struct process *up = upper_process(tr, lower);
	const struct thread *th = thread_find(&tr->t, tid);
	const struct follow *f = th ? follow_of(th) : NULL;

	tr_process_of(up)->execer.followed =
		th ? f != NULL : space_of(up) != NULL;
	tr_process_of(up)->execer.alone = f && f->alone;
	tr_process_of(up)->execer.lent = th && tr_thread_of(th)->lent;
}

static void process_execed_below(void *user, struct process *lower)
{
	struct translator *tr = user;
	struct process *up = upper_process(tr, lower);
	struct thread *th;

	process_set_arch(up, lower->arch);
	set_path(up, lower->path);
	points_mirror(tr, up);
	list_each(th, &up->threads, node) {
		th->options = lower_thread(th)->options;
		run_lost(tr, th);
		bystander_end(tr, th);
		th->handle = 0;
		th->fresh = th->dirty = 0;
		mirror_running(tr, th);
	}
	tr_process_of(up)->has_execed = space_of(up);
	tr_process_of(up)->runs = 0;
	tr_process_of(up)->run_point = 0;
	process_execed(&tr->t, up);
}

static const struct target_watcher watcher = {
	.process_added = process_added,
	.process_gone = process_gone,
	.process_execs = process_execs_below,
	.process_execed = process_execed_below,
	.thread_added = thread_added,
	.thread_gone = thread_gone,
};

void mirror_start(struct translator *tr)
{
	tr->lower->watcher = &watcher;
	tr->lower->watcher_user = tr;
	tr->lower->is_trap = stop_is_stubs;
	tr->lower->passes_point = bystander_passes;
	tr->lower->wants_call = watch_matters;
	tr->lower->on_sigcont = stop_on_sigcont;
	tr->lower->trap_user = tr;
	tr->lower->on_leave = blocked_leave;
	tr->lower->leave_user = tr;
}

/* --- what operations bring up and down ----------------------------------- */

void mirror_running(struct translator *tr, struct thread *th)
{
	struct tr_thread *tt = tr_thread_of(th);

	if (th->running == tt->lower->running)
		return;
	th->running = tt->lower->running;
	list_drop(&tt->running_node);
	if (th->running) {
		th->last.kind = STOP_NONE;
		list_add(&tr->running, &tt->running_node);
	} else {
		tt->stop_due = false;
		/* What was read while it ran. */
		th->fresh &= th->dirty;
	}
}

void mirror_wishes(struct translator *tr)
{
	const struct target *t = &tr->t;
	struct target *lower = tr->lower;

	bool follows = tr->n_followed || tr->n_due || !list_empty(&tr->blocked);

	lower->report_fork = t->report_fork || follows;
	lower->report_vfork = t->report_vfork || follows;
	lower->report_exec = t->report_exec || follows;
	lower->report_threads = t->report_threads;
	lower->all_stop = t->all_stop && !follows;
	lower->ends_wait = t->ends_wait;
	lower->traps = follows;
	lower->core_dir = t->core_dir;
	lower->pass_signals = t->pass_signals;
	lower->program_signals = t->program_signals;
	lower->print = t->print;
	lower->print_user = t->print_user;
}

void mirror_options(struct translator *tr, struct thread *th)
{
	unsigned own =
		follow_of(th) ? THREAD_TELL_CLONE | THREAD_TELL_SIGNALS : 0;

	if (tr_thread_of(th)->tells_calls)
		own |= THREAD_TELL_CALLS;
	target_thread_options(tr->lower, lower_thread(th), th->options | own);
}

void mirror_follow(struct translator *tr, struct thread *th,
		   struct follow *follow)
{
	struct tr_thread *tt = tr_thread_of(th);

	tt->follow = follow;
	mirror_options(tr, th);
}

void mirror_registers(struct translator *tr, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->fresh | th->dirty)
			target_regs_flush(&tr->t, th);
	}
}
