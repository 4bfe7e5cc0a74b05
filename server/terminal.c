#include "server/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"

void terminal_init(struct terminal *t)
{
	*t = (struct terminal){ .fd = -1 };
}

void terminal_fini(struct terminal *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	buf_fini(&t->untold);
	terminal_init(t);
}

int terminal_open(struct terminal *t, struct err *e)
{
	char path[64];

	terminal_fini(t);
	t->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->fd < 0 || grantpt(t->fd) < 0 || unlockpt(t->fd) < 0 ||
	    ptsname_r(t->fd, path, sizeof(path)) ||
	    fcntl(t->fd, F_SETFL, O_NONBLOCK) < 0) {
		int error = errno;

		terminal_fini(t);
		return err_set(e, -error, "no terminal for the program: %s",
			       strerror(error));
	}
	t->path = xstrdup(path);
	return 0;
}

int terminal_fd(const struct session *s)
{
	return s->link && session_expects_events(s) ? s->terminal.fd : -1;
}

/* --- output -------------------------------------------------------------- */

void terminal_tell(struct session *s, const char *data, size_t n)
{
	struct terminal *t = &s->terminal;
	struct buf b = { 0 };

	if (s->nonstop.on && t->told) {
		buf_put(&t->untold, data, n);
		return;
	}
	buf_puts(&b, s->nonstop.on ? "Stdio:O" : "O");
	buf_put_hex(&b, data, n);
	if (s->nonstop.on)
		link_notify(s->link, &b);
	else
		link_reply(s->link, &b);
	t->told = s->nonstop.on;
	buf_fini(&b);
}

/* Nobody has it open any more: EIO, as long as that is so. */
static void forget(struct terminal *t)
{
	close(t->fd);
	t->fd = -1;
}

void terminal_flush(struct session *s)
{
	struct terminal *t = &s->terminal;
	char data[4096];
	ssize_t n;

	if (t->fd < 0 || !s->link)
		return;
	while ((n = read(t->fd, data, sizeof(data))) > 0)
		terminal_tell(s, data, (size_t)n);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		forget(t);
}

/* Non-stop: the client knows what it was told; is there more? */
int pk_stdio(struct session *s, struct args *a, struct buf *out)
{
	struct terminal *t = &s->terminal;

	(void)a;
	if (!t->untold.len) {
		t->told = false;
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	buf_putc(out, 'O');
	buf_put_hex(out, t->untold.data, t->untold.len);
	buf_reset(&t->untold);
	return REPLY_NOW;
}

/* --- input --------------------------------------------------------------- */

int pk_input(struct session *s, struct args *a, struct buf *out)
{
	size_t n = args_left(a) / 2;
	char *data;

	if (args_left(a) % 2)
		return -EPROTO;
	if (s->terminal.fd < 0)
		return err_set(&s->err, -ENOTTY,
			       "the program has no terminal of ours");
	buf_reset(&s->scratch);
	data = buf_reserve(&s->scratch, n);
	if (!take_bytes(a, data, n))
		return -EPROTO;
	if (write(s->terminal.fd, data, n) != (ssize_t)n)
		return -errno;
	buf_puts(out, "OK");
	return REPLY_NOW;
}
