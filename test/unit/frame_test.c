/*
 * The codec against a decoder and an encoder of its own: written from the
 * manual ("Overview", "Binary Data"), a byte at a time, and as gdb reads
 * (runs first, then escapes) as well as lldb does (both in one pass).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/binary.h"
#include "rsp/frame.h"

#define MAX 4096

static char packet[MAX + FRAME_SLACK];

/* A packet as a client frames it: escapes, no runs. */
static size_t client_frame(char *out, const void *data, size_t n)
{
	const uint8_t *src = data;
	unsigned sum = 0;
	size_t len = 1;

	out[0] = '$';
	for (size_t i = 0; i < n; i++) {
		if (strchr("#$}*", src[i]) && src[i]) {
			out[len++] = '}';
			out[len++] = (char)(src[i] ^ 0x20);
		} else {
			out[len++] = (char)src[i];
		}
	}
	for (size_t i = 1; i < len; i++)
		sum += (uint8_t)out[i];
	return len + (size_t)sprintf(out + len, "#%02x", sum & 255);
}

/* Checks lead and checksum; the body between them is what was sent. */
static void open_frame(const struct buf *f, char lead, const char **body,
		       size_t *len)
{
	char tail[4] = "";
	unsigned sum = 0;

	assert_true(f->len >= 4);
	assert_int_equal(f->data[0], lead);
	*body = f->data + 1;
	*len = f->len - 4;
	for (size_t i = 0; i < *len; i++) {
		assert_int_not_equal((*body)[i], '#');
		assert_int_not_equal((*body)[i], '$');
		sum += (uint8_t)(*body)[i];
	}
	memcpy(tail, f->data + f->len - 3, 3);
	assert_int_equal(tail[0], '#');
	assert_int_equal(strtoul(tail + 1, NULL, 16), sum & 255);
}

static size_t expand_runs(uint8_t *out, const char *in, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (in[i] != '*') {
			out[len++] = (uint8_t)in[i];
			continue;
		}
		assert_true(len > 0);
		assert_true(i + 1 < n);
		assert_in_range(in[++i], ' ', '~');
		for (int k = in[i] - 29; k > 0; k--, len++)
			out[len] = out[len - 1];
	}
	return len;
}

static size_t unescape(uint8_t *p, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '}') {
			assert_true(i + 1 < n);
			p[len++] = p[++i] ^ 0x20;
		} else {
			p[len++] = p[i];
		}
	}
	return len;
}

static size_t decode_one_pass(uint8_t *out, const char *in, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (in[i] == '*') {
			for (int k = in [++i] - 29; k > 0; k--, len++)
				out[len] = out[len - 1];
		} else if (in[i] == '}') {
			out[len++] = (uint8_t)in[++i] ^ 0x20;
		} else {
			out[len++] = (uint8_t)in[i];
		}
	}
	return len;
}

/* Escapes and frames data, reads it back both ways; returns its length. */
static size_t check_binary(const void *data, size_t n)
{
	struct buf escaped = { 0 }, frame = { 0 };
	uint8_t *out = malloc(2 * n + 100);
	/* in memory that ends with it, for whoever looks too far */
	char *exact = memcpy(malloc(n), data, n), *exact_escaped;
	const char *body;
	size_t len, got, total;

	buf_put_escaped(&escaped, exact, n);
	exact_escaped = memcpy(malloc(escaped.len), escaped.data, escaped.len);
	frame_encode(&frame, '$', exact_escaped, escaped.len);
	free(exact_escaped);
	free(exact);
	open_frame(&frame, '$', &body, &len);
	got = expand_runs(out, body, len);
	assert_int_equal(got, escaped.len);
	got = unescape(out, got);
	assert_int_equal(got, n);
	assert_memory_equal(out, data, n);
	got = decode_one_pass(out, body, len);
	assert_int_equal(got, n);
	assert_memory_equal(out, data, n);
	total = frame.len;
	buf_fini(&escaped);
	buf_fini(&frame);
	free(out);
	return total;
}

static void check_frame(const char *payload, const char *wire)
{
	struct buf f = { 0 };

	frame_encode(&f, '$', payload, strlen(payload));
	assert_string_equal(buf_str(&f), wire);
	buf_fini(&f);
}

static void test_encode(void **state)
{
	struct buf f = { 0 };

	(void)state;
	check_frame("", "$#00");
	check_frame("OK", "$OK#9a");
	check_frame("000", "$000#90");
	check_frame("0000", "$0* #7a"); /* the manual's own example */
	check_frame("00000", "$0*!#7b");
	check_frame("a0000", "$a0* #db"); /* at odd places as well */
	check_frame("l<a*b#c$d}", "$l<a}\nb}\003c}\004d}#37");
	buf_puts(&f, "kept");
	frame_encode(&f, '%', "Stop:T05", 8);
	assert_string_equal(buf_str(&f), "kept%Stop:T05#99");
	buf_fini(&f);
}

