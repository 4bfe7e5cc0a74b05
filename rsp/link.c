#include "rsp/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "rsp/frame.h"

#define INPUT_SIZE (64 << 10)

/* Where a blocking descriptor that polls writable takes as much as that. */
#define WRITE_SIZE 4096

#define LINGER_MS  1000

/*
 * Shorter payloads keep their runs. They fill no segment of a network either
 * way, and a client that waits for a stop reply need not expand it first.
 */
#define RUNS_MIN 128

/* Bytes shown of a packet in the log. */
#define LOG_SIZE 800

struct link {
	int in, out;
	bool socket; /* both are; else plain descriptors, maybe blocking */
	bool gone;
	bool noack, sums_differ, plain;
	unsigned acks_due;

	struct frame_rx rx;
	char *packet; /* rx writes here */
	char *input;  /* input[at..have) was received, not yet decoded */
	size_t at, have;
	/* The frame being decoded begins at input[frame]; the last packet was
	 * input[last..last_end) of the same read, or none: 0 bytes. */
	size_t frame, last, last_end;

	/*
	 * tx[sent..] waits for the peer. The last reply lies at
	 * tx[reply_at..reply_end) until it is acknowledged; an empty range:
	 * it was, or there is none.
	 */
	struct buf tx;
	size_t sent, reply_at, reply_end;

	bool restore;
	struct termios saved;
};

static void set_option(int fd, int level, int option)
{
	int on = 1;

	/* Fails on what is not TCP, where it is not needed. */
	setsockopt(fd, level, option, &on, sizeof(on));
}

static bool is_socket(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
}

struct link *link_new(int in, int out)
{
	struct link *l = xcalloc(1, sizeof(*l));

	l->in = in;
	l->out = out;
	l->socket = is_socket(in) && is_socket(out);
	l->packet = xmalloc(RSP_PACKET_MAX + FRAME_SLACK);
	l->input = xmalloc(INPUT_SIZE);
	frame_rx_init(&l->rx, l->packet, RSP_PACKET_MAX);
	fcntl(in, F_SETFD, FD_CLOEXEC);
	fcntl(out, F_SETFD, FD_CLOEXEC);
	set_option(in, IPPROTO_TCP, TCP_NODELAY);
	set_option(in, SOL_SOCKET, SO_KEEPALIVE);
	return l;
}

void link_restore_tty(struct link *l, const struct termios *saved)
{
	l->restore = true;
	l->saved = *saved;
}

int link_fd(const struct link *l)
{
	return l->in;
}

size_t link_unsent(const struct link *l)
{
	return l->tx.len - l->sent;
}

static bool ready(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) == 1;
}

/* -EAGAIN: not now. */
static ssize_t send_some(struct link *l, const char *data, size_t n)
{
	ssize_t len;

	if (l->socket) {
		len = send(l->out, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		if (!ready(l->out, POLLOUT, 0))
			return -EAGAIN;
		len = write(l->out, data, n < WRITE_SIZE ? n : WRITE_SIZE);
	}
	if (len < 0 && errno == EINTR)
		return 0;
	return len < 0 ? -errno : len;
}

static int flush(struct link *l)
{
	while (!l->gone && link_unsent(l)) {
		ssize_t n = send_some(l, l->tx.data + l->sent, link_unsent(l));

		if (n == -EAGAIN)
			break;
		if (n < 0)
			l->gone = true;
		else
			l->sent += (size_t)n;
	}
	return l->gone ? -EPIPE : 0;
}

static void linger(struct link *l)
{
	int64_t end = clock_ms() + LINGER_MS, left = LINGER_MS;

	while (!flush(l) && link_unsent(l) && left > 0 &&
	       ready(l->out, POLLOUT, (int)left))
		left = end - clock_ms();
}

void link_free(struct link *l)
{
	if (!l)
		return;
	linger(l);
	if (l->socket) {
		/* Input left unread would turn our end into a reset, which
		 * can overtake the last reply. */
		shutdown(l->out, SHUT_WR);
		recv(l->in, l->input, INPUT_SIZE, MSG_DONTWAIT);
	}
	if (l->restore)
		tcsetattr(l->in, TCSADRAIN, &l->saved);
	close(l->in);
	if (l->out != l->in)
		close(l->out);
	buf_fini(&l->tx);
	free(l->packet);
	free(l->input);
	free(l);
}

void link_leave(struct link *l)
{
	l->socket = l->restore = false;
	buf_reset(&l->tx);
	l->sent = 0;
	link_free(l);
}

/* A payload in printable characters, cut to LOG_SIZE. */
static void log_packet(const char *arrow, const char *data, size_t len)
{
	char text[LOG_SIZE + 8], *p = text;

	for (size_t i = 0; i < len && p < text + LOG_SIZE; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c >= ' ' && c <= '~' && c != '\\')
			*p++ = data[i];
		else
			p += snprintf(p, 5, "\\x%02x", c);
	}
	*p = '\0';
	log_write(LOG_REMOTE, "%s %s (%zu)", arrow, text, len);
}

