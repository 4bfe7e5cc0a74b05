/* Following: which threads run translated, and what they record. */
#include "server/qtrace-record.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "trace/events.h"

static const char *const names[] = {
	[MODE_NONE] = "none",	[MODE_COVERAGE] = "coverage",
	[MODE_COUNT] = "count", [MODE_TRACE] = "trace",
	[MODE_FLOW] = "flow",	[MODE_HISTORY] = NULL,
};

/* What has no name here is Qbtrace's. */
const char *mode_name(enum trace_mode mode)
{
	return names[mode] ? names[mode] : "history";
}

void put_modes(struct buf *out, const char *between)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i])
			buf_printf(out, "%s%s", i ? between : "", names[i]);
	}
}

/* --- what is asked for --------------------------------------------------- */

struct wish {
	enum trace_mode mode;
	struct ptid who;
	bool has_mode;
	bool has_full, stops;
	bool alone;	 /* threads that it makes are not followed */
	unsigned events; /* 0: not said */
	uint64_t buffer; /* 0: not said */
};

static bool take_mode(struct wish *w, const char *text)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i] && !strcmp(text, names[i])) {
			w->mode = (enum trace_mode)i;
			return w->has_mode = true;
		}
	}
	return false;
}

static int take_option(struct session *s, struct wish *w, const char *key,
		       const char *value)
{
	if (!strcmp(key, "mode"))
		return take_mode(w, value)
			       ? 0
			       : err_set(&s->err, -EINVAL,
					 "mode is none, coverage, count, "
					 "trace or flow");
	if (!strcmp(key, "events"))
		return events_parse(value, &w->events, &s->err);
	if (!strcmp(key, "buffer"))
		return size_parse(value, &w->buffer) == 0 &&
				       w->buffer >= KEPT_LEAST &&
				       w->buffer <= KEPT_MOST
			       ? 0
			       : err_set(&s->err, -EINVAL,
					 "a thread's buffer has 4k to 1G "
					 "bytes");
	if (!strcmp(key, "full")) {
		w->has_full = true;
		w->stops = !strcmp(value, "stop");
		return w->stops || !strcmp(value, "wrap")
			       ? 0
			       : err_set(&s->err, -EINVAL,
					 "what is full may wrap or stop");
	}
	if (!strcmp(key, "births")) {
		w->alone = !strcmp(value, "0");
		return w->alone || !strcmp(value, "1")
			       ? 0
			       : err_set(&s->err, -EINVAL, "births is 0 or 1");
	}
	return err_set(&s->err, -EINVAL,
		       "follow knows mode, events, buffer, full and births, "
		       "not '%s'",
		       key);
}

/* ";KEY=VALUE", again and again. */
static int take_options(struct session *s, struct args *a, struct wish *w)
{
	struct args word;
	char text[128], *value;
	int r = 0;

	while (r == 0 && take_char(a, ';')) {
		if (!take_word(a, ";", &word) ||
		    args_left(&word) >= sizeof(text))
			return err_set(&s->err, -EINVAL,
				       "what is wanted is ;KEY=VALUE");
		memcpy(text, word.p, args_left(&word));
		text[args_left(&word)] = '\0';
		value = strchr(text, '=');
		if (!value)
			return err_set(&s->err, -EINVAL,
				       "'%s' has no value: KEY=VALUE", text);
		*value++ = '\0';
		r = take_option(s, w, text, value);
	}
	if (r == 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL,
			    "behind the thread comes ;KEY=VALUE or nothing");
	return r;
}

/* Events mean that they are traced, and tracing that there are some. */
static int complete(struct session *s, struct wish *w)
{
	bool traces = w->has_mode ? w->mode == MODE_TRACE : w->events != 0;

	if (w->alone && w->who.tid < 0)
		return err_set(&s->err, -EINVAL,
			       "births=0 is for a single thread");
	if (!traces && w->events)
		return err_set(&s->err, -EINVAL, "events belong to mode=trace");
	if (w->mode == MODE_FLOW && w->has_full)
		return err_set(&s->err, -EINVAL,
			       "the record of mode=flow ends where it is full");
	if (!traces)
		return 0;
	w->mode = MODE_TRACE;
	if (!w->events)
		w->events = EVENT_CALL | EVENT_RET;
	return 0;
}

/* --- following ----------------------------------------------------------- */

/* Calls fn for the processes that who covers; how many there were. */
typedef int process_fn(struct session *s, struct process *p,
		       const struct wish *w);

