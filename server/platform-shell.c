/* `platform shell'. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rsp/binary.h"
#include "rsp/frame.h"
#include "server/packet.h"
#include "server/platform.h"

struct shell {
	pid_t pid;
	int ended;   /* readable when it has */
	int output;  /* of the command, both kinds */
	int64_t end; /* clock_ms() when it has had its time; -1: it has all */
};

static void exec_shell(const char *command, const char *dir, int output)
{
	sigset_t none;

	/* A group of its own, so that all of it can be ended. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	signal(SIGTTIN, SIG_DFL);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (!dir || chdir(dir) == 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	dprintf(STDERR_FILENO, "%s: %s\n", dir ? dir : "/bin/sh",
		strerror(errno));
	_exit(127);
}

static int start(struct shell *sh, const char *command, const char *dir)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	sh->pid = fork();
	if (sh->pid == 0)
		exec_shell(command, dir, ends[1]);
	close(ends[1]);
	if (sh->pid < 0) {
		close(ends[0]);
		return -errno;
	}
	/* Here too, for a command that is ended before it has done it. */
	setpgid(sh->pid, sh->pid);
	sh->output = ends[0];
	sh->ended = (int)syscall(SYS_pidfd_open, sh->pid, 0);
	return 0;
}

static int time_left(const struct shell *sh)
{
	int64_t left = sh->end - clock_ms();

	if (sh->end < 0)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* As much as a pipe holds. Returns false at its end. More output than a packet
 * holds is read, and not kept. */
static bool read_output(const struct shell *sh, struct buf *text)
{
	char chunk[65536];
	ssize_t n = read(sh->output, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR;
	if (text->len + (size_t)n > RSP_PACKET_MAX / 2)
		buf_put(text, chunk, RSP_PACKET_MAX / 2 - text->len);
	else
		buf_put(text, chunk, (size_t)n);
	return n;
}

/* To the command's end, which what it leaves behind need not be the output's;
 * or to that, with an old kernel. False: its time is over first, or its client
 * has gone, or we are to end. */
static bool take_output(const struct platform *p, const struct shell *sh,
			struct buf *text)
{
	enum { OUTPUT, ENDED, SIGNALS, LINK, N };
	struct pollfd fds[N] = {
		[OUTPUT] = { sh->output, POLLIN, 0 },
		[ENDED] = { sh->ended, POLLIN, 0 },
		[SIGNALS] = { p->serve->signal_fd, POLLIN, 0 },
		[LINK] = { link_fd(p->session->link), POLLRDHUP, 0 },
	};

	for (;;) {
		int r = poll(fds, N, time_left(sh));

		if (r < 0)
			continue;
		if (r == 0 || fds[SIGNALS].revents || fds[LINK].revents)
			return false;
		if (fds[OUTPUT].revents && !read_output(sh, text))
			fds[OUTPUT].fd = -1;
		if (fds[ENDED].revents || (sh->ended < 0 && fds[OUTPUT].fd < 0))
			return true;
	}
}

/* What waitpid() says of it; -1: it did not end in time, and was ended. */
static int run(const struct platform *p, struct shell *sh, struct buf *text)
{
	bool in_time = take_output(p, sh, text);
	int status;

	close(sh->output);
	if (sh->ended >= 0)
		close(sh->ended);
	if (!in_time)
		kill(-sh->pid, SIGKILL);
	while (waitpid(sh->pid, &status, 0) < 0 && errno == EINTR)
		;
	return in_time ? status : -1;
}

/* A status that no command can have tells lldb that it was not run to its end.
 */
static void put_result(int status, const struct buf *text, struct buf *out)
{
	unsigned code = UINT_MAX, signo = 0;

	if (status != -1 && WIFEXITED(status))
		code = (unsigned)WEXITSTATUS(status);
	else if (status != -1)
		signo = (unsigned)WTERMSIG(status);
	buf_printf(out, "F,%08x,%08x,", code, signo);
	buf_put_escaped(out, text->data, text->len);
}

/* lldb waits for the reply and sends nothing meanwhile. */
int pl_shell(struct platform *p, struct args *a, struct buf *out)
{
	struct shell sh = { .end = -1 };
	uint64_t seconds = UINT32_MAX;
	char *command, *dir = NULL;
	int r;

	if (!take_hex_string(a, RSP_PACKET_MAX, &command))
		return -EPROTO;
	if ((take_char(a, ',') && !take_hex_max(a, UINT32_MAX, &seconds)) ||
	    (take_char(a, ',') && !take_hex_string(a, PATH_MAX, &dir)) ||
	    !take_end(a)) {
		free(command);
		return -EPROTO;
	}
	if (seconds != UINT32_MAX)
		sh.end = clock_ms() + (int64_t)seconds * 1000;
	r = start(&sh, command, dir && *dir ? dir : NULL);
	if (r == 0) {
		buf_reset(&p->session->scratch);
		put_result(run(p, &sh, &p->session->scratch),
			   &p->session->scratch, out);
	}
	free(command);
	free(dir);
	return r < 0 ? r : REPLY_NOW;
}
