/* What `tracestub trace` was asked for: private to its parts. */
#ifndef TRACE_COMMAND_H
#define TRACE_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "trace/crash.h"
#include "trace/hits.h"
#include "trace/outputs.h"
#include "trace/progress.h"
#include "translate/flow.h"
#include "translate/translate.h"

#define EXIT_OURS 125

struct command {
	struct target *t;
	int signal_fd;
	struct story *story; /* what happens is told to */
	char **argv;	     /* the program's; NULL: pid is attached to */
	pid_t pid;
	enum trace_mode mode;
	bool stats;
	const char *stats_file; /* NULL: stderr */
	const char *coverage_file, *count_file, *trace_file;
	unsigned events;	/* EVENT_* */
	enum flow_keep keep;	/* of what no file is made of */
	FILE *out;		/* of the one of the three that was asked for */
	struct outputs outputs; /* what is made of MODE_FLOW */
	struct crash crash;
	struct globs globs, native;
	struct hits hits;
	double duration; /* seconds; 0: until it ends */
	bool follow_forks, keep_aslr;
	struct progress progress;
	int status; /* of the program that was started */
};

extern const char command_usage[];

/* argv is what follows `trace`. 0: go on; else an exit status, + 1: what is
 * wrong has been said. */
int command_take_options(struct command *c, int argc, char **argv);

#endif