/* Everything to be sent begins here, with the acknowledgements owed. */
static int begin_output(struct link *l)
{
	if (link_unsent(l) > LINK_BACKLOG_MAX)
		l->gone = true;
	if (l->gone)
		return -EPIPE;
	if (!link_unsent(l) && l->reply_at == l->reply_end) {
		buf_reset(&l->tx);
		l->sent = l->reply_at = l->reply_end = 0;
	}
	for (; l->acks_due > 0; l->acks_due--)
		buf_putc(&l->tx, '+');
	return 0;
}

static void encode(struct link *l, char lead, const struct buf *payload)
{
	if (l->plain || payload->len < RUNS_MIN)
		frame_encode_plain(&l->tx, lead, payload->data, payload->len);
	else
		frame_encode(&l->tx, lead, payload->data, payload->len);
}

int link_reply(struct link *l, const struct buf *payload)
{
	l->reply_at = l->reply_end;
	if (begin_output(l))
		return -EPIPE;
	if (log_on(LOG_REMOTE))
		log_packet("->", payload->data, payload->len);
	l->reply_at = l->tx.len;
	encode(l, '$', payload);
	l->reply_end = l->noack ? l->reply_at : l->tx.len;
	return flush(l);
}

int link_notify(struct link *l, const struct buf *payload)
{
	if (begin_output(l))
		return -EPIPE;
	if (log_on(LOG_REMOTE))
		log_packet("-> %", payload->data, payload->len);
	encode(l, '%', payload);
	return flush(l);
}

void link_set_plain(struct link *l, bool on)
{
	l->plain = on;
}

void link_set_noack(struct link *l, bool on)
{
	l->noack = on;
}

static void send_again(struct link *l)
{
	size_t len = l->reply_end - l->reply_at;

	/* Not twice in the queue: the first is still on its way. */
	if (l->sent < l->reply_end)
		return;
	buf_reserve(&l->tx, len);
	buf_put(&l->tx, l->tx.data + l->reply_at, len);
	l->reply_at = l->tx.len - len;
	l->reply_end = l->tx.len;
	flush(l);
}

static void ask_again(struct link *l)
{
	debug(REMOTE, "asked for again");
	if (begin_output(l))
		return;
	buf_putc(&l->tx, '-');
	flush(l);
}

/*
 * A client that waited too long for an acknowledgement, as over an ssh that
 * takes its time, has sent its packet again: both came with one read, and it
 * acknowledged nothing in between. It wants one reply.
 */
static bool is_sent_again(struct link *l)
{
	size_t was = l->last, len = l->last_end - was;

	l->last = l->frame;
	l->last_end = l->at;
	return !l->noack && len && len == l->at - l->frame &&
	       !memcmp(l->input + was, l->input + l->frame, len);
}

static int take_packet(struct link *l)
{
	l->acks_due += !l->noack;
	if (is_sent_again(l))
		return 0;
	if (log_on(LOG_REMOTE))
		log_packet("<-", l->rx.data, l->rx.len);
	return 1;
}

/*
 * gdb (13) sends one QTro packet for all sections of all files, as long as its
 * own buffer. Who has sent a packet that nobody can take waits for a reply.
 */
