/* How a run is going, and what it is about, for this client or the next. */
#include <inttypes.h>
#include <string.h>

#include "server/packet.h"
#include "server/session.h"

static void put_end(const struct tracer *tc, struct buf *out)
{
	const struct tracing *tr = &tc->tr;

	switch (tr->end) {
	case TRACE_NOT_RUN:
		buf_puts(out, "tnotrun:0");
		break;
	case TRACE_STOPPED:
		buf_printf(out, "tstop:%s:0",
			   tc->stop_note ? tc->stop_note : "");
		break;
	case TRACE_FULL:
		buf_puts(out, "tfull:0");
		break;
	case TRACE_DISCONNECTED:
		buf_puts(out, "tdisconnected:0");
		break;
	case TRACE_PASSED:
		buf_printf(out, "tpasscount:%x", tr->end_point);
		break;
	case TRACE_ERROR:
		buf_puts(out, "terror:");
		buf_put_hex_str(out, tr->error);
		buf_printf(out, ":%x", tr->end_point);
		break;
	}
}

void trace_put_status(const struct session *s, struct buf *out)
{
	const struct tracer *tc = &s->tracer;
	const struct trace_buffer *b = &tc->tr.buffer;

	buf_printf(out, "%d;", tc->tr.running);
	put_end(tc, out);
	buf_printf(out, ";tframes:%zx;tcreated:%" PRIx64 ";",
		   trace_buffer_frames(b), b->created);
	buf_printf(out, "tfree:%" PRIx64 ";tsize:%" PRIx64 ";",
		   b->capacity - trace_buffer_used(b), b->capacity);
	buf_printf(out, "circular:%d;disconn:%d;", b->circular,
		   tc->disconnected);
	buf_printf(out, "starttime:%" PRIx64 ";stoptime:%" PRIx64 ";",
		   tc->tr.started, tc->tr.stopped);
	buf_printf(out, "username:%s;notes:%s:", tc->user ? tc->user : "",
		   tc->notes ? tc->notes : "");
}

int pk_trace_status(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	fast_settle(s);
	buf_putc(out, 'T');
	trace_put_status(s, out);
	return REPLY_NOW;
}

int pk_trace_point(struct session *s, struct args *a, struct buf *out)
{
	uint64_t number, addr;
	const struct tracepoint *tp;

	if (!take_hex_max(a, UINT32_MAX, &number) || !take_char(a, ':') ||
	    !take_hex(a, &addr) || !take_end(a))
		return -EPROTO;
	fast_settle(s);
	tp = tracepoint_find(&s->tracer.tr, (unsigned)number, addr);
	if (!tp)
		return err_set(&s->err, -ENOENT, "there is no tracepoint %u",
			       (unsigned)number);
	buf_printf(out, "V%" PRIx64 ":%" PRIx64, tp->hits, tp->usage);
	return REPLY_NOW;
}

/* Any instruction will do. */
int pk_trace_fast_length(struct session *s, struct args *a, struct buf *out)
{
	(void)s, (void)a;
	buf_puts(out, "1");
	return REPLY_NOW;
}

/* --- definitions, one by one ---------------------------------------------- */

static void put_which(char letter, const struct tracepoint *tp, struct buf *out)
{
	buf_printf(out, "%c%x:%" PRIx64, letter, tp->number, tp->addr);
}

static void put_actions(char letter, const struct tracepoint *tp,
			const struct trace_actions *v, struct buf *out)
{
	for (size_t i = 0; i < v->n; i++) {
		put_which(letter, tp, out);
		buf_printf(out, ":%s", v->list[i].text);
		buf_putc(out, '\0');
	}
}

void trace_put_definition(const struct tracepoint *tp, struct buf *out)
{
	const struct trace_source *src;

	put_which('T', tp, out);
	buf_printf(out, ":%c:%" PRIx64 ":%" PRIx64, tp->enabled ? 'E' : 'D',
		   tp->steps, tp->pass_count);
	if (tp->kind == TRACEPOINT_FAST)
		buf_printf(out, ":F%" PRIx64, tp->room);
	if (tp->condition_text)
		buf_printf(out, ":X%s", tp->condition_text);
	buf_putc(out, '\0');
	put_actions('A', tp, &tp->actions, out);
	put_actions('S', tp, &tp->step_actions, out);
	list_each(src, &tp->sources, node) {
		put_which('Z', tp, out);
		buf_printf(out, ":%s:0:%zx:", src->type, strlen(src->text));
		buf_put_hex_str(out, src->text);
		buf_putc(out, '\0');
	}
}

void trace_put_variable(const struct trace_variable *v, struct buf *out)
{
	buf_printf(out, "%x:%" PRIx64 ":%d:", v->number, (uint64_t)v->initial,
		   v->builtin);
	buf_put_hex_str(out, v->name);
	buf_putc(out, '\0');
}

static int put_next(struct tracer *tc, struct buf *out)
{
	const char *text;

	if (tc->uploaded == tc->upload.len) {
		buf_putc(out, 'l');
		return REPLY_NOW;
	}
	text = tc->upload.data + tc->uploaded;
	buf_puts(out, text);
	tc->uploaded += strlen(text) + 1;
	return REPLY_NOW;
}

static struct tracer *begin_upload(struct session *s)
{
	buf_reset(&s->tracer.upload);
	s->tracer.uploaded = 0;
	return &s->tracer;
}

int pk_trace_points_first(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = begin_upload(s);
	const struct tracepoint *tp;

	(void)a;
	trace_finish_definition(s);
	list_each(tp, &tc->tr.points, node)
		trace_put_definition(tp, &tc->upload);
	return put_next(tc, out);
}

int pk_trace_variables_first(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = begin_upload(s);
	const struct trace_variable *v;

	(void)a;
	list_each(v, &tc->tr.variables, node)
		trace_put_variable(v, &tc->upload);
	return put_next(tc, out);
}

int pk_trace_next(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	return put_next(&s->tracer, out);
}
