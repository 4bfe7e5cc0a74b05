#include "target/linux-ptrace/diagnose.h"
#include "target/linux-ptrace/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/shell.h"

/* What the child could not do. It says so itself, because only it sees names
 * from its working directory. */
struct launch_error {
	int code; /* negative errno */
	struct err err;
};

static noreturn void give_up(int fd, const struct launch_error *le)
{
	if (write(fd, le, sizeof(*le)) < 0)
		_exit(126);
	_exit(127);
}

static char **words_of(const struct launch_spec *spec)
{
	size_t n = 0, w = 0;
	char **v;

	/* The shell makes the others itself. */
	while (spec->argv[n] && !(n && spec->shell && spec->line))
		n++;
	while (spec->wrapper && spec->wrapper[w])
		w++;
	v = xcalloc(w + n + 1, sizeof(*v));
	for (size_t i = 0; i < w; i++)
		v[i] = spec->wrapper[i];
	for (size_t i = 0; i < n; i++)
		v[w + i] = spec->argv[i];
	return v;
}

static char **shell_words(char **words, const char *line)
{
	const char *shell = getenv("SHELL");
	struct buf b = { 0 };
	char **v = xcalloc(4, sizeof(*v));

	buf_puts(&b, "exec");
	for (; *words; words++) {
		buf_putc(&b, ' ');
		shell_put_word(&b, *words);
	}
	if (line)
		buf_printf(&b, " %s", line);
	v[0] = xstrdup(shell && *shell ? shell : "/bin/sh");
	v[1] = xstrdup("-c");
	v[2] = buf_str(&b);
	return v;
}

static void child_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* Ours, that exec would hand on. */
	sigaction(SIGPIPE, &dfl, NULL);
	sigaction(SIGXFSZ, &dfl, NULL);
	sigaction(SIGTTOU, &dfl, NULL);
	sigaction(SIGTTIN, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A shell would run these itself, and we wait for an exec in vain. */
static bool is_plain_text(const char *file)
{
	char head[80];
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	return n >= 0 && !memchr(head, '\0', (size_t)n) &&
	       (n < 2 || memcmp(head, "#!", 2));
}

/* 0, or the errno that exec would give. */
static int file_check(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	if (faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0)
		return errno;
	return is_plain_text(file) ? ENOEXEC : 0;
}

static const char *path_of(char *const *envp)
{
	for (; *envp; envp++) {
		if (!strncmp(*envp, "PATH=", 5))
			return *envp + 5;
	}
	return "/bin:/usr/bin";
}

/* The same for a name that is looked up where the shell would. */
static int program_check(const char *name, char *const *envp)
{
	const char *dirs = path_of(envp), *end;
	int r = ENOENT;

	if (strchr(name, '/'))
		return file_check(name);
	for (;; dirs = end + 1) {
		char *file;

		end = strchrnul(dirs, ':');
		file = xasprintf("%.*s%s%s", (int)(end - dirs), dirs,
				 end > dirs ? "/" : "", name);
		r = file_check(file);
		free(file);
		if (!r || !*end)
			return r;
	}
}

/* A terminal among them does not become the program's controlling one: ^C typed
 * there is the client's. */
static void open_stdio(const struct launch_spec *spec, int error_fd)
{
	for (int i = 0; i < 3; i++) {
		struct launch_error le = { 0 };
		int flags = i ? O_WRONLY | O_CREAT : O_RDONLY, fd;

		if (!spec->stdio[i])
			continue;
		fd = open(spec->stdio[i], flags | O_NOCTTY | O_CLOEXEC, 0666);
		if (fd >= 0 && dup2(fd, i) >= 0)
			continue;
		le.code = err_set(&le.err, -errno,
				  "cannot start %s with %s: %s", spec->argv[0],
				  spec->stdio[i], strerror(errno));
		give_up(error_fd, &le);
	}
}

static noreturn void child_main(const struct launch_spec *spec, int go_fd,
				int error_fd)
{
	char **words = words_of(spec), c;
	const char *name = words[0];
	struct launch_error le = { 0 };
	int error;

	setpgid(0, 0);
	/* Nothing that may fail comes before it is traced: one that has ended
	 * cannot be. */
	while (read(go_fd, &c, 1) < 0 && errno == EINTR)
		;
	child_signals();
	open_stdio(spec, error_fd);
	if (spec->cwd && chdir(spec->cwd) < 0) {
		le.code = err_set(&le.err, -errno,
				  "cannot start %s in the directory %s: %s",
				  spec->argv[0], spec->cwd, strerror(errno));
		give_up(error_fd, &le);
	}
	if (!spec->keep_aslr)
		personality((unsigned long)personality(0xffffffff) |
			    ADDR_NO_RANDOMIZE);
	/* A shell would tell of it in its own way, and then nothing is left
	 * but its exit status. */
	error = program_check(name, spec->envp);
	if (!error) {
		if (spec->shell)
			words = shell_words(words, spec->line);
		environ = (char **)spec->envp; /* its PATH counts */
		execvp(words[0], words);
		error = errno;
		name = words[0];
	}
	le.code = diagnose_launch(name, error, &le.err);
	give_up(error_fd, &le);
}

int launch_fork(struct launch_child *c, const struct launch_spec *spec,
		struct err *e)
{
	int go[2], error[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	if (pipe2(error, O_CLOEXEC) < 0) {
		close(go[0]);
		close(go[1]);
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	}
	c->pid = fork();
	if (c->pid == 0) {
		close(go[1]);
		child_main(spec, go[0], error[1]);
	}
	close(go[0]);
	close(error[1]);
	c->go_fd = go[1];
	c->error_fd = error[0];
	if (c->pid < 0) {
		launch_fini(c);
		return err_set(e, -errno, "fork: %s", strerror(errno));
	}
	return 0;
}

void launch_go(struct launch_child *c)
{
	close(c->go_fd);
	c->go_fd = -1;
}

int launch_failure(struct launch_child *c, const struct launch_spec *spec,
		   int status, struct err *e)
{
	struct launch_error le;

	if (read(c->error_fd, &le, sizeof(le)) == sizeof(le)) {
		*e = le.err;
		return le.code;
	}
	/* What a shell exits with when it cannot execute something. */
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 126 && !spec->wrapper &&
	    (!spec->cwd || spec->argv[0][0] == '/'))
		return diagnose_launch(spec->argv[0], ENOEXEC, e);
	if (WIFEXITED(status))
		return err_set(e, -ENOEXEC,
			       "%s was not reached: %s exited with status %d",
			       spec->argv[0],
			       spec->wrapper ? spec->wrapper[0] : "the shell",
			       WEXITSTATUS(status));
	return err_set(e, -ENOEXEC, "%s was not reached: killed by signal %d",
		       spec->argv[0], WTERMSIG(status));
}

void launch_fini(struct launch_child *c)
{
	if (c->go_fd >= 0)
		close(c->go_fd);
	close(c->error_fd);
}
