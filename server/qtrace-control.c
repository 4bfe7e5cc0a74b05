/* Where control goes: elsewhere, into a function, out of translated code. */
#include "server/qtrace.h"

#include <errno.h>

#include "translate/activate.h"
#include "translate/redirect.h"
#include "translate/run.h"

int verb_redirect(struct session *s, struct args *a, struct buf *out)
{
	uint64_t from, to;
	struct process *p;

	if (!take_hex(a, &from) || !take_char(a, ',') || !take_hex(a, &to) ||
	    !take_end(a) || !to)
		return err_set(&s->err, -EINVAL,
			       "from where to where? FROM,TO in hex; the same "
			       "twice ends it");
	p = take_followed(s);
	if (!p)
		return -ESRCH;
	translate_redirect(s->target, p, from, to);
	buf_puts(out, "OK");
	return 0;
}

int verb_deactivate(struct session *s, struct args *a, struct buf *out)
{
	struct process *p;

	if (!take_end(a))
		return -EPROTO;
	p = take_followed(s);
	if (!p)
		return -ESRCH;
	if (translate_deactivate(s->target, p) == -EBUSY)
		return err_set(&s->err, -EBUSY,
			       "there are watchpoints or hardware breakpoints "
			       "that translated code sees to: take them out "
			       "first");
	buf_puts(out, "OK");
	return 0;
}

int verb_activate(struct session *s, struct args *a, struct buf *out)
{
	uint64_t target = 0;
	struct process *p;

	if (!take_end(a) && (!take_hex(a, &target) || !take_end(a)))
		return err_set(&s->err, -EINVAL,
			       "until where is nothing excluded? ADDR in hex, "
			       "or nothing");
	p = take_followed(s);
	if (!p)
		return -ESRCH;
	translate_activate(s->target, p, target);
	buf_puts(out, "OK");
	return 0;
}

/* --- functions ----------------------------------------------------------- */

#define RUN_SECONDS 10

static bool take_call(struct args *a, struct run_call *call)
{
	if (!take_char(a, ';') || !take_hex(a, &call->function))
		return false;
	while (take_char(a, ',')) {
		if (call->n_args == RUN_ARGS_MAX ||
		    !take_hex(a, &call->args[call->n_args++]))
			return false;
	}
	return take_end(a);
}

static struct thread *take_thread(struct session *s, struct args *a)
{
	struct thread *th;
	struct ptid who;

	if (!take_ptid(a, &who) || who.tid < 0) {
		err_set(&s->err, -EINVAL,
			"which thread? one, in hex; 0: the current one");
		return NULL;
	}
	th = who.tid ? thread_find(s->target, who.tid) : session_thread(s);
	if (!th)
		err_set(&s->err, -ESRCH, "there is no such thread");
	return th;
}

/* It was stopped in the function, and this is what comes of it: the client may
 * ask what (?). */
static int is_stopped(struct session *s)
{
	struct stop st;

	while (!session_expects_events(s) &&
	       s->target->ops->next_event(s->target, &st, false) > 0) {
		session_note_end(s, &st);
		s->last = st;
		s->ended = stop_ends_process(&st);
	}
	return err_set(&s->err, -EINTR,
		       "the thread was stopped in the function; it comes back "
		       "when it goes on");
}

static int run_error(struct session *s, int r)
{
	switch (r) {
	case -EINTR:
	case -ESRCH:
		is_stopped(s);
		return r == -EINTR ? r
				   : err_set(&s->err, r,
					     "the thread has ended in the "
					     "function");
	case -ETIMEDOUT:
		return err_set(&s->err, r,
			       "not within %d seconds: the thread was put back "
			       "to where it was",
			       RUN_SECONDS);
	case -EBUSY:
		return err_set(&s->err, r,
			       "the thread has a function to run already");
	case -EFAULT:
		return err_set(&s->err, r, "the thread has no stack");
	default:
		return err_set(&s->err, r, "the thread cannot run a function");
	}
}

int verb_run(struct session *s, struct args *a, struct buf *out)
{
	struct run_call call = { 0 };
	struct thread *th = take_thread(s, a);
	uint64_t value;
	int r;

	if (!th)
		return -ESRCH;
	if (!take_call(a, &call))
		return err_set(&s->err, -EINVAL,
			       "which function? THREAD;ADDR and up to %d "
			       "arguments, with commas, in hex",
			       RUN_ARGS_MAX);
	r = translate_run_sync(s->target, th, &call, 1000 * RUN_SECONDS,
			       &value);
	if (r < 0)
		return run_error(s, r);
	buf_printf(out, "value=%lx;", value);
	return 0;
}
