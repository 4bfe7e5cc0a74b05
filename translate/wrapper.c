/*
 * The operations that forward. Before each, what the layer above wants goes
 * down; the records follow by themselves (mirror.c), but for what a stop, a
 * resume and a halt say of threads that were there before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "translate/births.h"
#include "translate/bystander.h"
#include "translate/callback.h"
#include "translate/collects.h"
#include "translate/conditions.h"
#include "translate/coverage.h"
#include "translate/exclude.h"
#include "translate/flows.h"
#include "translate/follow.h"
#include "translate/hints.h"
#include "translate/history.h"
#include "translate/layer.h"
#include "translate/prints.h"
#include "translate/runs.h"
#include "translate/translate.h"
#include "translate/watchpoints.h"

/* After an operation that may have stopped something. */
static void settle(struct translator *tr)
{
	tr->t.unsettled = tr->lower->unsettled;
}

/* --- processes ----------------------------------------------------------- */

static pid_t launch(struct target *t, const struct launch_spec *spec,
		    struct err *e)
{
	struct translator *tr = translator_of(t);
	struct process *p;
	pid_t pid;
	int r;

	mirror_wishes(tr);
	pid = tr->lower->ops->launch(tr->lower, spec, e);
	p = pid > 0 && tr->follow_new ? process_find(t, pid) : NULL;
	if (!p)
		return pid;
	r = translate_follow(t, p, MODE_NONE, e);
	if (r < 0)
		t->ops->kill(t, p);
	return r < 0 ? r : pid;
}

static int attach(struct target *t, pid_t pid, struct err *e)
{
	struct translator *tr = translator_of(t);
	struct process *p;
	int r;

	mirror_wishes(tr);
	r = tr->lower->ops->attach(tr->lower, pid, e);
	p = r >= 0 && tr->follow_new ? process_find(t, pid) : NULL;
	if (!p)
		return r;
	r = translate_follow_soon(t, p, MODE_NONE, e);
	if (r < 0)
		t->ops->detach(t, p, 0);
	return r;
}

static int detach(struct target *t, struct process *p, int signo)
{
	struct translator *tr = translator_of(t);
	int r;

	mirror_wishes(tr);
	mirror_registers(tr, p);
	if (!space_of(p) && !runs_any(p))
		return tr->lower->ops->detach(tr->lower, lower_process(p),
					      signo);
	translator_pause(tr);
	runs_cancel(tr, p);
	translate_unfollow(t, p);
	r = tr->lower->ops->detach(tr->lower, lower_process(p), signo);
	translator_unpause(tr, NULL);
	return r;
}

static int kill_process(struct target *t, struct process *p)
{
	struct translator *tr = translator_of(t);

	mirror_wishes(tr);
	return tr->lower->ops->kill(tr->lower, lower_process(p));
}

static void all_registers(struct translator *tr)
{
	struct process *p;

	list_each(p, &tr->t.processes, node)
		mirror_registers(tr, p);
}

/* Those that outlast us are to be without us. */
static void let_go_of_all(struct translator *tr)
{
	struct process *p, *next;

	list_each_safe(p, next, &tr->t.processes, node) {
		if (p->attached && space_of(p))
			translate_unfollow(&tr->t, p);
	}
}

/*
 * Events that are not for the layer above can come without an end, where many
 * threads meet a breakpoint whose condition is false. It is to look at its
 * client between: after some the descriptor is readable, be there more or not.
 */
#define QUIET_MOST 256

static void events_init(struct translator *tr)
{
	struct epoll_event in = { .events = EPOLLIN };
	struct target *lower = tr->lower;

	tr->events_fd = epoll_create1(EPOLL_CLOEXEC);
	tr->more_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tr->timer_fd = timerfd_create(CLOCK_MONOTONIC,
				      TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll_ctl(tr->events_fd, EPOLL_CTL_ADD, lower->ops->event_fd(lower),
		      &in) < 0 ||
	    epoll_ctl(tr->events_fd, EPOLL_CTL_ADD, tr->more_fd, &in) < 0 ||
	    epoll_ctl(tr->events_fd, EPOLL_CTL_ADD, tr->timer_fd, &in) < 0)
		die("cannot wait for events");
}

