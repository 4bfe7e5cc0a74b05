#include "base/clock.h"
#include "trace/trace.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "trace/events.h"
#include "trace/hits.h"
#include "trace/progress.h"
#include "translate/flow.h"
#include "translate/translate.h"

#define EXIT_OURS 125

struct command {
	struct target *t;
	int signal_fd;
	char **argv; /* the program's; NULL: pid is attached to */
	pid_t pid;
	enum trace_mode mode;
	bool stats;
	const char *stats_file; /* NULL: stderr */
	const char *coverage_file, *count_file, *trace_file;
	unsigned events; /* EVENT_* */
	enum flow_keep keep;
	FILE *out;	 /* of the one of the three that was asked for */
	struct globs globs, native;
	struct hits hits;
	double duration; /* seconds; 0: until it ends */
	bool follow_forks, keep_aslr;
	struct progress progress;
	int status; /* of the program that was started */
};

/* --- the command line ---------------------------------------------------- */

static const char usage[] =
	"usage: tracestub trace [OPTIONS] -- PROG [ARG...]\n"
	"       tracestub trace [OPTIONS] --pid PID\n"
	"\n"
	"Runs a program from translated copies of its code, with its own "
	"input,\n"
	"output and exit status.\n"
	"  --pid PID           one that runs already, until ^C\n"
	"  --duration SECONDS  ... or so long\n"
	"  --coverage=FILE     which blocks were executed, as drcov\n"
	"  --count[=FILE]      count how often each is; FILE gets a table, - "
	"is "
	"stderr\n"
	"  --events=KINDS      call,ret,exec,block,compile, as text; see "
	"trace/events.h\n"
	"  --trace=FILE        ... which goes to FILE, - is stderr\n"
	"  --flow[=recent]     log all that is executed, or the end of it, for "
	"--stats\n"
	"  --include=GLOB      record modules whose path or name matches\n"
	"  --exclude=GLOB      ... but not these, which run natively where "
	"that "
	"is safe\n"
	"  --native=GLOB       ... nor these, which run natively, two stops a "
	"call\n"
	"  --cache-size=BYTES  of code for a process, at most; k, M, G are "
	"known\n"
	"  --follow-forks      its children too, all in the one file\n"
	"  --stats[=FILE]      the translator's counters at the end, on "
	"stderr\n"
	"  --disable-randomization\n"
	"                      the same addresses in each run\n"
	"  --debug AREA,...    log what happens\n"
	"  --help              this text\n";

enum {
	OPT_PID,
	OPT_DURATION,
	OPT_COVERAGE,
	OPT_COUNT,
	OPT_EVENTS,
	OPT_TRACE,
	OPT_FLOW,
	OPT_NATIVE,
	OPT_INCLUDE,
	OPT_EXCLUDE,
	OPT_CACHE,
	OPT_FORKS,
	OPT_STATS,
	OPT_ASLR,
	OPT_DEBUG,
	OPT_HELP
};

static const struct option options[] = {
	{ "pid", required_argument, NULL, OPT_PID },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "coverage", required_argument, NULL, OPT_COVERAGE },
	{ "count", optional_argument, NULL, OPT_COUNT },
	{ "events", required_argument, NULL, OPT_EVENTS },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "flow", optional_argument, NULL, OPT_FLOW },
	{ "native", required_argument, NULL, OPT_NATIVE },
	{ "include", required_argument, NULL, OPT_INCLUDE },
	{ "exclude", required_argument, NULL, OPT_EXCLUDE },
	{ "cache-size", required_argument, NULL, OPT_CACHE },
	{ "follow-forks", no_argument, NULL, OPT_FORKS },
	{ "stats", optional_argument, NULL, OPT_STATS },
	{ "disable-randomization", no_argument, NULL, OPT_ASLR },
	{ "debug", required_argument, NULL, OPT_DEBUG },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

/* Of years at most. */
static bool take_seconds(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && !*end && *out > 0 && *out < 1e9)
		return true;
	fprintf(stderr, "tracestub: %s is no number of seconds\n", text);
	return false;
}

