#include "server/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/lldb-resume.h"
#include "server/packet.h"

static void print(void *user, bool console, const char *text, size_t len)
{
	if (console) {
		logpoint_print(user, text, len);
		return;
	}
	/* Where a dprintf of style "agent" prints: the server's terminal. */
	fwrite(text, 1, len, stdout);
	fflush(stdout);
}

void session_init(struct session *s, struct target *t)
{
	*s = (struct session){ .target = t };
	t->all_stop = t->ends_wait = true;
	t->print = print;
	t->print_user = s;
	nonstop_init(&s->nonstop);
	tracer_init(&s->tracer);
	filters_init(&s->filters);
	start_init(&s->start);
	lldb_init(s);
	terminal_init(&s->terminal);
}

void session_fini(struct session *s)
{
	if (s->link)
		session_disconnect(s);
	qtrace_free(s);
	fast_end(s);
	tracer_fini(&s->tracer);
	filters_fini(&s->filters);
	lldb_fini(s);
	terminal_fini(&s->terminal);
	nonstop_fini(&s->nonstop);
	start_fini(&s->start);
	free(s->document.key);
	buf_fini(&s->document.text);
	buf_fini(&s->ran);
	buf_fini(&s->reply);
	buf_fini(&s->scratch);
}

void session_error(struct session *s, int code, struct buf *out)
{
	if (code == -ENOTSUP)
		return;
	if (s->lldb.on)
		lldb_error(s, code, out);
	else if (s->err.text[0])
		buf_printf(out, "E.%s", s->err.text);
	else
		buf_printf(out, "E%02x", code == -EPROTO ? 1 : -code & 0xff);
}

struct thread *session_thread(struct session *s)
{
	struct thread *th = NULL;

	if (s->general.tid > 0)
		return thread_find(s->target, s->general.tid);
	if (s->last.id.tid > 0)
		th = thread_find(s->target, s->last.id.tid);
	if (!th || !ptid_matches(s->general, th->id))
		th = thread_match(s->target, s->general);
	return th;
}

struct process *session_process(struct session *s)
{
	struct thread *th = session_thread(s);

	if (th)
		return th->proc;
	return s->general.pid > 0 ? process_find(s->target, s->general.pid)
				  : NULL;
}

void session_started(struct session *s, pid_t pid, int signo)
{
	struct thread *th = thread_match(s->target, (struct ptid){ pid, -1 });

	if (th)
		logpoints_begin(s, th->proc);
	/* The leader, unless it has ended before the rest. */
	s->general = th ? th->id : (struct ptid){ pid, pid };
	s->continued = (struct ptid){ 0, 0 };
	s->ended = false;
	s->last = (struct stop){
		.id = s->general,
		.kind = STOP_SIGNAL,
		.signo = signo,
	};
}

void session_print(struct session *s, const char *text)
{
	struct buf b = { 0 };

	if (!s->link)
		return;
	buf_putc(&b, 'O');
	buf_put_hex_str(&b, text);
	link_reply(s->link, &b);
	buf_fini(&b);
}

/* --- clients ------------------------------------------------------------- */

static void note_running(struct session *s)
{
	struct thread *th = NULL;

	buf_reset(&s->ran);
	while ((th = thread_next(s->target, th))) {
		if (th->running)
			buf_put(&s->ran, &th->id, sizeof(th->id));
	}
}

void session_run_again(struct session *s)
{
	const struct ptid *ids = (void *)s->ran.data;
	struct resume act = { .kind = RESUME_CONT };

	for (size_t i = 0; i < s->ran.len / sizeof(*ids); i++) {
		act.who = ids[i];
		session_resume(s, &act, 1);
		s->running = true;
	}
	buf_reset(&s->ran);
}

