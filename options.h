/*
 * What the command line says of a program that is served to gdb: tracestub
 * [OPTIONS] COMM PROG, and its two other forms.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "server/serve.h"
#include "server/session.h"

#define EXIT_OURS 125 /* our own failures, as env(1) and timeout(1) do */

struct options {
	struct session session;
	struct serve_options serve;
	bool attach, no_escape;
	char **wrapper; /* points into argv */
	const char *port_file;
	bool no_wait;
};

/*
 * Takes options from *argv, which goes on behind them: up to what is no option,
 * or behind a "--"; "-" alone is a COMM. -EINVAL: one is wrong, which has been
 * said on stderr. --help and their like print and exit.
 */
int options_take(struct options *o, char ***argv);

/* The three forms. */
void options_print_usage(FILE *f);

#endif
