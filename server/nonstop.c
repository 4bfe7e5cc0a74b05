#include "server/nonstop.h"

#include <stdlib.h>

#include "base/mem.h"
#include "server/lldb-resume.h"
#include "server/packet.h"
#include "server/session.h"

struct queued {
	struct list node;
	struct stop stop;
};

void nonstop_init(struct nonstop *ns)
{
	*ns = (struct nonstop){ 0 };
	list_init(&ns->queue);
}

static struct queued *first_queued(struct nonstop *ns)
{
	return list_empty(&ns->queue) ?
		       NULL :
		       list_entry(ns->queue.next, struct queued, node);
}

static void drop_queued(struct queued *q)
{
	list_drop(&q->node);
	free(q);
}

void nonstop_fini(struct nonstop *ns)
{
	while (!list_empty(&ns->queue))
		drop_queued(first_queued(ns));
}

/* Wildcards pass by threads whose stop the client does not know of. */
static void set_untold(struct session *s, const struct stop *st, bool untold)
{
	bool forked = st->kind == STOP_FORK || st->kind == STOP_VFORK ||
		      st->kind == STOP_CLONED;
	struct thread *th = thread_find(s->target, st->id.tid);

	/* lldb resumes processes, and needs no more to be told for that. */
	if (s->lldb.on)
		return;
	if (th)
		target_thread_untold(s->target, th, untold);
	th = forked ? thread_find(s->target, st->child.tid) : NULL;
	if (th)
		target_thread_untold(s->target, th, untold);
}

static void enqueue(struct session *s, const struct stop *st)
{
	struct queued *q = xcalloc(1, sizeof(*q));

	q->stop = *st;
	list_add(&s->nonstop.queue, &q->node);
	set_untold(s, st, true);
}

/* The client has taken in the stop that was sent. */
static void acknowledge(struct session *s)
{
	struct queued *q = first_queued(&s->nonstop);

	if (!q)
		return;
	set_untold(s, &q->stop, false);
	drop_queued(q);
}

static void put_first(struct session *s, struct buf *out)
{
	const struct queued *q = first_queued(&s->nonstop);

	if (q)
		stop_reply(s, &q->stop, out);
	else
		buf_puts(out, "OK");
}

void nonstop_tell(struct session *s, const struct stop *st)
{
	bool idle = list_empty(&s->nonstop.queue);

	enqueue(s, st);
	if (!idle)
		return;
	buf_reset(&s->reply);
	buf_puts(&s->reply, "Stop:");
	stop_reply(s, st, &s->reply);
	link_notify(s->link, &s->reply);
}

static void forget(struct session *s, pid_t pid, bool ends)
{
	struct queued *q, *next, *sent = first_queued(&s->nonstop);

	list_each_safe(q, next, &s->nonstop.queue, node) {
		if (q == sent || q->stop.id.pid != pid ||
		    (!ends && q->stop.kind == STOP_THREAD_EXIT))
			continue;
		stop_let_go(s, &q->stop);
		drop_queued(q);
	}
}

void nonstop_forget(struct session *s, pid_t pid)
{
	forget(s, pid, true);
}

void nonstop_ended(struct session *s, pid_t pid)
{
	forget(s, pid, false);
}

/* What it was told last comes first, and threads without a reason after it. */
static void enqueue_for_lldb(struct session *s)
{
	struct thread *last = thread_find(s->target, s->last.id.tid);
	struct thread *th = NULL;
	struct stop st;

	if (last && !last->running)
		enqueue(s, &s->last);
	while ((th = thread_next(s->target, th))) {
		st = lldb_stop_of(s, th);
		if (th != last && !th->running)
			enqueue(s, &st);
	}
}

static void why_for_lldb(struct session *s, struct buf *out)
{
	/* Of ends there is nothing but what is queued. */
	if (!list_empty(&s->target->processes)) {
		while (!list_empty(&s->nonstop.queue))
			acknowledge(s);
		enqueue_for_lldb(s);
	}
	put_first(s, out);
}

void nonstop_why(struct session *s, struct buf *out)
{
	struct thread *th = NULL;

	if (s->lldb.on) {
		why_for_lldb(s, out);
		return;
	}
	while (!list_empty(&s->nonstop.queue))
		acknowledge(s);
	while ((th = thread_next(s->target, th))) {
		struct stop st = th->last;

		if (th->running)
			continue;
		if (ptid_equal(s->last.id, th->id))
			st = s->last;
		else if (st.kind == STOP_NONE)
			st.kind = STOP_SIGNAL;
		st.id = th->id;
		enqueue(s, &st);
	}
	put_first(s, out);
}

void nonstop_switch(struct session *s, bool on)
{
	if (on == s->nonstop.on)
		return;
	while (!list_empty(&s->nonstop.queue))
		acknowledge(s);
	s->nonstop.on = on;
	s->target->all_stop = s->target->ends_wait = !on;
	if (on)
		session_run_again(s);
	else
		s->target->ops->halt(s->target);
	s->running = false;
}

/* --- packets ------------------------------------------------------------- */

int pk_non_stop(struct session *s, struct args *a, struct buf *out)
{
	uint64_t on;

	if (!take_hex_max(a, 1, &on) || !take_end(a))
		return -EPROTO;
	nonstop_switch(s, on);
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_stopped(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	if (s->lldb.on && !s->nonstop.on)
		return -LLDB_OTHER;
	acknowledge(s);
	put_first(s, out);
	return REPLY_NOW;
}

int pk_ctrl_c(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	session_interrupt(s);
	buf_puts(out, "OK");
	return REPLY_NOW;
}