static void events_fini(struct translator *tr)
{
	close(tr->events_fd);
	close(tr->more_fd);
	close(tr->timer_fd);
}

static void translate_free(struct target *t)
{
	struct translator *tr = translator_of(t);

	mirror_wishes(tr);
	translator_pause(tr);
	let_go_of_all(tr);
	all_registers(tr);
	events_fini(tr);
	tr->lower->ops->free(tr->lower);
	map_fini(&tr->processes);
	free(tr->later);
	exclude_fini(tr);
	consumer_free(tr);
	hints_free(tr);
	target_fini(t);
	free(tr);
}

/* --- running ------------------------------------------------------------- */

/* It may have been sent elsewhere. */
static void keep_logged(struct translator *tr, struct thread *th)
{
	uint64_t pc;

	if (target_reg_u64(&tr->t, th, th->proc->arch->pc, &pc) == 0)
		thread_keep_logged(th, process_point(th->proc, pc));
}

/* The thread is about to take the action. */
static void take_action(struct translator *tr, struct thread *th,
			const struct resume *act)
{
	if (act->kind == RESUME_STOP)
		interrupts_note(tr, th->id);
	if (act->kind == RESUME_STOP || !thread_can_resume(th))
		return;
	if (th->fresh | th->dirty)
		target_regs_flush(&tr->t, th);
	if (th->logged)
		keep_logged(tr, th);
	tr_thread_of(th)->asked = *act;
	tr_thread_of(th)->asked.signo = 0;
	tr_thread_of(th)->asked.over = false;
	if (act->kind == RESUME_CONT)
		run_prepare(tr, th);
	if (follow_of(th))
		follow_resume(tr, th, act);
}

static int resume_one(struct translator *tr, const struct resume *act)
{
	struct thread *th = thread_find(&tr->t, act->who.tid);
	int r;

	if (th)
		take_action(tr, th, act);
	r = th && follow_of(th) && act->kind != RESUME_STOP
		    ? 0
		    : tr->lower->ops->resume(tr->lower, act, 1);
	/* It may have died meanwhile. */
	th = thread_find(&tr->t, act->who.tid);
	if (th)
		mirror_running(tr, th);
	return r;
}

static void take_actions(struct translator *tr, struct process *p,
			 const struct resume *acts, size_t n)
{
	const struct resume *act;
	struct thread *th;

	list_each(th, &p->threads, node) {
		act = target_action_for(acts, n, th->id);
		if (act)
			take_action(tr, th, act);
	}
}

static int resume_many(struct translator *tr, const struct resume *acts,
		       size_t n)
{
	struct process *p;
	struct thread *th;
	int r;

	list_each(p, &tr->t.processes, node) {
		if (target_actions_meet(acts, n, p->pid))
			take_actions(tr, p, acts, n);
	}
	r = tr->lower->ops->resume(tr->lower, acts, n);
	list_each(p, &tr->t.processes, node) {
		if (!target_actions_meet(acts, n, p->pid))
			continue;
		list_each(th, &p->threads, node)
			mirror_running(tr, th);
	}
	return r;
}

static int resume(struct target *t, const struct resume *acts, size_t n)
{
	struct translator *tr = translator_of(t);
	int r;

	mirror_wishes(tr);
	conditions_resume(tr, acts, n);
	points_resume(tr, acts, n);
	prints_resume(tr, acts, n);
	r = n == 1 && acts->who.tid > 0 ? resume_one(tr, acts)
					: resume_many(tr, acts, n);
	callbacks_settle(tr);
	collect_tick(tr);
	return r;
}

static int interrupt(struct target *t, struct ptid who)
{
	struct translator *tr = translator_of(t);

	mirror_wishes(tr);
	interrupts_note(tr, who);
	return tr->lower->ops->interrupt(tr->lower, who);
}

