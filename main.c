/* The command line. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/lldb-command.h"
#include "server/packet.h"
#include "server/platform.h"
#include "server/serve.h"
#include "target/linux-ptrace/linux.h"
#include "target/linux-ptrace/selftest.h"
#include "trace/report.h"
#include "trace/trace.h"
#include "translate/translate.h"

#define EXIT_OURS 125 /* our own failures, as env(1) and timeout(1) do */

struct options {
	struct session session;
	struct serve_options serve;
	bool attach, no_escape;
	char **wrapper; /* points into argv */
	const char *port_file;
	bool no_wait;
};

/* Takes the option's argument (NULL when it has none); argv goes on behind
 * what was taken. */
typedef int option_fn(struct options *o, const char *arg, char ***argv);

static option_fn opt_help, opt_version, opt_selftest, opt_attach, opt_multi,
	opt_once, opt_wrapper, opt_shell, opt_no_shell, opt_aslr_off,
	opt_aslr_on, opt_debug, opt_debug_file, opt_debug_format,
	opt_remote_debug, opt_event_debug, opt_port_file, opt_disable_packet,
	opt_any_user, opt_packets, opt_core,
	opt_no_wait, opt_no_escape, opt_follow;

enum arg { ARG_NONE, ARG_MAY, ARG_MUST };

static const struct option_def {
	const char *name, *arg_name;
	enum arg arg;
	option_fn *fn;
	const char *help; /* NULL: not shown */
} option_defs[] = {
	{ "attach", NULL, ARG_NONE, opt_attach,
	  "attach to the running process PID" },
	{ "multi", NULL, ARG_NONE, opt_multi,
	  "no program yet; outlive programs and clients" },
	{ "once", NULL, ARG_NONE, opt_once,
	  "serve one client; exit as its program did" },
	{ "no-wait", NULL, ARG_NONE, opt_no_wait,
	  "run at once; a client that comes stops it" },
	{ "follow", NULL, ARG_NONE, opt_follow,
	  "run programs from translated code" },
	{ "wrapper", "CMD... --", ARG_NONE, opt_wrapper,
	  "start programs through CMD, which execs them" },
	{ "no-startup-with-shell", NULL, ARG_NONE, opt_no_shell,
	  "start them directly, not through $SHELL" },
	{ "startup-with-shell", NULL, ARG_NONE, opt_shell, NULL },
	{ "no-escape-args", NULL, ARG_NONE, opt_no_escape,
	  "the shell expands PROG's arguments again" },
	{ "no-disable-randomization", NULL, ARG_NONE, opt_aslr_on,
	  "let the kernel randomize their addresses" },
	{ "disable-randomization", NULL, ARG_NONE, opt_aslr_off, NULL },
	{ "any-user", NULL, ARG_NONE, opt_any_user,
	  "serve whichever user of this machine connects" },
	{ "port-file", "FILE", ARG_MUST, opt_port_file,
	  "write the port that was chosen to FILE" },
	{ "core-on-crash", "DIR", ARG_MUST, opt_core,
	  "write a core there when a program crashes" },
	{ "debug", "AREA,...", ARG_MAY, opt_debug,
	  "log what happens (all areas when none is named)" },
	{ "debug-file", "FILE", ARG_MUST, opt_debug_file,
	  "... to FILE instead of stderr" },
	{ "debug-format", "FORMAT", ARG_MUST, opt_debug_format, NULL },
	{ "remote-debug", NULL, ARG_NONE, opt_remote_debug, NULL },
	{ "event-loop-debug", NULL, ARG_NONE, opt_event_debug, NULL },
	{ "disable-packet", "NAME,...", ARG_MUST, opt_disable_packet,
	  "do as if these packets were not known" },
	{ "print-packets", NULL, ARG_NONE, opt_packets,
	  "list the packets that are known, as Markdown" },
	{ "selftest", NULL, ARG_MAY, opt_selftest,
	  "check what this machine allows" },
	{ "version", NULL, ARG_NONE, opt_version, "say which version this is" },
	{ "help", NULL, ARG_NONE, opt_help, "this text" },
};

static int opt_follow(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	translate_follow_new(o->session.target, true);
	return 0;
}

static void print_usage(FILE *f)
{
	fputs("usage: tracestub [OPTIONS] COMM PROG [ARG...]\n"
	      "       tracestub [OPTIONS] --attach COMM PID\n"
	      "       tracestub [OPTIONS] --multi COMM\n", f);
}

