/* Processes whose threads are followed: how that begins, spreads and ends. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "translate/births.h"
#include "translate/blocked.h"
#include "translate/bystander.h"
#include "translate/collects.h"
#include "translate/coverage.h"
#include "translate/evict.h"
#include "translate/exclude.h"
#include "translate/flows.h"
#include "translate/history.h"
#include "translate/ring.h"
#include "translate/stop.h"
#include "translate/sweep.h"
#include "translate/trail.h"
#include "translate/trap.h"
#include "translate/x86_64/compile.h"
#include "translate/x87.h"

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

static unsigned n_followed(const struct process *p)
{
	const struct thread *th;
	unsigned n = 0;

	list_each(th, &p->threads, node)
		n += follow_of(th) != NULL;
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
		else if (!strcmp(a->regs[i].name, "gs"))
			tr->gs = i;
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

/* Those that have just joined leave again. */
static void part(struct translator *tr, struct process *p, unsigned joined)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (follow_of(th) && follow_of(th)->joined == joined)
			follow_end(tr, th);
	}
}

/* Those who (NULL: all) names that are not followed yet. */
static int join(struct translator *tr, struct process *p,
		const struct thread *who, struct space *sp, struct thread *by,
		struct err *e)
{
	unsigned joined = ++sp->n_joins;
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (follow_of(th) || (who && th != who))
			continue;
		if (follow_begin(tr, th, sp, by, e) < 0) {
			part(tr, p, joined);
			return -ENOMEM;
		}
		follow_of(th)->joined = joined;
		landings_expect(sp, lower_thread(th));
		stop_keep_sigcont(tr, lower_thread(th), sp);
	}
	return 0;
}

int process_follow_in(struct translator *tr, struct process *p,
		      const struct thread *who, struct space *sp,
		      struct thread *by, struct err *e)
{
	if (join(tr, p, who, sp, by, e) < 0)
		return -ENOMEM;
	tr_process_of(p)->space = sp;
	tr->n_followed++;
	mirror_wishes(tr);
	sigtrap_learn(tr, p, by);
	trails_guard(sp, lower_process(p));
	bystanders_note(tr, p);
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

/* What threads write to, if the mode has them write. */
static int record_begin(struct space *sp, struct err *e)
{
	switch (sp->mode) {
	case MODE_TRACE:
		return rings_map(sp, e);
	case MODE_FLOW:
	case MODE_HISTORY:
		return flow_begin(sp, e);
	default:
		return 0;
	}
}

/* More threads of a process of which some are followed. */
static int follow_more(struct translator *tr, struct process *p,
		       const struct thread *who, enum trace_mode mode,
		       struct thread *by, struct err *e)
{
	struct space *sp = space_of(p);

	if (sp->mode != mode)
		return err_set(e, -EEXIST,
			       "it is followed in another mode: "
			       "unfollow it first");
	if (join(tr, p, who, sp, by, e) < 0)
		return -ENOMEM;
	bystanders_note(tr, p);
	return 0;
}

/* Of another process that runs in the same memory, as a vfork child does. */
static struct space *space_there(const struct translator *tr,
				 const struct process *p)
{
	const struct process *q;

	if (p->points->refs == 1)
		return NULL;
	list_each(q, &tr->t.processes, node) {
		if (q != p && q->points == p->points && space_of(q) &&
		    !tr_process_of(q)->has_execed)
			return space_of(q);
	}
	return NULL;
}

/* In the code that is there. */
static int follow_beside(struct translator *tr, struct process *p,
			 const struct thread *who, struct space *sp,
			 enum trace_mode mode, struct thread *by, struct err *e)
{
	if (mode != MODE_NONE && sp->mode != mode)
		return err_set(e, -EEXIST,
			       "its parent is followed in another mode: "
			       "unfollow that first");
	if (process_follow_in(tr, p, who, sp, by, e) < 0)
		return -ENOMEM;
	sp->refs++;
	return 0;
}

/* In memory of its own. */
static struct space *space_for(struct translator *tr, struct process *p,
			       enum trace_mode mode, struct thread *by,
			       struct err *e)
{
	struct space *sp = space_new(tr, by, e);

	if (!sp) {
		tr->stats.refused++;
		return NULL;
	}
	sp->mode = mode;
	sp->keep = mode == MODE_HISTORY ? history_keep(p) : tr->keep;
	if (p->caught)
		space_use_traps(sp);
	return sp;
}

int process_follow(struct translator *tr, struct process *p,
		   const struct thread *who, enum trace_mode mode, bool fresh,
		   struct err *e)
{
	struct thread *by;
	struct space *sp;
	int r = can_follow(tr, p, e);