static bool take_pid(const char *text, pid_t *out)
{
	unsigned long pid;
	char *end;

	errno = 0;
	pid = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && pid &&
	    pid <= INT_MAX) {
		*out = (pid_t)pid;
		return true;
	}
	fprintf(stderr, "tracestub: %s is no process id\n", text);
	return false;
}

/* Translated code records one thing. */
static bool take_mode(struct command *c, enum trace_mode mode,
		      const char **file)
{
	if (c->mode != MODE_NONE && c->mode != mode) {
		fputs("tracestub: coverage, counts or events: one of them at "
		      "a time\n",
		      stderr);
		return false;
	}
	c->mode = mode;
	if (file)
		*file = optarg;
	return true;
}

static bool take_events(struct command *c)
{
	struct err e = { "" };

	if (events_parse(optarg, &c->events, &e) == 0)
		return true;
	fprintf(stderr, "tracestub: %s\n", e.text);
	return false;
}

static bool take_cache_size(struct command *c)
{
	uint64_t bytes;

	if (size_parse(optarg, &bytes) == 0 &&
	    translate_cache_size(c->t, bytes) == 0)
		return true;
	fprintf(stderr, "tracestub: a cache has 1M to 1G bytes, not %s\n",
		optarg);
	return false;
}

static bool take_flow(struct command *c)
{
	if (optarg && strcmp(optarg, "recent") != 0) {
		fputs("tracestub: --flow is of all, or of what is recent\n",
		      stderr);
		return false;
	}
	c->keep = optarg ? FLOW_RECENT : FLOW_ALL;
	return take_mode(c, MODE_FLOW, NULL);
}

static bool take_option(struct command *c, int opt)
{
	switch (opt) {
	case OPT_PID:
		return take_pid(optarg, &c->pid);
	case OPT_DURATION:
		return take_seconds(optarg, &c->duration);
	case OPT_COVERAGE:
		return take_mode(c, MODE_COVERAGE, &c->coverage_file);
	case OPT_COUNT:
		return take_mode(c, MODE_COUNT, &c->count_file);
	case OPT_EVENTS:
		return take_events(c) && take_mode(c, MODE_TRACE, NULL);
	case OPT_TRACE:
		return take_mode(c, MODE_TRACE, &c->trace_file);
	case OPT_FLOW:
		return take_flow(c);
	case OPT_NATIVE:
		globs_add(&c->native.include, &c->native.n_include, optarg);
		return true;
	case OPT_INCLUDE:
		globs_add(&c->globs.include, &c->globs.n_include, optarg);
		return true;
	case OPT_EXCLUDE:
		globs_add(&c->globs.exclude, &c->globs.n_exclude, optarg);
		return true;
	case OPT_CACHE:
		return take_cache_size(c);
	case OPT_FORKS:
		c->follow_forks = true;
		return true;
	case OPT_STATS:
		c->stats = true;
		c->stats_file = optarg;
		return true;
	case OPT_ASLR:
		c->keep_aslr = false;
		return true;
	case OPT_DEBUG:
		return log_select(optarg) == 0;
	default:
		return false;
	}
}

/* 0: go on; else an exit status, + 1. */
static int take_options(struct command *c, int argc, char **argv)
{
	int opt;

	opterr = 0;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == '?')
			fprintf(stderr, "tracestub: trace knows no %s\n",
				argv[optind - 1]);
		if (!take_option(c, opt)) {
			fputs("Try tracestub trace --help.\n", stderr);
			return EXIT_OURS + 1;
		}
	}
	c->argv = argv[optind] ? argv + optind : NULL;
	if (!c->events != !c->trace_file) {
		fputs("tracestub: --events and --trace belong together\n",
		      stderr);
		return EXIT_OURS + 1;
	}
	if (!c->argv == (c->pid != 0))
		return 0;
	fputs(usage, stderr);
	return EXIT_OURS + 1;
}

/* --- running ------------------------------------------------------------- */

