/* The options of `tracestub trace`: a row each, and one for each format that a
 * run can be made into. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "trace/tails.h"
#include "trace/command.h"
#include "trace/events.h"

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
static bool take_mode(struct command *c, enum trace_mode mode)
{
	if (c->mode == MODE_NONE || c->mode == mode) {
		c->mode = mode;
		return true;
	}
	fputs("tracestub: coverage, counts, events or files of all blocks: one "
	      "of them at a time\n",
	      stderr);
	return false;
}

/* --- what each does ------------------------------------------------------- */

static bool take_pid_option(struct command *c)
{
	return take_pid(optarg, &c->pid);
}

static bool take_duration(struct command *c)
{
	return take_seconds(optarg, &c->duration);
}

static bool take_coverage(struct command *c)
{
	c->coverage_file = optarg;
	return take_mode(c, MODE_COVERAGE);
}

static bool take_drcov_version(struct command *c)
{
	return drcov_take_version(optarg, &c->outputs.args.drcov_version);
}

static bool take_count(struct command *c)
{
	c->count_file = optarg;
	return take_mode(c, MODE_COUNT);
}

static bool take_events(struct command *c)
{
	struct err e = { "" };

	if (events_parse(optarg, &c->events, &e) == 0)
		return take_mode(c, MODE_TRACE);
	fprintf(stderr, "tracestub: %s\n", e.text);
	return false;
}

static bool take_trace(struct command *c)
{
	c->trace_file = optarg;
	return take_mode(c, MODE_TRACE);
}

static bool take_flow(struct command *c)
{
	if (optarg && strcmp(optarg, "recent") != 0) {
		fputs("tracestub: --flow is of all, or of what is recent\n",
		      stderr);
		return false;
	}
	c->keep = optarg ? FLOW_RECENT : FLOW_ALL;
	return take_mode(c, MODE_FLOW);
}

static bool take_include(struct command *c)
{
	globs_add(&c->globs.include, &c->globs.n_include, optarg);
	return true;
}

static bool take_exclude(struct command *c)
{
	globs_add(&c->globs.exclude, &c->globs.n_exclude, optarg);
	return true;
}