	if (r < 0)
		return r;
	exec_settle(tr, p);
	process_learn_registers(tr, p->arch);
	by = caller_of(tr, p);
	if (!by)
		return err_set(e, -EBUSY, "it waits for its vfork child");
	if (space_of(p))
		return follow_more(tr, p, who, mode, by, e);
	sp = fresh ? NULL : space_there(tr, p);
	if (sp)
		return follow_beside(tr, p, who, sp, mode, by, e);
	if (p->attached && !fresh)
		sweep_leftovers(tr, p, by);
	sp = space_for(tr, p, mode, by, e);
	if (!sp)
		return -ENOMEM;
	if (record_begin(sp, e) == 0 &&
	    process_follow_in(tr, p, who, sp, by, e) == 0) {
		sp->pid = p->pid;
		if (mode == MODE_COVERAGE || tr->has_hints)
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
	struct thread *th;
	int r;

	tr_process_of(p)->for_conditions = false;
	r = process_follow(translator_of(t), p, NULL, mode, false, e);

	list_each(th, &p->threads, node) {
		if (r == 0)
			tr_thread_of(th)->by_history = tr_thread_of(th)->lent =
				false;
	}
	return r;
}

int translate_follow_thread(struct target *t, struct thread *th,
			    enum trace_mode mode, bool alone, struct err *e)
{
	int r = process_follow(translator_of(t), th->proc, th, mode, false, e);

	if (r < 0)
		return r;
	follow_of(th)->alone = alone;
	tr_thread_of(th)->by_history = tr_thread_of(th)->lent = false;
	return 0;
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

/* In the kernel's eyes, too. */
static void leave(struct translator *tr, struct thread *th)
{
	follow_rewind(tr, th);
	if (follow_of(th)) {
		follow_goes_natively(tr, th);
		x87_settle(tr, follow_of(th)->space, lower_thread(th));
	}
	follow_commit(tr, lower_thread(th));
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
	if (tr_process_of(p)->has_execed) {
		tr_process_of(p)->execer.followed = false;
		exec_settle(tr, p);
		return;
	}
	follow_rewind_unborn(tr, p);
	list_each(th, &p->threads, node)
		leave(tr, th);
	sections_end(sp, lower_process(p));
	exclude_end(sp, p);
	last = sp->refs == 1u + n_followed(p);
	by = last ? caller_of(tr, p) : NULL;
	if (last && by)
		space_unmap(sp, by);
	else if (last)
		blocked_keep(tr, p);
	process_forget(tr, p);
}

void translate_unfollow_thread(struct target *t, struct thread *th)
{
	struct translator *tr = translator_of(t);
	struct process *p = th->proc;

	if (tr_process_of(p)->has_execed) {
		translate_unfollow(t, p);
		return;
	}
	if (!follow_of(th))
		return;
	if (tr->calling) {
		follow_of(th)->leaving = tr->due = true;
		return;
	}
	if (n_followed(p) == 1) {
		translate_unfollow(t, p);
		return;
	}
	follow_rewind_unborn(tr, p);
	follow_settle(tr, th);
	leave(tr, th);
	follow_end(tr, th);
	bystanders_note(tr, p);
}

bool process_is_still(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (lower_thread(th)->running)
			return false;
	}
	return !list_empty(&p->threads);
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
	tr_process_of(p)->for_conditions = false;
	tr_process_of(p)->has_execed = false;
	tr->n_followed--;
	mirror_wishes(tr);
	bystanders_note(tr, p);
	space_unref(sp);
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
		follow_go(tr, lower_thread(th), RESUME_CONT, 0);
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
		return signal_is_wanted(tr, th, ev);
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
	if (!stop_ends_process(ev))
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

	if (ev->kind == STOP_FORK)
		births_forget_points(tr, th->proc, ev);
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

const struct point *process_point_of(const struct space *sp, uint64_t pc)
{
	const struct process *p = upper_of(sp);

	return p ? process_point(p, pc) : NULL;
}

bool process_has_two_points_of(const struct space *sp, uint64_t pc)
{
	const struct process *p = upper_of(sp);

	return p && process_has_two_points(p, pc);
}

bool process_has_point(const struct space *sp, uint64_t pc)
{
	return process_point_of(sp, pc);
}

/* --- what is asked of it ------------------------------------------------- */

int translate_tick(struct target *t)
{
	struct translator *tr = translator_of(t);
	int sweep = coverage_tick(tr), collect = collect_tick(tr);

	return sweep < 0 || (collect >= 0 && collect < sweep) ? collect : sweep;
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
