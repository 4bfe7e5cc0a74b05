/* The command line. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/mem.h"
#include "options.h"
#include "server/lldb-command.h"
#include "server/platform.h"
#include "server/serve.h"
#include "target/linux-ptrace/linux.h"
#include "trace/report.h"
#include "trace/trace.h"
#include "translate/translate.h"

/* --- what it says to do -------------------------------------------------- */

static int begin_attached(struct options *o, char **rest, struct err *e)
{
	char *end;
	long pid = strtol(*rest, &end, 10);

	if (end == *rest || *end || pid <= 0 || pid > INT_MAX)
		return err_set(e, -EINVAL,
			       "'%s' is no process id: give its number, as "
			       "$(pidof NAME) does",
			       *rest);
	if (rest[1])
		return err_set(e, -EINVAL,
			       "one process id is enough, '%s' is too many",
			       rest[1]);
	return start_attach(&o->session, (pid_t)pid, e);
}

static int set_program(struct options *o, char **rest, struct err *e)
{
	struct buf line = { 0 };
	int r;

	start_set_argv(&o->session.start, rest);
	if (!o->no_escape)
		return 0;
	for (char **w = rest + 1; *w; w++)
		buf_printf(&line, "%s%s", line.len ? " " : "", *w);
	r = start_set_line(&o->session.start, *rest, buf_str(&line), e);
	buf_fini(&line);
	return r;
}

static int begin(struct options *o, char **rest, struct err *e)
{
	if (o->wrapper)
		start_set_wrapper(&o->session.start, o->wrapper);
	if (!*rest)
		return 0;
	if (o->attach)
		return begin_attached(o, rest, e);
	if (set_program(o, rest, e) < 0)
		return -EINVAL;
	return start_run(&o->session, e);
}

static int write_port_file(const char *path, uint16_t port, struct err *e)
{
	FILE *f = fopen(path, "we");

	if (!f || fprintf(f, "%u\n", port) < 0 || fclose(f))
		return err_set(e, -errno, "cannot write --port-file %s: %s",
			       path, strerror(errno));
	return 0;
}

static void announce(const struct listener *l, const char *comm)
{
	uint16_t port = listener_port(l);

	if (!strcmp(comm, "-") || !strcmp(comm, "stdio"))
		return;
	if (port && listener_is_loopback(l))
		fputs("(loopback only; use *:PORT for other hosts)\n", stderr);
	if (port)
		fprintf(stderr, "Listening on port %u\n", port);
	else
		fprintf(stderr, "Listening on %s\n", comm);
}

/* Signals that end us do so orderly: nothing is left in a debuggee. */
static int ending_signals(void)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaddset(&set, ending[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit is an error of who writes */
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* The signal that had us end, if any did, has waited since then: lldb says of
 * its server what it died of. */
static void end_by_signal(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The port first: one in use should not cost a program's start. */
static int open_port(struct listener **l, const struct options *o,
		     const char *comm, struct err *e)
{
	int r = listener_open(l, comm, e);

	if (r == 0 && o->port_file)
		r = write_port_file(o->port_file, listener_port(*l), e);
	return r;
}

static int run(struct options *o, const char *comm, char **rest)
{
	struct listener *l = NULL;
	struct err e = { "" };
	int status = EXIT_OURS;

	if (open_port(&l, o, comm, &e) < 0 || begin(o, rest, &e) < 0) {
		fprintf(stderr, "tracestub: %s\n", e.text);
	} else {
		announce(l, comm);
		if (o->no_wait)
			session_run(&o->session);
		status = serve(&o->session, l, &o->serve);
	}
	listener_free(l);
	return status;
}

/* Or says what is missing. */
static bool is_complete(const struct options *o, const char *comm,
			char *const *rest)
{
	if (comm && (*rest || (o->session.multi && !o->attach)))
		return true;
	if (!comm) {
		options_print_usage(stderr);
		fputs("Try tracestub --help.\n", stderr);
	} else if (o->attach) {
		fprintf(stderr, "tracestub: --attach %s needs a process id\n",
			comm);
	} else {
		fprintf(stderr,
			"tracestub: nothing to serve at %s: name a "
			"program, or give --attach or --multi\n",
			comm);
	}
	return false;
}

static bool take_command_line(struct options *o, const char **comm,
			      char ***argv)
{
	if (options_take(o, argv) < 0)
		return false;
	*comm = **argv ? *(*argv)++ : NULL;
	/* gdbserver takes --attach behind COMM as well. */
	return options_take(o, argv) == 0 && is_complete(o, *comm, *argv);
}

/* As programs keep what they can do without: XDG Base Directory Specification.
 * NULL: nowhere. */
static char *hints_directory(const char *asked)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (asked && *asked)
		return xstrdup(asked);
	if (cache && *cache == '/')
		return xasprintf("%s/tracestub", cache);
	return home && *home == '/' ? xasprintf("%s/.cache/tracestub", home)
				    : NULL;
}

static struct target *new_target(void)
{
	struct target *t = translate_new(linux_target_new());
	const char *asked = getenv("TRACESTUB_HINTS");
	const char *code = getenv("TRACESTUB_CODE");
	char *dir;

	if (asked && !strcmp(asked, "off"))
		return t;
	dir = hints_directory(asked);
	translate_hints(t, dir);
	translate_save_code(t, !code || strcmp(code, "off"));
	free(dir);
	return t;
}

/* --- commands ------------------------------------------------------------ */

static int cmd_serve(struct options *o, char **argv)
{
	const char *comm;

	if (!take_command_line(o, &comm, &argv))
		return EXIT_OURS;
	return run(o, comm, argv);
}

static int cmd_report(struct options *o, char **argv)
{
	(void)o;
	return report_main(argv);
}

static int cmd_trace(struct options *o, char **argv)
{
	return trace_main(argv, o->session.target, o->serve.signal_fd);
}

static int cmd_gdbserver(struct options *o, char **argv)
{
	return lldb_gdbserver_main(argv, &o->session, &o->serve);
}

static int cmd_platform(struct options *o, char **argv)
{
	return platform_main(argv, new_target, &o->session, &o->serve);
}

/* The first word; without one of them a program is served to gdb. */
static const struct command {
	const char *name;
	int (*fn)(struct options *o, char **argv); /* the exit status */
	bool bare; /* it debugs nothing: there is no session */
} commands[] = {
	{ "report", cmd_report, true },	       { "trace", cmd_trace, false },
	{ "gdbserver", cmd_gdbserver, false }, { "g", cmd_gdbserver, false },
	{ "platform", cmd_platform, false },   { "p", cmd_platform, false },
};

static const struct command *find_command(const char *word)
{
	for (size_t i = 0; word && i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(word, commands[i].name))
			return &commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *command = find_command(argv[1]);
	struct options o = { 0 };
	struct target *target;
	int status;

	(void)argc;
	argv++;
	if (command && command->bare)
		return command->fn(NULL, argv);
	o.serve.signal_fd = ending_signals();
	target = new_target();
	session_init(&o.session, target);
	status = command ? command->fn(&o, argv) : cmd_serve(&o, argv);
	session_fini(&o.session);
	target->ops->free(target);
	if (command && command->fn == cmd_gdbserver)
		end_by_signal();
	return status;
}
