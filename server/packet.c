/* The table of packets, and finding one in it. */
#include "server/packet.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/platform.h"
#include "server/session.h"
#include "server/xfer.h"

const struct packet_def packets[] = {
#define PACKET(name, stops, needs, fn, feature, help) \
	{ name, stops, needs, fn, feature, help },
#include "server/packets.def"
#undef PACKET
};

const size_t n_packets = ARRAY_SIZE(packets);

static bool row_matches(const struct packet_def *d, const char *pkt,
			size_t len, struct args *rest)
{
	size_t n = strlen(d->name);

	if (len < n || memcmp(pkt, d->name, n))
		return false;
	*rest = args_of(pkt + n, len - n);
	if (len == n || *d->stops == '*')
		return true;
	if (!pkt[n] || !strchr(d->stops, pkt[n]))
		return false;
	rest->p++;
	return true;
}

const struct packet_def *packet_find(const char *pkt, size_t len,
				     struct args *rest)
{
	const struct packet_def *found = NULL;
	struct args args;

	/* Of two that match (M and MultiMemRead) the longer name. */
	for (size_t i = 0; i < n_packets; i++) {
		if (packets[i].name[0] != pkt[0] ||
		    !row_matches(&packets[i], pkt, len, &args) ||
		    (found && strlen(packets[i].name) < strlen(found->name)))
			continue;
		found = &packets[i];
		*rest = args;
	}
	return found;
}

static bool in_list(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == n && !memcmp(list, name, n))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

bool packet_is_disabled(const struct session *s, const char *name)
{
	return in_list(s->disabled, name) ||
	       (in_list(s->disabled, "threads") &&
		(!strcmp(name, "qC") || !strcmp(name, "qfThreadInfo") ||
		 !strcmp(name, "Tthread")));
}

static bool can_be_disabled(const char *name, size_t len)
{
	for (size_t i = 0; i < n_packets; i++) {
		if (len > 1 && strlen(packets[i].name) == len &&
		    !memcmp(packets[i].name, name, len))
			return true;
	}
	return xfer_is_object(name, len) || (len == 1 && *name == 'T') ||
	       (len == 7 && (!memcmp(name, "Tthread", len) ||
			     !memcmp(name, "threads", len)));
}

bool packets_are_known(const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (!can_be_disabled(list, len))
			return false;
		list += len + (list[len] == ',');
	}
	return true;
}

/* "T" is the stop reply of that letter, as gdbserver has it; so no packet of
 * one letter can be disabled. "vCont" takes "vCont?" along. */
static bool row_is_disabled(const struct session *s,
			    const struct packet_def *d)
{
	if (!d->name[1])
		return false;
	return packet_is_disabled(s, d->name) ||
	       (!strcmp(d->name, "vCont?") && packet_is_disabled(s, "vCont"));
}

bool packet_is_known(const struct session *s, const struct packet_def *d)
{
	return !row_is_disabled(s, d) &&
	       (!(d->needs & NEED_BRANCHES) || s->target->ops->branch);
}

static int check_needs(struct session *s, const struct packet_def *d)
{
	if ((d->needs & NEED_EXTENDED) && !s->extended && !s->multi)
		return err_set(&s->err, -EPERM,
			       "%s needs extended-remote mode", d->name);
	if ((d->needs & (NEED_PROCESS | NEED_THREAD)) &&
	    list_empty(&s->target->processes))
		return err_set(&s->err, -ESRCH, "no program is running");
	if ((d->needs & NEED_PROCESS) && !session_process(s))
		return err_set(&s->err, -ESRCH, "no such process");
	if ((d->needs & NEED_THREAD) && !session_thread(s))
		return err_set(&s->err, -ESRCH, "no such thread");
	if ((d->needs & NEED_THREAD) && session_thread(s)->running)
		return err_set(&s->err, -EBUSY, "the thread is running");
	if ((d->needs & NEED_PRESENT) && trace_is_selected(s))
		return err_set(&s->err, -EBUSY, "a trace frame is selected");
	return 0;
}

static int handle(struct session *s, const struct packet_def *d,
		  struct args *a, struct buf *out)
{
	struct ptid selected = s->general;
	int r = 0;

	if (s->ended && !s->nonstop.on && (d->needs & RESUMES))
		return session_tell_end(s, out);
	if (d->needs & SUFFIX)
		r = lldb_take_suffix(s, a);
	if (r >= 0)
		r = check_needs(s, d);
	if (r >= 0)
		r = d->fn(s, a, out);
	if (d->needs & SUFFIX)
		s->general = selected;
	return r;
}

int packet_handle(struct session *s, const char *pkt, size_t len,
		  struct buf *out)
{
	const struct packet_def *d;
	struct args args;
	int r;

	s->err.text[0] = '\0';
	d = len ? packet_find(pkt, len, &args) : NULL;
	if (!d || !packet_is_known(s, d))
		return REPLY_NOW;
	r = handle(s, d, &args, out);
	if (r >= 0)
		return r;
	buf_reset(out);
	if ((d->needs & PLAIN_ERRORS) && !s->client.error_message)
		s->err.text[0] = '\0';
	session_error(s, r, out);
	return REPLY_NOW;
}

void put_cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

static void print_table(struct buf *out)
{
	buf_puts(out, "| packet | in `qSupported` | what it does |\n"
		      "|---|---|---|\n");
	for (size_t i = 0; i < n_packets; i++) {
		const struct packet_def *d = &packets[i];

		buf_printf(out, "| `%s` | ", d->name);
		if (d->feature)
			buf_printf(out, "`%s`", d->feature);
		buf_puts(out, " | ");
		put_cell(out, d->help);
		buf_puts(out, d->needs & NEED_EXTENDED ?
				      " (extended-remote) |\n" :
				      " |\n");
	}
}

void packets_print(struct buf *out)
{
	buf_puts(out,
		 "# Packets\n\n"
		 "What tracestub answers: generated from server/packets.def "
		 "and the tables of\nqXfer objects and monitor commands by "
		 "`tracestub --print-packets`. Packets that\nare not here "
		 "get the empty reply. What each means is in the gdb manual,\n"
		 "appendix \"gdb Remote Serial Protocol\".\n\n");
	print_table(out);
	buf_puts(out, "\n## Objects of qXfer\n\n");
	xfer_print(out);
	buf_puts(out, "\n## Packets of a platform\n\n");
	platform_print(out);
	buf_puts(out, "\n## Monitor commands\n\n");
	monitor_print(out);
}
