/* A function run by a thread: how it begins, is noticed to end, and ends. */
#include "translate/run.h"

#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "translate/callback.h"
#include "translate/ring.h"
#include "translate/runs.h"
#include "translate/trap.h"
#include "translate/x86_64/frame.h"

struct run {
	struct run_call call;
	run_fn *done;
	void *user;
	uint64_t back;	/* the function's return address */
	uint8_t *saved; /* the lower thread's registers; NULL: not begun */
	bool stays;	/* it stays stopped then */
	bool excluded;	/* struct follow's, before */
	int32_t depth;
};

static struct run *run_of(const struct thread *th)
{
	return tr_thread_of(th)->run;
}

/* --- where functions return to ------------------------------------------- */

static uint64_t entry_point(struct translator *tr, struct thread *low)
{
	const struct target_object_ops *object = tr->lower->ops->object;
	Elf64_auxv_t all[64];
	ssize_t n = object ? object->read(tr->lower, low, OBJ_AUXV, 0, all,
					  sizeof(all))
			   : 0;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(*all); i++) {
		if (all[i].a_type == AT_ENTRY)
			return all[i].a_un.a_val;
	}
	return 0;
}

static int catch_return(struct translator *tr, struct process *p, uint64_t pc)
{
	struct tr_process *tp = tr_process_of(p);

	if (!pc)
		return -EFAULT;
	if (!point_find(tp->lower, POINT_SW, pc, 1)) {
		if (target_point_set(tr->lower, tp->lower, POINT_SW, pc, 1,
				     NULL) < 0)
			return -EFAULT;
		tp->run_point = pc;
	}
	tp->runs++;
	return 0;
}

static void release_return(struct translator *tr, struct process *p)
{
	struct tr_process *tp = tr_process_of(p);

	if (--tp->runs || !tp->run_point)
		return;
	if (!point_find(p, POINT_SW, tp->run_point, 1))
		target_point_clear(tr->lower, tp->lower, POINT_SW,
				   tp->run_point, 1);
	tp->run_point = 0;
}

bool runs_any(const struct process *p)
{
	return tr_process_of(p)->runs;
}

bool runs_return_to(const struct process *p, uint64_t pc)
{
	return runs_any(p) && tr_process_of(p)->run_point == pc;
}

/* --- end ----------------------------------------------------------------- */

static void tell(struct translator *tr, struct thread *th, int r,
		 uint64_t value)
{
	struct run *run = run_of(th);

	tr_thread_of(th)->run = NULL;
	tr->calling++;
	if (run->done)
		run->done(run->user, &tr->t, th->id, r, value);
	tr->calling--;
	free(run->saved);
	free(run);
}

/* The thread, which has been rewound, is as it was before. */
static void put_back(struct translator *tr, struct thread *th)
{
	struct run *run = run_of(th);
	struct follow *f = follow_of(th);

	target_regs_write_all(tr->lower, lower_thread(th), run->saved);
	/* A breakpoint hit that waits to be told is none any more. */
	target_regs_flush(tr->lower, lower_thread(th));
	th->fresh = th->dirty = 0;
	release_return(tr, th->proc);
	if (!f)
		return;
	ring_drain(tr, th, true);
	f->depth = run->depth;
	f->excluded = run->excluded;
	f->wait = WAIT_NONE;
}

bool run_returned(const struct thread *th, uint64_t pc)
{
	const struct run *run = run_of(th);

	return run && run->saved && run->back == pc;
}

bool run_finish(struct translator *tr, struct thread *th)
{
	bool goes_on = !run_of(th)->stays;
	uint64_t value =
		frame_value(target_regs_all(tr->lower, lower_thread(th)));

	put_back(tr, th);
	tell(tr, th, 0, value);
	return goes_on;
}

static void cancel(struct translator *tr, struct thread *th, int r)
{
	if (!run_of(th))
		return;
	if (run_of(th)->saved) {
		follow_rewind(tr, th);
		put_back(tr, th);
	}
	tell(tr, th, r, 0);
}

void runs_cancel(struct translator *tr, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		cancel(tr, th, -ECANCELED);
}

void run_lost(struct translator *tr, struct thread *th)
{
	struct run *run = run_of(th);

	if (!run)
		return;
	/* The breakpoint stays for the next. */
	tr_process_of(th->proc)->runs -= run->saved != NULL;
	tell(tr, th, -ESRCH, 0);
}