static bool take_native(struct command *c)
{
	globs_add(&c->native.include, &c->native.n_include, optarg);
	return true;
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

static bool take_forks(struct command *c)
{
	c->follow_forks = true;
	return true;
}

static bool take_stats(struct command *c)
{
	c->stats = true;
	c->stats_file = optarg;
	return true;
}

static bool take_aslr(struct command *c)
{
	c->keep_aslr = false;
	return true;
}

static bool take_debug(struct command *c)
{
	(void)c;
	return log_select(optarg) == 0;
}

static bool take_on_crash(struct command *c)
{
	if (crash_parse(&c->crash, optarg)) {
		c->keep = FLOW_RECENT;
		return take_mode(c, MODE_FLOW);
	}
	fprintf(stderr,
		"tracestub: on a crash there can be report or report:FILE, "
		"not %s\n",
		optarg);
	return false;
}

static bool take_branches(struct command *c)
{
	unsigned long n;
	char *end;

	n = strtoul(optarg, &end, 10);
	c->crash.branches = (unsigned)n;
	if (*optarg >= '0' && *optarg <= '9' && !*end && n && n <= TAILS_MAX)
		return true;
	fprintf(stderr, "tracestub: 1 to %d branches, not %s\n", TAILS_MAX,
		optarg);
	return false;
}

static bool take_format(struct command *c, const struct format *f)
{
	if (outputs_add(&c->outputs, f, optarg) == 0)
		return take_mode(c, MODE_FLOW);
	fprintf(stderr, "tracestub: %d files at most\n", OUTPUTS_MAX);
	return false;
}

/* --- the table ------------------------------------------------------------ */

struct row {
	const char *name;
	int has; /* as getopt_long(3) has it */
	const char *value, *help;
	bool (*take)(struct command *c); /* optarg is its value */
};

static const struct row rows[] = {
	{ "pid", required_argument, "PID", "one that runs already, until ^C",
	  take_pid_option },
	{ "duration", required_argument, "SECONDS", "... or so long",
	  take_duration },
	{ "coverage", required_argument, "FILE",
	  "which blocks were executed, as drcov", take_coverage },
	{ "drcov-version", required_argument, "N",
	  "... of version 2, which most read, or 3, for drcov2lcov",
	  take_drcov_version },
	{ "count", optional_argument, "FILE",
	  "count how often each is; FILE gets a table, - is stderr",
	  take_count },
	{ "events", required_argument, "KINDS",
	  "call,ret,exec,block,compile, as text; see trace/events.h",
	  take_events },
	{ "trace", required_argument, "FILE",
	  "... which goes to FILE, - is stderr", take_trace },
	{ "flow", optional_argument, "recent",
	  "log all that is executed, or its end, for --stats", take_flow },
	{ "on-crash", required_argument, "report[:FILE]",
	  "of a program that a signal ends, the last branches", take_on_crash },
	{ "last", required_argument, "N", "... so many, not 32",
	  take_branches },
	{ "include", required_argument, "GLOB",
	  "record modules whose path or name matches", take_include },
	{ "exclude", required_argument, "GLOB",
	  "... but not these, which run natively where that is safe",
	  take_exclude },
	{ "native", required_argument, "GLOB",
	  "... nor these, which run natively, two stops a call", take_native },
	{ "cache-size", required_argument, "BYTES",
	  "of code for a process, at most; k, M, G are known",
	  take_cache_size },
	{ "follow-forks", no_argument, NULL,
	  "its children too, all in the one file", take_forks },
	{ "stats", optional_argument, "FILE",
	  "the translator's counters at the end, on stderr", take_stats },
	{ "disable-randomization", no_argument, NULL,
	  "the same addresses in each run", take_aslr },
	{ "debug", required_argument, "AREA,...", "log what happens",
	  take_debug },
	{ "help", no_argument, NULL, "this text", NULL },
};

#define FORMATS_MAX 32

static void print_row(const char *name, int has, const char *value,
		      const char *help)
{
	int n = printf("  --%s", name);

	if (has == optional_argument)
		n += printf("[=%s]", value);
	else if (has == required_argument)
		n += printf("=%s", value);
	printf("%s%*s%s\n", n < 22 ? "" : "\n", n < 22 ? 22 - n : 22, "", help);
}

static void print_usage(void)
{
	const struct format *f;

	fputs(command_usage, stdout);
	fputs("Runs a program from translated copies of its code, with its own "
	      "input,\noutput and exit status.\n",
	      stdout);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		print_row(rows[i].name, rows[i].has, rows[i].value,
			  rows[i].help);
	fputs("All blocks, in order, and what is made of them; `-` is "
	      "stderr:\n",
	      stdout);
	for (size_t i = 0; (f = format_at(i)); i++)
		print_row(f->name, required_argument, "FILE", f->help);
}

const char command_usage[] =
	"usage: tracestub trace [OPTIONS] -- PROG [ARG...]\n"
	"       tracestub trace [OPTIONS] --pid PID\n"
	"\n";

/* The value of an option is its row, or behind those its format, beyond what
 * getopt_long() itself returns. */
#define FIRST 256

static void list_options(struct option list[static 1])
{
	const struct format *f;
	size_t n = 0;

	for (; n < ARRAY_SIZE(rows); n++)
		list[n] = (struct option){ rows[n].name, rows[n].has, NULL,
					   FIRST + (int)n };
	for (size_t i = 0; (f = format_at(i)); i++, n++)
		list[n] = (struct option){ f->name, required_argument, NULL,
					   FIRST + (int)n };
}

static bool take(struct command *c, int opt)
{
	size_t n = (size_t)(opt - FIRST);

	if (n >= ARRAY_SIZE(rows))
		return take_format(c, format_at(n - ARRAY_SIZE(rows)));
	return rows[n].take(c);
}

/* They belong together. */
static bool is_complete(const struct command *c)
{
	if (!c->events != !c->trace_file)
		fputs("tracestub: --events and --trace belong together\n",
		      stderr);
	else if (c->crash.branches && !c->crash.wanted)
		fputs("tracestub: --last and --on-crash belong together\n",
		      stderr);
	else
		return true;
	return false;
}

int command_take_options(struct command *c, int argc, char **argv)
{
	struct option list[ARRAY_SIZE(rows) + FORMATS_MAX + 1] = { 0 };
	int opt;

	list_options(list);
	opterr = 0;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "+", list, NULL)) >= 0) {
		if (opt == FIRST + (int)ARRAY_SIZE(rows) - 1) {
			print_usage();
			return 1;
		}
		if (opt == '?')
			fprintf(stderr, "tracestub: trace knows no %s\n",
				argv[optind - 1]);
		if (opt == '?' || !take(c, opt)) {
			fputs("Try tracestub trace --help.\n", stderr);
			return EXIT_OURS + 1;
		}
	}
	c->argv = argv[optind] ? argv + optind : NULL;
	if (!is_complete(c))
		return EXIT_OURS + 1;
	if (!c->argv == (c->pid != 0))
		return 0;
	fputs(command_usage, stderr);
	return EXIT_OURS + 1;
}
