/* Programs that a platform starts and that nobody debugs: A, which is followed
 * by qLaunchSuccess and a question for the process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/shell.h"
#include "server/lldb-process.h"
#include "server/packet.h"
#include "server/platform.h"

/* What the client names, or nothing: ours is the server's own terminal, which
 * only output goes to. */
static int open_stdio(const struct start *st, int which)
{
	const char *path = st->stdio[which];
	int flags = which ? O_WRONLY | O_CREAT : O_RDONLY, fd;

	if (!path && which)
		return 0;
	fd = open(path ? path : "/dev/null", flags | O_CLOEXEC, 0666);
	if (fd < 0 || dup2(fd, which) < 0)
		return -errno;
	return 0;
}

/* Does not return. What fails is said to `failed', which exec closes. */
static void exec_program(const struct start *st, int failed)
{
	sigset_t none;
	int r = 0;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	signal(SIGTTIN, SIG_DFL);
	if (!st->keep_aslr)
		personality(ADDR_NO_RANDOMIZE);
	for (int i = 0; i < 3 && r == 0; i++)
		r = open_stdio(st, i);
	if (r == 0)
		execvpe(st->argv[0], st->argv, st->envp);
	r = r ? -r : errno;
	_exit(write(failed, &r, sizeof(r)) < 0);
}

static int run(const struct start *st, pid_t *pid)
{
	int ends[2], error = 0;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*pid = fork();
	if (*pid == 0)
		exec_program(st, ends[1]);
	close(ends[1]);
	do
		n = *pid < 0 ? 0 : read(ends[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(ends[0]);
	if (*pid < 0)
		return -EAGAIN;
	if (n > 0)
		waitpid(*pid, NULL, 0);
	return -error;
}

int pl_launch(struct platform *p, struct args *a, struct buf *out)
{
	struct session *s = p->session;
	char **words;
	int r;

	/* The table's stop is a digit of the first number. */
	a->p--;
	words = lldb_take_words(a);
	if (!words)
		return -EPROTO;
	start_set_argv(&s->start, words);
	words_free(words);
	free(s->lldb.launch_error);
	s->lldb.launch_error = NULL;
	r = run(&s->start, &p->launched);
	if (r < 0) {
		p->launched = 0;
		s->lldb.launch_error = xasprintf(
			"cannot run %s: %s", s->start.argv[0], strerror(-r));
		return r;
	}
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pl_launched(struct platform *p, struct args *a, struct buf *out)
{
	(void)a;
	buf_printf(out, "QC%x", (unsigned)p->launched);
	return REPLY_NOW;
}

int pl_launched_info(struct platform *p, struct args *a, struct buf *out)
{
	struct process_facts f;

	(void)a;
	if (!p->launched || process_facts_read(&f, p->launched) < 0)
		return -ESRCH;
	return lldb_put_process(p->launched, f.word, out);
}
