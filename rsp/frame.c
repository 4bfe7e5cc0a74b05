#include "rsp/frame.h"

#include "base/hex.h"
#include "rsp/span.h"

_Static_assert(FRAME_SLACK > SPAN_SLACK, "a zero and what a span writes");

/* Copies counted by one c*n: n is at most ~, 126. */
#define RUN_BIAS     29
#define RUN_MORE_MAX (126 - RUN_BIAS)

void frame_rx_init(struct frame_rx *rx, char *data, size_t max)
{
	*rx = (struct frame_rx){ .data = data, .max = max };
}

static void begin_packet(struct frame_rx *rx)
{
	rx->state = FRAME_BODY;
	rx->sum = rx->want = 0;
	rx->overlong = rx->mistaken = false;
	rx->len = 0;
}

static void put_byte(struct frame_rx *rx, uint8_t c)
{
	if (rx->len < rx->max)
		rx->data[rx->len++] = (char)c;
	else
		rx->overlong = true;
}

static enum frame_event feed_idle(struct frame_rx *rx, uint8_t c)
{
	switch (c) {
	case '$':
		begin_packet(rx);
		return FRAME_MORE;
	case '+':
		return FRAME_ACK;
	case '-':
		return FRAME_NAK;
	case 0x03:
		return FRAME_INTERRUPT;
	default:
		return FRAME_MORE;
	}
}

static enum frame_event feed_body(struct frame_rx *rx, uint8_t c)
{
	if (c == '$') {
		begin_packet(rx);
		return FRAME_MORE;
	}
	if (c == '#') {
		rx->state = FRAME_HIGH_DIGIT;
		return FRAME_MORE;
	}
	rx->sum += c;
	if (c == '}')
		rx->state = FRAME_ESCAPE;
	else
		put_byte(rx, c);
	return FRAME_MORE;
}

/* A } just before the end was never an escape: it stands for itself. */
static enum frame_event feed_escape(struct frame_rx *rx, uint8_t c)
{
	if (c == '#' || c == '$') {
		put_byte(rx, '}');
		return feed_body(rx, c);
	}
	rx->state = FRAME_BODY;
	rx->sum += c;
	put_byte(rx, c ^ 0x20);
	return FRAME_MORE;
}

static enum frame_event feed_sum(struct frame_rx *rx, uint8_t c)
{
	int digit = hex_digit((char)c);

	rx->mistaken |= digit < 0;
	rx->want = (uint8_t)(rx->want << 4 | (digit & 15));
	if (rx->state == FRAME_HIGH_DIGIT) {
		rx->state = FRAME_LOW_DIGIT;
		return FRAME_MORE;
	}
	rx->state = FRAME_IDLE;
	if (rx->mistaken)
		return FRAME_BAD;
	rx->data[rx->len] = '\0';
	if (rx->sum != rx->want)
		return FRAME_SUM;
	return rx->overlong ? FRAME_LONG : FRAME_PACKET;
}

static enum frame_event feed_byte(struct frame_rx *rx, uint8_t c)
{
	switch (rx->state) {
	case FRAME_BODY:
		return feed_body(rx, c);
	case FRAME_ESCAPE:
		return feed_escape(rx, c);
	case FRAME_HIGH_DIGIT:
	case FRAME_LOW_DIGIT:
		return feed_sum(rx, c);
	default:
		return feed_idle(rx, c);
	}
}

/* As much of a body as needs no thought. */
static size_t feed_span(struct frame_rx *rx, const char *p, size_t n)
{
	size_t room = rx->max - rx->len, used;

	rx->len += span_unescape(rx->data + rx->len, p, n < room ? n : room,
				 &used);
	rx->sum += span_sum(p, used);
	return used;
}

enum frame_event frame_feed(struct frame_rx *rx, const void *data, size_t n,
			    size_t *used)
{
	enum frame_event event = FRAME_MORE;
	const char *p = data;
	size_t i = 0;

	while (i < n && event == FRAME_MORE) {
		if (rx->state == FRAME_BODY)
			i += feed_span(rx, p + i, n - i);
		if (i < n)
			event = feed_byte(rx, (uint8_t)p[i++]);
	}
	*used = i;
	return event;
}

static char *put_count(char *p, char c, size_t more)
{
	*p++ = c;
	*p++ = '*';
	*p++ = (char)(more + RUN_BIAS);
	return p;
}

/*
 * How many more of a short run one count can say: # and $ would break the
 * frame, + and - confuse whoever looks for acks inside packets.
 */
static size_t run_more(size_t run)
{
	size_t more = run - 1;

	while (more + RUN_BIAS == '#' || more + RUN_BIAS == '$' ||
	       more + RUN_BIAS == '+' || more + RUN_BIAS == '-')
		more--;
	return more;
}

static char *put_run(char *p, char c, size_t run)
{
	for (; run > RUN_MORE_MAX; run -= RUN_MORE_MAX + 1)
		p = put_count(p, c, RUN_MORE_MAX);
	if (run >= SPAN_RUN) {
		size_t more = run_more(run);

		p = put_count(p, c, more);
		run -= more + 1;
	}
	while (run-- > 0)
		*p++ = c;
	return p;
}

/*
 * What span_copy() stopped at. gdb expands runs before it unescapes, lldb
 * does both in one pass: the two agree as long as neither character of an
 * escape begins a run.
 */
static char *put_special(char *p, const char *src, size_t n, bool escaped,
			 size_t *used)
{
	char c = *src;

	*used = 1;
	if (c == '#' || c == '$' || c == '*')
		*p++ = '}', c ^= 0x20;
	else if (c != '}' && !escaped)
		*used = span_equal(src, n);
	return put_run(p, c, *used);
}

static char *put_payload(char *p, const char *src, size_t len)
{
	size_t i = 0;

	for (;;) {
		size_t used = span_copy(p, src + i, len - i);
		bool escaped;

		p += used;
		i += used;
		if (i == len)
			return p;
		escaped = i > 0 && src[i - 1] == '}';
		p = put_special(p, src + i, len - i, escaped, &used);
		i += used;
	}
}

/* What would break the frame, and no more. */
static char *put_plain(char *p, const char *src, size_t len)
{
	return p + span_plain(p, src, len);
}

typedef char *put_fn(char *p, const char *src, size_t len);

static void encode(struct buf *out, char lead, const void *payload, size_t len,
		   put_fn *put)
{
	/* No byte becomes more than two; then lead, #, and two digits. */
	char *start = buf_reserve(out, 2 * len + 4 + SPAN_SLACK);
	char *end = len ? put(start + 1, payload, len) : start + 1;
	uint8_t sum = span_sum(start + 1, (size_t)(end - start - 1));

	*start = lead;
	*end++ = '#';
	hex_encode(end, &sum, 1);
	out->len += (size_t)(end + 2 - start);
}

void frame_encode(struct buf *out, char lead, const void *payload, size_t len)
{
	encode(out, lead, payload, len, put_payload);
}

void frame_encode_plain(struct buf *out, char lead, const void *payload,
			size_t len)
{
	encode(out, lead, payload, len, put_plain);
}
