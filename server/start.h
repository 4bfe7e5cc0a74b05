/* How programs are started: options, and what the client says about it. */
#ifndef SERVER_START_H
#define SERVER_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct session;

/* NULL-terminated vectors, and their words, are owned. */
struct start {
	char **argv;
	char *line; /* the arguments as a shell is to see them, who expands
		     * them; NULL: those of argv, literally */
	char **wrapper;
	char **envp; /* as ours at first, with the client's changes */
	char **original_envp;
	char *cwd; /* NULL: ours */
	char *stdio[3]; /* files that are its standard ones; NULL: ours, or,
			 * of a program that lldb starts without naming any, a
			 * terminal (server/terminal.h) */
	bool keep_aslr, shell;
};

void start_init(struct start *st);
void start_fini(struct start *st);

/* Words are copied. */
void start_set_argv(struct start *st, char *const *argv);

/* The same program, and its arguments as text. -EINVAL: without a shell it
 * could not be split, as a quote is not closed. */
int start_set_line(struct start *st, const char *program, const char *line,
		   struct err *e);

/* The arguments as gdb's `set args` takes them, which start_set_line() would
 * make the same of; for the caller to free(). */
char *start_line(const struct start *st);

/* "" is ours. A ~ or ~USER that it begins with is a home directory. */
void start_set_cwd(struct start *st, const char *dir);

/* which: 0 to 2. */
void start_set_stdio(struct start *st, int which, const char *path);

void start_set_wrapper(struct start *st, char *const *words);
void start_setenv(struct start *st, const char *name, const char *value);
void start_unsetenv(struct start *st, const char *name);
void start_resetenv(struct start *st);

/* Starts st->argv: it is stopped before its first instruction. */
int start_run(struct session *s, struct err *e);
int start_attach(struct session *s, pid_t pid, struct err *e);

#endif
