#include "rsp/listen.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "rsp/address.h"
#include "rsp/device.h"

/* Ports that the kernel picks for one family may be taken in the other. */
#define PORT_TRIES 64

_Static_assert(LISTENER_FDS == ADDRESS_ENDPOINTS, "a socket an endpoint");

struct listener {
	struct address address;
	char *comm; /* address.path points into it */
	int fds[LISTENER_FDS];
	size_t n;
	uint16_t port;
	bool loopback;

	int in, out;	  /* stdio set aside, or a device; -1 once handed out */
	struct stat made; /* the unix socket that we made */
};

static int bind_error(const struct listener *l, int error, struct err *e)
{
	const char *hint = "";

	switch (error) {
	case EADDRINUSE:
		hint = l->address.kind == ADDRESS_UNIX
			       ? "a server has it open, or it is no socket: "
			       : "another program has the port (0 picks a "
				 "free one): ";
		break;
	case EADDRNOTAVAIL:
		hint = "not an address of this machine (:PORT is for clients "
		       "on it, *:PORT for others): ";
		break;
	case EACCES:
		hint = l->address.kind == ADDRESS_UNIX
			       ? ""
			       : "ports below 1024 need a privilege: ";
		break;
	}
	/* The end of the line is gdbserver's, for scripts that wait for it. */
	return err_set(e, -error, "%sCan't bind address: %s.", hint,
		       strerror(error));
}

