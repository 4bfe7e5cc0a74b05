/* Which thread, which threads: H T qC q[fs]ThreadInfo and friends. */
#include "base/log.h"
#include "rsp/frame.h"
#include "server/lldb-resume.h"
#include "server/packet.h"
#include "server/session.h"
#include "server/tls.h"

int pk_select(struct session *s, struct args *a, struct buf *out)
{
	struct ptid id;
	bool resume, names_process;

	resume = take_char(a, 'c');
	if (!resume && !take_char(a, 'g'))
		return -ENOTSUP;
	names_process = !take_end(a) && *a->p == 'p';
	if (!take_ptid(a, &id) || !take_end(a))
		return s->lldb.on ? -LLDB_OTHER : -EPROTO;
	if (s->lldb.on) {
		int r = lldb_check_thread(s, id, LLDB_OTHER, LLDB_NO_THREAD);

		if (r < 0 || (names_process && id.pid <= 0 && !resume))
			return r < 0 ? r : -LLDB_OTHER;
	}
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
	if (s->lldb.on) {
		int r = lldb_check_thread(s, id, LLDB_NO_SUCH_PID,
					  LLDB_NO_SUCH_TID);

		if (r < 0)
			return r;
	}
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
		return s->lldb.on ? -LLDB_NO_PROCESS_LEFT : -ESRCH;
	buf_puts(out, "QC");
	put_ptid(s, th->id, out);
	return REPLY_NOW;
}

/*
 * As many threads as a packet holds. The list goes on behind the thread that
 * it ended with; were that gone by then, it would begin again, so it ends.
 */
static int put_threads(struct session *s, struct thread *th, struct buf *out)
{
	const size_t longest = 32;

	while (th && out->len <= RSP_PACKET_MAX - longest) {
		buf_putc(out, out->len ? ',' : 'm');
		put_ptid(s, th->id, out);
		s->list_tid = th->id.tid;
		th = thread_next(s->target, th);
	}
	if (!out->len)
		buf_putc(out, 'l');
	return REPLY_NOW;
}

int pk_threads_first(struct session *s, struct args *a, struct buf *out)
{
	struct thread *first = thread_next(s->target, NULL);

	(void)a;
	s->list_tid = 0;
	/* lldb-server's answer: at an empty list lldb asks why it stopped. */
	if (!first && s->lldb.on) {
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	return put_threads(s, first, out);
}

int pk_threads_next(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = thread_find(s->target, s->list_tid);

	(void)a;
	return put_threads(s, th ? thread_next(s->target, th) : NULL, out);
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
	s->wants_threads |= on;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

#define OPTIONS_ALL (THREAD_TELL_CLONE | THREAD_TELL_EXIT)

static void set_options(struct target *t, struct ptid who, unsigned options)
{
	struct process *p;
	struct thread *th;

	list_each(p, &t->processes, node) {
		if (who.pid > 0 && who.pid != p->pid)
			continue;
		list_each(th, &p->threads, node) {
			if (ptid_matches(who, th->id))
				target_thread_options(t, th, options);
		}
	}
}

/* OPTIONS[:THREAD];...: each thread takes the last that is for it. False:
 * malformed; what came before that may have been set. */
static bool take_options(struct session *s, struct args *a, bool set)
{
	struct thread *th;
	uint64_t options;
	struct ptid who;

	do {
		who = (struct ptid){ -1, -1 };
		if (!take_hex_max(a, OPTIONS_ALL, &options) ||
		    (take_char(a, ':') && !take_ptid(a, &who)))
			return false;
		th = thread_find(s->target, who.tid);
		if (set && th && ptid_matches(who, th->id))
			target_thread_options(s->target, th,
					      (unsigned)options);
		else if (set && who.tid <= 0)
			set_options(s->target, who, (unsigned)options);
	} while (take_char(a, ';'));
	return take_end(a);
}

int pk_thread_options(struct session *s, struct args *a, struct buf *out)
{
	struct args again = *a;

	if (!take_options(s, &again, false))
		return -EPROTO;
	take_options(s, a, true);
	s->wants_threads = true;
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
