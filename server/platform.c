#include "server/platform.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "rsp/address.h"
#include "server/access.h"
#include "server/lldb-options.h"

struct command {
	const char *listen, *port_file, *port, *min_port, *max_port, *offset;
	const char *log_file, *log_channels;
	bool server, debug, verbose, help;
	char **program;
};

static const struct lldb_option options[] = {
#define AT(field) offsetof(struct command, field)
	{ "listen", "[HOST]:PORT", AT(listen), "where lldb connects to" },
	{ "L", "", AT(listen), NULL },
	{ "server", NULL, AT(server), "serve one client after another" },
	{ "s", NULL, AT(server), NULL },
	{ "port-file", "FILE", AT(port_file),
	  "write the port, or the socket's path, to FILE" },
	{ "socket-file", "FILE", AT(port_file), "the same" },
	{ "f", "", AT(port_file), NULL },
	{ "gdbserver-port", "PORT", AT(port),
	  "the one port for servers of programs" },
	{ "P", "", AT(port), NULL },
	{ "min-gdbserver-port", "PORT", AT(min_port),
	  "the lowest of these ports (any that is free)" },
	{ "m", "", AT(min_port), NULL },
	{ "max-gdbserver-port", "PORT", AT(max_port), "the highest" },
	{ "M", "", AT(max_port), NULL },
	{ "port-offset", "N", AT(offset),
	  "lldb is told ports that are so much higher" },
	{ "p", "", AT(offset), NULL },
	{ "log-file", "FILE", AT(log_file), "where the log goes (stderr)" },
	{ "l", "", AT(log_file), NULL },
	{ "log-channels", "CHANNEL CATEGORY...[:...]", AT(log_channels),
	  "log these; \"gdb-remote packets\" is every packet" },
	{ "c", "", AT(log_channels), NULL },
	{ "debug", NULL, AT(debug), NULL },
	{ "d", NULL, AT(debug), NULL },
	{ "verbose", NULL, AT(verbose), NULL },
	{ "v", NULL, AT(verbose), NULL },
	{ "help", NULL, AT(help), "this text" },
	{ "h", NULL, AT(help), NULL },
#undef AT
};

static void print_help(void)
{
	puts("usage: tracestub platform [--server] --listen [HOST]:PORT "
	     "[OPTIONS]\n"
	     "                          [-- PROG ARG...]\n\n"
	     "Serves lldb's remote-linux platform, on lldb-server's command "
	     "line: files,\nprocesses and commands of this machine, and a "
	     "server for each program. HOST is\nlocalhost if empty, * all "
	     "interfaces; port 0 is any free one; unix://PATH is a\nsocket in "
	     "the file system. PROG is started for whoever connects.\n\n"
	     "Options:");
	lldb_print_options(options, ARRAY_SIZE(options));
}

/* --- what argv says ------------------------------------------------------ */

static int take_argv(struct command *c, char **argv)
{
	int r = 0;

	while (r == 0 && *argv && **argv == '-' && strcmp(*argv, "--"))
		r = lldb_take_option(options, ARRAY_SIZE(options), c, &argv);
	if (r == 0 && *argv && !strcmp(*argv, "--")) {
		c->program = argv[1] ? argv + 1 : NULL;
	} else if (r == 0 && *argv && !c->help) {
		fprintf(stderr, "error: '%s' is no option\n", *argv);
		r = -EINVAL;
	}
	if (r == 0 && !c->listen && !c->help) {
		fputs("error: --listen [HOST]:PORT is missing\n", stderr);
		r = -EINVAL;
	}
	if (r < 0)
		fputs("Use 'tracestub platform --help' for a complete list of "
		      "options.\n",
		      stderr);
	return r;
}

static int take_port(const char *text, uint16_t *port, struct err *e)
{
	char *end;
	unsigned long n;

	if (!text)
		return 0;
	n = strtoul(text, &end, 10);
	if (end == text || *end || n > UINT16_MAX)
		return err_set(e, -EINVAL, "'%s' is no port", text);
	*port = (uint16_t)n;
	return 0;
}

static int take_ports(const struct command *c, struct platform_ports *ports,
		      struct err *e)
{
	*ports = (struct platform_ports){ 0 };
	if (c->offset)
		ports->offset = atoi(c->offset);
	if (take_port(c->port, &ports->min, e) < 0)
		return -EINVAL;
	ports->max = ports->min;
	if (take_port(c->min_port, &ports->min, e) < 0 ||
	    take_port(c->max_port, &ports->max, e) < 0)
		return -EINVAL;
	if (c->min_port && !c->max_port)
		ports->max = UINT16_MAX;
	if (ports->min > ports->max || (!ports->min && ports->max))
		return err_set(e, -EINVAL, "%u to %u is no range of ports",
			       ports->min, ports->max);
	return 0;
}

