/* What was collected is looked at. */
#include <inttypes.h>
#include <string.h>

#include "rsp/frame.h"
#include "server/packet.h"
#include "server/session.h"

/* What is not known, as two digits. */
#define UNKNOWN "xx"

bool trace_is_selected(const struct session *s)
{
	return s->tracer.selected >= 0;
}

static struct frame frame_at(const struct tracing *tr, size_t number)
{
	struct frame f = { .regs_size = tr->regs_size };

	f.data = trace_buffer_frame(&tr->buffer, number, &f.len);
	return f;
}

/* A circular buffer may have lost it meanwhile. */
static bool selected(const struct session *s, struct frame *f)
{
	const struct tracer *tc = &s->tracer;

	if (tc->selected < 0 ||
	    (size_t)tc->selected >= trace_buffer_frames(&tc->tr.buffer))
		return false;
	*f = frame_at(&tc->tr, (size_t)tc->selected);
	return true;
}

/* --- QTFrame -------------------------------------------------------------- */

enum wanted { WANT_PC, WANT_POINT, WANT_RANGE, WANT_OUTSIDE };

struct want {
	enum wanted what;
	uint64_t a, b;
};

static bool fits(const struct tracing *tr, size_t number, const struct want *w)
{
	uint64_t pc = trace_buffer_pc(&tr->buffer, number);
	struct frame f;

	switch (w->what) {
	case WANT_PC:
		return pc == w->a;
	case WANT_RANGE:
		return pc >= w->a && pc <= w->b;
	case WANT_OUTSIDE:
		return pc < w->a || pc > w->b;
	default:
		f = frame_at(tr, number);
		return frame_tracepoint(&f) == w->a;
	}
}

static bool take_want(struct args *a, struct want *w)
{
	if (take_name(a, "pc:"))
		w->what = WANT_PC;
	else if (take_name(a, "tdp:"))
		w->what = WANT_POINT;
	else if (take_name(a, "range:"))
		w->what = WANT_RANGE;
	else if (take_name(a, "outside:"))
		w->what = WANT_OUTSIDE;
	else
		return false;
	if (!take_hex(a, &w->a))
		return false;
	return w->what < WANT_RANGE ||
	       (take_char(a, ':') && take_hex(a, &w->b));
}

/* The frame that a packet means; at the end there is none. */
static int find(const struct session *s, struct args *a, size_t *number)
{
	const struct tracer *tc = &s->tracer;
	size_t n = trace_buffer_frames(&tc->tr.buffer);
	uint64_t v;
	struct want w;

	if (take_hex(a, &v) && take_end(a)) {
		*number = v;
		return 0;
	}
	if (!take_want(a, &w) || !take_end(a))
		return -EPROTO;
	*number = (size_t)(tc->selected + 1);
	while (*number < n && !fits(&tc->tr, *number, &w))
		++*number;
	return 0;
}

