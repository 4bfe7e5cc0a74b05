#include "translate/watchpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

/* --- which there are ------------------------------------------------------ */

static unsigned list_of(const struct process *p, struct watched *out)
{
	const struct point *pt;
	unsigned n = 0;

	list_each(pt, &p->points->list, node) {
		if (!pt->held || pt->kind == POINT_HW || n == WATCHED_MAX)
			continue;
		if (out)
			out[n] =
				(struct watched){ pt->addr, pt->addr + pt->size,
						  pt->kind };
		n++;
	}
	return n;
}

static bool holds(const struct process *p, bool breakpoints_only)
{
	const struct point *pt;

	list_each(pt, &p->points->list, node) {
		if (pt->held && (!breakpoints_only || pt->kind == POINT_HW))
			return true;
	}
	return false;
}

bool points_held(const struct process *p)
{
	return holds(p, false);
}

static bool is_same(const struct space *sp, const struct watched *all,
		    unsigned n)
{
	if (n != sp->n_watched)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (all[i].lo != sp->watched[i].lo ||
		    all[i].hi != sp->watched[i].hi ||
		    all[i].kind != sp->watched[i].kind)
			return false;
	}
	return true;
}

static void watch_these(struct space *sp, const struct watched *all, unsigned n)
{
	if (is_same(sp, all, n))
		return;
	sp->watched = xrealloc(sp->watched, WATCHED_MAX * sizeof(*all));
	memcpy(sp->watched, all, n * sizeof(*all));
	sp->n_watched = n;
	check_tables(sp);
}

/* All of the process is stopped. */
static int apply(struct translator *tr, struct process *p, struct err *e)
{
	struct watched all[WATCHED_MAX];
	unsigned n = list_of(p, all);
	bool breaks = holds(p, true);
	struct space *sp = space_of(p);
	int r;

	if ((n || breaks) && !sp) {
		r = translate_follow(&tr->t, p, MODE_NONE, e);
		if (r < 0)
			return r;
		sp = space_of(p);
		tr_process_of(p)->for_conditions = true;
	}
	if (!sp || (is_same(sp, all, n) && sp->holds_breakpoints == breaks))
		return 0;
	sp->by = lower_thread(list_entry(p->threads.next, struct thread, node));
	watch_these(sp, all, n);
	sp->holds_breakpoints = breaks;
	process_drop_code(tr, sp);
	return 0;
}

/* Does it run, or another one in the same memory, and translated code? */
static bool any_runs(const struct translator *tr, const struct process *p)
{
	const struct process *q;

	if (p->points->refs == 1)
		return !process_is_still(p);
	list_each(q, &tr->t.processes, node) {
		if (q->points == p->points && !process_is_still(q))
			return true;
	}
	return false;
}

static int apply_now(struct translator *tr, struct process *p, struct err *e)
{
	int r;

	if (!any_runs(tr, p))
		return apply(tr, p, e);
	translator_pause(tr);
	r = apply(tr, p, e);
	translator_unpause(tr, NULL);
	return r;
}

/* At once, if the process runs or is not followed; else when it is resumed. */
static int renew(struct translator *tr, struct process *p)
{
	if (tr->calling)
		return -EBUSY;
	return space_of(p) && !any_runs(tr, p) ? 0 : apply_now(tr, p, NULL);
}

/* Some threads would not meet it. */
static bool is_followed_in_part(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (!follow_of(th))
			return true;
	}
	return false;
}

int point_hold(struct target *t, struct process *p, struct point *pt)
{
	struct translator *tr = translator_of(t);
	const struct space *sp = space_of(p);
	bool again = pt->held;
	int r;

	if (!pt->size || pt->addr + pt->size < pt->addr)
		return -EINVAL;
	if (!again && pt->kind != POINT_HW && list_of(p, NULL) == WATCHED_MAX)
		return -E2BIG;
	if (sp && (sp->inactive || sp->to_be_inactive ||
		   is_followed_in_part(p)))
		return -EBUSY;
	pt->held = true;
	tr->holds_points = true;
	r = renew(tr, p);
	if (r < 0) {
		pt->held = false;
		return r;
	}
	tr->stats.breakpoints_held += !again && pt->kind == POINT_HW;
	tr->stats.watchpoints += !again && pt->kind != POINT_HW;
	return 0;
}

int point_let_go(struct target *t, struct process *p, struct point *pt)
{
	pt->held = false;
	return process_is_still(p) ? 0 : renew(translator_of(t), p);
}

bool points_may_be_back(const struct process *p, const struct resume *acts,
			size_t n)
{
	return tr_process_of(p)->point_gone &&
	       target_actions_step(acts, n, p->pid);
}

/* That there was a breakpoint is no harm. */
static bool is_harmless(const struct process *p)
{
	struct watched all[WATCHED_MAX];
	const struct space *sp = space_of(p);

	return sp && !holds(p, true) && is_same(sp, all, list_of(p, all));
}

