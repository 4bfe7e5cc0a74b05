/*
 * Any bytes from the wire, in chunks of any size: what comes out does not
 * depend on the chunks, stays within the buffer, and as a payload of ours
 * survives being framed and read back as gdb reads (runs, then escapes).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rsp/binary.h"
#include "rsp/frame.h"

#define MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int ok)
{
	if (!ok)
		abort();
}

/* Events and payloads of all of data, as bytes. */
static struct buf decode(const uint8_t *data, size_t n, size_t chunk)
{
	char *packet = malloc(MAX + FRAME_SLACK);
	struct buf log = { 0 };
	struct frame_rx rx;
	size_t used;

	frame_rx_init(&rx, packet, MAX);
	for (size_t at = 0; at < n; at += used) {
		size_t len = n - at < chunk ? n - at : chunk;
		enum frame_event event = frame_feed(&rx, data + at, len, &used);

		check(used > 0 && used <= len);
		check(event != FRAME_MORE || used == len);
		if (event == FRAME_MORE)
			continue;
		buf_putc(&log, (char)('0' + event));
		if (event == FRAME_PACKET) {
			check(rx.len <= MAX && !rx.data[rx.len]);
			buf_put(&log, rx.data, rx.len);
		}
	}
	free(packet);
	return log;
}

static void check_chunks(const uint8_t *data, size_t n)
{
	static const size_t chunks[] = { 1, 7, 33 };
	struct buf whole = decode(data, n, n ? n : 1);

	for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
		struct buf parts = decode(data, n, chunks[i]);

		check(parts.len == whole.len);
		check(!whole.len || !memcmp(parts.data, whole.data, whole.len));
		buf_fini(&parts);
	}
	buf_fini(&whole);
}

/* The body of a frame with its runs written out. */
static struct buf expand(const struct buf *frame)
{
	struct buf out = { 0 };

	check(frame->len >= 4 && frame->data[frame->len - 3] == '#');
	for (size_t i = 1; i < frame->len - 3; i++) {
		char c = frame->data[i];

		check(c != '#' && c != '$');
		if (c != '*') {
			buf_putc(&out, c);
			continue;
		}
		check(out.len > 0);
		c = frame->data[++i];
		check(c >= ' ' && c <= '~' && !strchr("#$+-", c));
		for (int more = c - 29; more > 0; more--)
			buf_putc(&out, out.data[out.len - 1]);
	}
	return out;
}

/* A client's packet holds no runs: framed again it goes through frame_feed. */
static void check_round_trip(const uint8_t *data, size_t n)
{
	struct buf escaped = { 0 }, frame = { 0 }, body, wire = { 0 };
	char *packet = malloc(n + FRAME_SLACK);
	struct frame_rx rx;
	unsigned sum = 0;
	size_t used;

	buf_put_escaped(&escaped, data, n);
	frame_encode(&frame, '$', escaped.data, escaped.len);
	body = expand(&frame);
	for (size_t i = 0; i < body.len; i++)
		sum += (uint8_t)body.data[i];
	buf_putc(&wire, '$');
	buf_put(&wire, body.data, body.len);
	buf_printf(&wire, "#%02x", sum & 255);
	frame_rx_init(&rx, packet, n);
	check(frame_feed(&rx, wire.data, wire.len, &used) == FRAME_PACKET);
	check(used == wire.len && rx.len == n);
	check(!n || !memcmp(rx.data, data, n));
	buf_fini(&escaped);
	buf_fini(&frame);
	buf_fini(&body);
	buf_fini(&wire);
	free(packet);
}

/* Unescaped text: the frame holds together whatever is in it. */
static void check_raw(const uint8_t *data, size_t n)
{
	struct buf frame = { 0 }, body;

	frame_encode(&frame, '%', data, n);
	body = expand(&frame);
	buf_fini(&body);
	buf_fini(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	check_chunks(data, n);
	check_round_trip(data, n);
	check_raw(data, n);
	return 0;
}