static void test_encode_plain(void **state)
{
	struct buf f = { 0 };

	(void)state;
	frame_encode_plain(&f, '$', "000000*#$}", 10);
	assert_string_equal(buf_str(&f), "$000000}\n}\003}\004}#25");
	buf_fini(&f);
}

/* Each byte at each place within a vector, of payloads of each length. */
static void test_encode_plain_anywhere(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		for (size_t n = 1; n < 100; n += 3) {
			size_t at = (size_t)byte * 7 % n, len;
			char data[100], out[200];
			struct buf f = { 0 };
			const char *body;

			memset(data, 'r', n);
			data[at] = (char)byte;
			frame_encode_plain(&f, '$', data, n);
			open_frame(&f, '$', &body, &len);
			assert_int_equal(len, n + !!memchr("#$*", byte, 3));
			memcpy(out, body, len);
			if (len > n) {
				assert_int_equal(out[at], '}');
				out[at] = out[at + 1] ^ 0x20;
				memmove(out + at + 1, out + at + 2, n - at - 1);
			}
			assert_memory_equal(out, data, n);
			buf_fini(&f);
		}
	}
}

/* Every length of run, at every place within a vector, beside others. */
static void test_runs(void **state)
{
	char text[600];

	(void)state;
	for (size_t before = 0; before < 70; before++) {
		for (size_t run = 0; run < 330; run += run < 12 ? 1 : 7) {
			size_t n = before + run;

			for (size_t i = 0; i < before; i++)
				text[i] = "0123456789abcdef"[i * 7 % 16];
			memset(text + before, 'x', run);
			memset(text + n, '0', 5);
			check_binary(text, n);
			check_binary(text, n + 1);
			check_binary(text, n + 5);
		}
	}
}

/* The longest run takes 3 bytes in 98; no count may look like an ack. */
static void test_counts(void **state)
{
	char zeros[200];

	(void)state;
	memset(zeros, '0', sizeof(zeros));
	for (size_t n = 1; n < sizeof(zeros); n++) {
		struct buf f = { 0 };
		const char *body;
		size_t len;

		frame_encode(&f, '$', zeros, n);
		open_frame(&f, '$', &body, &len);
		assert_null(memchr(body, '+', len));
		assert_null(memchr(body, '-', len));
		/* 3 a full run; of the rest at most 3 and 3 more */
		assert_true(len <= n / 98 * 3 + 6);
		buf_fini(&f);
	}
	assert_true(check_binary(zeros, 196) == 6 + 4);
}

/* Runs that begin with, end with or consist of what must be escaped. */
static void test_runs_of_specials(void **state)
{
	static const char bytes[] = "#$*}]\003\004\012ax";
	char text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			memset(text, bytes[i], 20);
			memset(text + 20, bytes[k], 20);
			for (size_t a = 0; a < 20; a++) {
				for (size_t b = 20; b < 40; b++)
					check_binary(text + a, b - a);
			}
		}
	}
}

/* Text that nobody escaped: gdb reads } as it is, and may be the only one
 * that does; so no run is one of }. */
static void test_raw_braces(void **state)
{
	static const char text[] = "{{{{a}}}}}}}}bbbbbbbb}}cccccc}dddd";
	uint8_t out[100];
	struct buf f = { 0 };
	const char *body;
	size_t len;

	(void)state;
	frame_encode(&f, '$', text, sizeof(text) - 1);
	open_frame(&f, '$', &body, &len);
	assert_int_equal(expand_runs(out, body, len), sizeof(text) - 1);
	assert_memory_equal(out, text, sizeof(text) - 1);
	for (size_t i = 1; i < len; i++)
		assert_false(body[i] == '*' && body[i - 1] == '}');
	buf_fini(&f);
}

/* Few values, so that runs and specials are frequent. */
static void fill_random(uint8_t *p, size_t n, unsigned kind)
{
	static const uint8_t some[8] = "#$*}]00x";

	for (size_t i = 0; i < n; i++) {
		unsigned r = (unsigned)rand();

		p[i] = kind == 0 ? (uint8_t)(r >> 8) : some[r >> 8 & 7];
		if (kind == 2 && i && (r & 0x30))
			p[i] = p[i - 1];
	}
}

static void test_random(void **state)
{
	uint8_t data[1000];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 6000; round++) {
		size_t at = (unsigned)rand() % 40;
		size_t n = (unsigned)rand() % (sizeof(data) - 40);

		fill_random(data + at, n, round % 3);
		check_binary(data + at, n);
	}
}

