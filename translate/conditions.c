#include "translate/conditions.h"

#include <errno.h>

#include "base/log.h"
#include "translate/callback.h"
#include "translate/layer.h"
#include "translate/lend.h"
#include "translate/prints.h"
#include "translate/redirects.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"
#include "translate/watchpoints.h"

#define FALSE_FEW  64  /* stops, of all points: before that nobody looks */
#define FALSE_MANY 200 /* ... of one: it moves */

static bool is_moved(const struct translator *tr, const struct point *pt)
{
	return tr->conditions != CONDITIONS_SERVER &&
	       (pt->kind == POINT_SW || pt->kind == POINT_HW) && pt->code &&
	       !pt->code->told && !pt->code->log && conditions_move(pt->code);
}

static bool is_worth_it(const struct translator *tr, const struct point *pt)
{
	return is_moved(tr, pt) || (tr->conditions != CONDITIONS_SERVER &&
				    pt->code && prints_fit(pt->code));
}

const struct point *conditions_at(const struct space *sp, uint64_t pc)
{
	const struct point *pt;

	if (!sp->tr->has_conditions || redirect_is_at(sp, pc))
		return NULL;
	pt = process_point_of(sp, pc);
	return pt && is_moved(sp->tr, pt) &&
			       !process_has_two_points_of(sp, pc)
		       ? pt
		       : NULL;
}

/* Is there a point that is worth it to be followed for? */
static bool has_any(const struct translator *tr, const struct process *p)
{
	const struct point *pt;

	list_each(pt, &p->points->list, node) {
		if (is_worth_it(tr, pt))
			return true;
	}
	return false;
}

/* ... at which threads have stopped for nothing so often? */
static bool has_many(const struct translator *tr, const struct process *p)
{
	const struct point *pt;

	list_each(pt, &p->points->list, node) {
		if (pt->code && pt->code->n_false >= FALSE_MANY &&
		    is_worth_it(tr, pt))
			return true;
	}
	return false;
}

/* Does a thread there do what it is not to do once more? */
static bool is_done_once(struct space *sp, uint64_t pc)
{
	const struct point *pt = conditions_at(sp, pc);

	return prints_at(sp, pc) || (pt && conditions_count(sp, pt->code));
}

/* ... that is done by the server, where it stops? */
static bool is_done_by_stop(const struct point *pt)
{
	return pt->code && (pt->code->n_command || pt->code->filter);
}

/* What it has met where it is, and is yet to go on from, it is not to do once
 * more: it is the one thing put there, or what it stops for. */
void conditions_go_behind(struct translator *tr, struct thread *th)
{
	struct process *p = th->proc;
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);
	uint64_t pc = image ? *image_reg(image, IMAGE_RIP) : 0;
	const struct point *pt = image ? process_point(p, pc) : NULL;

	thread_keep_logged(low, pt);
	if (!pt || (!low->passes && !low->logged))
		return;
	if (is_done_once(space_of(p), pc))
		follow_note_puts(follow_of(th), image, 1);
	else if (!low->passes && low->logged != pt->code)
		thread_hand_logged(th, low);
	else if (is_done_by_stop(pt))
		follow_of(th)->asked.over = true;
	thread_keep_logged(low, NULL);
}

/* All of it is stopped. Who cannot be followed is not asked again. */
static void move(struct translator *tr, struct process *p)
{
	struct tr_process *tp = tr_process_of(p);
	struct err e = { 0 };
	int r = translate_follow(&tr->t, p, MODE_NONE, &e);

	tp->for_conditions = r == 0;
	tp->immovable = r < 0 && r != -EBUSY;
	tr->stats.conditions_moved += r == 0;
	prints_renew(tr, p);
	if (r < 0)
		debug(SESSION, "%d: its conditions stay here: %s", p->pid,
		      e.text);
}

static bool may_move(const struct process *p)
{
	return !p->untold && !space_of(p) && !tr_process_of(p)->immovable;
}

void conditions_tick(struct translator *tr)
{
	struct process *p;
	bool paused = false;

	if (tr->conditions != CONDITIONS_AUTO || tr->calling ||
	    tr->lower->n_false - tr->n_false < FALSE_FEW)
		return;
	tr->n_false = tr->lower->n_false;
	list_each(p, &tr->t.processes, node) {
		if (!may_move(p) || !has_many(tr, p))
			continue;
		if (!paused)
			translator_pause(tr);
		paused = true;
		move(tr, p);
	}
	if (paused)
		translator_unpause(tr, NULL);
}

void conditions_resume(struct translator *tr, const struct resume *acts,
		       size_t n)
{
	struct process *p;

	if (!tr->has_conditions && !tr->holds_points)
		return;
	list_each(p, &tr->t.processes, node) {
		if (!target_actions_meet(acts, n, p->pid) ||
		    !process_is_still(p))
			continue;
		if (tr_process_of(p)->for_conditions && !has_any(tr, p) &&
		    !points_held(p) && !lend_any(p) &&
		    !tr_process_of(p)->history_max &&
		    !points_may_be_back(p, acts, n))
			translate_unfollow(&tr->t, p);
		else if (tr->conditions == CONDITIONS_COMPILED && may_move(p) &&
			 has_any(tr, p))
			move(tr, p);
	}
}

void conditions_choose(struct target *t, enum condition_place place)
{
	struct translator *tr = translator_of(t);

	if (tr->conditions == place)
		return;
	tr->conditions = place;
	callbacks_outdate(tr, NULL);
}
