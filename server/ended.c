/*
 * Programs that end while they stand still: killed from elsewhere. They are
 * reaped at once, so that neither their parent waits nor a zombie is left, and
 * their records go; the client is told when it next asks or resumes. One end
 * is kept: until it is told others stay with the target. In non-stop mode ends
 * are told like all other events.
 */
#include "server/packet.h"
#include "server/session.h"

void session_note_end(struct session *s, const struct stop *st)
{
	if (st->kind == STOP_EXITED)
		s->exit_status = st->code;
	else if (st->kind == STOP_KILLED)
		s->exit_status = 128 + st->signo;
}

void session_reap(struct session *s)
{
	struct stop st;

	while (!session_expects_events(s) && !s->ended &&
	       s->target->ops->next_event(s->target, &st, false) > 0) {
		if (!stop_ends_process(&st))
			continue;
		session_note_end(s, &st);
		if (!s->link || s->refused)
			continue;
		s->last = st;
		s->ended = true;
	}
}

int session_tell_end(struct session *s, struct buf *out)
{
	s->ended = s->interrupted = false;
	s->general = (struct ptid){ 0 };
	stop_reply(s, &s->last, out);
	return REPLY_NOW;
}

bool session_forget_end(struct session *s, pid_t pid)
{
	bool forgets = s->ended && s->last.id.pid == pid;

	s->ended &= !forgets;
	return forgets;
}