void session_attached(struct session *s, pid_t pid)
{
	struct process *p = process_find(s->target, pid);
	struct thread *th;

	th = thread_match(s->target, (struct ptid){ pid, -1 });
	session_started(s, pid,
			th && th->last.kind == STOP_SIGNAL ? th->last.signo : 0);
	list_each(th, &p->threads, node) {
		if (!ptid_equal(th->id, s->general))
			buf_put(&s->ran, &th->id, sizeof(th->id));
	}
}

/*
 * A program that runs on without a client is stopped for the next. What was
 * told last is so again if its thread has stood still since.
 */
static void stop_for_client(struct session *s)
{
	struct thread *th;

	if (!s->running)
		return;
	note_running(s);
	th = thread_find(s->target, s->last.id.tid);
	if (th && th->running)
		th = NULL;
	s->target->ops->halt(s->target);
	s->running = false;
	if (th)
		return;
	th = thread_match(s->target, (struct ptid){ -1, -1 });
	if (th)
		session_started(s, th->id.pid, 0);
}

void session_connect(struct session *s, struct link *link, const char *refused)
{
	s->link = link;
	s->client = (struct client_features){ 0 };
	lldb_connect(s);
	s->extended = s->multi;
	s->interrupted = s->wants_threads = false;
	/* One that has said nothing yet, of lldb's tests: see lldb.c. */
	s->bare_binary = s->lldb.on;
	s->ended = false;
	s->refused = refused;
	if (refused)
		return;
	sigemptyset(&s->target->pass_signals);
	stop_for_client(s);
}

/* With the signals that the client was told of and had yet to pass on. */
static void let_run(struct session *s, struct process *p)
{
	struct resume act = { .kind = RESUME_CONT };
	struct thread *th;

	list_each(th, &p->threads, node) {
		act.signo = th->last.signo;
		if (th->running || th->last.kind != STOP_SIGNAL ||
		    sigismember(&s->target->program_signals, act.signo) != 1)
			continue;
		act.who = th->id;
		session_resume(s, &act, 1);
	}
	act.who = (struct ptid){ p->pid, -1 };
	act.signo = 0;
	session_resume(s, &act, 1);
	s->running = true;
}

/*
 * What was started stays as it is for the next client; what was attached to
 * belongs to others, and must not stand still because a client has died.
 */
static void let_attached_run(struct session *s)
{
	struct process *p;

	note_running(s);
	nonstop_switch(s, false);
	s->target->ops->halt(s->target);
	list_each(p, &s->target->processes, node)
		traced_points_unask(s->target, p);
	lldb_disconnect(s);
	s->running = false;
	session_run_again(s);
	list_each(p, &s->target->processes, node) {
		if (p->attached)
			let_run(s, p);
	}
	session_events(s, true);
}

/* Nobody is to hear of anything. */
static void forget_wishes(struct target *t)
{
	struct process *p;
	struct thread *th;

	sigfillset(&t->pass_signals);
	t->report_fork = t->report_vfork = t->report_exec = false;
	t->report_threads = false;
	list_each(p, &t->processes, node) {
		if (p->caught)
			t->ops->syscall->catch(t, p, NULL);
		list_each(th, &p->threads, node)
			target_thread_options(t, th, 0);
	}
}

void session_run(struct session *s)
{
	struct process *p;

	forget_wishes(s->target);
	list_each(p, &s->target->processes, node)
		let_run(s, p);
}

void session_leave(struct session *s, struct process *p)
{
	nonstop_forget(s, p->pid);
	traced_points_unask(s->target, p);
	let_run(s, p);
}

/* A signal that the client was told of and has not resumed with. The trap of
 * a program's start was never one. */
static int signal_told(const struct session *s, const struct process *p)
{
	const struct thread *th = thread_find(s->target, s->last.id.tid);

	return th && th->proc == p && th->last.kind == STOP_SIGNAL ?
		       th->last.signo :
		       0;
}

void session_detach(struct session *s, struct process *p)
{
	nonstop_forget(s, p->pid);
	s->target->ops->detach(s->target, p, signal_told(s, p));
}

