/* Where clients come in, with clients of our own: plain sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "rsp/address.h"
#include "rsp/listen.h"
#include "test/connect.h"

static char dir[] = "/tmp/listen_test.XXXXXX";

static struct listener *listen_on(const char *comm)
{
	struct listener *l = NULL;
	struct err e = { "" };

	if (listener_open(&l, comm, &e))
		fail_msg("%s: %s", comm, e.text);
	return l;
}

static void refused(const char *comm, const char *why)
{
	struct listener *l = NULL;
	struct err e = { "" };

	assert_true(listener_open(&l, comm, &e) < 0);
	if (!strstr(e.text, why))
		fail_msg("%s: \"%s\" is not in \"%s\"", comm, why, e.text);
}

/* -1 when nobody is there. */
static int dial(int family, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = in6addr_loopback };
	int fd = socket(family, SOCK_STREAM, 0);
	int r = family == AF_INET ? connect(fd, (void *)&v4, sizeof(v4))
				  : connect(fd, (void *)&v6, sizeof(v6));

	if (!r)
		return fd;
	close(fd);
	return -1;
}

static int dial_path(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (!connect(fd, (void *)&sa, sizeof(sa)))
		return fd;
	close(fd);
	return -1;
}

static bool have_v6(void)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_addr = in6addr_loopback };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool is = fd >= 0 && !bind(fd, (void *)&sa, sizeof(sa));

	close(fd);
	return is;
}

static struct link *accept_one(struct listener *l)
{
	struct pollfd p[LISTENER_FDS];
	int fds[LISTENER_FDS];
	size_t n = listener_fds(l, fds);
	struct link *out = NULL;
	struct err e = { "" };

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (n)
		assert_int_equal(poll(p, n, 5000), 1);
	if (listener_accept(l, &out, &e) != 1)
		fail_msg("%s", e.text);
	return out;
}

static void assert_talks(struct link *l, int client)
{
	struct buf b = { 0 };
	const char *pkt;
	char got[16] = "";
	size_t len;

	assert_int_equal(write(client, "$?#3f", 5), 5);
	assert_int_equal(link_next(l, &pkt, &len), 1);
	assert_string_equal(pkt, "?");
	buf_puts(&b, "S05");
	assert_int_equal(link_reply(l, &b), 0);
	assert_int_equal(read(client, got, sizeof(got)), 8);
	assert_string_equal(got, "+$S05#b8");
	buf_fini(&b);
}

static void assert_serves(struct listener *l, int client)
{
	struct link *link = accept_one(l);

	assert_true(client >= 0);
	assert_talks(link, client);
	link_free(link);
	close(client);
}

static void test_loopback(void **state)
{
	static const char *const comms[] = { ":0", "localhost:0", "tcp::0",
					     "tcp:localhost:0", "tcp://:0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(comms); i++) {
		struct listener *l = listen_on(comms[i]);

		assert_true(listener_port(l) > 0);
		assert_true(listener_is_loopback(l));
		/* one client after another */
		assert_serves(l, dial(AF_INET, listener_port(l)));
		assert_serves(l, dial(AF_INET, listener_port(l)));
		if (have_v6())
			assert_serves(l, dial(AF_INET6, listener_port(l)));
		listener_free(l);
	}
}

static void test_one_family(void **state)
{
	struct listener *l = listen_on("tcp4::0");
	int fds[LISTENER_FDS];

	(void)state;
	assert_int_equal(listener_fds(l, fds), 1);
	assert_serves(l, dial(AF_INET, listener_port(l)));
	assert_int_equal(dial(AF_INET6, listener_port(l)), -1);
	listener_free(l);
	if (!have_v6())
		return;
	l = listen_on("[::1]:0");
	assert_serves(l, dial(AF_INET6, listener_port(l)));
	assert_int_equal(dial(AF_INET, listener_port(l)), -1);
	assert_true(listener_is_loopback(l));
	listener_free(l);
}

static void test_all_interfaces(void **state)
{
	struct listener *l = listen_on("*:0");

	(void)state;
	assert_false(listener_is_loopback(l));
	assert_serves(l, dial(AF_INET, listener_port(l)));
	if (have_v6())
		assert_serves(l, dial(AF_INET6, listener_port(l)));
	listener_free(l);
	l = listen_on("0.0.0.0:0");
	assert_false(listener_is_loopback(l));
	listener_free(l);
	l = listen_on("127.0.0.1:0");
	assert_true(listener_is_loopback(l));
	listener_free(l);
}

static void test_port_in_use(void **state)
{
	struct listener *l = listen_on(":0");
	char comm[32];

	(void)state;
	snprintf(comm, sizeof(comm), ":%u", listener_port(l));
	refused(comm, "Can't bind address: Address already in use.");
	listener_free(l);
	/* free again at once, though clients have just been there */
	l = listen_on(comm);
	assert_serves(l, dial(AF_INET, listener_port(l)));
	listener_free(l);
	l = listen_on(comm);
	listener_free(l);
}

/* Taken in one family only: then it is not ours in either. */
static void test_half_a_port(void **state)
{
	struct listener *l;
	char comm[32];

	(void)state;
	if (!have_v6())
		skip();
	l = listen_on("tcp6:localhost:0");
	snprintf(comm, sizeof(comm), ":%u", listener_port(l));
	refused(comm, "Address already in use");
	assert_int_equal(dial(AF_INET, listener_port(l)), -1);
	listener_free(l);
}