int pk_trace_frame(struct session *s, struct args *a, struct buf *out)
{
	struct tracer *tc = &s->tracer;
	struct frame f;
	size_t number;
	int r;

	fast_settle(s);
	if ((take_name(a, "-1") || take_name(a, "ffffffff")) && take_end(a)) {
		tc->selected = -1;
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	r = find(s, a, &number);
	if (r < 0)
		return r;
	if (number >= trace_buffer_frames(&tc->tr.buffer)) {
		buf_puts(out, "F-1");
		return REPLY_NOW;
	}
	tc->selected = (int64_t)number;
	f = frame_at(&tc->tr, number);
	buf_printf(out, "F%zxT%x", number, frame_tracepoint(&f));
	return REPLY_NOW;
}

/* --- reading from it ------------------------------------------------------ */

static void put_unknown(struct buf *out, size_t n)
{
	while (n--)
		buf_puts(out, UNKNOWN);
}

/* Where the thread was is known, whatever was collected. */
static void put_register(const struct session *s, const struct frame *f,
			 const struct arch *arch, unsigned regno,
			 struct buf *out)
{
	const struct regdesc *d = &arch->regs[regno];
	const uint8_t *regs =
		f->regs_size == arch->regs_size ? frame_registers(f) : NULL;
	uint64_t pc;

	if (regs) {
		buf_put_hex(out, regs + d->packed_at, d->bits / 8u);
	} else if (regno == arch->pc) {
		pc = trace_buffer_pc(&s->tracer.tr.buffer,
				     (size_t)s->tracer.selected);
		buf_put_hex(out, &pc, d->bits / 8u);
	} else {
		put_unknown(out, d->bits / 8u);
	}
}

static int no_frame(struct session *s)
{
	return err_set(&s->err, -ENOENT, "the trace frame is gone");
}

int trace_read_registers(struct session *s, struct buf *out)
{
	const struct arch *arch = session_thread(s)->proc->arch;
	size_t size =
		s->client.descriptions ? arch->regs_size : arch->basic_size;
	struct frame f;

	if (!selected(s, &f))
		return no_frame(s);
	for (unsigned i = 0; i < arch->n_regs; i++) {
		if (arch->regs[i].packed_at < size)
			put_register(s, &f, arch, i, out);
	}
	return REPLY_NOW;
}

int trace_read_register(struct session *s, unsigned regno, struct buf *out)
{
	struct frame f;

	if (!selected(s, &f))
		return no_frame(s);
	put_register(s, &f, session_thread(s)->proc->arch, regno, out);
	return REPLY_NOW;
}

/* Memory that a client has said does not change is read from the program. */
static size_t live_bytes(const struct tracer *tc, uint64_t addr, size_t len)
{
	for (size_t i = 0; i < tc->n_live; i++) {
		const struct live_range *r = &tc->live[i];

		if (addr >= r->lo && addr < r->hi)
			return len < r->hi - addr ? len : r->hi - addr;
	}
	return 0;
}

ssize_t trace_read_memory(struct session *s, uint64_t addr, void *buf,
			  size_t len)
{
	struct frame f;
	size_t n;

	if (!selected(s, &f))
		return -ENOENT;
	n = frame_memory(&f, addr, buf, len);
	if (n)
		return (ssize_t)n;
	len = live_bytes(&s->tracer, addr, len);
	return len ? target_read(s->target, session_process(s), addr, buf, len)
		   : -EFAULT;
}

int pk_trace_value(struct session *s, struct args *a, struct buf *out)
{
	const struct trace_variable *v;
	uint64_t number;
	struct frame f;
	int64_t value = 0;
	bool known;

	if (!take_hex_max(a, UINT32_MAX, &number) || !take_end(a))
		return -EPROTO;
	if (selected(s, &f)) {
		known = frame_variable(&f, (unsigned)number, &value);
	} else {
		v = trace_variable_find(&s->tracer.tr.variables,
					(unsigned)number);
		known = v && !trace_is_selected(s);
		value = known ? trace_variable_value(v) : 0;
	}
	if (known)
		buf_printf(out, "V%" PRIx64, (uint64_t)value);
	else
		buf_putc(out, 'U');
	return REPLY_NOW;
}

int make_traceframe_info(struct session *s, const char *annex, struct buf *out)
{
	struct frame_block b;
	struct frame f;
	size_t pos = 0;

	if (*annex || !selected(s, &f))
		return -ENOENT;
	buf_puts(out, "<traceframe-info>\n");
	while (frame_next(&f, &pos, &b)) {
		if (b.type == 'M')
			buf_printf(out,
				   "<memory start=\"0x%" PRIx64
				   "\" length=\"0x%zx\"/>\n",
				   b.addr, b.len);
		else if (b.type == 'V')
			buf_printf(out, "<tvar id=\"%u\"/>\n", b.number);
	}
	buf_puts(out, "</traceframe-info>\n");
	return 0;
}

/* --- all of it ------------------------------------------------------------ */

int pk_trace_buffer(struct session *s, struct args *a, struct buf *out)
{
	const uint8_t *at;
	uint64_t off, len;
	size_t n;

	if (!take_hex(a, &off) || !take_char(a, ',') || !take_hex(a, &len) ||
	    !take_end(a))
		return -EPROTO;
	if (len > RSP_PACKET_MAX / 2)
		len = RSP_PACKET_MAX / 2;
	fast_settle(s);
	n = trace_buffer_bytes(&s->tracer.tr.buffer, off, len, &at);
	if (n)
		buf_put_hex(out, at, n);
	else
		buf_putc(out, 'l');
	return REPLY_NOW;
}
