/*
 * proto-replay FILE: plays a transcript (transcript.h) to a session over the
 * fake target, both in this process and joined by a socket pair. The translator
 * lies between, as in the server, and is not to be seen. What the session sends
 * is decoded here anew, not by rsp/.
 *
 * Words after ":"
 *
 *	start WORD...	the program that the server was started with
 *	attach PID	or --attach
 *	multi		or --multi
 *	connect		a client comes; the first packet does it too
 *	no-ack		QStartNoAckMode and its answer, unseen
 *	mute		the client acknowledges nothing from now
 *	raw BYTES	bytes on the wire as they are (\xHH)
 *	interrupt	the byte 0x03
 *	hangup		the client goes without a word
 *	closed		the server has closed the connection
 *
 * An answer "-" is a request to send again; one that begins with "%" is a
 * notification. Every answer has to be expected.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/mem.h"
#include "server/session.h"
#include "test/fake.h"
#include "test/transcript.h"
#include "translate/translate.h"

#define ANSWERS_MAX 64

struct player {
	struct session s;
	struct fake *fake;
	int client; /* our end of the connection, or -1 */
	bool ack;
	struct buf in; /* bytes received, not decoded yet */
	struct buf answers[ANSWERS_MAX];
	size_t n_answers, n_seen; /* received; matched by < lines */
	size_t log_at;		  /* of the fake's log, behind the last = */
};

/* --- the client's side --------------------------------------------------- */

static void client_write(struct player *p, const void *data, size_t len)
{
	if (p->client >= 0 && send(p->client, data, len, MSG_NOSIGNAL) < 0)
		die("cannot send to the session");
}

static void client_send(struct player *p, const char *payload, size_t len)
{
	struct buf b = { 0 };
	unsigned sum = 0;

	buf_putc(&b, '$');
	for (size_t i = 0; i < len; i++) {
		char c = payload[i];

		if (c && strchr("#$}*", c)) {
			buf_putc(&b, '}');
			sum += '}';
			c ^= 0x20;
		}
		buf_putc(&b, c);
		sum += (unsigned char)c;
	}
	buf_printf(&b, "#%02x", sum & 0xff);
	client_write(p, b.data, b.len);
	buf_fini(&b);
}

/* A frame's payload with its runs written out. */
static void answer_add(struct player *p, const char *data, size_t len)
{
	struct buf *out = &p->answers[p->n_answers++];

	if (p->n_answers == ANSWERS_MAX)
		die("more than %d answers", ANSWERS_MAX);
	buf_reset(out);
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '*' || i == 0 || i + 1 == len) {
			buf_putc(out, data[i]);
			continue;
		}
		for (int n = data[++i] - 29; n > 0; n--)
			buf_putc(out, out->data[out->len - 1]);
	}
}

static bool sum_is_right(const char *frame, const char *hash)
{
	unsigned char sum = 0, want;

	for (const char *c = frame + 1; c < hash; c++)
		sum += (unsigned char)*c;
	return hex_decode(&want, hash + 1, 1) && sum == want;
}

/* Takes one thing off the bytes received; false when nothing is whole. */
static bool decode_one(struct player *p)
{
	char *data = p->in.data, *hash, *at;
	size_t used = 1;

	if (!p->in.len)
		return false;
	if (*data == '-') {
		answer_add(p, "-", 1);
	} else if (*data == '$' || *data == '%') {
		hash = memchr(data, '#', p->in.len);
		if (!hash || hash + 3 > data + p->in.len)
			return false;
		if (!sum_is_right(data, hash))
			die("wrong checksum from the session");
		at = data + (*data == '$');
		answer_add(p, at, (size_t)(hash - at));
		used = (size_t)(hash - data) + 3;
		if (p->ack && *data == '$')
			client_write(p, "+", 1);
	} else if (*data != '+') {
		die("stray byte 0x%02x from the session", (uint8_t)*data);
	}
	memmove(data, data + used, p->in.len - used);
	p->in.len -= used;
	return true;
}

static bool client_read(struct player *p)
{
	char bytes[65536];
	ssize_t n;

	if (p->client < 0)
		return false;
	n = recv(p->client, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0)
		buf_put(&p->in, bytes, (size_t)n);
	while (decode_one(p))
		;
	if (n == 0) {
		close(p->client);
		p->client = -1;
	}
	return n > 0;
}

/* --- the server's side --------------------------------------------------- */

static bool ready(struct pollfd fd)
{
	return poll(&fd, 1, 0) > 0;
}

static bool serve_link(struct player *p)
{
	struct pollfd fd;

	if (!p->s.link)
		return false;
	if (!link_pending(p->s.link)) {
		link_poll(p->s.link, &fd);
		if (!ready(fd))
			return false;
	}
	if (!session_serve(&p->s))
		session_disconnect(&p->s);
	return true;
}

static bool serve_events(struct player *p)
{
	struct target *t = p->s.target;
	struct pollfd fd = { t->ops->event_fd(t), POLLIN, 0 };

	if (!session_expects_events(&p->s) || !ready(fd))
		return false;
	session_events(&p->s, true);
	return true;
}

/* Until both sides have nothing more to do. */
static void settle(struct player *p)
{
	bool more;

	do {
		more = serve_link(p);
		more |= serve_events(p);
		more |= client_read(p);
	} while (more);
}