static int opt_help(struct options *o, const char *arg, char ***argv)
{
	static const char *const before[][2] = {
		[ARG_NONE] = { "", " " },
		[ARG_MAY] = { "", "[=" },
		[ARG_MUST] = { "", "=" },
	};

	(void)o, (void)arg, (void)argv;
	print_usage(stdout);
	fputs("\n"
	      "Debug server for gdb: starts PROG, or attaches to PID, and "
	      "serves a debugger at\nCOMM, which is one of\n"
	      "  :PORT           TCP, on this machine only (0: any free port)\n"
	      "  *:PORT          TCP, on all interfaces; HOST:PORT on one\n"
	      "  unix:PATH       a socket in the file system\n"
	      "  -               standard input and output\n"
	      "  /dev/NAME       a serial device\n"
	      "\n"
	      "  tracestub :1234 ./prog      then  gdb -ex 'target remote "
	      ":1234' ./prog\n"
	      "  gdb -ex 'target remote | tracestub - ./prog' ./prog\n"
	      "  gdb -ex 'target remote | ssh host tracestub - ./prog'\n"
	      "  tracestub --attach :1234 $(pidof prog)\n"
	      "\n"
	      "Options:\n", stdout);
	for (size_t i = 0; i < ARRAY_SIZE(option_defs); i++) {
		const struct option_def *d = &option_defs[i];
		char name[48];

		if (!d->help)
			continue;
		snprintf(name, sizeof(name), "--%s%s%s%s", d->name,
			 before[d->arg][d->arg_name != NULL],
			 d->arg_name ? d->arg_name : "",
			 d->arg == ARG_MAY && d->arg_name ? "]" : "");
		printf("  %-28s  %s\n", name, d->help);
	}
	fputs("\nAreas of --debug:\n", stdout);
	for (unsigned i = 0; i < LOG_N_AREAS; i++)
		printf("  %-28s  %s\n", log_area_name(i), log_area_help(i));
	exit(0);
}

static int opt_version(struct options *o, const char *arg, char ***argv)
{
	(void)o, (void)arg, (void)argv;
	/* gdb's users grep for the host in gdbserver's. */
	puts("tracestub " VERSION "\n"
	     "Debug server for gdb on x86_64-linux");
	exit(0);
}

static int opt_selftest(struct options *o, const char *arg, char ***argv)
{
	(void)o, (void)arg, (void)argv;
	exit(selftest_run(stdout) < 0 ? EXIT_OURS : 0);
}

static int opt_packets(struct options *o, const char *arg, char ***argv)
{
	struct buf b = { 0 };

	(void)o, (void)arg, (void)argv;
	packets_print(&b);
	fwrite(b.data, 1, b.len, stdout);
	exit(0);
}

static int opt_attach(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->attach = true;
	return 0;
}

static int opt_multi(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->session.multi = true;
	return 0;
}

static int opt_once(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->session.once = true;
	return 0;
}

static int opt_no_wait(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->no_wait = true;
	return 0;
}

/* Its words end at "--", which takes the place of the vector's NULL. */
static int opt_wrapper(struct options *o, const char *arg, char ***argv)
{
	char **p = *argv;

	(void)arg;
	o->wrapper = p;
	while (*p && strcmp(*p, "--"))
		p++;
	if (!*p || p == *argv) {
		fputs("tracestub: --wrapper CMD [ARG...] has to end with "
		      "--\n", stderr);
		return -EINVAL;
	}
	*p = NULL;
	*argv = p + 1;
	return 0;
}

static int opt_shell(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->session.start.shell = true;
	return 0;
}

static int opt_no_shell(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->session.start.shell = false;
	return 0;
}

static int opt_no_escape(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->no_escape = true;
	return 0;
}

static int opt_aslr_off(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->session.start.keep_aslr = false;
	return 0;
}

static int opt_aslr_on(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->session.start.keep_aslr = true;
	return 0;
}

static int opt_any_user(struct options *o, const char *arg, char ***argv)
{
	(void)arg, (void)argv;
	o->serve.any_user = true;
	return 0;
}

static int opt_port_file(struct options *o, const char *arg, char ***argv)
{
	(void)argv;
	o->port_file = arg;
	return 0;
}

/* Said now: when it is needed it is too late to mend. */
static int opt_core(struct options *o, const char *arg, char ***argv)
{
	struct stat st;
	int e = 0;

	(void)argv;
	o->session.target->core_dir = arg;
	if (stat(arg, &st) < 0)
		e = errno;
	else if (!S_ISDIR(st.st_mode))
		e = ENOTDIR;
	else if (access(arg, W_OK | X_OK) < 0)
		e = errno;
	if (!e)
		return 0;
	fprintf(stderr, "tracestub: cannot write cores to --core-on-crash "
			"%s: %s\n", arg, strerror(e));
	return -e;
}

