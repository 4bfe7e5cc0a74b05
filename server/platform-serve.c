/* A connection to the platform. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/packet.h"
#include "server/platform.h"

static const struct row {
	const char *name, *stops;
	platform_fn *fn;
	const char *help;
} rows[] = {
#define PLATFORM(name, stops, fn, help) { name, stops, fn, help },
#include "server/platform.def"
#undef PLATFORM
};

void platform_print(struct buf *out)
{
	buf_puts(out, "| packet | what it does |\n|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_printf(out, "| `%s` | ", rows[i].name);
		put_cell(out, rows[i].help);
		buf_puts(out, " |\n");
	}
}

static const struct row *find_row(const char *pkt, size_t len,
				  struct args *rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].name);

		if (len < n || memcmp(pkt, rows[i].name, n) ||
		    (len > n && !strchr(rows[i].stops, pkt[n])))
			continue;
		*rest = args_of(pkt + n, len - n);
		if (len > n)
			rest->p++;
		return &rows[i];
	}
	return NULL;
}

/* E and the number: lldb shows a text only where it has asked for that. */
static int handle(struct platform *p, const char *pkt, size_t len,
		  struct buf *out)
{
	struct session *s = p->session;
	struct args args;
	const struct row *row = find_row(pkt, len, &args);
	int r;

	if (!row)
		return packet_handle(s, pkt, len, out);
	s->err.text[0] = '\0';
	r = row->fn(p, &args, out);
	if (r >= 0)
		return r;
	buf_reset(out);
	session_error(s, r, out);
	return REPLY_NOW;
}

/* False: the client has gone, or has been given up. */
static bool take_packets(struct platform *p)
{
	struct session *s = p->session;
	const char *pkt;
	size_t len;
	int r;

	do {
		r = link_next(s->link, &pkt, &len);
		if (r == 0)
			return true;
		if (r == -EINTR)
			continue;
		if (r < 0)
			return false;
		buf_reset(&s->reply);
		if (handle(p, pkt, len, &s->reply) == REPLY_NOW &&
		    link_reply(s->link, &s->reply) < 0)
			return false;
	} while (link_pending(s->link));
	return true;
}

static int children_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void platform_serve(struct platform *p)
{
	enum { LINK, SIGNALS, CHILDREN, N };
	struct pollfd fds[N] = {
		[SIGNALS] = { p->serve->signal_fd, POLLIN, 0 },
		[CHILDREN] = { children_fd(), POLLIN, 0 },
	};
	struct signalfd_siginfo info;

	list_init(&p->servers);
	if (p->program)
		platform_start_program(p);
	for (;;) {
		if (!link_pending(p->session->link)) {
			link_poll(p->session->link, &fds[LINK]);
			if (poll(fds, N, -1) < 0)
				continue;
		}
		if (fds[SIGNALS].revents)
			break;
		if (fds[CHILDREN].revents &&
		    read(fds[CHILDREN].fd, &info, sizeof(info)) > 0)
			platform_reap(p);
		if ((link_pending(p->session->link) || fds[LINK].revents) &&
		    !take_packets(p))
			break;
	}
	close(fds[CHILDREN].fd);
	platform_forget_servers(p);
}
