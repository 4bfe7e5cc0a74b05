/* Which thread, which threads: H T qC q[fs]ThreadInfo and friends. */
#include "base/log.h"
#include "rsp/frame.h"
#include "server/packet.h"
#include "server/session.h"
#include "server/tls.h"

int pk_select(struct session *s, struct args *a, struct buf *out)
{
	struct ptid id;
	bool resume;

	resume = take_char(a, 'c');
	if (!resume && !take_char(a, 'g'))
		return -ENOTSUP;
	if (!take_ptid(a, &id) || !take_end(a))
		return -EPROTO;
	if (resume)
		s->continued = id;
	else if (id.tid > 0 && !thread_find(s->target, id.tid))
		return err_set(&s->err, -ESRCH, "no thread %d", id.tid);
	else
		s->general = id;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_alive(struct session *s, struct args *a, struct buf *out)
{
	struct ptid id;

	if (!take_ptid(a, &id) || !take_end(a))
		return -EPROTO;
	if (!thread_find(s->target, id.tid))
		return -ESRCH;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_current(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);

	(void)a;
	if (!th)
		return -ESRCH;
	buf_puts(out, "QC");
	put_ptid(s, th->id, out);
	return REPLY_NOW;
}

/*
 * As many threads as a packet holds. The list goes on behind the thread that
 * it ended with; were that gone by then, it would begin again, so it ends.
 */
static void put_threads(struct session *s, struct process *p, struct list *at,
			struct buf *out)
{
	const size_t longest = 32;
	struct thread *th;

	while (&p->node != &s->target->processes) {
		for (; at != &p->threads; at = at->next) {
			th = list_entry(at, struct thread, node);
			buf_putc(out, out->len ? ',' : 'm');
			put_ptid(s, th->id, out);
			s->list_tid = th->id.tid;
			if (out->len > RSP_PACKET_MAX - longest)
				return;
		}
		p = list_entry(p->node.next, struct process, node);
		at = p->threads.next;
	}
}

int pk_threads_first(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = list_entry(s->target->processes.next,
				       struct process, node);

	(void)a;
	s->list_tid = 0;
	if (!list_empty(&s->target->processes))
		put_threads(s, p, p->threads.next, out);
	if (!out->len)
		buf_putc(out, 'l');
	return REPLY_NOW;
}

int pk_threads_next(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = thread_find(s->target, s->list_tid);

	(void)a;
	if (th)
		put_threads(s, th->proc, th->node.next, out);
	if (!out->len)
		buf_putc(out, 'l');
	return REPLY_NOW;
}

int pk_thread_extra(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th;
	char name[64];
	struct ptid id;

	if (!take_ptid(a, &id) || !take_end(a))
		return -EPROTO;
	th = thread_find(s->target, id.tid);
	if (!th || s->target->ops->thread_name(s->target, th, name,
					       sizeof(name)) < 0)
		return -ESRCH;
	buf_put_hex_str(out, name);
	return REPLY_NOW;
}

int pk_thread_events(struct session *s, struct args *a, struct buf *out)
{
	uint64_t on;

	if (!take_hex_max(a, 1, &on) || !take_end(a))
		return -EPROTO;
	s->target->report_threads = on;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* qGetTLSAddr:THREAD,OFFSET,LINK_MAP */
int pk_tls(struct session *s, struct args *a, struct buf *out)
{
	uint64_t offset, lm, base, addr;
	struct thread *th;
	struct ptid id;
	int r;

	if (!take_ptid(a, &id) || !take_char(a, ',') || !take_hex(a, &offset) ||
	    !take_char(a, ',') || !take_hex(a, &lm) || !take_end(a))
		return -EPROTO;
	th = thread_find(s->target, id.tid);
	if (!th)
		return -ESRCH;
	r = s->target->ops->thread_pointer(s->target, th, &base);
	if (r >= 0)
		r = tls_address(s->target, th->proc, base, lm, offset, &addr,
				&s->err);
	if (r < 0)
		return r;
	buf_put_num(out, addr);
	return REPLY_NOW;
}
