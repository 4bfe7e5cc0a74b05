/*
 * One connection over SOCK_SEQPACKET, where a message is what one system
 * call sent: how much is sent at a time is part of what is tested.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "rsp/frame.h"
#include "rsp/link.h"

struct pair {
	struct link *l;
	int peer;
};

static void open_pair(struct pair *p, int type)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, type, 0, fds), 0);
	p->l = link_new(fds[0], fds[0]);
	p->peer = fds[1];
}

static void close_pair(struct pair *p)
{
	link_free(p->l);
	close(p->peer);
}

static void client_says(struct pair *p, const char *s)
{
	assert_int_equal(send(p->peer, s, strlen(s), 0), strlen(s));
}

/* The next message is this one, or there is none for "". */
static void client_hears(struct pair *p, const char *s)
{
	char got[4096] = "";

	recv(p->peer, got, sizeof(got) - 1, MSG_DONTWAIT);
	assert_string_equal(got, s);
}

static void next_is(struct pair *p, const char *payload)
{
	const char *pkt;
	size_t len;

	assert_int_equal(link_next(p->l, &pkt, &len), 1);
	assert_int_equal(len, strlen(payload));
	assert_string_equal(pkt, payload);
}

static int next(struct pair *p)
{
	const char *pkt;
	size_t len;

	return link_next(p->l, &pkt, &len);
}

static struct buf text_of(const char *s)
{
	struct buf b = { 0 };

	buf_puts(&b, s);
	return b;
}

static void reply(struct pair *p, const char *s)
{
	struct buf b = text_of(s);

	assert_int_equal(link_reply(p->l, &b), 0);
	buf_fini(&b);
}

static void notify(struct pair *p, const char *s)
{
	struct buf b = text_of(s);

	assert_int_equal(link_notify(p->l, &b), 0);
	buf_fini(&b);
}

static short polled(struct pair *p)
{
	struct pollfd fd;

	link_poll(p->l, &fd);
	assert_int_equal(fd.fd, link_fd(p->l));
	return fd.events;
}

static void test_acks(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_SEQPACKET);
	client_says(&p, "+$?#3f");
	next_is(&p, "?");
	client_hears(&p, "");
	/* the acknowledgement goes with the reply */
	reply(&p, "S05");
	client_hears(&p, "+$S05#b8");
	/* or alone, before we sleep, and once only */
	client_says(&p, "+$c#63");
	next_is(&p, "c");
	assert_int_equal(polled(&p), POLLIN);
	client_hears(&p, "+");
	assert_int_equal(polled(&p), POLLIN);
	reply(&p, "S05");
	client_hears(&p, "$S05#b8");
	close_pair(&p);
}

static void test_retransmission(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_SEQPACKET);
	client_says(&p, "-$?#3f");
	next_is(&p, "?");
	client_hears(&p, ""); /* nothing was sent yet: nothing again */
	reply(&p, "S05");
	client_hears(&p, "+$S05#b8");
	client_says(&p, "-");
	assert_int_equal(next(&p), 0);
	client_hears(&p, "$S05#b8");
	client_says(&p, "--");
	assert_int_equal(next(&p), 0);
	client_hears(&p, "$S05#b8");
	client_hears(&p, "$S05#b8");
	/* a notification in between changes nothing */
	notify(&p, "Stop:S05");
	client_hears(&p, "%Stop:S05#98");
	client_says(&p, "-");
	assert_int_equal(next(&p), 0);
	client_hears(&p, "$S05#b8");
	client_says(&p, "+-");
	assert_int_equal(next(&p), 0);
	client_hears(&p, "");
	close_pair(&p);
}

/* Before we were there, as a client's first packet over a slow way. */
static void test_sent_again(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	client_says(&p, "+$g#67$g#67");
	next_is(&p, "g");
	reply(&p, "00");
	assert_int_equal(next(&p), 0);
	polled(&p);
	client_hears(&p, "+$00#60+");
	/* one that it asks for after the reply */
	client_says(&p, "+$g#67");
	next_is(&p, "g");
	reply(&p, "01");
	client_hears(&p, "+$01#61");
	client_says(&p, "+$g#67+$g#67");
	next_is(&p, "g");
	next_is(&p, "g");
	close_pair(&p);
}

static void test_noack(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_SEQPACKET);
	client_says(&p, "$QStartNoAckMode#b0");
	next_is(&p, "QStartNoAckMode");
	link_set_noack(p.l, true);
	reply(&p, "OK");
	client_hears(&p, "+$OK#9a");
	client_says(&p, "+$g#67");
	next_is(&p, "g");
	reply(&p, "00");
	client_hears(&p, "$00#60");
	client_says(&p, "-$c#00$g#67");
	next_is(&p, "c");
	next_is(&p, "g");
	assert_int_equal(polled(&p), POLLIN);
	client_hears(&p, "");
	close_pair(&p);
}

