/*
 * Who is at the other end. For TCP within the machine the kernel is asked for
 * the owner of the peer's own socket (sock_diag(7)): the one whose addresses
 * are ours swapped.
 */
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rsp/address.h"
#include "rsp/link.h"

struct diag_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

union diag_answer {
	struct nlmsghdr head;
	char bytes[4096];
};

static int get_name(int fd, struct endpoint *end,
		    int (*get)(int, struct sockaddr *, socklen_t *))
{
	end->len = sizeof(end->sa);
	return get(fd, &end->sa.any, &end->len) ? -errno : 0;
}

/* The port, and the address with its family: v4 too where v6 wraps it. */
static int split(const struct endpoint *end, uint32_t addr[4], uint16_t *port)
{
	const struct in6_addr *v6 = &end->sa.v6.sin6_addr;

	if (end->sa.any.sa_family == AF_INET) {
		addr[0] = end->sa.v4.sin_addr.s_addr;
		*port = end->sa.v4.sin_port;
		return AF_INET;
	}
	*port = end->sa.v6.sin6_port;
	if (!IN6_IS_ADDR_V4MAPPED(v6)) {
		memcpy(addr, v6, sizeof(*v6));
		return AF_INET6;
	}
	memcpy(addr, &v6->s6_addr[12], 4);
	return AF_INET;
}

static struct diag_request request_of(const struct endpoint *peer,
				      const struct endpoint *own)
{
	struct diag_request q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = 1u << TCP_ESTABLISHED,
			  .id.idiag_cookie = { INET_DIAG_NOCOOKIE,
					       INET_DIAG_NOCOOKIE } },
	};

	q.body.sdiag_family = (uint8_t)split(peer, q.body.id.idiag_src,
					     &q.body.id.idiag_sport);
	split(own, q.body.id.idiag_dst, &q.body.id.idiag_dport);
	return q;
}

/* The length of the answer. */
static ssize_t ask(const struct diag_request *q, union diag_answer *answer)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n = -1;
	int error;

	if (fd >= 0 && send(fd, q, sizeof(*q), 0) == sizeof(*q))
		n = recv(fd, answer, sizeof(*answer), 0);
	error = errno;
	if (fd >= 0)
		close(fd);
	return n < 0 ? -error : n;
}

static int diag_error(int error, struct err *e)
{
	if (error == -ENOENT)
		return err_set(e, error,
			       "the owner of the client's socket is "
			       "not found: it is closed, or in another "
			       "network namespace, or the kernel lacks the "
			       "module tcp_diag");
	return err_set(e, error,
		       "the owner of the client's socket cannot be "
		       "asked for (sock_diag: %s)",
		       strerror(-error));
}

/*
 * A socket without an inode has no owner any more: it was closed, and what
 * the kernel then gives as its uid is 0.
 */
static int read_answer(const union diag_answer *answer, ssize_t len,
		       const struct diag_request *q, uid_t *uid, struct err *e)
{
	const struct inet_diag_msg *m = NLMSG_DATA(&answer->head);
	const struct nlmsgerr *failure = NLMSG_DATA(&answer->head);

	if (len >= (ssize_t)NLMSG_LENGTH(sizeof(*failure)) &&
	    answer->head.nlmsg_type == NLMSG_ERROR)
		return diag_error(failure->error ? failure->error : -EPROTO, e);
	if (len < (ssize_t)NLMSG_LENGTH(sizeof(*m)) ||
	    answer->head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return diag_error(-EBADMSG, e);
	if (m->idiag_state != TCP_ESTABLISHED || !m->idiag_inode ||
	    m->id.idiag_sport != q->body.id.idiag_sport ||
	    m->id.idiag_dport != q->body.id.idiag_dport)
		return diag_error(-ENOENT, e);
	*uid = m->idiag_uid;
	return 0;
}

static int tcp_uid(int fd, const struct endpoint *peer, uid_t *uid,
		   struct err *e)
{
	union diag_answer answer;
	struct diag_request q;
	struct endpoint own;
	ssize_t len;
	int r = get_name(fd, &own, getsockname);

	if (r)
		return diag_error(r, e);
	if (!endpoint_is_loopback(peer) || !endpoint_is_loopback(&own))
		return err_set(e, -ENOTSUP,
			       "who is at another host cannot be known");
	q = request_of(peer, &own);
	len = ask(&q, &answer);
	return len < 0 ? diag_error((int)len, e)
		       : read_answer(&answer, len, &q, uid, e);
}

static int unix_uid(int fd, uid_t *uid, struct err *e)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return err_set(e, -errno, "SO_PEERCRED: %s", strerror(errno));
	*uid = who.uid;
	return 0;
}

int link_peer_uid(const struct link *l, uid_t *uid, struct err *e)
{
	struct endpoint peer;

	switch (get_name(link_fd(l), &peer, getpeername)) {
	case -ENOTSOCK:
		return err_set(e, -ENOTSUP, "the client has no socket");
	case -ENOTCONN:
		return err_set(e, -ENOTCONN, "the client has gone");
	}
	switch (peer.sa.any.sa_family) {
	case AF_UNIX:
		return unix_uid(link_fd(l), uid, e);
	case AF_INET:
	case AF_INET6:
		return tcp_uid(link_fd(l), &peer, uid, e);
	}
	return err_set(e, -ENOTSUP, "the client's socket has no owner");
}

void link_describe(const struct link *l, struct buf *out)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	struct endpoint peer;

	if (get_name(link_fd(l), &peer, getpeername)) {
		if (ttyname_r(link_fd(l), host, sizeof(host)))
			strcpy(host, "stdio");
		buf_puts(out, host);
	} else if (getnameinfo(&peer.sa.any, peer.len, host, sizeof(host), port,
			       sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) ||
		   peer.sa.any.sa_family == AF_UNIX) {
		buf_puts(out, "a local socket");
	} else {
		buf_printf(out, "host %s, port %s", host, port);
	}
}