/* --- beginning ------------------------------------------------------------ */

/* In the midst of a call, whose registers are not its own to change? */
static bool is_in_call(struct translator *tr, const struct thread *th)
{
	if (!lower_thread(th)->running &&
	    follow_is_in_entry(tr, lower_thread(th)))
		return true;
	switch ((int)th->last.kind) {
	case STOP_SYSCALL_ENTRY:
	case STOP_SYSCALL_RETURN:
	case STOP_FORK:
	case STOP_VFORK:
	case STOP_VFORK_DONE:
	case STOP_CLONED:
	case STOP_EXEC:
		return true;
	default:
		return lower_thread(th)->blocked;
	}
}

static int begin(struct translator *tr, struct thread *th)
{
	struct thread *low = lower_thread(th);
	struct run *run = run_of(th);
	const uint8_t *regs;
	size_t size = th->proc->arch->regs_size;

	follow_rewind(tr, th);
	if (th->fresh | th->dirty)
		target_regs_flush(&tr->t, th);
	regs = target_regs_all(tr->lower, low);
	run->back = entry_point(tr, low);
	if (!regs || catch_return(tr, th->proc, run->back) < 0)
		return -EFAULT;
	run->saved = xmalloc(size);
	memcpy(run->saved, regs, size);
	if (follow_of(th)) {
		ring_drain(tr, th, true);
		run->depth = follow_of(th)->depth;
		run->excluded = follow_of(th)->excluded;
		follow_of(th)->excluded = false;
	}
	if (frame_write(tr, low, &run->call, run->back) < 0)
		return -EFAULT;
	target_regs_flush(tr->lower, low);
	return 0;
}

void run_prepare(struct translator *tr, struct thread *th)
{
	const struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	struct run *run = run_of(th);
	uint64_t pc;

	if (!run || is_in_call(tr, th) || (f && !follow_settle(tr, th)))
		return;
	if (!run->saved) {
		if (begin(tr, th) < 0)
			cancel(tr, th, -EFAULT);
		return;
	}
	if (!(f && f->in_cache) &&
	    target_reg_u64(tr->lower, low, low->proc->arch->pc, &pc) == 0 &&
	    pc == run->back)
		run_finish(tr, th);
}

/* --- events --------------------------------------------------------------- */

static void forget_in_child(struct translator *tr, const struct process *p,
			    const struct stop *ev)
{
	uint64_t pc = tr_process_of(p)->run_point;
	struct process *child = process_find(&tr->t, ev->child.pid);

	if (pc && child && !point_find(p, POINT_SW, pc, 1))
		target_point_clear(&tr->t, child, POINT_SW, pc, 1);
}

bool run_event(struct translator *tr, struct thread *th, struct stop *ev)
{
	struct thread *low = lower_thread(th);
	struct resume act = tr_thread_of(th)->asked;
	uint64_t pc;

	if (ev->kind == STOP_FORK)
		forget_in_child(tr, th->proc, ev);
	if (ev->kind != STOP_SWBREAK || !run_of(th) ||
	    target_reg_u64(tr->lower, low, low->proc->arch->pc, &pc) < 0 ||
	    !run_returned(th, pc))
		return false;
	if (!run_finish(tr, th))
		return true;
	if (act.kind != RESUME_CONT) {
		ev->kind = STOP_STEP;
		return false;
	}
	act.who = th->id;
	if (follow_of(th))
		follow_resume(tr, th, &act);
	else
		tr->lower->ops->resume(tr->lower, &act, 1);
	return true;
}

/* --- what is asked of it ------------------------------------------------- */

static int run_new(struct translator *tr, struct thread *th,
		   const struct run_call *call, run_fn *done, void *user)
{
	struct run *run;

	if (call->n_args > RUN_ARGS_MAX)
		return -EINVAL;
	if (th->proc->arch->word != 8)
		return -ENOTSUP;
	if (run_of(th))
		return -EBUSY;
	process_learn_registers(tr, th->proc->arch);
	run = xcalloc(1, sizeof(*run));
	run->call = *call;
	run->done = done;
	run->user = user;
	tr_thread_of(th)->run = run;
	return 0;
}

