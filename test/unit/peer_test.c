/*
 * Whose socket is at the other end: against who we know made it. As root a
 * client of another user is made, too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rsp/listen.h"
#include "test/connect.h"

#define OTHER_UID 65534

static struct link *accept_from(struct listener *l)
{
	struct pollfd p[LISTENER_FDS];
	int fds[LISTENER_FDS];
	size_t n = listener_fds(l, fds);
	struct link *out = NULL;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	assert_true(poll(p, n, 5000) > 0);
	assert_int_equal(listener_accept(l, &out, NULL), 1);
	return out;
}

static bool listen_on(struct listener **l, const char *comm)
{
	struct err e = { "" };

	if (!listener_open(l, comm, &e))
		return true;
	print_message("%s: %s\n", comm, e.text);
	return false;
}

/* Calls the listener as uid, in a child that stays until it is killed. */
static pid_t call_as(uid_t uid, const char *comm)
{
	struct link *far;
	pid_t pid = fork();

	if (pid)
		return pid;
	if ((uid != getuid() && setuid(uid)) || link_connect(&far, comm, NULL))
		_exit(1);
	for (;;)
		pause();
}

static void check_uid(uid_t uid, const char *host)
{
	struct listener *l;
	struct link *link;
	struct err e = { "" };
	uid_t got = 12345;
	char comm[64];
	pid_t pid;

	snprintf(comm, sizeof(comm), "%s:0", host);
	if (!listen_on(&l, comm))
		return;
	snprintf(comm, sizeof(comm), "%s:%u", host, listener_port(l));
	pid = call_as(uid, comm);
	link = accept_from(l);
	if (link_peer_uid(link, &got, &e))
		fail_msg("%s: %s", comm, e.text);
	assert_int_equal(got, uid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	link_free(link);
	listener_free(l);
}

static void test_tcp(void **state)
{
	(void)state;
	check_uid(getuid(), "127.0.0.1");
	check_uid(getuid(), "127.1.2.3");
	check_uid(getuid(), "[::1]");
}

static void test_other_user(void **state)
{
	(void)state;
	if (getuid())
		skip();
	check_uid(OTHER_UID, "127.0.0.1");
	check_uid(OTHER_UID, "[::1]");
}

/* A v4 client of a socket that takes both families. */
static void test_mapped(void **state)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
	int client = socket(AF_INET, SOCK_STREAM, 0), end;
	struct link *link;
	uid_t uid = 12345;

	(void)state;
	if (fd < 0)
		skip();
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	assert_return_code(bind(fd, (void *)&any, sizeof(any)), 0);
	assert_return_code(listen(fd, 1), 0);
	assert_return_code(getsockname(fd, (void *)&any, &len), 0);
	to.sin_port = any.sin6_port;
	assert_return_code(connect(client, (void *)&to, sizeof(to)), 0);
	end = accept(fd, NULL, NULL);
	link = link_new(end, end);
	assert_int_equal(link_peer_uid(link, &uid, NULL), 0);
	assert_int_equal(uid, getuid());
	link_free(link);
	close(client);
	close(fd);
}

/* A peer that nobody has accepted yet has no owner either. */
static void test_not_accepted(void **state)
{
	struct listener *l;
	struct link *far;
	struct err e = { "" };
	uid_t uid = 12345;
	char comm[64];

	(void)state;
	assert_true(listen_on(&l, "127.0.0.1:0"));
	snprintf(comm, sizeof(comm), "127.0.0.1:%u", listener_port(l));
	assert_int_equal(link_connect(&far, comm, &e), 0);
	assert_true(link_peer_uid(far, &uid, &e) < 0);
	assert_true(strlen(e.text) > 0);
	assert_int_equal(uid, 12345);
	link_free(far);
	listener_free(l);
}

/* Once its owner has closed it, the socket must not count as root's. */
static void test_closed(void **state)
{
	struct listener *l;
	struct link *link, *far;
	struct err e = { "" };
	uid_t uid = 12345;
	char comm[64];

	(void)state;
	assert_true(listen_on(&l, "127.0.0.1:0"));
	snprintf(comm, sizeof(comm), "127.0.0.1:%u", listener_port(l));
	assert_int_equal(link_connect(&far, comm, &e), 0);
	link = accept_from(l);
	assert_int_equal(link_peer_uid(link, &uid, &e), 0);
	uid = 12345;
	shutdown(link_fd(far), SHUT_WR);
	assert_true(link_peer_uid(link, &uid, &e) < 0);
	link_free(far);
	e.text[0] = '\0';
	assert_true(link_peer_uid(link, &uid, &e) < 0);
	assert_true(strlen(e.text) > 0);
	assert_int_equal(uid, 12345);
	link_free(link);
	listener_free(l);
}

static void test_unix(void **state)
{
	uid_t uid = 12345;
	struct link *link;
	int fds[2];

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	link = link_new(fds[0], fds[0]);
	assert_int_equal(link_peer_uid(link, &uid, NULL), 0);
	assert_int_equal(uid, getuid());
	link_free(link);
	close(fds[1]);
}

static void test_unknown(void **state)
{
	struct err e = { "" };
	struct link *link;
	uid_t uid = 12345;
	int fds[2];

	(void)state;
	assert_return_code(pipe(fds), 0);
	link = link_new(fds[0], fds[1]);
	assert_int_equal(link_peer_uid(link, &uid, &e), -ENOTSUP);
	assert_true(strlen(e.text) > 0);
	link_free(link);
}

static void test_describe(void **state)
{
	struct listener *l;
	struct link *link, *far;
	struct buf b = { 0 };
	char comm[64], want[64];
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	(void)state;
	assert_true(listen_on(&l, "127.0.0.1:0"));
	snprintf(comm, sizeof(comm), "127.0.0.1:%u", listener_port(l));
	assert_int_equal(link_connect(&far, comm, NULL), 0);
	link = accept_from(l);
	getsockname(link_fd(far), (void *)&sa, &len);
	snprintf(want, sizeof(want), "host 127.0.0.1, port %u",
		 ntohs(sa.sin_port));
	link_describe(link, &b);
	assert_string_equal(buf_str(&b), want);
	buf_fini(&b);
	link_free(far);
	link_free(link);
	listener_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_not_accepted),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
