#include "trace/timeline.h"

#include <stdlib.h>

#include "base/mem.h"
#include "trace/calls.h"

/* At an instruction of the thread. */
struct event {
	uint64_t at;
	uint32_t function;
	bool begins;
};

struct thread_timeline {
	struct timeline *t;
	struct story_thread *th;
	struct calls calls;
	struct event *events; /* that were not written yet */
	size_t n, cap;
	uint64_t since; /* the instruction at `from` */
	int64_t from, until;
	int64_t last; /* time that was written */
};

/* --- writing -------------------------------------------------------------- */

static int64_t time_of(const struct thread_timeline *tt, uint64_t at)
{
	uint64_t all = tt->calls.now - tt->since, done = at - tt->since;
	double part = all ? (double)done / (double)all : 1;

	return tt->from + (int64_t)(part * (double)(tt->until - tt->from));
}

static void write_event(struct thread_timeline *tt, const struct event *e)
{
	struct timeline *t = tt->t;
	int64_t ns = time_of(tt, e->at);

	if (ns < tt->last)
		ns = tt->last;
	tt->last = ns;
	(e->begins ? t->writer->begin
		   : t->writer->end)(t, tt->th, ns - t->origin, e->function);
}

/* What was gathered is between `from` and `until`. */
static void flush(struct thread_timeline *tt)
{
	for (size_t i = 0; i < tt->n; i++)
		write_event(tt, &tt->events[i]);
	tt->n = 0;
	tt->since = tt->calls.now;
}

/* --- gathering ------------------------------------------------------------ */

static void add(void *user, struct calls *c, struct call *call, bool begins)
{
	struct thread_timeline *tt = user;

	if (c->run->functions[call->function].flags &
	    (FUNCTION_PLT | FUNCTION_LINK))
		return;
	GROW(tt->events, tt->n, tt->cap, 256);
	tt->events[tt->n++] = (struct event){ c->now, call->function, begins };
}

static void enter(void *user, struct calls *c, struct call *top)
{
	add(user, c, top, true);
}

static void leave(void *user, struct calls *c, struct call *top)
{
	add(user, c, top, false);
}

static struct thread_timeline *timeline_of(struct timeline *t,
					   struct story_thread *th)
{
	struct thread_timeline *tt = th->of[t->slot];

	if (tt)
		return tt;
	tt = th->of[t->slot] = xcalloc(1, sizeof(*tt));
	tt->t = t;
	tt->th = th;
	tt->from = tt->until = th->from;
	if (!t->origin)
		t->origin = th->from;
	calls_init(&tt->calls, t->story,
		   &(struct calls_listener){ enter, leave, tt });
	t->writer->thread(t, th);
	return tt;
}

static void take_path(void *user, struct story_thread *th,
		      const uint32_t *blocks, size_t n)
{
	struct thread_timeline *tt = timeline_of(user, th);

	if (tt->until != th->until) {
		flush(tt);
		tt->from = th->from;
		tt->until = th->until;
	}
	for (size_t i = 0; i < n; i++)
		calls_step(&tt->calls, blocks[i]);
}

static void take_cut(void *user, struct story_thread *th, uint32_t instructions)
{
	calls_cut(&timeline_of(user, th)->calls, instructions);
}

static void take_lost(void *user, struct story_thread *th)
{
	calls_lost(&timeline_of(user, th)->calls);
}

static void take_end(void *user, struct story_thread *th)
{
	struct timeline *t = user;
	struct thread_timeline *tt = th->of[t->slot];

	if (!tt)
		return;
	calls_end(&tt->calls);
	flush(tt);
	free(tt->events);
	free(tt);
	th->of[t->slot] = NULL;
}

/* --- the format ----------------------------------------------------------- */

struct timeline *timeline_begin(struct story *s, const struct format_args *args,
				const struct timeline_writer *w)
{
	struct timeline *t = xcalloc(1, sizeof(*t));

	t->story = s;
	t->writer = w;
	t->out = args->out;
	story_functions(s);
	t->slot = story_add_sink(s, &(struct story_sink){
					    .path = take_path,
					    .cut = take_cut,
					    .lost = take_lost,
					    .end = take_end,
					    .user = t,
				    });
	w->head(t);
	return t;
}

void timeline_write(void *timeline, FILE *out)
{
	struct timeline *t = timeline;
	const struct map *m = &t->story->threads;

	(void)out;
	for (size_t i = 0; m->count && i <= m->mask; i++) {
		struct story_thread *th = m->slots[i].value;

		if (m->slots[i].key && th->of[t->slot])
			flush(th->of[t->slot]);
	}
	t->writer->tail(t);
}

void timeline_free(void *timeline)
{
	free(timeline);
}
