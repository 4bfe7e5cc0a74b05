/* Processes whose threads are followed: how that begins, spreads and ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "translate/block.h"
#include "translate/blocked.h"
#include "translate/coverage.h"
#include "translate/evict.h"
#include "translate/exclude.h"
#include "translate/follow.h"
#include "translate/ring.h"
#include "translate/stop.h"
#include "translate/sweep.h"
#include "translate/trail.h"

void space_unref(struct space *sp)
{
	if (--sp->refs)
		return;
	space_measure(sp);
	records_end(sp);
	space_free(sp);
}

/* --- beginning and end --------------------------------------------------- */

static int refuse(struct translator *tr, struct err *e, const char *why)
{
	tr->stats.refused++;
	return err_set(e, -EOPNOTSUPP, "%s", why);
}

static struct thread *first_thread(struct process *p)
{
	return list_entry(p->threads.next, struct thread, node);
}

static unsigned n_threads(const struct process *p)
{
	const struct thread *th;
	unsigned n = 0;

	list_each(th, &p->threads, node)
		n++;
	return n;
}

static int can_follow(struct translator *tr, struct process *p, struct err *e)
{
	if (!tr->lower->ops->inject || !tr->lower->ops->share)
		return refuse(tr, e, "this target cannot be translated");
	if (p->arch->word != 8)
		return refuse(tr, e, "i386 programs are not translated");
	if (list_empty(&p->threads))
		return refuse(tr, e, "no thread");
	return 0;
}

void process_learn_registers(struct translator *tr, const struct arch *a)
{
	for (unsigned i = 0; i < a->n_regs; i++) {
		if (!strcmp(a->regs[i].name, "fs_base"))
			tr->fs_base = i;
		else if (!strcmp(a->regs[i].name, "gs_base"))
			tr->gs_base = i;
		else if (!strcmp(a->regs[i].name, "orig_rax"))
			tr->orig_rax = i;
		else if (!strcmp(a->regs[i].name, "fiseg"))
			tr->fiseg = i;
		else if (!strcmp(a->regs[i].name, "fioff"))
			tr->fioff = i;
	}
}

static void threads_end(struct translator *tr, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		follow_end(tr, th);
}

/* The space is counted once for the process. */
static int follow_in(struct translator *tr, struct process *p, struct space *sp,
		     struct thread *by, struct err *e)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (follow_begin(tr, th, sp, by, e) < 0) {
			threads_end(tr, p);
			return -ENOMEM;
		}
		stop_keep_sigcont(tr, lower_thread(th), sp);
	}
	tr_process_of(p)->space = sp;
	sigtrap_learn(tr, p, by);
	trails_guard(sp, lower_process(p));
	return 0;
}

/* A lower thread that makes calls for us; NULL: all of them wait for vfork
 * children. */
static struct thread *caller_of(struct translator *tr, struct process *p)
{
	static const uint64_t none[6];
	struct thread *th;
	int64_t r;

	list_each(th, &p->threads, node) {
		r = tr->lower->ops->inject->call(tr->lower, lower_thread(th),
						 SYS_getpid, none);
		if (r != -EBUSY && r != -ESRCH)
			return lower_thread(th);
	}
	return NULL;
}

/* sweeps: there may be leftovers in it. */
static int follow_process(struct translator *tr, struct process *p,
			  enum trace_mode mode, bool sweeps, struct err *e)
{
	struct thread *by;
	struct space *sp;
	int r = can_follow(tr, p, e);

	if (r < 0 || space_of(p))
		return r;
	process_learn_registers(tr, p->arch);
	by = caller_of(tr, p);
	if (!by)
		return err_set(e, -EBUSY, "it waits for its vfork child");
	if (p->attached && sweeps)
		sweep_leftovers(tr, p, by);
	sp = space_new(tr, by, e);
	if (!sp) {
		tr->stats.refused++;
		return -ENOMEM;
	}
	sp->mode = mode;
	if (p->caught)
		space_use_traps(sp);
	if ((mode != MODE_TRACE || rings_map(sp, e) == 0) &&
	    follow_in(tr, p, sp, by, e) == 0) {
		sp->pid = p->pid;
		if (mode == MODE_COVERAGE)
			coverage_begin(tr);
		return 0;
	}
	space_unmap(sp, by);
	space_unref(sp);
	return -ENOMEM;
}

