/* The session's own packets: features, why it stopped, its end. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "rsp/frame.h"
#include "server/lldb-resume.h"
#include "server/packet.h"
#include "server/session.h"
#include "server/xfer.h"

static const struct {
	const char *name;
	size_t offset;
} client_words[] = {
#define WORD(name, field) { name, offsetof(struct client_features, field) }
	WORD("multiprocess+", multiprocess),
	WORD("swbreak+", swbreak),
	WORD("hwbreak+", hwbreak),
	WORD("fork-events+", fork_events),
	WORD("vfork-events+", vfork_events),
	WORD("exec-events+", exec_events),
	WORD("no-resumed+", no_resumed),
	WORD("QThreadEvents+", thread_events),
	WORD("error-message+", error_message),
	WORD("single-inf-arg+", single_inf_arg),
	WORD("multi-wp-addr+", multi_wp_addr),
#undef WORD
};

static void note_feature(struct session *s, const struct args *word)
{
	static const char xml[] = "xmlRegisters=";
	size_t len = args_left(word);

	if (len > sizeof(xml) - 1 && !memcmp(word->p, xml, sizeof(xml) - 1))
		s->client.descriptions = true;
	lldb_note_feature(s, word);
	for (size_t i = 0; i < ARRAY_SIZE(client_words); i++) {
		if (strlen(client_words[i].name) == len &&
		    !memcmp(client_words[i].name, word->p, len))
			*(bool *)((char *)&s->client +
				  client_words[i].offset) = true;
	}
}

/* Said back when the client said it: features that both must have. */
static void put_shared_features(const struct session *s, struct buf *out)
{
	if (s->client.multiprocess)
		buf_puts(out, ";multiprocess+");
	if (s->client.swbreak)
		buf_puts(out, ";swbreak+");
	if (s->client.hwbreak)
		buf_puts(out, ";hwbreak+");
	if (s->client.fork_events)
		buf_puts(out, ";fork-events+");
	if (s->client.vfork_events)
		buf_puts(out, ";vfork-events+");
	if (s->client.exec_events)
		buf_puts(out, ";exec-events+");
	if (s->client.no_resumed)
		buf_puts(out, ";no-resumed+");
	if (s->client.error_message)
		buf_puts(out, ";error-message+");
	if (s->client.single_inf_arg)
		buf_puts(out, ";single-inf-arg+");
}

int pk_supported(struct session *s, struct args *a, struct buf *out)
{
	struct args word;

	s->client = (struct client_features){ 0 };
	while (!take_end(a)) {
		take_word(a, ";", &word);
		take_char(a, ';');
		note_feature(s, &word);
	}
	/* Without ids of processes lldb-server has no forks. */
	if (s->lldb.on && !s->client.multiprocess)
		s->client.fork_events = s->client.vfork_events = false;
	s->target->report_fork = s->client.fork_events;
	s->target->report_vfork = s->client.vfork_events;
	s->target->report_exec = s->client.exec_events;
	buf_printf(out, "PacketSize=%x", RSP_PACKET_MAX);
	put_shared_features(s, out);
	for (size_t i = 0; i < n_packets; i++) {
		if (packets[i].feature && packet_is_known(s, &packets[i]) &&
		    lldb_wants_feature(s, packets[i].needs))
			buf_printf(out, ";%s", packets[i].feature);
	}
	xfer_put_features(s, out);
	lldb_put_features(s, out);
	return REPLY_NOW;
}

int pk_no_ack(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	link_set_noack(s->link, true);
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_extended(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	s->extended = true;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_empty(struct session *s, struct args *a, struct buf *out)
{
	(void)s, (void)a, (void)out;
	return REPLY_NOW;
}

int pk_symbol(struct session *s, struct args *a, struct buf *out)
{
	(void)s, (void)a;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_why(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);

	(void)a;
	if (s->nonstop.on) {
		nonstop_why(s, out);
		return REPLY_NOW;
	}
	if (s->ended)
		return session_tell_end(s, out);
	/* lldb takes that for the end of a program, one that it never had. */
	if (!th && s->lldb.on)
		return -ENOENT;
	if (!th) {
		buf_puts(out, "W00");
		return REPLY_NOW;
	}
	if (!thread_find(s->target, s->last.id.tid))
		session_started(s, th->id.pid, 0);
	s->general = s->last.id;
	stop_reply(s, &s->last, out);
	return REPLY_NOW;
}

int pk_attached(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);
	uint64_t pid;

	if (take_hex(a, &pid))
		p = process_find(s->target, (pid_t)pid);
	if (!p)
		return -ESRCH;
	buf_putc(out, p->attached ? '1' : '0');
	return REPLY_NOW;
}

/* --- its end ------------------------------------------------------------- */

static bool ends_with_program(const struct session *s)
{
	return !s->extended && !s->multi &&
	       list_empty(&s->target->processes);
}

/* As its parent we stay until a program that we let go of has ended. */
static void wait_for(pid_t pid)
{
	sigset_t none;
	int status;

	/* Nothing is left that a signal would have to end orderly. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* lldb names one process, or means all; it stays connected. */
static int detach_all(struct session *s, struct buf *out)
{
	struct process *p, *next;

	list_each_safe(p, next, &s->target->processes, node) {
		session_done_with(s, p->pid);
		session_detach(s, p);
	}
	s->running = false;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_detach(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);
	uint64_t pid = (uint64_t)s->last.id.pid;
	bool started = false;

	if (s->lldb.on && take_end(a))
		return detach_all(s, out);
	if (take_hex(a, &pid))
		p = process_find(s->target, (pid_t)pid);
	if (!p && !session_forget_end(s, (pid_t)pid))
		return -ESRCH;
	if (p && trace_outlives(s)) {
		session_leave(s, p);
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	if (p) {
		started = !p->attached;
		pid = (uint64_t)p->pid;
		session_detach(s, p);
	}
	session_done_with(s, (pid_t)pid);
	buf_puts(out, "OK");
	if (!ends_with_program(s))
		return REPLY_NOW;
	link_reply(s->link, out);
	s->quit = true;
	if (started)
		wait_for((pid_t)pid);
	return REPLY_NEVER;
}

static void kill_all(struct session *s)
{
	struct process *p, *next;

	list_each_safe(p, next, &s->target->processes, node) {
		nonstop_forget(s, p->pid);
		s->target->ops->kill(s->target, p);
	}
}

/* gdb waits for no reply; lldb takes the end of what it killed for one. */
int pk_kill(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	if (s->lldb.on)
		return lldb_kill_all(s, out);
	kill_all(s);
	s->ended = false;
	s->quit = !s->extended && !s->multi;
	return REPLY_NEVER;
}

int pk_kill_one(struct session *s, struct args *a, struct buf *out)
{
	struct process *p;
	uint64_t pid;

	if (!take_hex(a, &pid) || !take_end(a))
		return -EPROTO;
	p = process_find(s->target, (pid_t)pid);
	if (!p && !session_forget_end(s, (pid_t)pid))
		return -ESRCH;
	if (p) {
		nonstop_forget(s, p->pid);
		s->target->ops->kill(s->target, p);
	}
	session_done_with(s, (pid_t)pid);
	buf_puts(out, "OK");
	return REPLY_NOW;
}
