/* Resuming: vCont, c C s S, and what is said about signals. */
#include "server/lldb-resume.h"
#include "server/packet.h"
#include "server/session.h"

static int start_running(struct session *s, const struct resume *acts,
			 size_t n, struct buf *out)
{
	int r;

	if (!s->nonstop.on && list_empty(&s->target->processes))
		return err_set(&s->err, -ESRCH, "no program is running");
	r = s->lldb.on ? lldb_check_resume(s, acts, n) : 0;
	if (r < 0)
		return r;
	r = session_resume(s, acts, n);
	if (s->nonstop.on && (r >= 0 || r == -ESRCH)) {
		/* A thread that has gone: its end is to be told, or was. */
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	if (r < 0)
		return r;
	s->running = true;
	buf_reset(&s->ran);
	if (s->interrupted)
		session_interrupt_again(s);
	return REPLY_LATER;
}

static bool take_signal(const struct session *s, struct args *a, int *signo)
{
	uint64_t number;

	if (!take_hex_max(a, 0xff, &number))
		return false;
	*signo = session_signal_in(s, (int)number);
	if (*signo < 0)
		*signo = 0;
	return true;
}

/* One action of vCont, up to its ; or the end. */
static bool take_action(const struct session *s, struct args *a,
			struct resume *act)
{
	*act = (struct resume){ .who = { -1, -1 } };
	if (take_char(a, 'c')) {
		act->kind = RESUME_CONT;
	} else if (take_char(a, 's')) {
		act->kind = RESUME_STEP;
	} else if (take_char(a, 'C')) {
		act->kind = RESUME_CONT;
		if (!take_signal(s, a, &act->signo))
			return false;
	} else if (take_char(a, 'S')) {
		act->kind = RESUME_STEP;
		if (!take_signal(s, a, &act->signo))
			return false;
	} else if (take_char(a, 'r')) {
		act->kind = RESUME_RANGE;
		if (!take_hex(a, &act->lo) || !take_char(a, ',') ||
		    !take_hex(a, &act->hi))
			return false;
	} else if (take_char(a, 't')) {
		act->kind = RESUME_STOP;
	} else {
		return false;
	}
	return !take_char(a, ':') || take_ptid(a, &act->who);
}

int pk_vcont(struct session *s, struct args *a, struct buf *out)
{
	size_t n = 0, max = args_left(a) / 2 + 1;
	struct resume *acts;

	buf_reset(&s->scratch);
	acts = (void *)buf_reserve(&s->scratch, max * sizeof(*acts));
	do {
		if (!take_action(s, a, &acts[n++]))
			return -EPROTO;
	} while (take_char(a, ';'));
	return take_end(a) ? start_running(s, acts, n, out) : -EPROTO;
}

int pk_vcont_query(struct session *s, struct args *a, struct buf *out)
{
	(void)s, (void)a;
	buf_puts(out, "vCont;c;C;s;S;t;r");
	return REPLY_NOW;
}

/* c s: the thread of Hc steps; with c, and beside a step, all others run. */
static int resume_old(struct session *s, struct args *a, enum resume_kind kind,
		      int signo, struct buf *out)
{
	struct thread *th = s->continued.tid > 0 ?
				    thread_find(s->target, s->continued.tid) :
				    session_thread(s);
	struct resume acts[2] = {
		{ .kind = kind, .signo = signo },
		{ .who = { -1, -1 }, .kind = RESUME_CONT },
	};
	size_t n = s->continued.tid > 0 ? 1 : 2;
	uint64_t addr;
	int r;

	if (!th)
		return -ESRCH;
	acts[0].who = th->id;
	if (take_hex(a, &addr)) {
		r = target_reg_write(s->target, th, th->proc->arch->pc, &addr);
		if (r < 0)
			return r;
	}
	if (!take_end(a))
		return -EPROTO;
	if (s->lldb.on) {
		struct resume what = { .kind = kind, .signo = signo };

		r = lldb_resume_old(s, &what, acts);
		if (r < 0)
			return r;
		n = (size_t)r;
	}
	return start_running(s, acts, n, out);
}

int pk_continue(struct session *s, struct args *a, struct buf *out)
{
	return resume_old(s, a, RESUME_CONT, 0, out);
}

int pk_step(struct session *s, struct args *a, struct buf *out)
{
	return resume_old(s, a, RESUME_STEP, 0, out);
}

static int resume_signal(struct session *s, struct args *a,
			 enum resume_kind kind, struct buf *out)
{
	int signo;

	if (!take_signal(s, a, &signo))
		return -EPROTO;
	take_char(a, ';');
	return resume_old(s, a, kind, signo, out);
}

/*
 * With C and no thread for it (Hc) lldb sends the program a signal, as `process
 * signal' does: all go on, and then it comes, as from anywhere else.
 */
static int send_signal(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);
	int signo;

	if (!take_signal(s, a, &signo))
		return -EPROTO;
	if (p && kill(p->pid, signo) < 0)
		return -errno;
	return resume_old(s, a, RESUME_CONT, 0, out);
}

int pk_continue_signal(struct session *s, struct args *a, struct buf *out)
{
	if (s->lldb.on && s->continued.tid <= 0)
		return send_signal(s, a, out);
	return resume_signal(s, a, RESUME_CONT, out);
}

int pk_step_signal(struct session *s, struct args *a, struct buf *out)
{
	return resume_signal(s, a, RESUME_STEP, out);
}

/*
 * A list of gdb's numbers in any order; those without a host's are skipped,
 * and so is a second number for one (SIGPOLL beside SIGIO): it is by the first
 * that its stops are told.
 */
static int take_signals(const struct session *s, struct args *a, sigset_t *set)
{
	uint64_t number;
	int signo;

	sigemptyset(set);
	while (!take_end(a)) {
		if (!take_hex_max(a, 0xff, &number))
			return -EPROTO;
		/* A blank ends the list of LLDB's tests. */
		take_char(a, ' ');
		if (!take_end(a) && !take_char(a, ';'))
			return -EPROTO;
		signo = session_signal_in(s, (int)number);
		if (signo > 0 && session_signal_out(s, signo) == (int)number)
			sigaddset(set, signo);
	}
	return 0;
}

int pk_pass_signals(struct session *s, struct args *a, struct buf *out)
{
	sigset_t set;
	int r = take_signals(s, a, &set);

	if (r < 0)
		return r;
	s->target->pass_signals = set;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_program_signals(struct session *s, struct args *a, struct buf *out)
{
	sigset_t set;
	int r = take_signals(s, a, &set);

	if (r < 0)
		return r;
	s->target->program_signals = set;
	buf_puts(out, "OK");
	return REPLY_NOW;
}