static void connect_client(struct player *p)
{
	int ends[2];

	if (p->client >= 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die("no socket pair");
	p->client = ends[0];
	p->ack = true;
	session_connect(&p->s, link_new(ends[1], ends[1]), NULL);
}

/* --- the lines ----------------------------------------------------------- */

static bool word_start(struct player *p, const char *args)
{
	char *copy = xstrdup(args), *save, *word, *argv[32] = { NULL };
	struct err e = { "" };
	size_t n = 0;
	int r;

	for (word = strtok_r(copy, " ", &save); word && n < 31;
	     word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	start_set_argv(&p->s.start, argv);
	r = start_run(&p->s, &e);
	if (r < 0)
		printf("start: %s\n", e.text);
	free(copy);
	return r >= 0;
}

static bool word_attach(struct player *p, const char *args)
{
	struct err e = { "" };
	int r = start_attach(&p->s, (pid_t)strtol(args, NULL, 16), &e);

	if (r < 0)
		printf("attach: %s\n", e.text);
	return r >= 0;
}

static bool word_multi(struct player *p, const char *args)
{
	(void)args;
	p->s.multi = true;
	return true;
}

static bool word_connect(struct player *p, const char *args)
{
	(void)args;
	connect_client(p);
	return true;
}

static bool word_no_ack(struct player *p, const char *args)
{
	(void)args;
	connect_client(p);
	client_send(p, "QStartNoAckMode", strlen("QStartNoAckMode"));
	settle(p);
	p->ack = false;
	return p->n_answers == ++p->n_seen;
}

static bool word_mute(struct player *p, const char *args)
{
	(void)args;
	p->ack = false;
	return true;
}

static bool word_raw(struct player *p, const char *args)
{
	struct buf b = { 0 };
	char byte;

	for (; *args; args++) {
		byte = *args;
		if (byte == '\\' && args[1] == 'x' &&
		    hex_decode(&byte, args + 2, 1))
			args += 3;
		buf_putc(&b, byte);
	}
	connect_client(p);
	client_write(p, b.data, b.len);
	buf_fini(&b);
	return true;
}

static bool word_interrupt(struct player *p, const char *args)
{
	(void)args;
	client_write(p, "\3", 1);
	return true;
}

static bool word_hangup(struct player *p, const char *args)
{
	(void)args;
	close(p->client);
	p->client = -1;
	return true;
}

static bool word_closed(struct player *p, const char *args)
{
	(void)args;
	return p->client < 0;
}

static bool play_word(struct player *p, const struct transcript_line *l)
{
	static const struct {
		const char *word;
		bool (*run)(struct player *p, const char *args);
	} words[] = {
		{ "start", word_start },	 { "attach", word_attach },
		{ "multi", word_multi },	 { "connect", word_connect },
		{ "no-ack", word_no_ack },	 { "raw", word_raw },
		{ "interrupt", word_interrupt }, { "mute", word_mute },
		{ "hangup", word_hangup },	 { "closed", word_closed },
	};
	size_t len = strcspn(l->text, " ");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == len &&
		    !memcmp(words[i].word, l->text, len))
			return words[i].run(p, l->text + len + !!l->text[len]);
	return false;
}

static bool play_answer(struct player *p, const struct transcript_line *l)
{
	struct buf *b = &p->answers[p->n_seen];

	if (p->n_seen == p->n_answers) {
		printf("no answer\n");
		return false;
	}
	p->n_seen++;
	if (transcript_match(l, b->data ? b->data : "", b->len))
		return true;
	printf("answer: %s\n", buf_str(b));
	return false;
}

static bool play_log(struct player *p, const struct transcript_line *l)
{
	const char *log = fake_log(p->fake);
	const char *at = log + p->log_at;

	while (*at) {
		size_t len = strcspn(at, "\n");

		if (len == l->len && !memcmp(at, l->text, len)) {
			p->log_at = (size_t)(at - log) + len + 1;
			return true;
		}
		at += len + 1;
	}
	printf("the target's log goes on: %s\n", log + p->log_at);
	return false;
}

static bool nothing_unexpected(struct player *p)
{
	if (p->n_seen == p->n_answers)
		return true;
	printf("unexpected: %s\n", buf_str(&p->answers[p->n_seen]));
	return false;
}

static bool play_line(struct player *p, const struct transcript_line *l)
{
	switch (l->kind) {
	case '<':
		return play_answer(p, l);
	case '=':
		return play_log(p, l);
	case '!':
		return fake_script(p->fake, l->text) >= 0;
	}
	if (!nothing_unexpected(p))
		return false;
	p->n_seen = p->n_answers = 0;
	if (l->kind == ':')
		return play_word(p, l);
	connect_client(p);
	client_send(p, l->text, l->len);
	return true;
}

static bool play(struct player *p, const struct transcript *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct transcript_line *l = &t->lines[i];

		if (!play_line(p, l)) {
			printf("%s:%u: %c %s\n", path, l->number, l->kind,
			       l->text);
			return false;
		}
		settle(p);
	}
	return nothing_unexpected(p);
}

int main(int argc, char **argv)
{
	/* A CPU with AVX, wherever this runs. */
	struct xsave_layout layout = { .features = 7,
				       .size = 832,
				       .offset = { [2] = 576 } };
	struct player p = { .client = -1 };
	struct transcript t;
	struct target *target;
	struct arch *arch;
	struct err e = { "" };
	bool good;

	if (argc != 2)
		die("usage: proto-replay FILE");
	if (transcript_load(&t, argv[1], &e) < 0)
		die("%s", e.text);
	arch = arch_x86_64_new(&layout);
	p.fake = fake_new(arch);
	target = translate_new(fake_target(p.fake));
	session_init(&p.s, target);
	good = play(&p, &t, argv[1]);

	if (p.client >= 0)
		close(p.client);
	if (p.s.link)
		session_disconnect(&p.s);
	session_fini(&p.s);
	target->ops->free(target);
	arch_free(arch);
	transcript_fini(&t);
	buf_fini(&p.in);
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		buf_fini(&p.answers[i]);
	return good ? 0 : 1;
}