/* Nothing could be asked for again, and the client would wait. */
static void test_noack_damaged(void **state)
{
	static const char *const damaged[] = { "$g#6x$g#67", "$g##6$g#67" };
	struct pair p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		open_pair(&p, SOCK_STREAM);
		link_set_noack(p.l, true);
		client_says(&p, damaged[i]);
		assert_int_equal(next(&p), -EPIPE);
		close_pair(&p);
	}
}

/* A packet that is longer than any may be, and behind it "#" and its sum. */
static void say_too_much(struct pair *p, const char *sum)
{
	client_says(p, "$");
	for (size_t n = 0; n <= RSP_PACKET_MAX; n += 16) {
		client_says(p, "aaaaaaaaaaaaaaaa");
		assert_int_equal(next(p), 0);
	}
	client_says(p, sum);
	assert_int_equal(next(p), 0);
}

/* Whoever sent it waits for a reply, and can do without. */
static void test_overlong(void **state)
{
	static const char sum[] = "#10";
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	say_too_much(&p, "#01");
	client_hears(&p, "-");
	say_too_much(&p, sum);
	client_hears(&p, "+$E5a#db");
	link_set_noack(p.l, true);
	say_too_much(&p, sum);
	client_hears(&p, "$E5a#db");
	say_too_much(&p, "#01");
	client_hears(&p, "$E5a#db");
	client_says(&p, "$g#67");
	next_is(&p, "g");
	close_pair(&p);
}

static void test_bad_checksum(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_SEQPACKET);
	client_says(&p, "$g#68");
	assert_int_equal(next(&p), 0);
	client_hears(&p, "-");
	client_says(&p, "$g#67");
	next_is(&p, "g");
	close_pair(&p);
}

/* In the order of arrival, with one read. */
static void test_interrupt(void **state)
{
	struct pair p;
	int left;

	(void)state;
	open_pair(&p, SOCK_SEQPACKET);
	client_says(&p, "\003$vCont;c#a8\003+$?#3f");
	client_says(&p, "$g#67");
	assert_int_equal(next(&p), -EINTR);
	assert_true(link_pending(p.l));
	next_is(&p, "vCont;c");
	assert_true(link_pending(p.l));
	assert_int_equal(next(&p), -EINTR);
	next_is(&p, "?");
	assert_false(link_pending(p.l));
	assert_return_code(ioctl(link_fd(p.l), FIONREAD, &left), 0);
	assert_int_equal(left, 5);
	next_is(&p, "g");
	assert_int_equal(next(&p), 0);
	close_pair(&p);
}

/* Half a packet is no reason to read again: poll() will tell. */
static void test_one_read(void **state)
{
	struct pair p;
	int left;

	(void)state;
	open_pair(&p, SOCK_SEQPACKET);
	client_says(&p, "$g");
	client_says(&p, "#67");
	assert_int_equal(next(&p), 0);
	assert_false(link_pending(p.l));
	assert_return_code(ioctl(link_fd(p.l), FIONREAD, &left), 0);
	assert_int_equal(left, 3);
	next_is(&p, "g");
	close_pair(&p);
}

static void test_bytewise(void **state)
{
	static const char wire[] = "+$m10,4#2e\003$X0,1:}]#f9";
	struct pair p;
	size_t packets = 0, interrupts = 0;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	for (size_t i = 0; i < sizeof(wire) - 1; i++) {
		const char *pkt;
		size_t len;
		int r;

		assert_int_equal(send(p.peer, wire + i, 1, 0), 1);
		r = link_next(p.l, &pkt, &len);
		interrupts += r == -EINTR;
		if (r == 1)
			assert_string_equal(pkt,
					    packets++ ? "X0,1:}" : "m10,4");
	}
	assert_int_equal(packets, 2);
	assert_int_equal(interrupts, 1);
	close_pair(&p);
}

static void test_gone(void **state)
{
	struct buf b = text_of("OK");
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	client_says(&p, "$?#3f$k#6b");
	close(p.peer);
	next_is(&p, "?");
	assert_int_equal(link_reply(p.l, &b), -EPIPE);
	/* what it had said before is still heard */
	assert_true(link_pending(p.l));
	next_is(&p, "k");
	assert_false(link_pending(p.l));
	assert_int_equal(next(&p), -EPIPE);
	assert_int_equal(next(&p), -EPIPE);
	assert_int_equal(link_reply(p.l, &b), -EPIPE);
	buf_fini(&b);
	link_free(p.l);
}

/* All that is sent to a peer that begins to read late; returns the packets
 * that its link took meanwhile. */
static int read_all(struct pair *p, struct buf *got, size_t n)
{
	int packets = 0;

	while (got->len < n) {
		char *room = buf_reserve(got, 65536);
		ssize_t len = recv(p->peer, room, 65536, MSG_DONTWAIT);

		if (len > 0)
			got->len += (size_t)len;
		else if (polled(p) == POLLOUT)
			packets += next(p);
		else
			fail_msg("%zu bytes of %zu", got->len, n);
	}
	return packets;
}

