/* What is told of each thread, made into its last branches. */
#include "translate/history.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "translate/births.h"
#include "translate/flows.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

/* --- what is told -------------------------------------------------------- */

/* The newest block is not as told before that is over: it may be cut. */
static void end_open(struct history *h)
{
	const struct flow_block *b = h->open;
	uint32_t n = h->executed;

	if (!b)
		return;
	h->open = NULL;
	if (n >= b->instructions)
		branches_put(&h->branches, b->begin, b->last,
			     b->begin + b->bytes);
	else
		branches_put(&h->branches, b->begin, flow_instruction(b, n - 1),
			     flow_instruction(b, n));
}

static struct history *history_of(const struct translator *tr,
				  const struct flow_who *who)
{
	const struct thread *th = thread_find(&tr->t, who->id.tid);

	return th && follow_of(th) ? tr_thread_of(th)->history : NULL;
}

static void take_path(void *user, const struct flow_who *who,
		      const uint32_t *ids, size_t n)
{
	struct translator *tr = user;
	struct history *h = history_of(tr, who);
	const struct flow_code *code;

	if (!h)
		return;
	code = follow_of(thread_find(&tr->t, who->id.tid))->space->flow;
	for (size_t i = 0; i < n; i++) {
		end_open(h);
		h->open = flow_block(code, ids[i]);
		h->executed = h->open->instructions;
	}
}

static void take_cut(void *user, const struct flow_who *who,
		     uint32_t instructions)
{
	struct history *h = history_of(user, who);

	if (h)
		h->executed = instructions;
}

/* What was executed before does not lead to what comes next. */
static void take_lost(void *user, const struct flow_who *who)
{
	struct history *h = history_of(user, who);

	if (!h)
		return;
	h->open = NULL;
	branches_clear(&h->branches);
}

/* --- beginning and end --------------------------------------------------- */

void history_begin(struct thread *th, const struct space *sp)
{
	struct tr_thread *tt = tr_thread_of(th);
	size_t max = tr_process_of(th->proc)->history_max;

	history_free(tt);
	if (!max || sp->mode != MODE_FLOW)
		return;
	tt->history = xcalloc(1, sizeof(*tt->history));
	branches_init(&tt->history->branches, max);
	branches_clear(&tt->history->branches);
}

void history_free(struct tr_thread *tt)
{
	if (!tt->history)
		return;
	branches_fini(&tt->history->branches);
	free(tt->history);
	tt->history = NULL;
}

void history_execed(struct thread *th)
{
	struct history *h = tr_thread_of(th)->history;

	if (h && tr_process_of(th->proc)->history_max)
		h->wanted = true;
}

/* --- what is asked of it ------------------------------------------------- */

/* Threads may run when it is enabled, or disabled. */
static bool pause_all(struct translator *tr)
{
	bool run = !list_empty(&tr->running);

	if (run)
		translator_pause(tr);
	return run;
}

static void unpause_all(struct translator *tr, bool ran)
{
	if (ran)
		translator_unpause(tr, NULL);
}

/* Is its history kept already? */
static bool keeps(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (tr_thread_of(th)->history && follow_of(th))
			return true;
	}
	return false;
}

/* There is one listener, and it is another. */
static bool is_heard(const struct translator *tr)
{
	const struct flow_sink *sink = &tr->flow_sink;

	return sink->ways || (sink->path && sink->path != take_path);
}

static int record(struct translator *tr, struct process *p, struct err *e)
{
	struct space *sp = space_of(p);

	if (sp && keeps(p))
		return 0;
	if ((sp && sp->mode != MODE_NONE) || is_heard(tr))
		return err_set(e, -EBUSY,
			       "the program is followed to record other "
			       "things: monitor trace unfollow");
	tr_process_of(p)->was_followed = sp;
	translate_set_flow(&tr->t,
			   &(struct flow_sink){ .path = take_path,
						.cut = take_cut,
						.lost = take_lost,
						.user = tr },
			   FLOW_RECENT);
	return translate_follow_anew(&tr->t, p, MODE_FLOW, e);
}

static size_t bounded(size_t max)
{
	return max < HISTORY_LEAST  ? HISTORY_LEAST
	       : max > HISTORY_MOST ? HISTORY_MOST
				    : max;
}

/* Where the layer above sees the thread. */
static int place(struct translator *tr, struct thread *th, uint64_t *pc)
{
	uint8_t *image;

	if (th->fresh | th->dirty)
		target_regs_flush(&tr->t, th);
	translate_flow_read(&tr->t, th);
	end_open(tr_thread_of(th)->history);
	image = follow_image(tr, lower_thread(th), false);
	if (image)
		*pc = *image_reg(image, IMAGE_RIP);
	return image ? 0 : -ESRCH;
}

static int begin(struct translator *tr, struct thread *th, size_t max,
		 struct err *e)
{
	struct tr_thread *tt = tr_thread_of(th);
	uint64_t pc;
	int r;

	if (!keeps(th->proc))
		tr_process_of(th->proc)->history_max = max;
	r = record(tr, th->proc, e);
	if (r < 0 && !keeps(th->proc))
		tr_process_of(th->proc)->history_max = 0;
	if (r < 0)
		return r;
	if (!tt->history)
		return err_set(e, -EAGAIN, "the thread cannot be followed");
	r = place(tr, th, &pc);
	if (r < 0)
		return r;
	branches_resize(&tt->history->branches, max);
	branches_begin(&tt->history->branches, pc, true);
	tt->history->wanted = true;
	return 0;
}

static size_t kept(struct target *t, struct thread *th)
{
	const struct history *h = tr_thread_of(th)->history;

	(void)t;
	return h && h->wanted && follow_of(th) ? h->branches.max : 0;
}

static int enable(struct target *t, struct thread *th, size_t max,
		  struct err *e)
{
	struct translator *tr = translator_of(t);
	bool ran;
	int r;

	if (kept(t, th))
		return err_set(e, -EALREADY, "Btrace already enabled.");
	ran = pause_all(tr);
	r = begin(tr, th, bounded(max), e);
	unpause_all(tr, ran);
	return r;
}

static bool any_wanted(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (tr_thread_of(th)->history &&
		    tr_thread_of(th)->history->wanted)
			return true;
	}
	return false;
}

static void disable(struct target *t, struct thread *th)
{
	struct translator *tr = translator_of(t);
	struct tr_process *tp = tr_process_of(th->proc);
	struct history *h = tr_thread_of(th)->history;
	bool ran;

	if (!h || !h->wanted)
		return;
	h->wanted = false;
	branches_clear(&h->branches);
	if (any_wanted(th->proc))
		return;
	tp->history_max = 0;
	ran = pause_all(tr);
	translate_unfollow(t, th->proc);
	if (tp->was_followed)
		translate_follow(t, th->proc, MODE_NONE, NULL);
	unpause_all(tr, ran);
}

static int64_t read_branches(struct target *t, struct thread *th,
			     enum branch_read what, struct branch **out)
{
	uint64_t pc;
	int r;

	if (!kept(t, th))
		return -ENOENT;
	r = place(translator_of(t), th, &pc);
	if (r < 0)
		return r;
	return branches_read(&tr_thread_of(th)->history->branches, what, pc,
			     out);
}

const struct target_branch_ops history_ops = {
	.enable = enable,
	.disable = disable,
	.kept = kept,
	.read = read_branches,
};
