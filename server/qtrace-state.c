/* What was recorded, and when it goes. */
#include "server/qtrace-record.h"

#include <stdlib.h>

#include "base/mem.h"
#include "translate/collect.h"
#include "translate/disassemble.h"
#include "translate/transform.h"

static void take_end_of(void *user, pid_t pid, const struct space *sp)
{
	struct qtrace *q = user;
	enum trace_mode mode = translate_mode(sp);

	kept_modules(&q->events, pid, sp);
	if (mode == MODE_COVERAGE || mode == MODE_COUNT)
		hits_take(&q->ended, sp);
}

struct qtrace *qtrace_of(struct session *s)
{
	struct qtrace *q = s->trace;

	if (q)
		return q;
	q = s->trace = xcalloc(1, sizeof(*q));
	q->target = s->target;
	q->ended.globs = &q->all;
	q->events.per_thread = KEPT_DEFAULT;
	q->values.most = KEPT_DEFAULT;
	list_init(&q->rules);
	translate_on_end(s->target, take_end_of, q);
	return q;
}

static void forget(struct qtrace *q)
{
	record_end(q);
	kept_clear(&q->events);
	collected_clear(&q->values);
	hits_fini(&q->ended);
	q->ended = (struct hits){ .globs = &q->all };
}

void qtrace_begun(struct session *s)
{
	struct list *all = &s->target->processes;

	if (!s->trace || all->next != all->prev)
		return;
	rules_end(s->trace, false);
	forget(s->trace);
}

void qtrace_free(struct session *s)
{
	static const struct translate_sink nobody;

	if (!s->trace)
		return;
	translate_on_end(s->target, NULL, NULL);
	translate_set_sink(s->target, &nobody);
	rules_end(s->trace, true);
	forget(s->trace);
	disassembler_free(s->trace->disassembler);
	free(s->trace);
	s->trace = NULL;
}

/* Spaces of vfork children are their parents'. */
static bool is_first_with(const struct qtrace *q, const struct process *with,
			  const struct space *sp)
{
	const struct process *p;

	list_each(p, &q->target->processes, node) {
		if (translate_space(p) == sp)
			return p == with;
	}
	return false;
}

void qtrace_hits(struct qtrace *q, struct hits *h)
{
	struct process *p;

	h->globs = &q->all;
	hits_merge(h, &q->ended);
	list_each(p, &q->target->processes, node) {
		const struct space *sp = translate_space(p);
		enum trace_mode mode = sp ? translate_mode(sp) : MODE_NONE;

		if ((mode == MODE_COVERAGE || mode == MODE_COUNT) &&
		    is_first_with(q, p, sp))
			hits_take(h, sp);
	}
}

void qtrace_catch_up(struct qtrace *q)
{
	struct process *p;

	translate_drain(q->target);
	translate_counts(q->target);
	translate_collect_drain(q->target);
	list_each(p, &q->target->processes, node) {
		if (translate_space(p))
			kept_modules(&q->events, p->pid, translate_space(p));
	}
}