static void test_slow_reader(void **state)
{
	struct buf want = { 0 }, got = { 0 }, payload = { 0 };
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	link_set_noack(p.l, true);
	for (unsigned i = 0; i < 200000; i++)
		buf_printf(&payload, "%x,", i);
	for (unsigned i = 0; i < 3; i++) {
		frame_encode(&want, '$', payload.data, payload.len);
		assert_int_equal(link_reply(p.l, &payload), 0);
	}
	assert_int_equal(polled(&p), POLLOUT);
	/* nothing more is taken from it, and the loop does not spin */
	client_says(&p, "$?#3f");
	assert_int_equal(next(&p), 0);
	assert_false(link_pending(p.l));
	/* it is when the last of the replies has gone */
	assert_int_equal(read_all(&p, &got, want.len), 1);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(polled(&p), POLLIN);
	assert_int_equal(next(&p), 0);
	buf_fini(&want);
	buf_fini(&got);
	buf_fini(&payload);
	close_pair(&p);
}

/* A flood of - does not queue the reply once for each. */
static void test_flood_of_naks(void **state)
{
	struct buf want = { 0 }, got = { 0 }, payload = { 0 };
	struct pair p;
	char naks[1001];

	(void)state;
	open_pair(&p, SOCK_STREAM);
	for (unsigned i = 0; i < 200000; i++)
		buf_printf(&payload, "%x,", i);
	frame_encode(&want, '$', payload.data, payload.len);
	assert_int_equal(link_reply(p.l, &payload), 0);
	read_all(&p, &got, want.len);
	assert_int_equal(got.len, want.len);
	memset(naks, '-', sizeof(naks) - 1);
	naks[sizeof(naks) - 1] = '\0';
	client_says(&p, naks);
	assert_int_equal(next(&p), 0);
	buf_reset(&got);
	read_all(&p, &got, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(polled(&p), POLLIN);
	assert_int_equal(recv(p.peer, naks, 1, MSG_DONTWAIT), -1);
	buf_fini(&want);
	buf_fini(&got);
	buf_fini(&payload);
	close_pair(&p);
}

static void test_never_reads(void **state)
{
	struct buf payload = { 0 };
	struct pair p;
	unsigned rounds = 0;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	for (unsigned i = 0; i < 1000000; i++)
		buf_printf(&payload, "%x,", i);
	while (link_reply(p.l, &payload) == 0)
		assert_true(rounds++ < LINK_BACKLOG_MAX / payload.len + 3);
	assert_true(rounds > 2);
	assert_int_equal(next(&p), -EPIPE);
	buf_fini(&payload);
	close_pair(&p);
}

static void test_longest_packet(void **state)
{
	struct buf wire = { 0 };
	struct pair p;
	const char *pkt;
	unsigned sum = 0;
	size_t len, at = 0;
	int r = 0;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	buf_putc(&wire, '$');
	for (unsigned i = 0; i < RSP_PACKET_MAX; i++) {
		buf_putc(&wire, (char)('A' + i % 23));
		sum += 'A' + i % 23;
	}
	buf_printf(&wire, "#%02x", sum & 255);
	while (at < wire.len && r == 0) {
		ssize_t n = send(p.peer, wire.data + at, wire.len - at,
				 MSG_DONTWAIT);

		at += n > 0 ? (size_t)n : 0;
		r = link_next(p.l, &pkt, &len);
	}
	while (r == 0)
		r = link_next(p.l, &pkt, &len);
	assert_int_equal(r, 1);
	assert_int_equal(len, RSP_PACKET_MAX);
	assert_memory_equal(pkt, wire.data + 1, len);
	buf_fini(&wire);
	close_pair(&p);
}

/* stdio: two pipes. Both block, and link_next() must not. */
static void test_pipes(void **state)
{
	struct pair p;
	int in[2], out[2];
	char got[64] = "";

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_return_code(pipe(in), 0);
	assert_return_code(pipe(out), 0);
	p.l = link_new(in[0], out[1]);
	assert_int_equal(next(&p), 0);
	assert_int_equal(write(in[1], "$?#3f", 5), 5);
	next_is(&p, "?");
	reply(&p, "S05");
	assert_int_equal(read(out[0], got, sizeof(got)), 8);
	assert_string_equal(got, "+$S05#b8");
	link_set_noack(p.l, true);
	for (unsigned i = 0; i < 100000; i++)
		reply(&p, "S05");
	close(out[0]);
	assert_int_equal(next(&p), -EPIPE);
	close(in[1]);
	link_free(p.l);
}

static void test_close_on_exec(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, SOCK_STREAM);
	assert_true(fcntl(link_fd(p.l), F_GETFD) & FD_CLOEXEC);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acks),
		cmocka_unit_test(test_retransmission),
		cmocka_unit_test(test_sent_again),
		cmocka_unit_test(test_noack),
		cmocka_unit_test(test_noack_damaged),
		cmocka_unit_test(test_overlong),
		cmocka_unit_test(test_bad_checksum),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_one_read),
		cmocka_unit_test(test_bytewise),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_flood_of_naks),
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_longest_packet),
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_close_on_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