/* What the layer above asks of a process now, it asks of the new program. */
static void settle_execs(struct translator *tr)
{
	struct process *p;

	if (!tr->n_followed || tr->calling)
		return;
	list_each(p, &tr->t.processes, node)
		exec_settle(tr, p);
}

static int halt(struct target *t)
{
	struct translator *tr = translator_of(t);
	struct tr_thread *tt, *next;
	int r;

	mirror_wishes(tr);
	r = tr->lower->ops->halt(tr->lower);
	list_each_safe(tt, next, &tr->running, running_node)
		mirror_running(tr, tt->th);
	tr->interrupt.due = false;
	settle_execs(tr);
	settle(tr);
	/* What comes by while others are being stopped belongs before that. */
	translate_collect_drain(t);
	return r;
}

static bool only_steps(struct target *t)
{
	struct translator *tr = translator_of(t);
	const struct tr_thread *tt;

	/* A step of the lower one may be of a range, or none of the client's. */
	list_each(tt, &tr->running, running_node) {
		if (tt->asked.kind != RESUME_STEP)
			return false;
	}
	return tr->lower->ops->only_steps(tr->lower);
}

/* --- events -------------------------------------------------------------- */

static void set_more(struct translator *tr, bool more)
{
	uint64_t one = 1;

	if (tr->more == more)
		return;
	tr->more = more;
	if ((more ? write(tr->more_fd, &one, sizeof(one))
		  : read(tr->more_fd, &one, sizeof(one))) < 0)
		debug(EVENT, "eventfd: errno %d", errno);
}

static int event_fd(struct target *t)
{
	return translator_of(t)->events_fd;
}

/* --- pauses -------------------------------------------------------------- */

void translator_pause(struct translator *tr)
{
	tr->lower->ops->halt(tr->lower);
}

void translator_unpause(struct translator *tr, const struct thread *but)
{
	struct tr_thread *tt, *next;

	list_each_safe(tt, next, &tr->running, running_node) {
		struct resume act = tt->asked;

		if (tt->lower->running || tt->lower == but)
			continue;
		act.who = tt->th->id;
		tt->asked.over = false;
		if (act.kind == RESUME_CONT)
			run_prepare(tr, tt->th);
		if (tt->follow)
			follow_resume(tr, tt->th, &act);
		else
			tr->lower->ops->resume(tr->lower, &act, 1);
	}
	interrupts_renew_all(tr);
}

/* An exec leaves nothing of ours, whoever of them made it. */
static bool is_followed(const struct thread *th, const struct stop *ev)
{
	return follow_of(th) || (ev->kind == STOP_EXEC && space_of(th->proc));
}

/* Every event of the lower target passes here; false: it is none for the
 * layer above. What its thread was, the upper record still says. */
static bool tell(struct translator *tr, struct stop *ev)
{
	struct thread *th = thread_find(&tr->t, ev->id.tid);

	if (!th)
		return true;
	if (run_event(tr, th, ev))
		return false;
	if (tr_thread_of(th)->tells_calls && !bystander_event(tr, th, ev))
		return false;
	if (!follow_of(th))
		process_follow_late(tr, th, ev);
	if (is_followed(th, ev) ? !process_event(tr, th, ev)
				: (tr->stats.threads || tr->n_due) &&
					  !process_wants(tr, th, ev))
		return false;
	th = thread_find(&tr->t, ev->id.tid);
	interrupts_told(tr, ev);
	mirror_running(tr, th);
	th->last = *ev;
	return true;
}

enum pump translator_pump(struct translator *tr, struct stop *out, bool patient)
{
	bool told;

	if (tr->lower->ops->next_event(tr->lower, out, patient) <= 0)
		return PUMP_NONE;
	told = tell(tr, out);
	if (!told)
		interrupts_renew(tr, out->id.tid);
	callbacks_settle(tr);
	return told ? PUMP_TOLD : PUMP_SEEN_TO;
}

void translator_tell_later(struct translator *tr, const struct stop *ev)
{
	tr->later = xrealloc(tr->later, (tr->n_later + 1) * sizeof(*tr->later));
	tr->later[tr->n_later++] = *ev;
}