static void test_refused(void **state)
{
	(void)state;
	refused("192.0.2.1:0", "(:PORT is for clients on it, *:PORT for others)");
	refused("nosuchhost.invalid:1", "cannot resolve name: nosuchhost.invalid");
	refused(":65536", "no port");
	refused(":-1", "no port");
	refused(":", "no port");
	refused("localhost:12x", "no port");
	refused("[::1]", "[ADDRESS]:PORT");
	refused("[::1:5", "[ADDRESS]:PORT");
	refused("udp::1234", "use tcp::1234");
	refused("", "names no connection");
	refused("unix:", "names no connection");
	refused("1234", "a port is written :PORT");
	refused("/etc/passwd", "neither a device nor a fifo");
	refused("/no/such/tty", "No such file");
	refused("unix:"
		"/a/path/that/is/longer/than/the/one/hundred/and/eight/bytes/"
		"that/the/address/of/a/socket/in/the/file/system/can/hold",
		"at most 107 characters");
}

static void test_unix(void **state)
{
	char path[64], comm[80];
	struct listener *l;
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(comm, sizeof(comm), "unix:%s", path);
	l = listen_on(comm);
	assert_int_equal(listener_port(l), 0);
	assert_return_code(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_serves(l, dial_path(path));
	/* it is in use, and asking has not taken a client's place */
	refused(comm, "Can't bind address: Address already in use.");
	assert_serves(l, dial_path(path));
	listener_free(l);
	assert_int_equal(stat(path, &st), -1);
}

static void test_unix_leftovers(void **state)
{
	char path[64], comm[80];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct listener *l;
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/stale", dir);
	snprintf(comm, sizeof(comm), "unix:%s", path);
	strcpy(sa.sun_path, path);
	assert_return_code(bind(fd, (void *)&sa, sizeof(sa)), 0);
	close(fd);
	l = listen_on(comm);
	assert_serves(l, dial_path(path));
	/* what another has put there is not ours to remove */
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	listener_free(l);
	assert_return_code(stat(path, &st), 0);
	/* nor to replace */
	refused(comm, "Address already in use");
	assert_return_code(stat(path, &st), 0);
	unlink(path);
}

static void test_options(void **state)
{
	struct listener *l = listen_on(":0");
	int client = dial(AF_INET, listener_port(l)), on = 0;
	struct link *link = accept_one(l);
	socklen_t len = sizeof(on);

	(void)state;
	assert_true(fcntl(link_fd(link), F_GETFD) & FD_CLOEXEC);
	getsockopt(link_fd(link), IPPROTO_TCP, TCP_NODELAY, &on, &len);
	assert_true(on);
	getsockopt(link_fd(link), SOL_SOCKET, SO_KEEPALIVE, &on, &len);
	assert_true(on);
	link_free(link);
	close(client);
	listener_free(l);
}

static void test_connect(void **state)
{
	struct listener *l = listen_on(":0");
	struct link *near, *far = NULL;
	struct err e = { "" };
	char comm[32];

	(void)state;
	snprintf(comm, sizeof(comm), "localhost:%u", listener_port(l));
	assert_int_equal(link_connect(&far, comm, &e), 0);
	near = accept_one(l);
	assert_talks(near, link_fd(far));
	link_free(near);
	link_free(far);
	listener_free(l);
	assert_true(link_connect(&far, comm, &e) < 0);
	assert_non_null(strstr(e.text, "Connection refused"));
	assert_true(link_connect(&far, "stdio", &e) < 0);
}

/* A terminal is raw while it is served, and afterwards as it was. */
static void test_device(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct termios before, during, after;
	struct listener *l;
	struct link *link;

	(void)state;
	assert_return_code(grantpt(master), 0);
	assert_return_code(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_return_code(tcgetattr(slave, &before), 0);
	assert_true(before.c_lflag & (ICANON | ECHO | ISIG));
	l = listen_on(ptsname(master));
	for (int i = 0; i < 2; i++) {
		link = accept_one(l);
		assert_return_code(tcgetattr(slave, &during), 0);
		assert_false(during.c_lflag & (ICANON | ECHO | ISIG));
		assert_false(during.c_oflag & OPOST);
		assert_talks(link, master);
		link_free(link);
		assert_return_code(tcgetattr(slave, &after), 0);
		assert_int_equal(after.c_lflag, before.c_lflag);
		assert_int_equal(after.c_oflag, before.c_oflag);
		assert_int_equal(after.c_iflag, before.c_iflag);
	}
	listener_free(l);
	close(slave);
	close(master);
}

/* In a child, whose stdio it is: what it prints stays out of the protocol. */
static noreturn void serve_stdio(int in, int out, int err)
{
	struct listener *l = NULL;
	struct link *link = NULL;
	const char *pkt;
	size_t len;
	struct buf b = { 0 };

	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	if (listener_open(&l, "-", NULL) || write(1, "noise", 5) != 5 ||
	    read(0, &len, 1) != 0 || listener_accept(l, &link, NULL) != 1 ||
	    listener_accept(l, &link, NULL) != -EPIPE)
		_exit(1);
	while (link_next(link, &pkt, &len) == 0)
		;
	buf_put(&b, pkt, len);
	link_reply(link, &b);
	_exit(0);
}

static void test_stdio(void **state)
{
	int in[2], out[2], err[2], status;
	char got[32] = "";
	pid_t pid;

	(void)state;
	assert_return_code(pipe(in) | pipe(out) | pipe(err), 0);
	pid = fork();
	if (!pid)
		serve_stdio(in[0], out[1], err[1]);
	assert_int_equal(write(in[1], "$echo#9f", 8), 8);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(out[0], got, sizeof(got)), 9);
	assert_string_equal(got, "+$echo#9f");
	memset(got, 0, sizeof(got));
	assert_int_equal(read(err[0], got, sizeof(got)), 5);
	assert_string_equal(got, "noise");
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
		close(err[i]);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_one_family),
		cmocka_unit_test(test_all_interfaces),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_half_a_port),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_unix_leftovers),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_stdio),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