static enum frame_event feed(struct frame_rx *rx, const char *s, size_t n,
			     size_t chunk, size_t *used)
{
	enum frame_event event = FRAME_MORE;
	size_t done;

	for (*used = 0; *used < n && event == FRAME_MORE; *used += done) {
		size_t left = n - *used;

		event = frame_feed(rx, s + *used, left < chunk ? left : chunk,
				   &done);
		assert_true(event != FRAME_MORE || done == chunk ||
			    done == left);
	}
	return event;
}

/* All data, in chunks of any size, in a buffer that just holds it. */
static void test_decode_random(void **state)
{
	uint8_t data[700];
	char wire[2 * sizeof(data) + 4];
	struct frame_rx rx;

	(void)state;
	srand(2);
	for (unsigned round = 0; round < 6000; round++) {
		size_t n = (unsigned)rand() % sizeof(data), len, used;
		size_t chunk = 1 + (unsigned)rand() % 100;

		fill_random(data, n, round % 3);
		len = client_frame(wire, data, n);
		frame_rx_init(&rx, packet, n);
		assert_int_equal(feed(&rx, wire, len, chunk, &used),
				 FRAME_PACKET);
		assert_int_equal(used, len);
		assert_int_equal(rx.len, n);
		assert_memory_equal(rx.data, data, n);
		assert_int_equal(rx.data[n], 0);
	}
}

/* The events of a stream, as letters; packets as their text. */
static void check_stream(const char *wire, size_t max, const char *events)
{
	static const char letters[] = { [FRAME_SUM] = 'S',
					[FRAME_LONG] = 'L',
					[FRAME_BAD] = 'B',
					[FRAME_ACK] = '+',
					[FRAME_NAK] = '-',
					[FRAME_INTERRUPT] = 'I' };

	for (size_t chunk = 1; chunk < 40; chunk++) {
		struct frame_rx rx;
		size_t n = strlen(wire), at = 0, used;
		char got[200] = "", *p = got;

		frame_rx_init(&rx, packet, max);
		while (at < n) {
			enum frame_event event =
				feed(&rx, wire + at, n - at, chunk, &used);

			at += used;
			if (event == FRAME_PACKET)
				p += sprintf(p, "<%s>", rx.data);
			else if (event != FRAME_MORE)
				*p++ = letters[event];
		}
		*p = '\0';
		assert_string_equal(got, events);
	}
}

static void test_streams(void **state)
{
	(void)state;
	check_stream("+$g#67-\003$?#3f", MAX, "+<g>-I<?>");
	check_stream("junk$g#67junk#12\n", MAX, "<g>");
	check_stream("$#00", MAX, "<>");
	check_stream("$g#68$g#67", MAX, "S<g>");
	check_stream("$g#6x$g#67", MAX, "B<g>");
	check_stream("$o#6x$o#x6$o#6f", MAX, "BB<o>");
	check_stream("$g#6#$g#67", MAX, "B<g>");
	check_stream("$#01$abcde#00", 4, "SS");
	check_stream("$OK#9A", MAX, "<OK>");
	/* a $ begins anew, in an escape too, and once it is too long */
	check_stream("$abc$g#67", MAX, "<g>");
	check_stream("$abc}$g#67", MAX, "<g>");
	check_stream("$abcdefgh$g#67", 4, "<g>");
	/* 0x03 + - * % within a packet are data */
	check_stream("$\003+-*%#aa", MAX, "<\003+-*%>");
	/* escapes; a } at the very end is itself */
	check_stream("$}]#da", MAX, "<}>");
	check_stream("$a}#de", MAX, "<a}>");
	check_stream("$}\003}\004}\n#88", MAX, "<#$*>");
	/* as long as the buffer, and longer */
	check_stream("$abcd#8a$g#67", 4, "<abcd><g>");
	check_stream("$abcde#ef$g#67", 4, "L<g>");
	check_stream("$abcde#ex$g#67", 4, "B<g>");
	check_stream("$abc}]#00$g#67", 4, "<abc}><g>");
	check_stream("$abcd}]#64$g#67", 4, "L<g>");
	check_stream("$a#61$g#67", 0, "LL");
}

/* The documented promise that nothing past the slack is touched. */
static void test_buffer_end(void **state)
{
	(void)state;
	for (size_t max = 0; max < 100; max++) {
		char *data = malloc(max + FRAME_SLACK);
		struct frame_rx rx;
		char wire[300];
		size_t used;

		memset(wire, 'a', sizeof(wire));
		wire[0] = '$';
		frame_rx_init(&rx, data, max);
		assert_int_equal(frame_feed(&rx, wire, sizeof(wire), &used),
				 FRAME_MORE);
		assert_int_equal(rx.len, max);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_plain),
		cmocka_unit_test(test_encode_plain_anywhere),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_runs_of_specials),
		cmocka_unit_test(test_raw_braces),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_decode_random),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_buffer_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
