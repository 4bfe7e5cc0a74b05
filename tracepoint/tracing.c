#include "tracepoint/tracing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

/* Steps of a thread behind a hit. */
struct stepping {
	struct tracepoint *tp;
	uint64_t left;
};

struct traced_thread {
	struct resume asked; /* last, by the client; without signal and over */
	bool passed; /* what there is at here was hit, and the thread has not
		      * moved since */
	uint64_t here;
	size_t n_steps, cap_steps;
	struct stepping steps[];
};

void tracing_init(struct tracing *tr)
{
	*tr = (struct tracing){ .end = TRACE_NOT_RUN };
	list_init(&tr->points);
	trace_variables_init(&tr->variables);
	trace_buffer_init(&tr->buffer);
}

static void drop_points(struct tracing *tr)
{
	struct tracepoint *tp, *next;

	list_each_safe(tp, next, &tr->points, node)
		tracepoint_free(tp);
}

void tracing_fini(struct tracing *tr)
{
	drop_points(tr);
	trace_variables_fini(&tr->variables);
	trace_buffer_fini(&tr->buffer);
	buf_fini(&tr->frame);
}

void tracing_clear(struct tracing *tr)
{
	drop_points(tr);
	trace_variables_clear(&tr->variables);
	trace_buffer_clear(&tr->buffer);
}

struct tracepoint *tracepoint_find(const struct tracing *tr, unsigned number,
				   uint64_t addr)
{
	struct tracepoint *tp;

	list_each(tp, &tr->points, node) {
		if (tp->number == number && tp->addr == addr)
			return tp;
	}
	return NULL;
}

/* Steps behind a hit of the one go on as those of the other. */
static void replace_stepping(struct target *t, const struct tracepoint *old,
			     struct tracepoint *tp)
{
	struct thread *th = NULL;

	while ((th = thread_next(t, th))) {
		struct traced_thread *tt = th->traced;

		for (size_t i = 0; tt && i < tt->n_steps; i++) {
			if (tt->steps[i].tp == old)
				tt->steps[i].tp = tp;
		}
	}
}

void tracing_define(struct tracing *tr, struct target *t, struct tracepoint *tp)
{
	struct tracepoint *old = tracepoint_find(tr, tp->number, tp->addr);

	list_add(old ? &old->node : &tr->points, &tp->node);
	if (!old)
		return;
	tp->hits = old->hits;
	tp->usage = old->usage;
	replace_stepping(t, old, tp);
	tracepoint_free(old);
}

void tracing_start(struct tracing *tr, size_t regs_size)
{
	struct tracepoint *tp;

	trace_buffer_clear(&tr->buffer);
	list_each(tp, &tr->points, node)
		tp->hits = tp->usage = 0;
	tr->regs_size = regs_size;
	tr->running = true;
	tr->started = trace_time();
	tr->stopped = 0;
	tr->end = TRACE_NOT_RUN;
	tr->end_point = 0;
}

void tracing_stop(struct tracing *tr, enum trace_end why)
{
	if (!tr->running)
		return;
	tr->running = false;
	tr->stopped = trace_time();
	tr->end = why;
}

/* --- threads ------------------------------------------------------------- */

static struct traced_thread *traced_of(struct thread *th)
{
	if (!th->traced) {
		th->traced = xcalloc(1, sizeof(struct traced_thread));
		((struct traced_thread *)th->traced)->asked.kind = RESUME_CONT;
	}
	return th->traced;
}

static uint64_t pc_of(struct target *t, struct thread *th)
{
	uint64_t pc = 0;

	target_reg_u64(t, th, th->proc->arch->pc, &pc);
	return pc;
}

static void add_stepping(struct thread *th, struct tracepoint *tp)
{
	struct traced_thread *tt = traced_of(th);

	if (tt->n_steps == tt->cap_steps) {
		tt->cap_steps = tt->cap_steps ? 2 * tt->cap_steps : 4;
		tt = xrealloc(tt, sizeof(*tt) +
					  tt->cap_steps * sizeof(tt->steps[0]));
		th->traced = tt;
	}
	tt->steps[tt->n_steps++] = (struct stepping){ tp, tp->steps };
}

bool tracing_steps(const struct thread *th)
{
	const struct traced_thread *tt = th->traced;

	return tt && tt->n_steps;
}

const struct resume *tracing_asked(const struct thread *th)
{
	static const struct resume goes_on = { .kind = RESUME_CONT };
	const struct traced_thread *tt = th->traced;

	return tt ? &tt->asked : &goes_on;
}

void tracing_note_here(struct target *t, struct thread *th)
{
	struct traced_thread *tt = traced_of(th);

	tt->passed = true;
	tt->here = pc_of(t, th);
}

void tracing_forget_threads(struct target *t)
{
	struct traced_thread *tt;
	struct thread *th = NULL;

	while ((th = thread_next(t, th))) {
		tt = th->traced;
		if (tt)
			tt->n_steps = 0;
	}
}

