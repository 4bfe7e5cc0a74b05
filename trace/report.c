#include "trace/report.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/compare.h"
#include "trace/out.h"
#include "trace/outputs.h"
#include "trace/reader.h"

#define EXIT_OURS 125

struct report {
	const struct format *format;
	const char *out; /* NULL: stdout */
	struct globs globs;
	char **files;
	bool merge, compare;
	unsigned drcov_version;
};

/* --- the command line ----------------------------------------------------- */

static const char usage[] =
	"usage: tracestub report [OPTIONS] FILE\n"
	"       tracestub report --merge [OPTIONS] FILE...\n"
	"       tracestub report --compare [OPTIONS] BEFORE AFTER\n"
	"\n"
	"Makes another file of what `tracestub trace --record=FILE` has "
	"written, or\n"
	"coverage of drcov files.\n"
	"  --format=NAME       what of: see below\n"
	"  -o, --output=FILE   where to, not to stdout\n"
	"  --merge             several files become one\n"
	"  --compare           functions whose calls or instructions differ\n"
	"  --drcov-version=N   2, which most read, or 3, for drcov2lcov\n"
	"  --include=GLOB      modules whose path or name matches\n"
	"  --exclude=GLOB      ... but not these\n"
	"  --help              this text\n"
	"Formats:\n";

static const struct option options[] = {
	{ "format", required_argument, NULL, 'f' },
	{ "output", required_argument, NULL, 'o' },
	{ "merge", no_argument, NULL, 'm' },
	{ "compare", no_argument, NULL, 'c' },
	{ "drcov-version", required_argument, NULL, 'v' },
	{ "include", required_argument, NULL, 'i' },
	{ "exclude", required_argument, NULL, 'x' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void print_usage(void)
{
	const struct format *f;

	fputs(usage, stdout);
	for (size_t i = 0; (f = format_at(i)); i++)
		printf("  %-19s %s\n", f->name, f->help);
}

static bool take_format(struct report *r)
{
	r->format = format_find(optarg);
	if (!r->format)
		fprintf(stderr, "tracestub: no format is called %s\n", optarg);
	return r->format != NULL;
}

static bool take_option(struct report *r, int opt, char *const *argv)
{
	switch (opt) {
	case 'f':
		return take_format(r);
	case 'o':
		r->out = strcmp(optarg, "-") ? optarg : NULL;
		return true;
	case 'm':
		r->merge = true;
		return true;
	case 'c':
		r->compare = true;
		return true;
	case 'v':
		return drcov_take_version(optarg, &r->drcov_version);
	case 'i':
		globs_add(&r->globs.include, &r->globs.n_include, optarg);
		return true;
	case 'x':
		globs_add(&r->globs.exclude, &r->globs.n_exclude, optarg);
		return true;
	default:
		fprintf(stderr, "tracestub: report knows no %s\n",
			argv[optind - 1]);
		return false;
	}
}

static bool has_two(char *const *files)
{
	if (files[0] && files[1] && !files[2])
		return true;
	fputs("tracestub: --compare takes two files\n", stderr);
	return false;
}

static bool is_complete(const struct report *r)
{
	if (r->compare && (r->format || r->merge))
		fputs("tracestub: --compare has a format of its own\n", stderr);
	else if (r->compare)
		return has_two(r->files);
	else if (!r->format)
		fputs("tracestub: which --format?\n", stderr);
	else if (!r->files[0])
		fputs("tracestub: which file?\n", stderr);
	else if (r->files[1] && !r->merge)
		fputs("tracestub: several files take --merge\n", stderr);
	else
		return true;
	return false;
}

/* 0: go on; else an exit status, + 1. */
static int take_options(struct report *r, int argc, char **argv)
{
	int opt;

	opterr = 0;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "f:o:", options, NULL)) >= 0) {
		if (opt == 'h') {
			print_usage();
			return 1;
		}
		if (!take_option(r, opt, argv))
			goto wrong;
	}
	r->files = argv + optind;
	if (is_complete(r))
		return 0;
wrong:
	fputs("Try tracestub report --help.\n", stderr);
	return EXIT_OURS + 1;
}

/* --- the work ------------------------------------------------------------- */

static int read_file(struct story *s, const char *file)
{
	struct err e = { "" };
	uint64_t lost;
	int err = story_read(s, file, &lost, &e);

	if (err < 0)
		fprintf(stderr, "tracestub: %s: %s\n", file, e.text);
	else if (lost)
		fprintf(stderr,
			"tracestub: %s: its end is missing; all up to there "
			"was read\n",
			file);
	return err;
}

static int read_files(struct story *s, char *const *files)
{
	int err = 0;

	for (; *files && err == 0; files++)
		err = read_file(s, *files);
	return err;
}

static int compare_files(const struct report *r)
{
	struct story *s[2] = { story_new(), story_new() };
	struct profile *p[2];
	FILE *out = r->out ? out_open(r->out) : stdout;
	int err = 0;

	for (int i = 0; i < 2; i++) {
		p[i] = profile_new(s[i], PROFILE_TREE);
		err = err ? err : read_file(s[i], r->files[i]);
	}
	if (!out)
		fprintf(stderr, "tracestub: cannot write %s: %m\n", r->out);
	else if (err == 0)
		compare_write(p[0], p[1], &r->globs, out);
	if (out && !out_close(out))
		err = -errno;
	for (int i = 0; i < 2; i++) {
		profile_free(p[i]);
		story_free(s[i]);
	}
	return err || !out ? EXIT_OURS : 0;
}

static int report(struct report *r, struct story *s)
{
	struct outputs o = {
		.args = { .globs = &r->globs,
			  .drcov_version = r->drcov_version },
	};
	struct err e = { "" };
	int status = 0;

	outputs_add(&o, r->format, r->out);
	if (outputs_open(&o, s, &e) < 0) {
		fprintf(stderr, "tracestub: %s\n", e.text);
		status = EXIT_OURS;
	} else if (read_files(s, r->files) < 0) {
		status = EXIT_OURS;
	}
	return outputs_close(&o) ? EXIT_OURS : status;
}

int report_main(char **argv)
{
	struct report r = { 0 };
	int argc = 0, status;
	struct story *s;

	while (argv[argc])
		argc++;
	status = take_options(&r, argc, argv);
	if (status) {
		globs_fini(&r.globs);
		return status - 1;
	}
	if (r.compare) {
		status = compare_files(&r);
	} else {
		s = story_new();
		status = report(&r, s);
		story_free(s);
	}
	globs_fini(&r.globs);
	return status;
}