static int each_process(struct session *s, process_fn *fn, const struct wish *w)
{
	const struct ptid who = w->who;
	struct process *p;
	int n = 0, r;

	list_each(p, &s->target->processes, node) {
		if (p->untold || (who.pid > 0 && who.pid != p->pid))
			continue;
		r = process_stands(s, p);
		if (r >= 0)
			r = fn(s, p, w);
		if (r < 0)
			return r;
		n++;
	}
	return n ? n : err_set(&s->err, -ESRCH, "there is no such process");
}

/* Nothing is recorded of the process so far, or what goes with the record, and
 * all of it is to be: its code is translated anew. */
static bool begins_anew(const struct space *sp, const struct wish *w)
{
	if (!sp || w->who.tid >= 0)
		return false;
	return translate_mode(sp) == MODE_NONE
		       ? w->mode != MODE_NONE
		       : translate_mode(sp) == MODE_HISTORY &&
				 w->mode == MODE_FLOW;
}

/* Translated code has its mode, and its kinds of events, in it. */
static int may_follow(struct session *s, struct process *p,
		      const struct wish *w)
{
	const struct space *sp = translate_space(p);

	if (!sp || !w->has_mode || translate_mode(sp) == w->mode ||
	    begins_anew(sp, w))
		return 0;
	return err_set(&s->err, -EBUSY,
		       "process %d is followed in mode %s: unfollow it first",
		       p->pid, mode_name(translate_mode(sp)));
}

static int may_trace(struct session *s, unsigned events)
{
	struct qtrace *q = qtrace_of(s);
	const struct process *p;

	list_each(p, &s->target->processes, node) {
		const struct space *sp = translate_space(p);

		if (sp && translate_mode(sp) == MODE_TRACE && q->mask != events)
			return err_set(&s->err, -EBUSY,
				       "process %d is traced for other events: "
				       "unfollow it first",
				       p->pid);
	}
	return 0;
}

/* Of events, and of the values of probes, which any mode may have. */
static void set_buffers(struct qtrace *q, const struct wish *w)
{
	if (w->buffer)
		q->events.per_thread = q->values.most = w->buffer;
	if (w->has_full)
		q->events.stops = q->values.stops = w->stops;
}

static void set_trace(struct session *s, const struct wish *w)
{
	struct qtrace *q = qtrace_of(s);
	const struct translate_sink sink = { w->events, kept_put, &q->events };

	q->mask = w->events;
	translate_set_sink(s->target, &sink);
}

static int follow(struct session *s, struct process *p, const struct wish *w)
{
	const struct space *sp = translate_space(p);
	enum trace_mode mode = sp ? translate_mode(sp) : w->mode;

	if (begins_anew(sp, w))
		return translate_follow_anew(s->target, p, w->mode, &s->err);
	if (w->who.tid < 0)
		return translate_follow(s->target, p, mode, &s->err);
	return translate_follow_thread(s->target,
				       thread_find(s->target, w->who.tid), mode,
				       w->alone, &s->err);
}

int verb_follow(struct session *s, struct args *a, struct buf *out)
{
	struct wish w = { .mode = MODE_NONE };
	int r = take_who(s, a, &w.who);

	if (r >= 0)
		r = take_options(s, a, &w);
	if (r >= 0)
		r = complete(s, &w);
	w.has_mode |= w.mode != MODE_NONE;
	if (r >= 0)
		r = each_process(s, may_follow, &w);
	if (r >= 0 && w.mode == MODE_TRACE)
		r = may_trace(s, w.events);
	if (r < 0)
		return r;
	if (w.mode != MODE_FLOW)
		set_buffers(qtrace_of(s), &w);
	if (w.mode == MODE_TRACE)
		set_trace(s, &w);
	if (w.mode == MODE_FLOW)
		r = record_begin(qtrace_of(s), w.buffer, &s->err);
	if (r < 0)
		return r;
	r = each_process(s, follow, &w);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}

static int unfollow(struct session *s, struct process *p, const struct wish *w)
{
	if (w->who.tid < 0)
		translate_unfollow(s->target, p);
	else
		translate_unfollow_thread(s->target,
					  thread_find(s->target, w->who.tid));
	return 0;
}

int verb_unfollow(struct session *s, struct args *a, struct buf *out)
{
	struct wish w = { .mode = MODE_NONE };
	int r = take_who(s, a, &w.who);

	if (r >= 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL, "unfollow takes a thread alone");
	if (r >= 0)
		r = each_process(s, unfollow, &w);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}
