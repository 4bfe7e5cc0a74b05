/* Which client it is, and what follows for every packet. */
#include "server/lldb.h"

#include <stdlib.h>
#include <string.h>

#include "rsp/binary.h"
#include "rsp/signal.h"
#include "server/lldb-regs.h"
#include "server/packet.h"
#include "server/session.h"

void lldb_init(struct session *s)
{
	list_init(&s->lldb.saved);
	list_init(&s->lldb.tables);
}

void lldb_connect(struct session *s)
{
	struct lldb *l = &s->lldb;

	l->on = l->by_default;
	l->named = false;
	l->when_lost = LOST_UNSAID;
	link_set_plain(s->link, l->on);
	l->thread_suffix = l->list_threads = l->error_strings = false;
}

static bool names(const struct args *list, const char *what)
{
	return memmem(list->p, args_left(list), what, strlen(what)) != NULL;
}

void lldb_note_feature(struct session *s, const struct args *word)
{
	struct args rest = *word;

	if (take_name(&rest, "xmlRegisters=") && names(&rest, "arm"))
		s->lldb.on = s->lldb.named = true;
	else if (take_name(&rest, "qRelocInsn+"))
		s->lldb.on = false;
	/* lldb asks before it sends an x; those who are silent do not. */
	s->bare_binary = s->lldb.on && !s->lldb.named;
	link_set_plain(s->link, s->lldb.on);
}

bool lldb_wants_feature(const struct session *s, unsigned flags)
{
	if (!s->lldb.on)
		return !(flags & LLDB_ONLY);
	return s->lldb.named || (flags & LLDB_KNOWS);
}

/* Everything about signals is in the host's numbers; lldb's execs are told
 * without its asking. */
void lldb_put_features(const struct session *s, struct buf *out)
{
	if (!s->lldb.on)
		return;
	s->target->report_exec = true;
	buf_puts(out, ";native-signals+");
}

void lldb_error(const struct session *s, int code, struct buf *out)
{
	buf_printf(out, "E%02x", code == -EPROTO ? 1 : -code & 0xff);
	if (!s->lldb.error_strings || !s->err.text[0])
		return;
	buf_putc(out, ';');
	buf_put_hex_str(out, s->err.text);
}

int session_signal_out(const struct session *s, int signo)
{
	return s->lldb.on ? signo : signal_to_gdb(signo);
}

int session_signal_in(const struct session *s, int number)
{
	if (!s->lldb.on)
		return signal_from_gdb(number);
	return number < NSIG ? number : -EINVAL;
}

static int select_thread(struct session *s, struct args *id)
{
	struct ptid who;

	if (!take_ptid(id, &who) || !take_end(id))
		return -EPROTO;
	if (!thread_find(s->target, who.tid))
		return err_set(&s->err, -ESRCH, "no thread %d", who.tid);
	s->general = who;
	return 0;
}

int lldb_take_suffix(struct session *s, struct args *a)
{
	static const char key[] = "thread:";
	size_t len = sizeof(key) - 1;
	const char *at;
	struct args id;

	if (!s->lldb.thread_suffix)
		return 0;
	at = memmem(a->p, args_left(a), key, len);
	if (!at)
		return 0;
	id = args_of(at + len, (size_t)(a->end - at) - len);
	if (id.end > id.p && id.end[-1] == ';')
		id.end--;
	/* The ; before it, unless that was taken behind the packet's name. */
	a->end = at > a->p && at[-1] == ';' ? at - 1 : at;
	return select_thread(s, &id);
}

/* --- what it asks for ---------------------------------------------------- */

static int turn_on(bool *what, struct buf *out)
{
	*what = true;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_thread_suffix(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	return turn_on(&s->lldb.thread_suffix, out);
}

int pk_list_threads(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	return turn_on(&s->lldb.list_threads, out);
}

int pk_error_strings(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	return turn_on(&s->lldb.error_strings, out);
}

/* Said back as it came: so lldb finds its place again after a time-out. */
int pk_echo(struct session *s, struct args *a, struct buf *out)
{
	struct args rest = take_rest(a);

	(void)s;
	buf_puts(out, "qEcho:");
	buf_put_escaped(out, rest.p, args_left(&rest));
	return REPLY_NOW;
}

/* response_size:BYTES; of which the reply has "data:" and so many letters. */
int pk_speed_test(struct session *s, struct args *a, struct buf *out)
{
	uint64_t max = 4u << 20, size = 0;
	struct args number;

	(void)s;
	if (!take_name(a, "response_size:") || !take_word(a, ";", &number))
		return -EPROTO;
	for (; number.p < number.end && size <= max; number.p++)
		size = 10 * size + (uint64_t)(*number.p - '0');
	if (size > max)
		return -E2BIG;
	buf_puts(out, "data:");
	for (uint64_t i = 0; i < size; i++)
		buf_putc(out, (char)('A' + i % 26));
	buf_putc(out, ';');
	return REPLY_NOW;
}