static int begin(struct command *c, struct err *e)
{
	struct launch_spec spec = {
		.argv = c->argv,
		.envp = environ,
		.keep_aslr = c->keep_aslr,
	};
	struct process *p;
	pid_t pid = c->pid;
	int r = 0;

	if (c->argv)
		pid = c->t->ops->launch(c->t, &spec, e);
	else
		r = c->t->ops->attach(c->t, pid, e);
	if (pid < 0 || r < 0)
		return -1;
	p = process_find(c->t, pid);
	r = translate_follow_soon(c->t, p, c->mode, e);
	if (r < 0 && c->pid)
		c->t->ops->detach(c->t, p, 0);
	return r;
}

static void resume(struct command *c, struct ptid who, int signo)
{
	struct resume act = { .who = who, .kind = RESUME_CONT, .signo = signo };

	target_resume(c->t, &act, 1);
}

/* What a thread that was attached to had stopped for is its own to have. */
static void resume_first(struct command *c)
{
	struct process *p;
	struct thread *th;

	list_each(p, &c->t->processes, node) {
		list_each(th, &p->threads, node) {
			if (th->last.kind == STOP_SIGNAL && th->last.signo)
				resume(c, th->id, th->last.signo);
		}
	}
	resume(c, (struct ptid){ -1, -1 }, 0);
}

/* False: the last of them has ended. */
static bool take_event(struct command *c, const struct stop *ev)
{
	switch (ev->kind) {
	case STOP_EXITED:
		if (ev->id.pid == c->pid)
			c->status = ev->code;
		break;
	case STOP_KILLED:
		if (ev->id.pid == c->pid)
			c->status = 128 + ev->signo;
		break;
	case STOP_NO_RESUMED:
		break;
	default:
		resume(c, ev->id, ev->signo);
	}
	return !list_empty(&c->t->processes);
}

/* A signal that asks us to end is the program's to take when it runs in our
 * terminal. */
static bool asked_to_end(struct command *c)
{
	struct signalfd_siginfo si;

	if (read(c->signal_fd, &si, sizeof(si)) != sizeof(si))
		return false;
	return !c->argv || si.ssi_signo != SIGINT;
}

/* In ms, for poll(2): to what comes first of the end and the next ticks. */
static int time_left(struct command *c, int64_t until)
{
	const int ticks[] = { translate_tick(c->t),
			      progress_tick(&c->progress, c->t) };
	int64_t left = until ? until - clock_ms() : INT_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(ticks); i++) {
		if (ticks[i] >= 0 && ticks[i] < left)
			left = ticks[i];
	}
	return left == INT_MAX ? -1 : (int)left;
}

/* True: there may be more events; false: it is over. */
static bool wait_for_more(struct command *c, int64_t until)
{
	struct pollfd fds[2] = {
		{ c->signal_fd, POLLIN, 0 },
		{ c->t->ops->event_fd(c->t), POLLIN, 0 },
	};

	if (until && until <= clock_ms())
		return false;
	poll(fds, 2, time_left(c, until));
	return !(fds[0].revents && asked_to_end(c));
}

static void run(struct command *c)
{
	int64_t until =
		c->duration ? clock_ms() + (int64_t)(c->duration * 1000) : 0;
	struct stop ev;

	sigfillset(&c->t->pass_signals);
	sigfillset(&c->t->program_signals);
	resume_first(c);
	progress_begin(&c->progress, c->argv);
	do {
		while (c->t->ops->next_event(c->t, &ev, true) > 0) {
			if (!take_event(c, &ev))
				return;
		}
	} while (wait_for_more(c, until));
}

static void let_go(struct command *c)
{
	struct process *p;

	c->t->ops->halt(c->t);
	while (!list_empty(&c->t->processes)) {
		p = list_entry(c->t->processes.next, struct process, node);
		if (c->argv)
			c->t->ops->kill(c->t, p);
		else
			c->t->ops->detach(c->t, p, 0);
	}
}

/* --- files --------------------------------------------------------------- */