void session_disconnect(struct session *s)
{
	struct link *link = s->link;

	debug(SESSION, "the client has gone");
	s->link = NULL;
	hostio_fini(&s->hostio);
	free(s->document.key);
	s->document.key = NULL;
	if (!s->refused) {
		forget_wishes(s->target);
		trace_disconnect(s);
		logpoints_end(s);
		let_attached_run(s);
		sigfillset(&s->target->program_signals);
	}
	/* Last: what is still to be sent may take a second. */
	link_free(link);
}

/* --- packets ------------------------------------------------------------- */

/* How many steps of others a ^C waits for at most, one after another: a client
 * steps a few threads off breakpoints, one by one, before it lets all run
 * again; but it may also do nothing else but step (a watchpoint in software).
 */
#define STEPS_BETWEEN 8

static bool process_runs(const struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			return true;
	}
	return false;
}

/*
 * A ^C is for the process that was started or attached to last, as from
 * gdbserver. Neither Hg nor the last stop says what a user looks at: gdb
 * selects others to set breakpoints in them, and goes on by itself from stops
 * whose condition is false. So it steps threads of other processes, alone,
 * amid what to the user is one run of all; for these the ^C waits. Where
 * nothing of that process runs it is for any.
 */
static void interrupt_some(struct session *s)
{
	struct process *p = process_find(s->target, s->begun);
	struct ptid who = { -1, 0 };

	if (p && process_runs(p)) {
		who.pid = p->pid;
		/* Others may have stopped before, and are told first. */
		s->deferred = 0;
	} else if (p && !s->nonstop.on && s->deferred < STEPS_BETWEEN &&
		   s->target->ops->only_steps(s->target)) {
		s->deferred++;
		return;
	}
	s->target->ops->interrupt(s->target, who);
}

static bool anything_runs(const struct session *s)
{
	struct process *p;

	list_each(p, &s->target->processes, node) {
		if (process_runs(p))
			return true;
	}
	return false;
}

static void take_event(struct session *s, struct stop *st);

/* The one thread that lldb let run has ended; of that it hears by asking. */
static bool answer_for_stopped(struct session *s)
{
	struct thread *th = thread_match(s->target, (struct ptid){ -1, -1 });
	struct stop st = { .kind = STOP_SIGNAL, .signo = SIGINT };

	if (!s->lldb.on || s->nonstop.on || !th || anything_runs(s))
		return false;
	st.id = th->id;
	take_event(s, &st);
	return true;
}

void session_interrupt(struct session *s)
{
	/* lldb's is for what runs, and comes late where that has stopped. */
	if (s->lldb.on && (!session_expects_events(s) || answer_for_stopped(s)))
		return;
	/* One that comes before the resume that it is meant for, as from gdb
	 * amid a breakpoint's commands, is not lost. */
	s->interrupted = true;
	s->deferred = 0;
	session_interrupt_again(s);
}

void session_interrupt_again(struct session *s)
{
	if (session_expects_events(s))
		interrupt_some(s);
}

bool session_interrupt_waits(const struct session *s)
{
	return s->running && s->interrupted && s->deferred;
}

void session_interrupt_late(struct session *s)
{
	if (!s->target->ops->only_steps(s->target))
		interrupt_some(s);
}

void session_begun(struct session *s, pid_t pid)
{
	qtrace_begun(s);
	s->begun = pid;
	s->interrupted = false;
}

void session_done_with(struct session *s, pid_t pid)
{
	if (pid == s->begun)
		s->interrupted = false;
}

/* A client that may not debug here hears why, whatever it asks: gdb shows
 * that of its first packets only when the connection does not break. */
static void refuse(struct session *s)
{
	buf_reset(&s->reply);
	buf_printf(&s->reply, "E.%s", s->refused);
	link_reply(s->link, &s->reply);
}