static bool told_before(struct translator *tr, struct stop *out)
{
	if (!tr->n_later)
		return false;
	*out = tr->later[0];
	memmove(tr->later, tr->later + 1, --tr->n_later * sizeof(*tr->later));
	return true;
}

static int next_event(struct target *t, struct stop *out, bool patient)
{
	struct translator *tr = translator_of(t);
	unsigned quiet = 0;
	enum pump r;

	mirror_wishes(tr);
	if (told_before(tr, out))
		return 1;
	do {
		r = translator_pump(tr, out, patient);
		if (r != PUMP_TOLD)
			conditions_tick(tr);
	} while (r == PUMP_SEEN_TO && ++quiet < QUIET_MOST);
	set_more(tr, quiet == QUIET_MOST);
	coverage_tick(tr);
	collect_tick(tr);
	if (r == PUMP_TOLD)
		translate_collect_drain(t);
	return r == PUMP_TOLD;
}

static int await(struct target *t, struct pollfd *fds, size_t n, int ms)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->await(lower, fds, n, ms);
}

/* The lower target sees to it that threads have the registers that the layer
 * above gave them, and may find that they are others. */
static void idle(struct target *t)
{
	struct translator *tr = translator_of(t);

	mirror_wishes(tr);
	all_registers(tr);
	tr->lower->ops->idle(tr->lower);
	settle(tr);
}

/* --- threads ------------------------------------------------------------- */

static int thread_core(struct target *t, struct thread *th)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->thread_core(lower, lower_thread(th));
}

static int thread_name(struct target *t, struct thread *th, char *buf,
		       size_t len)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->thread_name(lower, lower_thread(th), buf, len);
}

static int thread_pointer(struct target *t, struct thread *th, uint64_t *base)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->thread_pointer(lower, lower_thread(th), base);
}

static void thread_changed(struct target *t, struct thread *th)
{
	struct target *lower = translator_of(t)->lower;

	mirror_options(translator_of(t), th);
	target_thread_untold(lower, lower_thread(th), th->untold);
}

static const struct target_ops translate_ops = {
	.name = "translate",
	.free = translate_free,
	.launch = launch,
	.attach = attach,
	.detach = detach,
	.kill = kill_process,
	.resume = resume,
	.interrupt = interrupt,
	.halt = halt,
	.only_steps = only_steps,
	.event_fd = event_fd,
	.next_event = next_event,
	.idle = idle,
	.await = await,
	.fetch_regs = wrap_fetch_regs,
	.store_regs = wrap_store_regs,
	.read_mem = wrap_read_mem,
	.write_mem = wrap_write_mem,
	.thread_core = thread_core,
	.thread_name = thread_name,
	.thread_pointer = thread_pointer,
	.thread_changed = thread_changed,
};

static void choose_groups(struct target_ops *ops,
			  const struct target_ops *lower)
{
	*ops = translate_ops;
	if (!lower->idle)
		ops->idle = NULL;
	if (!lower->await)
		ops->await = NULL;
	if (!lower->only_steps)
		ops->only_steps = NULL;
	ops->point = lower->point ? &wrap_point_ops : NULL;
	ops->object = lower->object ? &wrap_object_ops : NULL;
	ops->syscall = lower->syscall ? &wrap_syscall_ops : NULL;
	ops->inject = lower->inject ? &wrap_inject_ops : NULL;
	ops->core = lower->core ? &wrap_core_ops : NULL;
	ops->branch = lower->inject && lower->share ? &history_ops
		      : lower->branch		    ? &wrap_branch_ops
						    : NULL;
}

struct target *translate_new(struct target *lower)
{
	struct translator *tr = xcalloc(1, sizeof(*tr));

	tr->lower = lower;
	choose_groups(&tr->ops, lower->ops);
	target_init(&tr->t, &tr->ops);
	list_init(&tr->running);
	list_init(&tr->blocked);
	list_init(&tr->hints);
	tr->follow_execs = true;
	tr->cache_size = CACHE_DEFAULT;
	tr->trust = TRUST_NEVER;
	mirror_start(tr);
	events_init(tr);
	return &tr->t;
}