int translate_follow(struct target *t, struct process *p, enum trace_mode mode,
		     struct err *e)
{
	return follow_process(translator_of(t), p, mode, true, e);
}

int translate_follow_soon(struct target *t, struct process *p,
			  enum trace_mode mode, struct err *e)
{
	struct translator *tr = translator_of(t);
	int r = translate_follow(t, p, mode, e);

	if (r != -EBUSY)
		return r;
	tr_process_of(p)->follow_due = true;
	tr_process_of(p)->due_mode = mode;
	tr->n_due++;
	return 0;
}

void translate_unfollow(struct target *t, struct process *p)
{
	struct translator *tr = translator_of(t);
	struct space *sp = space_of(p);
	struct thread *th, *by;
	bool last;

	if (!sp)
		return;
	if (tr->calling) {
		sp->leaving = tr->due = true;
		return;
	}
	follow_rewind_unborn(tr, p);
	list_each(th, &p->threads, node) {
		follow_rewind(tr, th);
		target_regs_flush(tr->lower, lower_thread(th));
	}
	sections_end(sp, lower_process(p));
	exclude_end(sp, p);
	last = sp->refs == 1u + n_threads(p);
	by = last ? caller_of(tr, p) : NULL;
	if (last && by)
		space_unmap(sp, by);
	else if (last)
		blocked_keep(tr, p);
	process_forget(tr, p);
}

void process_forget(struct translator *tr, struct process *p)
{
	struct space *sp = space_of(p);

	if (!sp)
		return;
	threads_end(tr, p);
	if (!blocked_has(tr, p->pid))
		trails_unguard(sp, lower_process(p));
	tr_process_of(p)->space = NULL;
	space_unref(sp);
}

/* --- births -------------------------------------------------------------- */

static void resume_low(struct translator *tr, struct thread *low)
{
	struct resume act = { .who = low->id, .kind = RESUME_CONT };

	target_resume(tr->lower, &act, 1);
}

/* Both are stopped; the child's record is there. */
static bool take_clone(struct translator *tr, struct thread *th,
		       struct stop *ev)
{
	struct follow *f = follow_of(th);
	struct thread *child = thread_find(&tr->t, ev->child.tid);
	struct thread *low = child ? lower_thread(child) : NULL;
	struct resume go = { .kind = RESUME_CONT };

	if (!child)
		return false;
	follow_rewind_child(tr, f, low);
	if (follow_begin(tr, child, f->space, lower_thread(th), NULL) == 0)
		follow_of(child)->gs_base = f->gs_base;
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
		resume_low(tr, low);
	mirror_running(tr, child);
	return false;
}

/* As its parent, or the program before. */
static int follow_so(struct translator *tr, struct process *p,
		     enum trace_mode mode, bool inactive, struct err *e)
{
	int r = follow_process(tr, p, mode, false, e);

	if (r == 0)
		space_of(p)->inactive = space_of(p)->to_be_inactive = inactive;
	return r;
}

/* The child's memory has breakpoints where its parent's excluded calls return
 * to, and records of them. */
static void forget_returns(struct translator *tr, const struct space *sp,
			   const struct process *parent, struct process *child)
{
	const struct map *m = &sp->returns;

	for (size_t i = 0; m->slots && i <= m->mask; i++) {
		uint64_t pc = m->slots[i].key - 1;

		if (m->slots[i].key && !point_find(parent, POINT_SW, pc, 1))
			target_point_clear(&tr->t, child, POINT_SW, pc, 1);
	}
}

/* Of a vfork child the memory is its parent's; another has no cache. */
static void take_child(struct translator *tr, struct thread *th,
		       struct process *child, bool shares)
{
	struct follow *f = follow_of(th);
	struct space *sp = f->space;
	struct thread *low = lower_thread(first_thread(child));
	struct err e = { 0 };

	follow_rewind_child(tr, f, low);
	if (!shares)
		forget_returns(tr, sp, th->proc, child);
	if (!tr->follow_forks)
		return;
	if (!shares)
		follow_so(tr, child, sp->mode, sp->inactive, &e);
	else if (follow_in(tr, child, sp, low, &e) == 0)
		sp->refs++;
	if (e.text[0])
		debug(SESSION, "%d: not followed: %s", child->pid, e.text);
}