static int opt_debug(struct options *o, const char *arg, char ***argv)
{
	(void)o, (void)argv;
	if (log_select(arg ? arg : "all") == 0)
		return 0;
	fprintf(stderr, "tracestub: no log area in '%s': see --help\n", arg);
	return -EINVAL;
}

static int opt_debug_file(struct options *o, const char *arg, char ***argv)
{
	FILE *f = fopen(arg, "we");

	(void)o, (void)argv;
	if (!f) {
		fprintf(stderr, "tracestub: cannot write --debug-file %s: %s\n", arg,
			strerror(errno));
		return -errno;
	}
	log_stream(f);
	return 0;
}

/* gdbserver's: timestamps are all there is to choose. */
static int opt_debug_format(struct options *o, const char *arg, char ***argv)
{
	(void)o, (void)argv;
	log_times(strcmp(arg, "none"));
	return 0;
}

static int opt_remote_debug(struct options *o, const char *arg, char ***argv)
{
	(void)arg;
	return opt_debug(o, "remote", argv);
}

static int opt_event_debug(struct options *o, const char *arg, char ***argv)
{
	(void)arg;
	return opt_debug(o, "event", argv);
}

static int opt_disable_packet(struct options *o, const char *arg,
			      char ***argv)
{
	(void)argv;
	o->session.disabled = arg;
	if (packets_are_known(arg))
		return 0;
	fprintf(stderr, "tracestub: a packet in '%s' is not known: see "
			"--print-packets\n", arg);
	return -EINVAL;
}

static const struct option_def *find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_defs); i++) {
		if (strlen(option_defs[i].name) == len &&
		    !memcmp(option_defs[i].name, name, len))
			return &option_defs[i];
	}
	return NULL;
}

static int take_option(struct options *o, char ***argv)
{
	const char *word = *(*argv)++, *arg = strchr(word, '=');
	size_t len = arg ? (size_t)(arg - word) : strlen(word);
	const struct option_def *d = NULL;

	if (len > 2 && word[1] == '-')
		d = find_option(word + 2, len - 2);
	arg += arg != NULL;
	if (!d) {
		fprintf(stderr, "tracestub: unknown option %s: see --help\n",
			word);
		return -EINVAL;
	}
	if (d->arg == ARG_MUST && !arg)
		arg = **argv ? *(*argv)++ : NULL;
	if ((d->arg == ARG_MUST) > (arg != NULL) ||
	    (d->arg == ARG_NONE && arg)) {
		fprintf(stderr, "tracestub: --%s %s argument\n", d->name,
			arg ? "takes no" : "needs an");
		return -EINVAL;
	}
	return d->fn(o, arg, argv);
}

/* Up to what is no option, or behind a "--"; "-" alone is a COMM. */
static int take_options(struct options *o, char ***argv)
{
	while (**argv && (**argv)[0] == '-' && (**argv)[1]) {
		if (!strcmp(**argv, "--")) {
			++*argv;
			return 0;
		}
		if (take_option(o, argv) < 0)
			return -EINVAL;
	}
	return 0;
}

/* --- what it says to do -------------------------------------------------- */

static int begin_attached(struct options *o, char **rest, struct err *e)
{
	char *end;
	long pid = strtol(*rest, &end, 10);

	if (end == *rest || *end || pid <= 0 || pid > INT_MAX)
		return err_set(e, -EINVAL,
			       "'%s' is no process id: give its number, as "
			       "$(pidof NAME) does", *rest);
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
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
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
		print_usage(stderr);
		fputs("Try tracestub --help.\n", stderr);
	} else if (o->attach) {
		fprintf(stderr, "tracestub: --attach %s needs a process id\n",
			comm);
	} else {
		fprintf(stderr, "tracestub: nothing to serve at %s: name a "
				"program, or give --attach or --multi\n",
			comm);
	}
	return false;
}

static bool take_command_line(struct options *o, const char **comm,
			      char ***argv)
{
	if (take_options(o, argv) < 0)
		return false;
	*comm = **argv ? *(*argv)++ : NULL;
	/* gdbserver takes --attach behind COMM as well. */
	return take_options(o, argv) == 0 && is_complete(o, *comm, *argv);
}

static struct target *new_target(void)
{
	return translate_new(linux_target_new());
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
	{ "report", cmd_report, true },
	{ "trace", cmd_trace, false },
	{ "gdbserver", cmd_gdbserver, false },
	{ "g", cmd_gdbserver, false },
	{ "platform", cmd_platform, false },
	{ "p", cmd_platform, false },
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
	return status;
}