int translate_run(struct target *t, struct thread *th,
		  const struct run_call *call, run_fn *done, void *user)
{
	struct translator *tr = translator_of(t);
	int r = run_new(tr, th, call, done, user);

	if (r == 0 && th->running) {
		tr->due = true;
		callbacks_settle(tr);
	}
	return r;
}

/* --- waiting -------------------------------------------------------------- */

struct waiter {
	struct translator *tr;
	struct ptid id;
	bool over;
	int r;
	uint64_t value;
	int64_t until; /* ms; -1: for ever */
	/* What the layer above had asked for, and been told. */
	bool stopped;
	struct resume asked;
	struct stop last;
};

static void note_end(void *user, struct target *t, struct ptid who, int r,
		     uint64_t value)
{
	struct waiter *w = user;

	(void)t, (void)who;
	w->over = true;
	w->r = r;
	w->value = value;
}

/* False: time is up. */
static bool wait_more(const struct waiter *w)
{
	struct target *lower = w->tr->lower;
	struct pollfd pfd = { .fd = lower->ops->event_fd(lower),
			      .events = POLLIN };
	int64_t left = w->until < 0 ? 1000 : w->until - clock_ms();

	if (left <= 0)
		return false;
	/* The signal that ended the last wait comes once more. */
	while (poll(&pfd, 1, left < 1000 ? (int)left : 1000) < 0 &&
	       errno == EINTR)
		;
	return true;
}

/* The thread goes on as from translate_run(). */
static int give_up(struct waiter *w, struct thread *th)
{
	run_of(th)->done = NULL;
	run_of(th)->stays = false;
	(void)w;
	return -EINTR;
}

static int time_out(struct waiter *w)
{
	struct translator *tr = w->tr;
	struct thread *th;

	translator_pause(tr);
	th = thread_find(&tr->t, w->id.tid);
	if (th)
		cancel(tr, th, -ETIMEDOUT);
	if (th && w->stopped)
		mirror_running(tr, th);
	translator_unpause(tr, NULL);
	return -ETIMEDOUT;
}

static int wait_for(struct waiter *w)
{
	struct translator *tr = w->tr;
	struct stop ev;
	int r;

	while (!w->over) {
		r = translator_pump(tr, &ev, true);
		if (r == PUMP_TOLD)
			translator_tell_later(tr, &ev);
		if (w->over)
			break;
		if (r == PUMP_TOLD && ev.id.tid == w->id.tid)
			return give_up(w, thread_find(&tr->t, w->id.tid));
		if (r != PUMP_SEEN_TO && !wait_more(w))
			return time_out(w);
	}
	return w->r;
}

/* It is as if it had not run. */
static void restore(struct waiter *w)
{
	struct thread *th = thread_find(&w->tr->t, w->id.tid);

	if (!th || !w->stopped)
		return;
	mirror_running(w->tr, th);
	tr_thread_of(th)->asked = w->asked;
	if (follow_of(th))
		follow_of(th)->asked = w->asked;
	th->last = w->last;
}

/* In a callout of the thread's own it is stopped, but for the layer above. */
static void set_going(struct waiter *w, struct thread *th)
{
	struct resume act = { .who = th->id };

	run_of(th)->stays = true;
	if (w->stopped) {
		w->tr->t.ops->resume(&w->tr->t, &act, 1);
		return;
	}
	run_prepare(w->tr, th);
	if (run_of(th))
		follow_resume(w->tr, th, &act);
}

int translate_run_sync(struct target *t, struct thread *th,
		       const struct run_call *call, int timeout_ms,
		       uint64_t *value)
{
	struct translator *tr = translator_of(t);
	struct waiter w = {
		.tr = tr,
		.id = th->id,
		.until = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms,
		.stopped = !th->running,
		.asked = tr_thread_of(th)->asked,
		.last = th->last,
	};
	bool runs = lower_thread(th)->running;
	int r;

	if ((tr->calling && (runs || w.stopped)) ||
	    (!runs && is_in_call(tr, th)))
		return -EBUSY;
	r = run_new(tr, th, call, note_end, &w);
	if (r < 0)
		return r;
	tr->due |= runs;
	if (runs)
		callbacks_settle(tr);
	else
		set_going(&w, th);
	r = wait_for(&w);
	if (r != -EINTR)
		restore(&w);
	*value = w.value;
	return r;
}