bool session_serve(struct session *s)
{
	const char *pkt;
	size_t len;
	int r;

	for (;;) {
		r = link_next(s->link, &pkt, &len);
		if (r == -EINTR) {
			session_interrupt(s);
			/* The answer may be there at once, with nothing to
			 * wait for. */
			session_events(s, true);
		} else if (r <= 0) {
			return r == 0;
		} else if (s->refused) {
			refuse(s);
		} else {
			buf_reset(&s->reply);
			r = packet_handle(s, pkt, len, &s->reply);
			if (r == REPLY_NOW)
				link_reply(s->link, &s->reply);
			if (s->quit)
				return false;
			session_events(s, true);
		}
		if (!link_pending(s->link))
			return true;
	}
}

/* --- events -------------------------------------------------------------- */

static bool worth_telling(struct session *s, const struct stop *st)
{
	switch (st->kind) {
	case STOP_NO_RESUMED:
		return s->client.no_resumed;
	case STOP_CREATED:
	case STOP_THREAD_EXIT:
		return s->wants_threads;
	default:
		return true;
	}
}

void stop_let_go(struct session *s, const struct stop *st)
{
	bool forked = st->kind == STOP_FORK || st->kind == STOP_VFORK;
	struct process *child =
		forked ? process_find(s->target, st->child.pid) : NULL;

	if (child)
		s->target->ops->detach(s->target, child, 0);
}

/* Without a client programs go on, with their signals. */
static void run_on(struct session *s, const struct stop *st)
{
	struct resume act = { .who = st->id, .kind = RESUME_CONT };

	stop_let_go(s, st);
	if (st->kind == STOP_SIGNAL)
		act.signo = st->signo;
	if (thread_find(s->target, st->id.tid))
		session_resume(s, &act, 1);
}

/*
 * A ^C is answered by the stop that it causes, and by nothing else: what
 * stopped before that may be a step that the client goes on from by itself.
 * So it lasts over resumes, as the SIGINT does that gdbserver sends. To lldb any
 * stop is an answer.
 */
static void answer_interrupt(struct session *s, struct stop *st)
{
	bool interrupt = st->kind == STOP_SIGNAL && !st->signo &&
			 (st->code == INTERRUPT_ANY || !s->nonstop.on);

	/* lldb takes SIGSTOP for the answer: see lldb_signal_of(). */
	if (interrupt && s->interrupted && !s->lldb.on)
		st->signo = SIGINT;
	if (interrupt || s->lldb.on || list_empty(&s->target->processes))
		s->interrupted = false;
}

static void take_event(struct session *s, struct stop *st)
{
	if (st->kind == STOP_EXEC)
		logpoints_begin(s, process_find(s->target, st->id.pid));
	if (trace_event(s, st))
		return;
	session_note_end(s, st);
	if (!s->link || s->refused || !worth_telling(s, st)) {
		run_on(s, st);
		return;
	}
	if (!s->nonstop.on)
		s->target->ops->halt(s->target);
	terminal_flush(s);
	logpoints_flush(s, true);
	if (s->nonstop.on) {
		answer_interrupt(s, st);
		if (stop_ends_process(st))
			nonstop_ended(s, st->id.pid);
		if (s->lldb.on)
			lldb_stop_process(s, st);
		else
			nonstop_tell(s, st);
		return;
	}
	answer_interrupt(s, st);
	s->running = false;
	s->last = *st;
	/* No one, when its process has gone with it. */
	s->general = thread_find(s->target, st->id.tid) ? st->id
							: (struct ptid){ 0 };
	buf_reset(&s->reply);
	stop_reply(s, st, &s->reply);
	link_reply(s->link, &s->reply);
}

bool session_expects_events(const struct session *s)
{
	return s->running || s->nonstop.on;
}

void session_events(struct session *s, bool patient)
{
	struct stop st;

	while (session_expects_events(s) &&
	       s->target->ops->next_event(s->target, &st,
					  patient && !s->nonstop.on) > 0)
		take_event(s, &st);
	logpoints_flush(s, false);
}