/* They were met when they were set. */
static void say_unmet(const struct translator *tr, const struct process *p,
		      const struct err *e)
{
	struct buf out = { 0 };

	buf_printf(&out,
		   "process %d runs without its watchpoints and hardware "
		   "breakpoints: %s\n",
		   p->pid, e->text);
	if (tr->t.print)
		tr->t.print(tr->t.print_user, true, buf_str(&out), out.len);
	buf_fini(&out);
}

void points_resume(struct translator *tr, const struct resume *acts, size_t n)
{
	struct process *p;
	struct err e = { "" };

	if (!tr->has_conditions && !tr->holds_points)
		return;
	list_each(p, &tr->t.processes, node) {
		if (!target_actions_meet(acts, n, p->pid) ||
		    !process_is_still(p))
			continue;
		if ((!points_may_be_back(p, acts, n) || !is_harmless(p)) &&
		    apply_now(tr, p, &e) < 0)
			say_unmet(tr, p, &e);
		tr_process_of(p)->point_gone = false;
	}
}

/* --- what is touched ------------------------------------------------------ */

struct noting {
	struct translator *tr;
	struct thread *low;
	struct follow *f;
};

static uint64_t sum(struct noting *n, const struct watched *w)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	uint8_t buf[256];

	for (uint64_t at = w->lo; at < w->hi; at += sizeof(buf)) {
		uint64_t left = w->hi - at;
		size_t len = left < sizeof(buf) ? left : sizeof(buf);

		if (target_read_all(n->tr->lower, n->low->proc, at, buf, len) <
		    0)
			break;
		for (size_t i = 0; i < len; i++)
			h = (h ^ buf[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

static bool is_met(const struct watched *w, bool reads, bool writes)
{
	return w->kind == POINT_WRITE  ? writes
	       : w->kind == POINT_READ ? reads
				       : reads || writes;
}

static bool overlaps(const struct watched *w, uint64_t lo, uint64_t hi)
{
	return lo < w->hi && hi > w->lo;
}

/* By an instruction of several accesses, the elements of a gather for one. */
static bool is_noted(const struct touched *t, const struct watched *w)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->by[i].lo == w->lo && t->by[i].hi == w->hi &&
		    t->by[i].kind == w->kind && !t->unsure[i].hi)
			return true;
	}
	return false;
}

static void note(void *user, const struct touch *at)
{
	struct noting *n = user;
	const struct space *sp = n->f->space;
	struct touched *t = n->f->touched;

	for (unsigned i = 0; i < sp->n_watched && t->n < STOP_MAX_WATCH; i++) {
		const struct watched *w = &sp->watched[i];

		if (!overlaps(w, at->lo, at->hi) ||
		    !is_met(w, at->reads, at->writes) || is_noted(t, w))
			continue;
		t->hits[t->n] = (struct watch_hit){
			.addr = at->lo > w->lo ? at->lo : w->lo,
			.point = w->kind,
		};
		t->by[t->n] = *w;
		t->scans[t->n] = at->scan;
		t->unsure[t->n] = (struct watched){ 0 };
		if (!at->exact && at->writes) {
			t->unsure[t->n] = *w;
			t->sums[t->n] = sum(n, w);
		}
		t->n++;
	}
}

/* Has it come so far, by the register that has moved? */
static bool has_reached(const struct watched *w, const struct scan *s,
			uint8_t *image)
{
	uint64_t moved =
		s->reg ? *image_gpr(image, (unsigned)s->reg) - s->from : 0;

	if (!s->reg)
		return true;
	if ((int64_t)moved >= 0)
		return overlaps(w, s->first, s->first + moved);
	return overlaps(w, s->first + moved + s->size, s->first + s->size);
}

void watchpoints_note(struct translator *tr, struct thread *low,
		      struct follow *f, bool whole)
{
	struct noting n = { tr, low, f };
	uint8_t *image;

	watchpoints_forget(f);
	image = checks(f->space) ? follow_image(tr, low, false) : NULL;
	if (!image)
		return;
	if (!f->touched)
		f->touched = xcalloc(1, sizeof(*f->touched));
	f->space->by = low;
	check_touches(f->space, image, whole, note, &n);
}

void watchpoints_forget(struct follow *f)
{
	if (f->touched)
		f->touched->n = 0;
}

bool watchpoints_told(struct translator *tr, struct thread *th,
		      struct follow *f, struct stop *ev)
{
	struct noting n = { tr, lower_thread(th), f };
	struct touched *t = f->touched;
	struct stop told = { .id = th->id, .kind = STOP_WATCH };
	uint8_t *image = t && t->n ? follow_image(tr, n.low, false) : NULL;

	for (unsigned i = 0; image && i < t->n; i++) {
		if (t->unsure[i].hi && sum(&n, &t->unsure[i]) == t->sums[i])
			continue;
		if (!has_reached(&t->by[i], &t->scans[i], image))
			continue;
		told.watch[told.n_watch++] = t->hits[i];
	}
	watchpoints_forget(f);
	if (!told.n_watch)
		return false;
	told.addr = told.watch[0].addr;
	told.point = told.watch[0].point;
	tr->stats.watch_hits++;
	*ev = told;
	return true;
}