static bool take_fork(struct translator *tr, struct thread *th, struct stop *ev)
{
	struct process *child = process_find(&tr->t, ev->child.pid);
	bool vfork = ev->kind == STOP_VFORK;

	if (!child)
		return false;
	take_child(tr, th, child, vfork);
	if (vfork)
		follow_await_vfork(tr, th);
	if (vfork ? tr->t.report_vfork : tr->t.report_fork)
		return true;
	if (space_of(child)) {
		struct thread *first = first_thread(child);
		struct resume go = { first->id, RESUME_CONT, 0, 0, 0 };

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

/* The process has a new memory, in which nothing of ours is. */
static bool take_exec(struct translator *tr, struct thread *th)
{
	struct process *p = th->proc;
	enum trace_mode mode = space_of(p)->mode;
	bool inactive = space_of(p)->inactive;
	struct resume go = { th->id, RESUME_CONT, 0, 0, 0 };
	struct err e = { 0 };

	sections_end(space_of(p), lower_process(p));
	process_forget(tr, p);
	if (tr->follow_execs && follow_so(tr, p, mode, inactive, &e) < 0)
		debug(SESSION, "%d: not followed: %s", p->pid, e.text);
	if (tr->t.report_exec)
		return true;
	if (follow_of(th))
		follow_resume(tr, th, &go);
	else
		resume_low(tr, lower_thread(th));
	return false;
}

bool process_event(struct translator *tr, struct thread *th, struct stop *ev)
{
	blocked_settle(tr, lower_thread(th));
	switch (ev->kind) {
	case STOP_CLONED:
		return take_clone(tr, th, ev);
	case STOP_FORK:
	case STOP_VFORK:
		return take_fork(tr, th, ev);
	case STOP_EXEC:
		return take_exec(tr, th);
	case STOP_VFORK_DONE:
		follow_of(th)->wait = WAIT_NONE;
		if (tr->t.report_vfork)
			return true;
		follow_resume(tr, th, &follow_of(th)->asked);
		return false;
	default:
		return follow_event(tr, th, ev);
	}
}

/* --- what comes after the end -------------------------------------------- */

/* Its child was rewound with it. */
static void let_child_run(struct translator *tr, const struct stop *ev)
{
	struct process *p = process_find(&tr->t, ev->child.pid);
	struct thread *th = thread_find(&tr->t, ev->child.tid);

	if (ev->kind == STOP_CLONED && th)
		resume_low(tr, lower_thread(th));
	else if ((ev->kind == STOP_FORK || ev->kind == STOP_VFORK) && p)
		tr->lower->ops->detach(tr->lower, lower_process(p), 0);
}

static bool is_wanted(const struct translator *tr, const struct thread *th,
		      const struct stop *ev)
{
	switch (ev->kind) {
	case STOP_FORK:
		return tr->t.report_fork;
	case STOP_VFORK:
	case STOP_VFORK_DONE:
		return tr->t.report_vfork;
	case STOP_EXEC:
		return tr->t.report_exec;
	case STOP_CLONED:
		return th->options & THREAD_TELL_CLONE;
	case STOP_SIGNAL:
		return ev->code == SIGNAL_TRAP
			       ? !tr_thread_of(th)->trap_owed
			       : !ev->signo ||
					 th->options & THREAD_TELL_SIGNALS ||
					 tr_thread_of(th)->asked.kind ||
					 sigismember(&tr->t.pass_signals,
						     ev->signo) != 1;
	default:
		return true;
	}
}

void process_follow_late(struct translator *tr, struct thread *th,
			 const struct stop *ev)
{
	struct tr_process *tp = tr_process_of(th->proc);
	struct err e = { 0 };

	if (ev->kind == STOP_EXEC)
		blocked_forget(tr, th->proc->pid);
	if (ev->kind != STOP_EXITED && ev->kind != STOP_KILLED)
		blocked_settle(tr, lower_thread(th));
	if (!tp->follow_due || ev->kind != STOP_VFORK_DONE)
		return;
	translator_pause(tr);
	if (translate_follow(&tr->t, th->proc, tp->due_mode, &e) != -EBUSY) {
		tp->follow_due = false;
		tr->n_due--;
	}
	translator_unpause(tr, lower_thread(th));
	if (e.text[0])
		debug(SESSION, "%d: not followed: %s", th->proc->pid, e.text);
}

/* What is told because others are followed, or because it was when this met
 * the thread, has it run on as it was asked to. */
bool process_wants(struct translator *tr, struct thread *th,
		   const struct stop *ev)
{
	struct tr_thread *tt = tr_thread_of(th);
	struct resume act = tt->asked;

	if (is_wanted(tr, th, ev))
		return true;
	if (ev->kind == STOP_SIGNAL && ev->code == SIGNAL_TRAP)
		tt->trap_owed = false;
	else if (ev->kind == STOP_SIGNAL)
		act.signo = ev->signo;
	let_child_run(tr, ev);
	act.who = th->id;
	tr->lower->ops->resume(tr->lower, &act, 1);
	return false;
}

/* --- breakpoints of the layer above -------------------------------------- */

static const struct process *upper_of(const struct space *sp)
{
	return map_find(&sp->tr->processes, (uint64_t)sp->by->proc->pid);
}

bool process_has_points(const struct space *sp)
{
	const struct process *p = upper_of(sp);

	return p && !list_empty(&p->points->list);
}

const struct point *process_point(const struct process *p, uint64_t pc)
{
	const struct point *pt = point_find(p, POINT_SW, pc, 0);

	return pt ? pt : point_find(p, POINT_HW, pc, 1);
}

bool process_has_point(const struct space *sp, uint64_t pc)
{
	const struct process *p = upper_of(sp);

	return p && process_point(p, pc);
}

/* --- the cache is full --------------------------------------------------- */

/* Out of the cache, in the kernel's eyes too: when we die now, nobody could
 * find the way back. */
static void take_out(struct translator *tr, struct thread *th)
{
	follow_rewind(tr, th);
	if (!lower_thread(th)->blocked)
		target_regs_flush(tr->lower, lower_thread(th));
	ring_drain(tr, th, true);
}

/* Nobody is in the cache then; all are stopped. */
static void take_all_out(struct translator *tr, struct space *sp)
{
	struct process *p;
	struct thread *th;

	list_each(p, &tr->t.processes, node) {
		if (space_of(p) != sp)
			continue;
		follow_rewind_unborn(tr, p);
		list_each(th, &p->threads, node) {
			if (follow_of(th) && follow_of(th)->space == sp)
				take_out(tr, th);
		}
	}
}

void process_drop_code(struct translator *tr, struct space *sp)
{
	struct thread *by = sp->by;

	take_all_out(tr, sp);
	sp->by = by;
	records_end(sp);
	space_flush(sp);
}

/* Returns the thread that is not to run on when that is over. */
static struct thread *clear_cache(struct translator *tr, struct space *sp)
{
	struct thread *by = sp->by;

	translator_pause(tr);
	take_all_out(tr, sp);
	sp->by = by;
	return by;
}

static void run_on(struct translator *tr, struct space *sp, struct thread *by)
{
	translator_unpause(tr, by);
	sp->by = by;
}

/* Rare: it is when what code was translated by holds no more. */
void process_flush(struct translator *tr, struct space *sp)
{
	struct thread *by = clear_cache(tr, sp);

	space_measure(sp);
	records_end(sp);
	space_flush(sp);
	run_on(tr, sp, by);
}

void process_collect(struct translator *tr, struct space *sp)
{
	struct thread *by = clear_cache(tr, sp);

	space_collect(sp);
	run_on(tr, sp, by);
}

/* Rare, too: it is when megabytes of code have been translated. */
bool process_make_room(struct translator *tr, struct space *sp, uint64_t pc)
{
	struct thread *by;
	bool done;

	if (!space_can_evict(sp, pc))
		return false;
	by = clear_cache(tr, sp);
	done = space_evict(sp, pc);
	run_on(tr, sp, by);
	return done;
}

/* --- what is asked of it ------------------------------------------------- */

int translate_tick(struct target *t)
{
	return coverage_tick(translator_of(t));
}

void translate_follow_new(struct target *t, bool on)
{
	translator_of(t)->follow_new = on;
}

void translate_follow_children(struct target *t, bool forks, bool execs)
{
	translator_of(t)->follow_forks = forks;
	translator_of(t)->follow_execs = execs;
}

const struct translate_stats *translate_stats(const struct target *t)
{
	const struct process *p;

	list_each(p, &t->processes, node) {
		if (space_of(p))
			space_measure(space_of(p));
	}
	return &((const struct translator *)t)->stats;
}

void translate_stats_each(const struct target *t,
			  void (*fn)(void *user, const char *name,
				     const char *text, uint64_t value),
			  void *user)
{
	const struct translate_stats *s = translate_stats(t);

#define STAT(name, text) fn(user, #name, text, s->name);
#include "translate/stats.def"
#undef STAT
}
