/* What is told of each thread, made into its last branches. */
#include "translate/history.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "translate/births.h"
#include "translate/ring.h"
#include "translate/trap.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/rewind.h"

/* --- code ---------------------------------------------------------------- */

static void reader_begin(struct code_reader *reader, struct follow *f,
			 struct thread *low)
{
	f->space->by = low;
	code_init(reader, f->space);
}

/* The instruction before pc, of those that follow each other from begin on. As
 * far as there are any: the code may be another by now. */
static uint64_t last_before(struct code_reader *reader, uint64_t begin,
			    uint64_t pc)
{
	uint64_t last = begin;
	struct insn i;

	while (begin < pc) {
		last = begin;
		if (!code_read(reader, begin, &i))
			break;
		begin = insn_next(&i);
	}
	return last;
}

/* --- in the cache -------------------------------------------------------- */

static void end_open(struct history *h)
{
	if (h->open.next)
		branches_put(&h->branches, h->open.begin, h->open.last,
			     h->open.next);
	h->open.next = 0;
}

/* A block of no instruction is told of where a thread stops before one. */
void history_block(struct history *h, const struct event_site *site)
{
	end_open(h);
	h->open.begin = site->from;
	h->open.last = site->last;
	h->open.next = site->to > site->from ? site->to : 0;
}

/* It is at pc, in the midst of the block; the rest of that may come yet. */
static void cut_open(struct history *h, struct follow *f, struct thread *low,
		     uint64_t pc)
{
	struct code_reader reader;

	if (pc == h->open.begin)
		return;
	reader_begin(&reader, f, low);
	branches_put(&h->branches, h->open.begin,
		     last_before(&reader, h->open.begin, pc), pc);
	h->open.begin = pc;
}

void history_left(struct translator *tr, struct thread *low, struct follow *f,
		  bool begun)
{
	struct history *h = f->history;
	struct thread *th = h ? upper_thread(tr, low) : NULL;
	uint8_t *image = th ? follow_image(tr, low, false) : NULL;
	uint64_t pc;

	if (!image)
		return;
	pc = h->behind ? h->behind : *image_reg(image, IMAGE_RIP);
	ring_drain(tr, th, true);
	if ((begun || h->behind) && pc >= h->open.begin && pc < h->open.next)
		cut_open(h, f, low, pc);
	else
		end_open(h);
	h->behind = 0;
	h->pc = pc;
	h->placed = true;
	h->native = NATIVE_NOT;
}

/* --- natively ------------------------------------------------------------ */

/* The instruction at h->pc was to be executed, and now the thread is at pc. */
static void take_step(struct history *h, struct follow *f, struct thread *low,
		      uint64_t pc, bool stepped)
{
	struct code_reader reader;
	struct insn i;
	bool ok, plain;
	uint64_t next;

	reader_begin(&reader, f, low);
	ok = code_read(&reader, h->pc, &i);
	next = ok ? insn_next(&i) : 0;
	plain = ok && i.in.kind == X86_PLAIN;
	/* A string instruction stays where it is between its turns. */
	if (pc == h->pc && (!stepped || !ok || plain))
		return;
	if (h->native == NATIVE_HANDLER && !(plain && pc == next))
		return;
	branches_put(&h->branches, h->pc, h->pc, next);
}

static void look(struct translator *tr, struct follow *f, struct thread *low,
		 bool stepped)
{
	struct history *h = f->history;
	uint8_t *image = follow_image(tr, low, false);
	uint64_t pc;

	if (!image)
		return;
	pc = *image_reg(image, IMAGE_RIP);
	if (h->placed &&
	    (h->native == NATIVE_STEP || h->native == NATIVE_HANDLER))
		take_step(h, f, low, pc, stepped);
	h->pc = pc;
	h->placed = true;
	h->native = NATIVE_NOT;
}

void history_stopped(struct translator *tr, struct thread *th, bool stepped)
{
	struct follow *f = follow_of(th);

	if (f && f->history && !f->in_cache)
		look(tr, f, lower_thread(th), stepped);
}

void history_entered(struct translator *tr, struct thread *low,
		     struct follow *f, bool begun)
{
	struct history *h = f->history;

	if (!h)
		return;
	look(tr, f, low, false);
	if (!begun || h->open.begin != h->pc)
		h->open.next = 0;
}

static bool has_handler(struct translator *tr, struct thread *low, int signo)
{
	return signo && tr->lower->ops->inject->action(tr->lower, low, signo) ==
				ACTION_HANDLED;
}

void history_goes(struct translator *tr, struct thread *low, struct follow *f,
		  enum resume_kind kind, int signo)
{
	struct history *h = f->history;
	uint8_t *image;

	if (!h || f->in_cache || kind == RESUME_STOP)
		return;
	look(tr, f, low, false);
	h->open.next = 0;
	image = follow_image(tr, low, false);
	if (kind == RESUME_CONT && image && !(*image_flags(image) & FLAG_STEPS))
		h->native = NATIVE_FREELY;
	else
		h->native = has_handler(tr, low, signo) ? NATIVE_HANDLER
							: NATIVE_STEP;
}

enum resume_kind history_kind(const struct follow *f, enum resume_kind kind)
{
	return f->history && kind == RESUME_RANGE ? RESUME_STEP : kind;
}

bool history_steps_on(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);

	if (!f->history || f->asked.kind != RESUME_RANGE ||
	    f->history->pc < f->asked.lo || f->history->pc >= f->asked.hi)
		return false;
	follow_go_natively(tr, low, &(struct resume){ .kind = RESUME_STEP });
	return true;
}

/* --- beginning and end --------------------------------------------------- */

void history_begin(struct thread *th, const struct space *sp)
{
	struct tr_thread *tt = tr_thread_of(th);
	size_t max = tr_process_of(th->proc)->history_max;
	bool wanted = tt->history && tt->history->wanted;

	history_free(tt);
	if (sp->mode != MODE_HISTORY)
		return;
	tt->history = xcalloc(1, sizeof(*tt->history));
	branches_init(&tt->history->branches, max ? max : HISTORY_UNASKED);
	branches_clear(&tt->history->branches);
	tt->history->wanted = wanted;
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

static int record(struct translator *tr, struct process *p, struct err *e)
{
	struct space *sp = space_of(p);

	if (sp && sp->mode == MODE_HISTORY)
		return 0;
	if (sp && sp->mode != MODE_NONE)
		return err_set(e, -EBUSY,
			       "the program is followed to record other "
			       "things: monitor trace unfollow");
	tr_process_of(p)->was_followed = sp;
	translate_unfollow(&tr->t, p);
	return translate_follow(&tr->t, p, MODE_HISTORY, e);
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
	follow_rewind(tr, th);
	history_stopped(tr, th, false);
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

	tr_process_of(th->proc)->history_max = max;
	r = record(tr, th->proc, e);
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

static int enable(struct target *t, struct thread *th, size_t max,
		  struct err *e)
{
	struct translator *tr = translator_of(t);
	const struct history *h = tr_thread_of(th)->history;
	bool ran;
	int r;

	if (h && h->wanted)
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

static size_t kept(struct target *t, struct thread *th)
{
	const struct history *h = tr_thread_of(th)->history;

	(void)t;
	return h && h->wanted && follow_of(th) ? h->branches.max : 0;
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
