/*
 * Servers that a platform starts, each a fork of us that listens already: on
 * the address that the client has come to, so that it is reached as we are,
 * and by nobody else than we are.
 */
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "rsp/address.h"
#include "rsp/binary.h"
#include "rsp/listen.h"
#include "server/lldb-command.h"
#include "server/packet.h"
#include "server/platform.h"

/* --- in the server ------------------------------------------------------- */

/* Until the first comes the server goes with the connection that it was
 * started for, by a signal. False: it has come to that. */
static bool wait_for_client(struct platform *p, const struct listener *l)
{
	struct pollfd fds[1 + LISTENER_FDS] = { { p->serve->signal_fd, POLLIN,
						  0 } };
	int listening[LISTENER_FDS];
	size_t n = listener_fds(l, listening);

	for (size_t i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){ listening[i], POLLIN, 0 };
	while (poll(fds, 1 + n, -1) < 0)
		;
	prctl(PR_SET_PDEATHSIG, 0);
	return !fds[0].revents;
}

/* Its client finds it stopped at its first instruction; or no program, if it
 * cannot be started. */
static void begin_program(struct session *s, char *const *program)
{
	struct err e = { "" };

	start_set_argv(&s->start, program);
	if (start_run(s, &e) < 0)
		fprintf(stderr, "tracestub: %s\n", e.text);
}

static _Noreturn void run_server(struct platform *p, struct listener *l,
				 pid_t parent, int waiting,
				 char *const *program)
{
	struct session *s = p->session;
	struct target *t = s->target;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	platform_forget_servers(p);
	link_leave(s->link);
	s->link = NULL;
	hostio_fini(&s->hostio);
	session_fini(s);
	t->ops->free(t);
	t = p->target();
	session_init(s, t);
	lldb_session(s);
	if (getppid() == parent && wait_for_client(p, l)) {
		close(waiting);
		if (program)
			begin_program(s, program);
		serve(s, l, p->serve);
	}
	listener_free(l);
	session_fini(s);
	t->ops->free(t);
	exit(0);
}

/* --- in the platform ----------------------------------------------------- */

static void server_free(struct platform_server *server)
{
	list_drop(&server->node);
	close(server->waiting);
	free(server->path);
	free(server);
}

void platform_forget_servers(struct platform *p)
{
	while (!list_empty(&p->servers))
		server_free(list_entry(p->servers.next, struct platform_server,
				       node));
}

void platform_reap(struct platform *p)
{
	struct platform_server *server, *next;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		list_each_safe(server, next, &p->servers, node) {
			if (server->pid == pid)
				server_free(server);
		}
	}
}

/* Where the client reached us: "HOST:" for a port to follow. */
static int local_host(const struct platform *p, struct buf *out)
{
	struct endpoint end = { .len = sizeof(end.sa) };
	char host[NI_MAXHOST];
	const char *form;

	if (getsockname(link_fd(p->session->link), &end.sa.any, &end.len) < 0)
		return -errno;
	if (getnameinfo(&end.sa.any, end.len, host, sizeof(host), NULL, 0,
			NI_NUMERICHOST))
		return -EADDRNOTAVAIL;
	form = end.sa.any.sa_family == AF_INET6 ? "[%s]:" : "%s:";
	buf_printf(out, form, host);
	return 0;
}

static int listen_at_port(const struct platform *p, unsigned port,
			  struct listener **l)
{
	struct session *s = p->session;
	struct buf comm = { 0 };
	int r = local_host(p, &comm);

	buf_printf(&comm, "%u", port);
	if (r == 0)
		r = listener_open(l, buf_str(&comm), &s->err);
	buf_fini(&comm);
	return r;
}

/* The client may ask for a port; else it is one of those that we may give. */
static int listen_tcp(const struct platform *p, unsigned wanted,
		      struct listener **l)
{
	unsigned port = wanted ? wanted : p->ports.min;
	unsigned max = wanted ? wanted : p->ports.max;
	int r = -EADDRINUSE;

	for (; port <= max && r == -EADDRINUSE; port++)
		r = listen_at_port(p, port, l);
	return r;
}

static int listen_local(const struct platform *p, char **path,
			struct listener **l)
{
	char *comm;
	int r;

	*path = xasprintf("%s.%d.%u", p->local, (int)getpid(), p->n_servers);
	comm = xasprintf("unix:%s", *path);
	r = listener_open(l, comm, &p->session->err);
	free(comm);
	if (r < 0) {
		free(*path);
		*path = NULL;
	}
	return r;
}

