/* A run begins and ends; stops and resumes while it lasts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"

void tracer_init(struct tracer *tc)
{
	*tc = (struct tracer){ .selected = -1 };
	tracing_init(&tc->tr);
}

void tracer_fini(struct tracer *tc)
{
	tracing_fini(&tc->tr);
	if (tc->defined)
		tracepoint_free(tc->defined);
	free(tc->user);
	free(tc->notes);
	free(tc->stop_note);
	free(tc->live);
	buf_fini(&tc->upload);
}

/* --- in programs ---------------------------------------------------------- */

/* Threads that stand there have not come there in this run. */
static void note_standing(struct session *s, struct process *p, uint64_t addr)
{
	struct thread *th;
	uint64_t pc;

	list_each(th, &p->threads, node) {
		if (!th->running &&
		    target_reg_u64(s->target, th, p->arch->pc, &pc) >= 0 &&
		    pc == addr)
			tracing_note_here(s->target, th);
	}
}

int trace_install(struct session *s, struct tracepoint *tp)
{
	struct process *p = session_process(s);
	int r;

	if (!tp->enabled)
		return 0;
	if (!p)
		return err_set(&s->err, -ESRCH, "no program is running");
	note_standing(s, p, tp->addr);
	if (fast_install(s, p, tp) || point_is_traced(p, tp->addr))
		return 0;
	r = traced_point_add(s->target, p, tp->addr);
	if (r < 0)
		return err_set(&s->err, r,
			       "cannot insert tracepoint %u at 0x%" PRIx64
			       ": %s",
			       tp->number, tp->addr, strerror(-r));
	return 0;
}

void trace_uninstall(struct session *s, uint64_t addr)
{
	struct tracepoint *tp;
	struct process *p;

	list_each(tp, &s->tracer.tr.points, node) {
		if (tp->addr == addr && !tp->enabled)
			fast_uninstall(s, tp);
	}
	list_each(tp, &s->tracer.tr.points, node) {
		if (tp->addr == addr && tp->enabled && !tp->collector)
			return;
	}
	list_each(p, &s->target->processes, node)
		traced_point_drop(s->target, p, addr);
}

static void uninstall_all(struct session *s)
{
	struct process *p;

	tracing_forget_threads(s->target);
	fast_end(s);
	list_each(p, &s->target->processes, node)
		traced_points_drop(s->target, p);
}

void trace_stop(struct session *s, enum trace_end why)
{
	if (!s->tracer.tr.running)
		return;
	fast_drain(s);
	tracing_stop(&s->tracer.tr, why);
	uninstall_all(s);
}

static int install_all(struct session *s)
{
	struct tracepoint *tp;
	int r = 0;

	list_each(tp, &s->tracer.tr.points, node) {
		r = trace_install(s, tp);
		if (r < 0)
			break;
	}
	return r;
}

/* --- packets -------------------------------------------------------------- */

static int ok(struct buf *out)
{
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_trace_start(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = &s->tracer;
	int r;

	(void)a;
	if (tc->tr.running)
		return err_set(&s->err, -EBUSY, "a trace is running");
	trace_finish_definition(s);
	r = install_all(s);
	if (r < 0) {
		uninstall_all(s);
		return r;
	}
	tc->selected = -1;
	free(tc->stop_note);
	tc->stop_note = NULL;
	tracing_start(&tc->tr, session_process(s)->arch->regs_size);
	return ok(out);
}

int pk_trace_stop(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	trace_stop(s, TRACE_STOPPED);
	return ok(out);
}

static int take_switch(struct args *a, bool *on)
{
	uint64_t v;

	if (!take_hex_max(a, 1, &v) || !take_end(a))
		return -EPROTO;
	*on = v;
	return 0;
}

int pk_trace_disconnected(struct session *s, struct args *a, struct buf *out)
{
	int r = take_switch(a, &s->tracer.disconnected);

	return r < 0 ? r : ok(out);
}

int pk_trace_circular(struct session *s, struct args *a, struct buf *out)
{
	int r;

	fast_settle(s);
	r = take_switch(a, &s->tracer.tr.buffer.circular);
	return r < 0 ? r : ok(out);
}

int pk_trace_size(struct session *s, struct args *a, struct buf *out)
{
	uint64_t size = TRACE_BUFFER_DEFAULT;
	int r;

	if ((!take_name(a, "-1") && !take_hex(a, &size)) || !take_end(a))
		return -EPROTO;
	if (s->tracer.tr.running)
		return err_set(&s->err, -EBUSY, "a trace is running");
	s->tracer.selected = -1;
	r = trace_buffer_resize(&s->tracer.tr.buffer, size);
	return r < 0 ? err_set(&s->err, r, "no trace buffer has that size")
		     : ok(out);
}

/* The notes stay hex digits: all that is done with them is to send them. */
int pk_trace_notes(struct session *s, struct args *a, struct buf *out)
{
	const struct {
		const char *name;
		char **note;
	} notes[] = {
		{ "user:", &s->tracer.user },
		{ "notes:", &s->tracer.notes },
		{ "tstop:", &s->tracer.stop_note },
	};
	struct args word;

	while (take_word(a, ";", &word)) {
		take_char(a, ';');
		for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
			if (!take_name(&word, notes[i].name))
				continue;
			free(*notes[i].note);
			*notes[i].note = xstrndup(word.p, args_left(&word));
			break;
		}
	}
	return ok(out);
}

