#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/packet.h"
#include "target/linux-ptrace/selftest.h"
#include "translate/translate.h"

/* Takes the option's argument (NULL when it has none); argv goes on behind
 * what was taken. */
typedef int option_fn(struct options *o, const char *arg, char ***argv);

static option_fn opt_help, opt_version, opt_selftest, opt_attach, opt_multi,
	opt_once, opt_wrapper, opt_shell, opt_no_shell, opt_aslr_off,
	opt_aslr_on, opt_debug, opt_debug_file, opt_debug_format,
	opt_remote_debug, opt_event_debug, opt_port_file, opt_disable_packet,
	opt_any_user, opt_packets, opt_core,
	opt_no_wait, opt_no_escape, opt_follow, opt_conditions;

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
	{ "conditions", "WHERE", ARG_MUST, opt_conditions,
	  "where they are decided: auto, server, compiled" },
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

static int opt_conditions(struct options *o, const char *arg, char ***argv)
{
	(void)argv;
	if (target_place_conditions(o->session.target, arg) == 0)
		return 0;
	fprintf(stderr, "tracestub: --conditions=%s is not one of auto, "
			"server, compiled\n", arg);
	return -EINVAL;
}

void options_print_usage(FILE *f)
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
	options_print_usage(stdout);
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

int options_take(struct options *o, char ***argv)
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