static int fork_server(struct platform *p, struct platform_server *server,
		       struct listener *l)
{
	pid_t parent = getpid();
	char **program = server->program;
	int waiting[2], r;

	if (pipe2(waiting, O_CLOEXEC) < 0)
		return -errno;
	server->pid = fork();
	r = server->pid < 0 ? -errno : 0;
	if (server->pid) {
		server->waiting = waiting[0];
		close(waiting[1]);
		if (r < 0)
			close(waiting[0]);
		return r;
	}
	close(waiting[0]);
	free(server->path);
	free(server);
	run_server(p, l, parent, waiting[1], program);
}

static int listen_and_fork(struct platform *p, unsigned port,
			   struct platform_server *server)
{
	struct listener *l = NULL;
	int r;

	r = p->local ? listen_local(p, &server->path, &l)
		     : listen_tcp(p, port, &l);
	if (r == 0) {
		server->port = listener_port(l);
		r = fork_server(p, server, l);
	}
	/* The socket in the file system is the server's, if there is one. */
	if (r < 0)
		listener_free(l);
	else
		listener_leave(l);
	return r;
}

/* One that is in p->servers, or NULL with the reason in *code. */
static struct platform_server *start_server(struct platform *p, unsigned port,
					    char **program, int *code)
{
	struct platform_server *server = xcalloc(1, sizeof(*server));

	list_init(&server->node);
	server->program = program;
	*code = listen_and_fork(p, port, server);
	if (*code < 0) {
		fprintf(stderr, "tracestub: no server for a client: %s\n",
			p->session->err.text[0] ? p->session->err.text
						: strerror(-*code));
		free(server->path);
		free(server);
		return NULL;
	}
	p->n_servers++;
	list_add(&p->servers, &server->node);
	return server;
}

void platform_start_program(struct platform *p)
{
	int code;

	start_server(p, 0, p->program, &code);
}

int pl_launch_server(struct platform *p, struct args *a, struct buf *out)
{
	struct platform_server *server;
	struct args word;
	unsigned port = 0;
	int r;

	while (take_word(a, ";", &word)) {
		take_char(a, ';');
		if (take_name(&word, "port:"))
			port = (unsigned)strtoul(word.p, NULL, 10);
	}
	if (port > UINT16_MAX)
		return -EPROTO;
	server = start_server(p, port, NULL, &r);
	if (!server)
		return r;
	buf_printf(out, "pid:%d;port:%d;", (int)server->pid,
		   server->port ? server->port + p->ports.offset : 0);
	if (server->path) {
		buf_puts(out, "socket_name:");
		buf_put_hex_str(out, server->path);
		buf_putc(out, ';');
	}
	return REPLY_NOW;
}

static bool has_client(const struct platform_server *server)
{
	struct pollfd fd = { server->waiting, POLLIN, 0 };

	return poll(&fd, 1, 0) > 0;
}

int pl_query_servers(struct platform *p, struct args *a, struct buf *out)
{
	struct buf *text = &p->session->scratch;
	struct platform_server *server;

	(void)a;
	buf_reset(text);
	list_each(server, &p->servers, node) {
		if (has_client(server))
			continue;
		buf_puts(text, text->len ? "," : "[");
		if (server->path)
			buf_printf(text, "{\"socket_name\":\"%s\"}",
				   server->path);
		else
			buf_printf(text, "{\"port\":%d}",
				   server->port + p->ports.offset);
	}
	if (!text->len)
		return -ENOENT;
	buf_putc(text, ']');
	buf_put_escaped(out, text->data, text->len);
	return REPLY_NOW;
}

/* How long a server may take to let its program go. */
#define END_MS 2000

static void end_server(pid_t pid)
{
	kill(pid, SIGTERM);
	for (int ms = 0; ms < END_MS; ms += 10) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The id is decimal. Only those that we have started, and not reaped yet. */
int pl_kill_spawned(struct platform *p, struct args *a, struct buf *out)
{
	struct platform_server *server;
	unsigned long pid = strtoul(a->p, NULL, 10);

	list_each(server, &p->servers, node) {
		if ((unsigned long)server->pid != pid)
			continue;
		end_server(server->pid);
		server_free(server);
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	return -ESRCH;
}