static bool is_missing(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

static uint16_t port_of(int fd)
{
	struct endpoint end = { .len = sizeof(end.sa) };

	if (getsockname(fd, &end.sa.any, &end.len))
		return 0;
	/* The port is at the same place in both families. */
	return ntohs(end.sa.v4.sin_port);
}

/* -errno; on success the socket is in l->fds. */
static int listen_at(struct listener *l, const struct endpoint *end)
{
	int on = 1, error;
	int fd = socket(end->sa.any.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Both families have sockets of their own, with one port. */
	if (end->sa.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Before bind() this is the mode of the file that it makes. */
	if (end->sa.any.sa_family == AF_UNIX)
		fchmod(fd, 0600);
	if (bind(fd, &end->sa.any, end->len) || listen(fd, SOMAXCONN)) {
		error = errno;
		close(fd);
		return -error;
	}
	l->fds[l->n++] = fd;
	return 0;
}

static void close_all(struct listener *l)
{
	while (l->n > 0)
		close(l->fds[--l->n]);
}

/* Port 0 of the first endpoint chooses for the others. */
static int listen_once(struct listener *l, struct endpoint *ends, int n)
{
	int r = 0;

	for (int i = 0; i < n; i++) {
		if (l->n)
			endpoint_set_port(&ends[i], port_of(l->fds[0]));
		r = listen_at(l, &ends[i]);
		if (r && !(ends[i].optional && is_missing(-r))) {
			close_all(l);
			return r;
		}
	}
	return l->n ? 0 : r;
}

static int open_tcp(struct listener *l, struct err *e)
{
	struct endpoint ends[ADDRESS_ENDPOINTS];
	int tries = l->address.port ? 1 : PORT_TRIES, r;
	int n = address_resolve(&l->address, ends, e);

	if (n < 0)
		return n;
	l->loopback = true;
	for (int i = 0; i < n; i++)
		l->loopback &= endpoint_is_loopback(&ends[i]);
	do {
		endpoint_set_port(&ends[0], l->address.port);
		r = listen_once(l, ends, n);
	} while (r == -EADDRINUSE && --tries > 0);
	if (r)
		return bind_error(l, -r, e);
	l->port = port_of(l->fds[0]);
	return 0;
}

/*
 * Nobody has the socket open: connecting to it with another type of socket
 * tells, and disturbs no server that has it.
 */
static bool is_stale(const struct endpoint *end)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(end->sa.local.sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, &end->sa.any, end->len) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int open_unix(struct listener *l, struct err *e)
{
	struct endpoint ends[ADDRESS_ENDPOINTS];
	int r = address_resolve(&l->address, ends, e);

	if (r < 0)
		return r;
	l->loopback = true;
	r = listen_at(l, ends);
	if (r == -EADDRINUSE && is_stale(ends)) {
		unlink(l->address.path);
		r = listen_at(l, ends);
	}
	if (r)
		return bind_error(l, -r, e);
	stat(l->address.path, &l->made);
	return 0;
}

static void remove_socket(struct listener *l)
{
	struct stat now;

	/* Somebody else may have put another in its place. */
	if (l->made.st_ino && !lstat(l->address.path, &now) &&
	    now.st_ino == l->made.st_ino && now.st_dev == l->made.st_dev)
		unlink(l->address.path);
}

static int open_stdio(struct listener *l, struct err *e)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	l->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	l->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null < 0 || l->in < 0 || l->out < 0 ||
	    dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return err_set(e, -errno, "cannot set stdio aside: %s",
			       strerror(errno));
	close(null);
	return 0;
}

static int open_device(struct listener *l, struct err *e)
{
	l->in = l->out = device_open(l->address.path, e);
	return l->in < 0 ? l->in : 0;
}

int listener_open(struct listener **out, const char *comm, struct err *e)
{
	static int (*const open_kind[])(struct listener *, struct err *) = {
		[ADDRESS_TCP] = open_tcp,
		[ADDRESS_UNIX] = open_unix,
		[ADDRESS_STDIO] = open_stdio,
		[ADDRESS_DEVICE] = open_device,
	};
	struct listener *l = xcalloc(1, sizeof(*l));
	int r;

	l->comm = xstrdup(comm);
	l->in = l->out = -1;
	r = address_parse(&l->address, l->comm, e);
	if (!r)
		r = open_kind[l->address.kind](l, e);
	if (r) {
		listener_free(l);
		return r;
	}
	*out = l;
	return 0;
}

struct listener *listener_adopt(int fd)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->address.kind = ADDRESS_STDIO;
	l->in = l->out = fd;
	return l;
}

/* Of its addresses the first that answers; -errno of the last. */
static int call_any(const struct endpoint *ends, int n)
{
	int error = EADDRNOTAVAIL;

	for (int i = 0; i < n; i++) {
		int fd = socket(ends[i].sa.any.sa_family,
				SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && !connect(fd, &ends[i].sa.any, ends[i].len))
			return fd;
		error = errno;
		if (fd >= 0)
			close(fd);
	}
	return -error;
}

int listener_call(struct listener **out, const char *comm, struct err *e)
{
	struct endpoint ends[ADDRESS_ENDPOINTS];
	struct address a;
	int r = address_parse(&a, comm, e);

	if (r < 0)
		return r;
	if (a.kind != ADDRESS_TCP && a.kind != ADDRESS_UNIX)
		return err_set(e, -EINVAL, "\"%s\" cannot be called: give "
					   "HOST:PORT or unix:PATH", comm);
	r = address_resolve(&a, ends, e);
	if (r < 0)
		return r;
	r = call_any(ends, r);
	if (r < 0)
		return err_set(e, r, "cannot connect to %s: %s", comm,
			       strerror(-r));
	*out = listener_adopt(r);
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	remove_socket(l);
	close_all(l);
	if (l->out >= 0 && l->out != l->in)
		close(l->out);
	if (l->in >= 0)
		close(l->in);
	free(l->comm);
	free(l);
}

void listener_leave(struct listener *l)
{
	if (l)
		l->made.st_ino = 0;
	listener_free(l);
}

size_t listener_fds(const struct listener *l, int fds[static LISTENER_FDS])
{
	memcpy(fds, l->fds, l->n * sizeof(*fds));
	return l->n;
}

static int accept_device(struct listener *l, struct link **out, struct err *e)
{
	if (l->in < 0 && l->address.kind == ADDRESS_STDIO)
		return err_set(e, -EPIPE, "the client of stdio has gone");
	if (l->in < 0 && open_device(l, e))
		return -EPIPE;
	*out = link_new(l->in, l->out);
	if (l->address.kind == ADDRESS_DEVICE)
		device_make_raw(*out);
	l->in = l->out = -1;
	return 1;
}

int listener_accept(struct listener *l, struct link **out, struct err *e)
{
	if (!l->n)
		return accept_device(l, out, e);
	for (size_t i = 0; i < l->n; i++) {
		int fd = accept4(l->fds[i], NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			*out = link_new(fd, fd);
			return 1;
		}
		/* Network errors of the one who called (accept(2)) too. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			return err_set(e, -errno, "Accept failed: %s.",
				       strerror(errno));
	}
	return 0;
}

uint16_t listener_port(const struct listener *l)
{
	return l->port;
}

bool listener_is_chosen(const struct listener *l)
{
	return l->address.kind == ADDRESS_STDIO;
}

bool listener_is_loopback(const struct listener *l)
{
	return l->loopback;
}
