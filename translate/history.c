/* What is told of each thread, made into its last branches. */
#include "translate/history.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "translate/anew.h"
#include "translate/births.h"
#include "translate/flows.h"
#include "translate/lend.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

/* --- what is told -------------------------------------------------------- */

/* The newest block is not as told before that is over: it may be cut. */
void history_settle(struct history *h)
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

void history_path(struct history *h, const struct flow_code *code,
		  const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		history_settle(h);
		h->open = flow_block(code, ids[i]);
		h->executed = h->open->instructions;
	}
}

void history_cut(struct history *h, uint32_t instructions)
{
	h->executed = instructions;
}

/* What was executed before does not lead to what comes next. */
void history_lost(struct history *h)
{
	h->open = NULL;
	branches_clear(&h->branches);
}

/* --- beginning and end --------------------------------------------------- */

void history_begin(struct thread *th, const struct space *sp)
{
	struct tr_thread *tt = tr_thread_of(th);
	size_t max = tr_process_of(th->proc)->history_max;

	if (tt->history && max && sp->flow &&
	    tr_process_of(th->proc)->history_stays)
		return;
	history_free(tt);
	if (!max || !sp->flow)
		return;
	tt->history = xcalloc(1, sizeof(*tt->history));
	branches_init(&tt->history->branches, max);
	branches_clear(&tt->history->branches);
}

enum flow_keep history_keep(const struct process *p)
{
	return tr_process_of(p)->history_max > FLOW_RECENT_RECORDS
		       ? FLOW_ALL
		       : FLOW_RECENT;
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

/* All that is followed is told; what is not known of it yet begins now. */
static void hear(struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (!follow_of(th) || tr_thread_of(th)->history)
			continue;
		history_begin(th, space_of(p));
		flow_log_hear(follow_of(th), tr_thread_of(th)->history);
	}
}

/* Nobody is told any more, and who was followed for that alone is not. */
static void hear_no_more(struct translator *tr, struct process *p)
{
	struct thread *th;

	tr_process_of(p)->history_max = 0;
	list_each(th, &p->threads, node) {
		if (follow_of(th))
			flow_log_hear(follow_of(th), NULL);
		history_free(tr_thread_of(th));
	}
	list_each(th, &p->threads, node) {
		if (tr_thread_of(th)->by_history && !tr_thread_of(th)->lent)
			translate_unfollow_thread(&tr->t, th);
		tr_thread_of(th)->by_history = false;
	}
	if (space_of(p) && space_of(p)->mode == MODE_HISTORY)
		followed_anew(&tr->t, p, MODE_NONE, NULL);
}

static void mark_all(struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		tr_thread_of(th)->by_history = true;
}

/* Followed threads write their logs. */
static int record_process(struct translator *tr, struct process *p,
			  struct err *e)
{
	const struct space *sp = space_of(p);
	int r = 0;

	if (!sp) {
		r = translate_follow(&tr->t, p, MODE_HISTORY, e);
		if (r == 0)
			mark_all(p);
	} else if (sp->mode == MODE_NONE) {
		r = followed_anew(&tr->t, p, MODE_HISTORY, e);
	} else if (!sp->flow) {
		r = err_set(e, -EBUSY,
			    "the program is followed to record other things: "
			    "monitor trace unfollow");
	}
	return r;
}

static int record(struct translator *tr, struct thread *th, struct err *e)
{
	struct process *p = th->proc;
	int r = record_process(tr, p, e);

	if (r < 0)
		return r;
	lend_note_history(p);
	hear(p);
	if (follow_of(th))
		return 0;
	r = translate_follow_thread(&tr->t, th, space_of(p)->mode, false, e);
	tr_thread_of(th)->by_history = r == 0;
	return r;
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
	history_settle(tr_thread_of(th)->history);
	image = follow_image(tr, lower_thread(th), false);
	if (image)
		*pc = *image_reg(image, IMAGE_RIP);
	return image ? 0 : -ESRCH;
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

static int begin(struct translator *tr, struct thread *th, size_t max,
		 struct err *e)
{
	struct tr_thread *tt = tr_thread_of(th);
	uint64_t pc;
	int r;

	if (!keeps(th->proc))
		tr_process_of(th->proc)->history_max = max;
	r = record(tr, th, e);
	if (r == 0 && !tt->history)
		r = err_set(e, -EAGAIN, "the thread cannot be followed");
	if (r == 0)
		r = place(tr, th, &pc);
	if (r < 0 && !any_wanted(th->proc))
		hear_no_more(tr, th->proc);
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

static void disable(struct target *t, struct thread *th)
{
	struct translator *tr = translator_of(t);
	struct history *h = tr_thread_of(th)->history;
	bool ran;

	if (!h || !h->wanted)
		return;
	h->wanted = false;
	branches_clear(&h->branches);
	if (any_wanted(th->proc))
		return;
	ran = pause_all(tr);
	hear_no_more(tr, th->proc);
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
