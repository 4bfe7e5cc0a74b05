#include "server/serve.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/access.h"

static void accept_client(struct session *s, struct listener *l,
			  const struct serve_options *o, struct err *refused)
{
	struct err e = { "" };
	struct buf who = { 0 };
	struct link *link;
	int r;

	r = listener_accept(l, &link, &e);
	if (r == -EPIPE)
		s->quit = true;
	else if (r < 0)
		fprintf(stderr, "tracestub: %s\n", e.text);
	if (r <= 0)
		return;
	if (s->link)
		session_disconnect(s);
	link_describe(link, &who);
	fprintf(stderr, "Remote debugging from %s\n", buf_str(&who));
	buf_fini(&who);
	refused->text[0] = '\0';
	if (!o->any_user && !listener_is_chosen(l) &&
	    access_check(link, s->target, refused) < 0)
		fprintf(stderr, "tracestub: connection refused: %s\n",
			refused->text);
	session_connect(s, link, refused->text[0] ? refused->text : NULL);
}

static bool nothing_left(const struct session *s)
{
	return !s->multi && list_empty(&s->target->processes);
}

static void client_gone(struct session *s)
{
	bool refused = s->refused != NULL;

	session_disconnect(s);
	if (refused)
		return;
	/* What waited for it. */
	session_reap(s);
	if (s->once || nothing_left(s))
		s->quit = true;
	else if (!s->quit)
		fprintf(stderr, "Remote side has terminated connection.  "
				"tracestub waits for the next.\n");
}

/* Whoever may not debug here keeps nobody else out. */
static bool takes_clients(const struct session *s)
{
	return !s->link || s->refused;
}

enum { FD_SIGNAL, FD_EVENT, FD_LINK, FD_TERMINAL, FD_FIXED };

static size_t
what_to_wait_for(struct session *s, struct listener *l,
		 const struct serve_options *o,
		 struct pollfd fds[static FD_FIXED + LISTENER_FDS])
{
	int listening[LISTENER_FDS];
	size_t n = 0;

	fds[FD_SIGNAL] = (struct pollfd){ o->signal_fd, POLLIN, 0 };
	fds[FD_EVENT] = (struct pollfd){ -1, POLLIN, 0 };
	fds[FD_LINK] = (struct pollfd){ -1, 0, 0 };
	fds[FD_TERMINAL] = (struct pollfd){ terminal_fd(s), POLLIN, 0 };
	if (session_expects_events(s))
		fds[FD_EVENT].fd = s->target->ops->event_fd(s->target);
	if (s->link)
		link_poll(s->link, &fds[FD_LINK]);
	if (!takes_clients(s))
		return FD_FIXED;
	n = listener_fds(l, listening);
	for (size_t i = 0; i < n; i++)
		fds[FD_FIXED + i] = (struct pollfd){ listening[i], POLLIN, 0 };
	return FD_FIXED + n;
}

/*
 * Waits for something to happen. A target that wants to is given time when
 * nothing does for a moment: longer than a client thinks that steps, so that
 * this costs only those who wait anyway. With all stopped, ends are looked for
 * after a while; the events of the last stop, which make the target's
 * descriptor readable all the same, then cost no step anything. A short
 * time-out would: under a hypervisor setting the timer takes a microsecond,
 * where it is not the first to come nothing.
 */
#define END_MS 50
/* How soon a step is looked at again that a ^C waits for: it may have come to
 * wait in the kernel. */
#define STEP_MS 20

static int await(struct session *s, struct pollfd *fds, size_t n, int ms)
{
	struct target *t = s->target;

	return t->ops->await ? t->ops->await(t, fds, n, ms) : poll(fds, n, ms);
}

/* 0: nothing happened for a while, or the client has not been quiet for so long
 * that the target has to be looked at all the same: a child of vfork() that the
 * client does not want runs while all is stopped. */
static int wait_for_client(struct session *s, struct pollfd *fds, size_t n)
{
	int r = 0;

	if (clock_coarse_ms() - s->looked_ms < END_MS)
		r = poll(fds, n, END_MS);
	if (r)
		return r;
	s->looked_ms = clock_coarse_ms();
	fds[FD_EVENT].fd = s->target->ops->event_fd(s->target);
	return 0;
}

static int wait_for_events(struct session *s, struct pollfd *fds, size_t n)
{
	const struct timespec moment = { 0, 500000 };
	int r;

	if (s->target->unsettled && s->target->ops->idle) {
		r = ppoll(fds, n, &moment, NULL);
		if (r)
			return r;
		s->target->ops->idle(s->target);
	}
	if (!session_expects_events(s) && !s->ended) {
		r = wait_for_client(s, fds, n);
		if (r)
			return r;
	}
	if (!session_interrupt_waits(s))
		return await(s, fds, n, -1);
	r = await(s, fds, n, STEP_MS);
	if (!r)
		session_interrupt_late(s);
	return r;
}

static void take_input(struct session *s, struct listener *l,
		       const struct serve_options *o, struct err *refused)
{
	if (!s->link)
		accept_client(s, l, o, refused); /* that of a device */
	else if (!session_serve(s))
		client_gone(s);
}

static void take_events(struct session *s)
{
	if (session_expects_events(s))
		session_events(s, true);
	else
		session_reap(s);
}

int serve(struct session *s, struct listener *l, const struct serve_options *o)
{
	struct pollfd fds[FD_FIXED + LISTENER_FDS];
	struct err refused = { "" };

	while (!s->quit) {
		size_t n = what_to_wait_for(s, l, o, fds);
		bool wait = !s->link || !link_pending(s->link);

		/* No listening descriptor: the one client is there. */
		if (!s->link && n == FD_FIXED)
			wait = false;
		if (wait && wait_for_events(s, fds, n) < 0)
			continue;
		if (fds[FD_SIGNAL].revents)
			break;
		if (fds[FD_TERMINAL].revents)
			terminal_flush(s);
		if (fds[FD_EVENT].revents)
			take_events(s);
		if (!s->link && !s->multi && nothing_left(s))
			break;
		if (!wait || fds[FD_LINK].revents)
			take_input(s, l, o, &refused);
		for (size_t i = FD_FIXED; i < n && takes_clients(s); i++) {
			if (fds[i].revents)
				accept_client(s, l, o, &refused);
		}
	}
	return s->once ? s->exit_status : 0;
}