static int refuse_long(struct link *l)
{
	struct buf reply = { 0 };

	fprintf(stderr, "tracestub: a packet is longer than PacketSize\n");
	l->acks_due += !l->noack;
	buf_printf(&reply, "E%02x", EMSGSIZE);
	link_reply(l, &reply);
	buf_fini(&reply);
	return 0;
}

/*
 * Without acknowledgements nothing can be asked for again, and the client
 * waits for a reply. What carries the bytes is reliable then, and the sum may
 * be ignored (gdb manual, "Packet Acknowledgment"), as gdb and its servers do:
 * who sends another sum does not count it.
 */
static int take_other_sum(struct link *l)
{
	if (!l->noack) {
		ask_again(l);
		return 0;
	}
	if (!l->sums_differ)
		fprintf(stderr, "tracestub: the client's checksums are wrong, "
				"and ignored\n");
	l->sums_differ = true;
	return l->rx.overlong ? refuse_long(l) : take_packet(l);
}

/* Of what has no checksum nobody knows what it was to be. */
static int take_bad(struct link *l)
{
	if (!l->noack) {
		ask_again(l);
		return 0;
	}
	fprintf(stderr, "tracestub: connection closed: a packet has no "
			"checksum\n");
	l->gone = true;
	return -EPIPE;
}

/* What link_next() returns for an event, 0 to go on. */
static int take_event(struct link *l, enum frame_event event)
{
	switch (event) {
	case FRAME_PACKET:
		return take_packet(l);
	case FRAME_SUM:
		return take_other_sum(l);
	case FRAME_LONG:
		return refuse_long(l);
	case FRAME_BAD:
		return take_bad(l);
	case FRAME_ACK:
		l->last = l->last_end = 0;
		l->reply_at = l->reply_end;
		return 0;
	case FRAME_NAK:
		if (l->reply_at < l->reply_end)
			send_again(l);
		return 0;
	case FRAME_INTERRUPT:
		return -EINTR;
	case FRAME_MORE:
		break;
	}
	return 0;
}

static int decode(struct link *l)
{
	int r = 0;

	while (!r && l->at < l->have) {
		size_t n = l->have - l->at, used;
		enum frame_event event;
#ifdef HOSTILE
		n = 1;
#endif
		if (l->rx.state == FRAME_IDLE)
			l->frame = l->at;
		event = frame_feed(&l->rx, l->input + l->at, n, &used);
		l->at += used;
		r = take_event(l, event);
	}
	return r;
}

/* Bytes received; 0: none now. */
static ssize_t receive(struct link *l)
{
	ssize_t n;

	if (l->gone)
		return -EPIPE;
	if (l->socket)
		n = recv(l->in, l->input, INPUT_SIZE, MSG_DONTWAIT);
	else if (ready(l->in, POLLIN, 0))
		n = read(l->in, l->input, INPUT_SIZE);
	else
		return 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	l->gone = n <= 0;
	l->at = l->frame = l->last = l->last_end = 0;
	l->have = n > 0 ? (size_t)n : 0;
	return l->gone ? -EPIPE : n;
}

int link_next(struct link *l, const char **pkt, size_t *len)
{
	ssize_t n;
	int r;

#ifdef HOSTILE
	if (l->rx.state == FRAME_IDLE)
		memset(l->packet, 0xdd, RSP_PACKET_MAX);
#endif
	if (link_unsent(l) && !flush(l) && link_unsent(l))
		return 0;
	r = decode(l);
	if (!r) {
		n = receive(l);
		r = n > 0 ? decode(l) : (int)n;
	}
	*pkt = l->rx.data;
	*len = l->rx.len;
	return r;
}

bool link_pending(const struct link *l)
{
	return l->at < l->have && (l->gone || !link_unsent(l));
}

void link_poll(struct link *l, struct pollfd *p)
{
	if (l->acks_due && !begin_output(l))
		flush(l);
	*p = (struct pollfd){ .fd = l->in, .events = POLLIN };
	if (!l->gone && link_unsent(l))
		*p = (struct pollfd){ .fd = l->out, .events = POLLOUT };
}