/* Without a stop, where that can be: not in the course of steps. */
static bool collects_in(const struct tracing *tr, uint64_t lo, uint64_t hi)
{
	const struct tracepoint *tp;

	list_each(tp, &tr->points, node) {
		if (tp->collector && tp->addr >= lo && tp->addr < hi)
			return true;
	}
	return false;
}

/* Steps that are to be seen are made one by one. */
static void step_by_step(const struct tracing *tr, const struct thread *th,
			 struct resume *act)
{
	if (tracing_steps(th) ||
	    (act->kind == RESUME_RANGE && collects_in(tr, act->lo, act->hi)))
		act->kind = RESUME_STEP;
}

void tracing_resume(struct tracing *tr, struct target *t, struct thread *th,
		    struct resume *act)
{
	struct traced_thread *tt = th->traced;

	if (!tt && act->kind == RESUME_CONT)
		return;
	tt = traced_of(th);
	tt->asked = (struct resume){
		.kind = act->kind,
		.lo = act->lo,
		.hi = act->hi,
	};
	step_by_step(tr, th, act);
	if (!tt->passed)
		return;
	if (act->signo || pc_of(t, th) != tt->here) {
		tt->passed = false;
		return;
	}
	/* A breakpoint of the client's there is met again. */
	if (!traced_point_is_asked(th->proc, tt->here)) {
		tt->passed = false;
		act->over = true;
	}
}

struct resume tracing_go_on(struct tracing *tr, struct thread *th)
{
	struct resume act = *tracing_asked(th);
	struct traced_thread *tt = th->traced;

	act.who = th->id;
	step_by_step(tr, th, &act);
	act.over = tt && tt->passed;
	if (tt)
		tt->passed = false;
	return act;
}

/* --- hits ---------------------------------------------------------------- */

/* The run is to end for what became of the tracepoint, unless it has. */
static void end_run(struct tracing *tr, const struct tracepoint *tp, int r,
		    const char *why)
{
	if (!tr->running)
		return;
	tracing_stop(tr, r == -ENOSPC ? TRACE_FULL : TRACE_ERROR);
	if (r == -ENOSPC)
		return;
	tr->end_point = tp->number;
	tr->error = why ? why : "no memory for the trace buffer";
}

static void hit_one(struct tracing *tr, struct target *t, struct thread *th,
		    struct tracepoint *tp)
{
	const char *why = NULL;
	int r = trace_condition(tr, t, th, tp, &why);

	if (!r)
		return;
	if (r > 0) {
		tp->hits++;
		r = trace_collect(tr, t, th, tp, &tp->actions, tp->addr, &why);
	}
	if (r < 0) {
		end_run(tr, tp, r, why);
		return;
	}
	if (tp->steps)
		add_stepping(th, tp);
	if (tp->pass_count && tp->hits >= tp->pass_count && tr->running) {
		tracing_stop(tr, TRACE_PASSED);
		tr->end_point = tp->number;
	}
}

/* A run that one of them ends is yet one of those beside it. What collects
 * without a stop has done so, but for a thread that was stepped there. */
static void hit_all(struct tracing *tr, struct target *t, struct thread *th,
		    uint64_t pc, bool step)
{
	struct tracepoint *tp;

	list_each(tp, &tr->points, node) {
		if (tp->addr == pc && tp->enabled && (step || !tp->collector))
			hit_one(tr, t, th, tp);
	}
}

/* A step that was to be collected is done. */
static void stepped(struct tracing *tr, struct target *t, struct thread *th,
		    uint64_t pc)
{
	struct traced_thread *tt = th->traced;
	size_t kept = 0;

	for (size_t i = 0; i < tt->n_steps; i++) {
		struct stepping *s = &tt->steps[i];
		const char *why = NULL;
		int r = trace_collect(tr, t, th, s->tp, &s->tp->step_actions,
				      pc, &why);

		if (r < 0)
			end_run(tr, s->tp, r, why);
		if (--s->left)
			tt->steps[kept++] = *s;
	}
	tt->n_steps = kept;
}

void tracing_stopped(struct tracing *tr, struct target *t, struct thread *th,
		     const struct stop *st)
{
	bool step = st->kind == STOP_STEP || st->kind == STOP_WATCH;
	struct traced_thread *tt = th->traced;
	uint64_t pc;

	if (st->kind == STOP_EXEC && tt) {
		tt->n_steps = 0;
		tt->passed = false;
	}
	if (!tr->running || (!step && st->kind != STOP_SWBREAK))
		return;
	pc = pc_of(t, th);
	if (step && tracing_steps(th))
		stepped(tr, t, th, pc);
	if (tt && tt->passed && tt->here == pc)
		return;
	if (!tr->running ||
	    (!point_is_traced(th->proc, pc) && !collects_in(tr, pc, pc + 1)))
		return;
	hit_all(tr, t, th, pc, step);
	tracing_note_here(t, th);
}
