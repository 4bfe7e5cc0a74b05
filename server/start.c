#include "server/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/shell.h"
#include "server/session.h"

static size_t vector_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

static char **vector_copy(char *const *v)
{
	size_t n = vector_len(v);
	char **copy;

	if (!v)
		return NULL;
	copy = xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

static void vector_replace(char ***v, char *const *with)
{
	char **old = *v;

	*v = vector_copy(with);
	words_free(old);
}

void start_init(struct start *st)
{
	*st = (struct start){
		.envp = vector_copy(environ),
		.original_envp = vector_copy(environ),
		.shell = true,
	};
}

void start_fini(struct start *st)
{
	words_free(st->argv);
	words_free(st->wrapper);
	words_free(st->envp);
	words_free(st->original_envp);
	free(st->line);
	free(st->cwd);
	for (size_t i = 0; i < ARRAY_SIZE(st->stdio); i++)
		free(st->stdio[i]);
}

static void set_program(struct start *st, char *const *argv, char *line)
{
	vector_replace(&st->argv, argv);
	free(st->line);
	st->line = line;
}

void start_set_argv(struct start *st, char *const *argv)
{
	set_program(st, argv, NULL);
}

int start_set_line(struct start *st, const char *program, const char *line,
		   struct err *e)
{
	char **args = shell_split(line), **argv;
	size_t n;

	if (!args)
		return err_set(e, -EINVAL,
			       "a quote is not closed in the "
			       "arguments: %s",
			       line);
	n = vector_len(args);
	argv = xcalloc(n + 2, sizeof(*argv));
	argv[0] = xstrdup(program);
	memcpy(argv + 1, args, n * sizeof(*argv));
	free(args);
	set_program(st, argv, xstrdup(line));
	words_free(argv);
	return 0;
}

char *start_line(const struct start *st)
{
	static char *const none[] = { NULL };

	return st->line ? xstrdup(st->line)
			: shell_join(st->argv ? st->argv + 1 : none);
}

/* ~/PATH, ~USER/PATH; without such a user it is just a name. */
static char *expand_home(const char *path)
{
	size_t user = strcspn(path, "/");
	const char *home = getenv("HOME");
	struct passwd *pw = NULL;
	char *name;

	if (*path != '~')
		return xstrdup(path);
	if (user > 1 || !home) {
		name = xstrndup(path + 1, user - 1);
		pw = *name ? getpwnam(name) : getpwuid(getuid());
		free(name);
		home = pw ? pw->pw_dir : NULL;
	}
	return home ? xasprintf("%s%s", home, path + user) : xstrdup(path);
}

void start_set_cwd(struct start *st, const char *dir)
{
	free(st->cwd);
	st->cwd = *dir ? expand_home(dir) : NULL;
}

void start_set_stdio(struct start *st, int which, const char *path)
{
	free(st->stdio[which]);
	st->stdio[which] = xstrdup(path);
}

void start_set_wrapper(struct start *st, char *const *words)
{
	vector_replace(&st->wrapper, words);
}

/* --- environment --------------------------------------------------------- */

static char **find_var(char **envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++) {
		if (!strncmp(*envp, name, len) && (*envp)[len] == '=')
			break;
	}
	return envp;
}

void start_setenv(struct start *st, const char *name, const char *value)
{
	char **var = find_var(st->envp, name);
	size_t n = vector_len(st->envp);

	if (!*var) {
		st->envp = xrealloc(st->envp, (n + 2) * sizeof(*st->envp));
		st->envp[n + 1] = NULL;
		var = &st->envp[n];
		*var = NULL;
	}
	free(*var);
	*var = xasprintf("%s=%s", name, value);
}

void start_unsetenv(struct start *st, const char *name)
{
	char **var = find_var(st->envp, name);

	free(*var);
	for (; *var; var++)
		*var = var[1];
}

void start_resetenv(struct start *st)
{
	vector_replace(&st->envp, st->original_envp);
}

/* --- starting ------------------------------------------------------------ */

/*
 * A name of a file that is there is that file, wherever the program will run
 * and whatever PATH says: as gdbserver has it. Others are looked up in PATH.
 */
static void make_absolute(char **name)
{
	struct stat st;
	char *dir, *path;

	if (**name == '/' || stat(*name, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	dir = get_current_dir_name();
	if (!dir)
		return;
	path = xasprintf("%s/%s", dir, *name + 2 * !strncmp(*name, "./", 2));
	free(dir);
	free(*name);
	*name = path;
}

/* Its output is the client's, but for what is to go to files. */
static int choose_stdio(struct session *s, struct launch_spec *spec,
			struct err *e)
{
	char *const *stdio = s->start.stdio;
	bool whole = stdio[0] && stdio[1] && stdio[2];
	int r = 0;

	terminal_fini(&s->terminal);
	if (!whole && s->lldb.on)
		r = terminal_open(&s->terminal, e);
	for (size_t i = 0; i < 3 && r >= 0; i++)
		spec->stdio[i] = stdio[i] ? stdio[i] : s->terminal.path;
	return r;
}

int start_run(struct session *s, struct err *e)
{
	struct start *st = &s->start;
	struct launch_spec spec = {
		.argv = st->argv,
		.line = st->line,
		.envp = st->envp,
		.wrapper = st->wrapper,
		.cwd = st->cwd,
		.keep_aslr = st->keep_aslr,
		.shell = st->shell,
	};
	pid_t pid;
	int r;

	if (!st->argv || !st->argv[0])
		return err_set(e, -EINVAL, "no program to start");
	make_absolute(&st->argv[0]);
	r = choose_stdio(s, &spec, e);
	if (r < 0)
		return r;
	pid = s->target->ops->launch(s->target, &spec, e);
	if (pid < 0)
		return pid;
	session_started(s, pid, SIGTRAP);
	session_begun(s, pid);
	fprintf(stderr, "Process %s created; pid = %d\n", st->argv[0], pid);
	return pid;
}

int start_attach(struct session *s, pid_t pid, struct err *e)
{
	int r = s->target->ops->attach(s->target, pid, e);

	if (r < 0)
		return r;
	/* Nothing of what was launched before is the new one's. */
	terminal_fini(&s->terminal);
	session_attached(s, pid);
	session_begun(s, pid);
	fprintf(stderr, "Attached; pid = %d\n", pid);
	return 0;
}