/* Under another name first: who waits for the file finds it whole. */
static int write_port_file(const char *path, const struct listener *l,
			   const char *local, struct err *e)
{
	char *part = xasprintf("%s.part", path);
	FILE *f = fopen(part, "we");
	bool ok = f != NULL;

	if (f && local)
		fputs(local, f);
	else if (f)
		fprintf(f, "%u", listener_port(l));
	if (f)
		ok = !fclose(f) && !rename(part, path);
	free(part);
	return ok ? 0
		  : err_set(e, -errno, "cannot write --socket-file %s: %s",
			    path, strerror(errno));
}

/* --- clients ------------------------------------------------------------- */

/* As for a server: who may not debug here may not run commands either. */
static bool may_connect(const struct platform *p, const struct link *link)
{
	struct err why = { "" };

	if (p->serve->any_user ||
	    access_check(link, p->session->target, &why) == 0)
		return true;
	fprintf(stderr, "tracestub: connection refused: %s\n", why.text);
	return false;
}

static void serve_client(struct platform *p, struct link *link)
{
	struct buf who = { 0 };

	link_describe(link, &who);
	fprintf(stderr, "Platform connection from %s\n", buf_str(&who));
	buf_fini(&who);
	p->session->lldb.by_default = true;
	session_connect(p->session, link, NULL);
	platform_serve(p);
}

/* The connection's process ends when we do. */
static void fork_for_client(struct platform *p, struct listener *l,
			    struct link *link)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		listener_leave(l);
		if (getppid() == parent)
			serve_client(p, link);
		session_fini(p->session);
		exit(0);
	}
	if (pid < 0)
		fprintf(stderr, "tracestub: no process for a client: %s\n",
			strerror(errno));
	link_leave(link);
}

/* The next client, or NULL: we are to end. */
static struct link *next_client(const struct platform *p, struct listener *l)
{
	struct pollfd fds[1 + LISTENER_FDS] = { { p->serve->signal_fd, POLLIN,
						  0 } };
	int listening[LISTENER_FDS];
	size_t n = listener_fds(l, listening);
	struct link *link = NULL;
	struct err e = { "" };

	for (size_t i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){ listening[i], POLLIN, 0 };
	for (;;) {
		/* Connections that have ended are seen at times. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (poll(fds, 1 + n, 1000) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		if (listener_accept(l, &link, &e) <= 0)
			continue;
		if (may_connect(p, link))
			return link;
		link_free(link);
	}
}

static void serve_all(struct platform *p, struct listener *l, bool server)
{
	struct link *link;

	while ((link = next_client(p, l))) {
		if (server) {
			fork_for_client(p, l, link);
			continue;
		}
		serve_client(p, link);
		return;
	}
}

static int open_platform(const struct command *c, struct platform *p,
			 const char *comm, struct listener **l, struct err *e)
{
	struct address address;
	int r = take_ports(c, &p->ports, e);

	if (r == 0)
		r = lldb_open_log(c->log_file, c->log_channels, e);
	if (r == 0)
		r = address_parse(&address, comm, e);
	if (r == 0 && address.kind != ADDRESS_TCP &&
	    address.kind != ADDRESS_UNIX)
		r = err_set(e, -EINVAL,
			    "a platform listens at a port or a "
			    "unix:// socket");
	if (r < 0)
		return r;
	if (address.kind == ADDRESS_UNIX)
		p->local = address.path;
	r = listener_open(l, comm, e);
	if (r == 0 && c->port_file)
		r = write_port_file(c->port_file, *l, p->local, e);
	return r;
}

int platform_main(char **argv, platform_target_fn *target, struct session *s,
		  const struct serve_options *serve)
{
	struct platform p = { .session = s, .target = target, .serve = serve };
	struct listener *l = NULL;
	struct command c = { 0 };
	struct err e = { "" };
	char *comm;
	int r;

	if (take_argv(&c, argv + 1) < 0)
		return 1;
	if (c.help) {
		print_help();
		return 0;
	}
	p.program = c.program;
	comm = lldb_comm(c.listen);
	r = open_platform(&c, &p, comm, &l, &e);
	if (r < 0)
		fprintf(stderr, "error: %s\n", e.text);
	else if (listener_port(l))
		fprintf(stderr, "Listening on port %u\n", listener_port(l));
	if (r == 0)
		serve_all(&p, l, c.server);
	listener_free(l);
	free(comm);
	return r < 0;
}