int pk_trace_live(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = &s->tracer;
	struct live_range range;

	tc->n_live = 0;
	do {
		if (take_end(a))
			break;
		if (!take_hex(a, &range.lo) || !take_char(a, ',') ||
		    !take_hex(a, &range.hi))
			return -EPROTO;
		tc->live = xrealloc(tc->live,
				    (tc->n_live + 1) * sizeof(*tc->live));
		tc->live[tc->n_live++] = range;
	} while (take_char(a, ':'));
	return ok(out);
}

/* --- threads -------------------------------------------------------------- */

/* Was anything ever traced? Then threads may have something to do. */
static bool has_threads(const struct session *s)
{
	return s->tracer.tr.started || s->tracer.tr.running;
}

static bool may_differ(const struct session *s)
{
	return has_threads(s) || !list_empty(&s->filters.logpoints);
}

/* Actions of their own for threads that are not to do just what acts say. */
static void put_own(struct session *s, const struct resume *acts, size_t n,
		    struct buf *out)
{
	struct thread *th = NULL;

	while ((th = thread_next(s->target, th))) {
		const struct resume *act = target_action_for(acts, n, th->id);
		struct resume own;

		if (!act || act->kind == RESUME_STOP || !thread_can_resume(th))
			continue;
		own = *act;
		own.who = th->id;
		if (has_threads(s))
			tracing_resume(&s->tracer.tr, s->target, th, &own);
		own.over |= !own.signo && logpoint_has_met(s, th);
		if (own.kind != act->kind || own.over != act->over)
			buf_put(out, &own, sizeof(own));
	}
}

int session_resume(struct session *s, const struct resume *acts, size_t n)
{
	struct buf all = { 0 };
	int r;

	if (!may_differ(s))
		return target_resume(s->target, acts, n);
	put_own(s, acts, n, &all);
	/* One thread alone is resumed in a quicker way. */
	if (!all.len || n != 1 || acts->who.tid <= 0)
		buf_put(&all, acts, n * sizeof(*acts));
	r = target_resume(s->target, (void *)all.data, all.len / sizeof(*acts));
	buf_fini(&all);
	return r;
}

/* To what the client asked the thread to do it is none. */
static bool is_amid(struct session *s, const struct thread *th, uint64_t pc)
{
	const struct resume *asked = tracing_asked(th);

	(void)s;
	return asked->kind == RESUME_CONT ||
	       (asked->kind == RESUME_RANGE && pc >= asked->lo &&
		pc < asked->hi);
}

static bool is_ours(struct session *s, struct thread *th, const struct stop *st)
{
	uint64_t pc;

	if (st->kind != STOP_SWBREAK && (st->kind != STOP_STEP || !th->traced))
		return false;
	if (target_reg_u64(s->target, th, th->proc->arch->pc, &pc) < 0)
		return false;
	return st->kind == STOP_STEP ? is_amid(s, th, pc)
				     : !traced_point_stops(s->target, th, pc);
}

bool trace_event(struct session *s, const struct stop *st)
{
	struct tracing *tr = &s->tracer.tr;
	struct thread *th = thread_find(s->target, st->id.tid);
	struct resume act;
	bool ran, ours;

	if (!th || !has_threads(s))
		return false;
	fast_settle(s);
	ran = tr->running;
	tracing_stopped(tr, s->target, th, st);
	ours = is_ours(s, th, st);
	if (ran && !tr->running)
		uninstall_all(s);
	if (!ours)
		return false;
	act = tracing_go_on(tr, th);
	target_resume(s->target, &act, 1);
	return true;
}

/* --- clients -------------------------------------------------------------- */

bool trace_outlives(const struct session *s)
{
	return s->tracer.tr.running && s->tracer.disconnected;
}

void trace_disconnect(struct session *s)
{
	s->tracer.selected = -1;
	if (!trace_outlives(s))
		trace_stop(s, TRACE_DISCONNECTED);
}
