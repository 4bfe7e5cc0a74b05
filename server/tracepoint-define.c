/* Tracepoints and variables are defined, and made ready. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"

/* Longer than any that gdb sends, whose packets are no longer. */
#define TEXT_MAX 0x10000

static void forget_defined(struct tracer *tc)
{
	if (tc->defined)
		tracepoint_free(tc->defined);
	tc->defined = NULL;
}

int pk_trace_init(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = &s->tracer;

	(void)a;
	trace_stop(s, TRACE_STOPPED);
	tracing_forget_threads(s->target);
	tracing_clear(&tc->tr);
	tc->tr.end = TRACE_NOT_RUN;
	tc->tr.started = tc->tr.stopped = 0;
	tc->selected = -1;
	forget_defined(tc);
	free(tc->live);
	tc->live = NULL;
	tc->n_live = 0;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

static char *text_between(const char *from, const char *to)
{
	return xstrndup(from, (size_t)(to - from));
}

/* --- QTDP ---------------------------------------------------------------- */

/* What may follow a tracepoint's five numbers. */
static int take_extras(struct session *s, struct args *a, struct tracepoint *tp)
{
	const char *at;
	int r;

	while (take_char(a, ':')) {
		if (take_char(a, 'F')) {
			if (!take_hex(a, &tp->room))
				return -EPROTO;
			tp->kind = TRACEPOINT_FAST;
		} else if (take_char(a, 'X') && !tp->condition) {
			at = a->p;
			r = take_expression(s, a, &tp->condition);
			if (r < 0)
				return r;
			tp->condition_text = text_between(at, a->p);
		} else {
			return err_set(&s->err, -EINVAL,
				       "there is no such kind of tracepoint");
		}
	}
	return 0;
}

static int take_definition(struct session *s, struct args *a,
			   struct tracepoint *tp)
{
	if (take_char(a, 'E'))
		tp->enabled = true;
	else if (!take_char(a, 'D'))
		return -EPROTO;
	if (!take_char(a, ':') || !take_hex(a, &tp->steps) ||
	    !take_char(a, ':') || !take_hex(a, &tp->pass_count))
		return -EPROTO;
	return take_extras(s, a, tp);
}

/*
 * Part of a run that is under way, too. gdb defines again what it has lost
 * track of when a library is loaded amid one; and it says that actions follow
 * when it then has none to send.
 */
int trace_finish_definition(struct session *s)
{
	struct tracer *tc = &s->tracer;
	struct tracepoint *tp = tc->defined, *old;

	if (!tp)
		return 0;
	tc->defined = NULL;
	old = tracepoint_find(&tc->tr, tp->number, tp->addr);
	if (old)
		fast_uninstall(s, old);
	tracing_define(&tc->tr, s->target, tp);
	return tc->tr.running ? trace_install(s, tp) : 0;
}

static int go_on_defining(struct session *s, struct args *a, struct buf *out)
{
	bool more = take_char(a, '-');
	int r;

	if (!take_end(a))
		return -EPROTO;
	r = more ? 0 : trace_finish_definition(s);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

static int define(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = &s->tracer;
	int r;

	r = take_char(a, ':') ? take_definition(s, a, tc->defined) : -EPROTO;
	return r < 0 ? r : go_on_defining(s, a, out);
}

/* The mask is not kept: a frame holds all registers, or none. */
static bool take_mask(struct args *a)
{
	struct args rest = *a;

	while (!take_end(&rest) && hex_digit(*rest.p) >= 0)
		rest.p++;
	if (rest.p == a->p)
		return false;
	*a = rest;
	return true;
}

static bool take_block(struct args *a, struct trace_action *act)
{
	uint64_t base = TRACE_NO_REGISTER;

	if (!take_name(a, "-1") && !take_hex_max(a, UINT32_MAX, &base))
		return false;
	act->base = (uint32_t)base;
	return take_char(a, ',') && take_hex(a, &act->offset) &&
	       take_char(a, ',') && take_hex(a, &act->len);
}

static int take_trace_action(struct session *s, struct args *a,
			     struct trace_action *act)
{
	if (take_char(a, 'R')) {
		act->kind = TRACE_REGISTERS;
		return take_mask(a) ? 0 : -EPROTO;
	}
	if (take_char(a, 'M')) {
		act->kind = TRACE_MEMORY;
		return take_block(a, act) ? 0 : -EPROTO;
	}
	if (take_char(a, 'X')) {
		act->kind = TRACE_EXPRESSION;
		return take_expression(s, a, &act->program);
	}
	return err_set(&s->err, -EINVAL, "there is no such action");
}

static int take_actions(struct session *s, struct args *a,
			struct tracepoint *tp)
{
	int r = 0;

	while (r >= 0 && !take_end(a) && *a->p != '-') {
		struct trace_action *act;
		const char *at;

		if (take_char(a, 'S'))
			s->tracer.in_steps = true;
		act = trace_action_add(s->tracer.in_steps ? &tp->step_actions
							  : &tp->actions);
		at = a->p;
		r = take_trace_action(s, a, act);
		act->text = text_between(at, a->p);
	}
	return r;
}

static int add_actions(struct session *s, struct args *a, struct buf *out)
{
	int r;

	r = take_char(a, ':') ? take_actions(s, a, s->tracer.defined) : -EPROTO;
	return r < 0 ? r : go_on_defining(s, a, out);
}

static bool take_which(struct args *a, unsigned *number, uint64_t *addr)
{
	uint64_t v;

	if (!take_hex_max(a, 0xffff, &v) || !take_char(a, ':') ||
	    !take_hex(a, addr))
		return false;
	*number = (unsigned)v;
	return true;
}

static bool is_defined(const struct tracer *tc, unsigned number, uint64_t addr)
{
	return tc->defined && tc->defined->number == number &&
	       tc->defined->addr == addr;
}

int pk_trace_define(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = &s->tracer;
	bool more = take_char(a, '-');
	unsigned number;
	uint64_t addr;
	int r;

	if (!take_which(a, &number, &addr))
		return -EPROTO;
	if (more && !is_defined(tc, number, addr))
		return err_set(&s->err, -EINVAL,
			       "tracepoint %u expects no actions", number);
	if (!more) {
		trace_finish_definition(s);
		tc->defined = tracepoint_new(number, addr);
		tc->in_steps = false;
	}
	r = more ? add_actions(s, a, out) : define(s, a, out);
	if (r < 0)
		forget_defined(tc);
	return r;
}

/* --- the rest ------------------------------------------------------------ */

int pk_trace_source(struct session *s, struct args *a, struct buf *out)
{
	char *type = NULL, *text = NULL;
	struct tracepoint *tp;
	uint64_t addr, start, len;
	struct args word;
	unsigned number;
	bool ok;

	if (!take_which(a, &number, &addr) || !take_char(a, ':') ||
	    !take_word(a, ":", &word) || !take_char(a, ':'))
		return -EPROTO;
	trace_finish_definition(s);
	tp = tracepoint_find(&s->tracer.tr, number, addr);
	if (!tp)
		return err_set(&s->err, -ENOENT, "there is no tracepoint %u",
			       number);
	ok = take_hex(a, &start) && take_char(a, ':') && take_hex(a, &len) &&
	     take_char(a, ':') && take_hex_string(a, TEXT_MAX, &text) &&
	     take_end(a);
	if (ok) {
		type = text_between(word.p, word.end);
		tracepoint_add_source(tp, type, start, text);
		buf_puts(out, "OK");
	}
	free(type);
	free(text);
	return ok ? REPLY_NOW : -EPROTO;
}

int pk_trace_variable(struct session *s, struct args *a, struct buf *out)
{
	uint64_t number, initial, builtin;
	char *name;

	if (!take_hex_max(a, UINT32_MAX, &number) || !take_char(a, ':') ||
	    !take_hex(a, &initial) || !take_char(a, ':') ||
	    !take_hex(a, &builtin) || !take_char(a, ':') ||
	    !take_hex_string(a, TEXT_MAX, &name))
		return -EPROTO;
	trace_variable_set(&s->tracer.tr.variables, (unsigned)number,
			   (int64_t)initial, name);
	free(name);
	buf_puts(out, "OK");
	return REPLY_NOW;
}

static int enable(struct session *s, struct args *a, bool on, struct buf *out)
{
	struct tracing *tr = &s->tracer.tr;
	struct tracepoint *tp;
	unsigned number;
	uint64_t addr;
	int r = 0;

	if (!take_which(a, &number, &addr) || !take_end(a))
		return -EPROTO;
	trace_finish_definition(s);
	tp = tracepoint_find(tr, number, addr);
	if (!tp)
		return err_set(&s->err, -ENOENT, "there is no tracepoint %u",
			       number);
	tp->enabled = on;
	if (tr->running && on)
		r = trace_install(s, tp);
	else if (tr->running)
		trace_uninstall(s, addr);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_trace_enable(struct session *s, struct args *a, struct buf *out)
{
	return enable(s, a, true, out);
}

int pk_trace_disable(struct session *s, struct args *a, struct buf *out)
{
	return enable(s, a, false, out);
}
