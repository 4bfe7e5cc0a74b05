#include "server/lldb-command.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/lldb-find.h"
#include "server/start.h"

struct command {
	const char *fd, *named_pipe, *pipe, *attach, *log_file, *log_channels;
	const char *comm;
	bool reverse, setsid, native_regs, help;
	char **program; /* points into argv */
};

static const struct option_def {
	const char *name, *arg_name;
	size_t at; /* of a const char * if there is an argument, else a bool */
	const char *help; /* NULL: not shown */
} options[] = {
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
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_def *d = &options[i];

		if (d->help)
			printf("  --%s%s%s\n\t%s\n", d->name,
			       d->arg_name ? "=" : "",
			       d->arg_name ? d->arg_name : "", d->help);
	}
}

/* --- what argv says ------------------------------------------------------ */

static const struct option_def *find_option(const char *word, size_t len)
{
	size_t dashes = 1 + (word[1] == '-');

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t n = strlen(options[i].name);

		/* One dash before one letter, two before a word. */
		if (n == len - dashes && (n > 1) == (dashes > 1) &&
		    !memcmp(options[i].name, word + dashes, n))
			return &options[i];
	}
	return NULL;
}

static int take_option(struct command *c, char ***argv)
{
	const char *word = *(*argv)++, *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	const struct option_def *d = find_option(word, len);
	char *field = (char *)c + (d ? d->at : 0);

	if (!d || (value && !d->arg_name)) {
		fprintf(stderr, "error: unknown argument '%s'\n", word);
		return -EINVAL;
	}
	if (!d->arg_name) {
		*(bool *)field = true;
		return 0;
	}
	value = value ? value + 1 : **argv;
	if (!value) {
		fprintf(stderr, "error: %s: missing argument\n", word);
		return -EINVAL;
	}
	*argv += word[len] != '=';
	memcpy(field, &value, sizeof(value));
	return 0;
}

/* The address, unless --fd stands for it; then the program. */
static int take_words(struct command *c, char ***argv)
{
	while (**argv) {
		const char *word = **argv;

		if (!strcmp(word, "--")) {
			c->program = *argv + 1;
			return 0;
		}
		if (word[0] == '-') {
			if (take_option(c, argv) < 0)
				return -EINVAL;
		} else if (!c->comm && !c->fd) {
			c->comm = *(*argv)++;
		} else {
			c->program = *argv;
			return 0;
		}
	}
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

/* --- the log ------------------------------------------------------------- */

/* lldb's channels and ours are not the same: its packets are the area of that
 * kind, and any other category is all. */
static int open_log(const struct command *c, struct err *e)
{
	FILE *f;

	if (c->log_channels)
		log_select(!strcmp(c->log_channels, "gdb-remote packets")
				   ? "remote"
				   : "all");
	if (!c->log_file || !*c->log_file)
		return 0;
	f = fopen(c->log_file, "we");
	if (!f)
		return err_set(e, -errno, "cannot write --log-file %s: %s",
			       c->log_file, strerror(errno));
	log_stream(f);
	return 0;
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

/* lldb's forms: unix:///PATH, unix-connect://PATH, listen://, connect://; a
 * bare port. For the caller to free. */
static char *comm_of(const char *text)
{
	static const char *const schemes[] = { "listen://", "connect://",
					       "tcp://", "accept://" };

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (!strncmp(text, schemes[i], strlen(schemes[i])))
			text += strlen(schemes[i]);
	}
	if (!strncmp(text, "unix://", 7))
		return xasprintf("unix:%s", text + 7);
	if (!strncmp(text, "unix-connect://", 15))
		return xasprintf("unix:%s", text + 15);
	if (!text[strspn(text, "0123456789")])
		return xasprintf(":%s", text);
	return xstrdup(text);
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
	comm = comm_of(c->comm);
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

static int run(const struct command *c, struct session *s,
	       const struct serve_options *serve_options)
{
	struct listener *l = NULL;
	struct err e = { "" };
	int status = 1;

	if (c->setsid)
		setsid();
	if (open_log(c, &e) < 0 || begin(c, s, &e) < 0 ||
	    open_comm(c, &l, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.text);
	} else {
		serve(s, l, serve_options);
		status = 0;
	}
	listener_free(l);
	return status;
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
	s->once = s->multi = true;
	s->start.shell = false;
	return run(&c, s, serve_options);
}
