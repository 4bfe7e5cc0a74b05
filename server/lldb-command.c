#include "server/lldb-command.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/lldb-find.h"
#include "server/lldb-options.h"
#include "server/start.h"

struct command {
	const char *fd, *named_pipe, *pipe, *attach, *log_file, *log_channels;
	const char *comm;
	bool reverse, setsid, native_regs, help;
	char **program; /* points into argv */
};

static const struct lldb_option options[] = {
#define AT(field) offsetof(struct command, field)
	{ "fd", "FD", AT(fd), "the client is at the other end of FD" },
	{ "named-pipe", "NAME", AT(named_pipe),
	  "write the port that is listened on to that pipe" },
	{ "pipe", "FD", AT(pipe), "... or to this one" },
	{ "reverse-connect", NULL, AT(reverse),
	  "connect to the client, which listens at HOST:PORT" },
	{ "attach", "PID-OR-NAME", AT(attach), "attach to that process" },
	{ "log-file", "FILE", AT(log_file), "where the log goes (stderr)" },
	{ "log-channels", "CHANNEL CATEGORY...[:...]", AT(log_channels),
	  "log these; \"gdb-remote packets\" is every packet" },
	{ "setsid", NULL, AT(setsid), "run in a session of its own" },
	{ "S", NULL, AT(setsid), NULL },
	{ "native-regs", NULL, AT(native_regs), NULL },
	{ "help", NULL, AT(help), "this text" },
	{ "h", NULL, AT(help), NULL },
#undef AT
};

static void print_help(void)
{
	puts("usage: tracestub gdbserver [OPTIONS] [[HOST]:PORT] "
	     "[[--] PROG [ARG...]]\n\n"
	     "Serves lldb, on lldb-server's command line. HOST is localhost "
	     "if empty; port 0 is\nany free one. unix://PATH is a socket in "
	     "the file system. Without PROG or\n--attach the client launches "
	     "or attaches.\n\nOptions:");
	lldb_print_options(options, ARRAY_SIZE(options));
}

/* --- what argv says ------------------------------------------------------ */

/*
 * The address, unless --fd stands for it; then the program. Options are taken
 * from behind that too, as by lldb-server, up to a "--". The words of the
 * program move to the front of argv, where what was before them has been taken.
 */
static int take_words(struct command *c, char ***argv)
{
	char **words = *argv;
	size_t n = 0;

	while (**argv && strcmp(**argv, "--")) {
		if (***argv == '-') {
			if (lldb_take_option(options, ARRAY_SIZE(options), c,
					     argv) < 0)
				return -EINVAL;
		} else if (!c->comm && !c->fd) {
			c->comm = *(*argv)++;
		} else {
			words[n++] = *(*argv)++;
		}
	}
	*argv += **argv != NULL;
	while (**argv)
		words[n++] = *(*argv)++;
	words[n] = NULL;
	c->program = words;
	return 0;
}

static int take_argv(struct command *c, char **argv)
{
	int r = take_words(c, &argv);

	if (r == 0 && !c->help && !c->fd && !c->comm) {
		fputs("error: no connection arguments\n", stderr);
		r = -EINVAL;
	}
	if (r < 0)
		fputs("Use 'tracestub gdbserver --help' for a complete list of "
		      "options.\n",
		      stderr);
	return r;
}

/* --- the connection ------------------------------------------------------ */

static int take_fd(const char *text, int *fd, struct err *e)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0 || n > INT_MAX ||
	    fcntl((int)n, F_GETFD) < 0)
		return err_set(e, -EINVAL, "'%s' is no open descriptor", text);
	*fd = (int)n;
	return 0;
}

/* The zero behind it, which ends the port for the reader, is lldb-server's. */
static int write_port(int fd, const struct listener *l, const char *comm,
		      struct err *e)
{
	uint16_t port = listener_port(l);
	char *text = port ? xasprintf("%u", port) : xstrdup(comm);
	size_t len = strlen(text) + 1;
	bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
	int error = errno;

	free(text);
	if (fd >= 0)
		close(fd);
	return ok ? 0
		  : err_set(e, -error, "cannot write the port: %s",
			    strerror(error));
}

static int tell_port(const struct command *c, const struct listener *l,
		     struct err *e)
{
	int r = 0, fd;

	if (c->named_pipe)
		r = write_port(open(c->named_pipe, O_WRONLY | O_CLOEXEC), l,
			       c->comm, e);
	if (r == 0 && c->pipe)
		r = take_fd(c->pipe, &fd, e);
	if (r == 0 && c->pipe)
		r = write_port(fd, l, c->comm, e);
	return r;
}

static int open_comm(const struct command *c, struct listener **l,
		     struct err *e)
{
	char *comm;
	int fd, r;

	if (c->fd) {
		r = take_fd(c->fd, &fd, e);
		if (r == 0)
			*l = listener_adopt(fd);
		return r;
	}
	comm = lldb_comm(c->comm);
	r = c->reverse ? listener_call(l, comm, e) : listener_open(l, comm, e);
	free(comm);
	if (r < 0 || c->reverse)
		return r;
	return tell_port(c, *l, e);
}

/* --- the program --------------------------------------------------------- */

static int begin(const struct command *c, struct session *s, struct err *e)
{
	pid_t pid;

	if (c->attach) {
		pid = lldb_find_process(c->attach, e);
		return pid < 0 ? pid : start_attach(s, pid, e);
	}
	if (!c->program || !*c->program)
		return 0;
	start_set_argv(&s->start, c->program);
	return start_run(s, e);
}

/* A program that inherited it would hold the other end open. */
static void keep_to_ourselves(const char *fd)
{
	if (fd)
		fcntl(atoi(fd), F_SETFD, FD_CLOEXEC);
}

static int run(const struct command *c, struct session *s,
	       const struct serve_options *serve_options)
{
	struct listener *l = NULL;
	struct err e = { "" };
	int status = 1;

	if (c->setsid)
		setsid();
	keep_to_ourselves(c->fd);
	keep_to_ourselves(c->pipe);
	if (lldb_open_log(c->log_file, c->log_channels, &e) < 0 ||
	    begin(c, s, &e) < 0 || open_comm(c, &l, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.text);
	} else {
		serve(s, l, serve_options);
		status = 0;
	}
	listener_free(l);
	return status;
}

void lldb_session(struct session *s)
{
	s->once = s->multi = s->lldb.by_default = s->lldb.on = true;
	s->start.shell = false;
}

int lldb_gdbserver_main(char **argv, struct session *s,
			const struct serve_options *serve_options)
{
	struct command c = { 0 };

	if (take_argv(&c, argv + 1) < 0)
		return 1;
	if (c.help) {
		print_help();
		return 0;
	}
	lldb_session(s);
	return run(&c, s, serve_options);
}