static const char *out_file(const struct command *c)
{
	return c->coverage_file ? c->coverage_file
	       : c->count_file	? c->count_file
				: c->trace_file;
}

/* Before the program starts: what cannot be written is not worth a run. */
static int open_files(struct command *c, struct err *e)
{
	const char *path = out_file(c);

	if (!path)
		return 0;
	c->out = strcmp(path, "-") ? fopen(path, "we") : stderr;
	return c->out ? 0 : err_set(e, -errno, "cannot write %s: %m", path);
}

static void take_hits(void *user, pid_t pid, const struct space *sp)
{
	struct command *c = user;

	if (!c->out)
		return;
	if (c->mode == MODE_TRACE)
		events_write_modules(c->out, pid, sp);
	else
		hits_take(&c->hits, sp);
}

static void write_files(struct command *c)
{
	bool bad;

	if (!c->out)
		return;
	if (c->coverage_file)
		hits_write_drcov(&c->hits, c->out);
	else if (c->count_file)
		hits_write_counts(&c->hits, c->out);
	bad = ferror(c->out);
	if (c->out != stderr)
		bad |= fclose(c->out) != 0;
	if (bad)
		fprintf(stderr, "tracestub: writing %s failed: %m\n",
			out_file(c));
}

/* --- counters ------------------------------------------------------------ */

static void print_counter(void *user, const char *name, const char *text,
			  uint64_t value)
{
	(void)text;
	fprintf(user, "%s %lu\n", name, value);
}

static void print_stats(const struct command *c)
{
	FILE *f = c->stats_file ? fopen(c->stats_file, "we") : stderr;
	bool bad;

	if (!f) {
		fprintf(stderr, "tracestub: cannot write %s: %m\n",
			c->stats_file);
		return;
	}
	translate_stats_each(c->t, print_counter, f);
	bad = ferror(f);
	if (c->stats_file)
		bad |= fclose(f) != 0;
	if (bad)
		fprintf(stderr, "tracestub: writing %s failed: %m\n",
			c->stats_file ? c->stats_file : "the counters");
}

static void exclude(struct target *t, const char *const *globs, unsigned n,
		    enum exclusion how)
{
	for (unsigned i = 0; i < n; i++)
		translate_exclude_modules(t, globs[i], how);
}

/* What is not asked for is not recorded, but for code of no file. */
static void exclude_modules(const struct command *c)
{
	static const char *const all[] = { "*" };
	const struct globs *g = &c->globs;

	exclude(c->t, all, g->n_include > 0, EXCLUDED);
	exclude(c->t, g->include, g->n_include, INCLUDED);
	exclude(c->t, g->exclude, g->n_exclude, EXCLUDED);
	exclude(c->t, c->native.include, c->native.n_include,
		EXCLUDED_TRANSPARENTLY);
}

int trace_main(char **argv, struct target *t, int signal_fd)
{
	struct command c = { .t = t,
			     .signal_fd = signal_fd,
			     .keep_aslr = true };
	struct err e = { "" };
	int argc = 0, r;

	while (argv[argc])
		argc++;
	r = take_options(&c, argc, argv);
	if (r)
		return r - 1;
	c.hits.globs = &c.globs;
	translate_follow_children(t, c.follow_forks, true);
	translate_on_end(t, take_hits, &c);
	exclude_modules(&c);
	r = open_files(&c, &e);
	translate_set_sink(
		t, &(struct translate_sink){ c.events, events_write, c.out });
	translate_set_flow(t, &(struct flow_sink){ NULL }, c.keep);
	if (r < 0 || begin(&c, &e) < 0) {
		fprintf(stderr, "tracestub: %s\n", e.text);
		return EXIT_OURS;
	}
	if (c.argv)
		c.pid = list_entry(t->processes.next, struct process, node)
				->pid;
	run(&c);
	progress_end(&c.progress);
	let_go(&c);
	write_files(&c);
	hits_fini(&c.hits);
	globs_fini(&c.globs);
	globs_fini(&c.native);
	if (c.stats)
		print_stats(&c);
	return c.status;
}
