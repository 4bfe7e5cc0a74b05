/* How lldb starts programs and attaches: A, QSetSTDIN and others, vAttachWait
 * and its kin. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/shell.h"
#include "server/lldb-find.h"
#include "server/packet.h"
#include "server/session.h"

/* As Linux has it of one word: execve(2). */
#define ARG_BYTES_MAX (32 * 4096)

static int reply_ok(struct buf *out)
{
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* --- A ------------------------------------------------------------------- */

static bool take_decimal(struct args *a, unsigned long *v)
{
	char *end;

	if (take_end(a) || *a->p < '0' || *a->p > '9')
		return false;
	*v = strtoul(a->p, &end, 10);
	a->p = end;
	return true;
}

/* LENGTH,NUMBER,HEX,...: how many digits, which word it is, the word. */
char **lldb_take_words(struct args *a)
{
	size_t max = args_left(a) / 2 + 1, n = 0;
	char **v = xcalloc(max + 1, sizeof(*v));
	unsigned long len, number;

	take_char(a, ' ');
	while (take_decimal(a, &len) && take_char(a, ',') &&
	       take_decimal(a, &number) && number == n && take_char(a, ',') &&
	       take_hex_string(a, ARG_BYTES_MAX, &v[n])) {
		if (strlen(v[n++]) * 2 != len)
			break;
		if (take_end(a))
			return v;
		if (!take_char(a, ','))
			break;
	}
	words_free(v);
	return NULL;
}

void lldb_launch_failed(struct session *s, int code)
{
	char text[sizeof(s->err.text)];

	memcpy(text, s->err.text, sizeof(text));
	err_set(&s->err, code, "execve failed: %s (%s)", strerror(-code), text);
}

int pk_launch(struct session *s, struct args *a, struct buf *out)
{
	char **words = lldb_take_words(a);
	int r;

	if (!words)
		return -EPROTO;
	free(s->lldb.launch_error);
	s->lldb.launch_error = NULL;
	start_set_argv(&s->start, words);
	words_free(words);
	r = start_run(s, &s->err);
	if (r < 0) {
		lldb_launch_failed(s, r);
		s->lldb.launch_error = xstrdup(s->err.text);
		return r;
	}
	return reply_ok(out);
}

/* lldb shows what follows the E. */
int pk_launch_success(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	if (!s->lldb.launch_error)
		return reply_ok(out);
	buf_printf(out, "E%s", s->lldb.launch_error);
	return REPLY_NOW;
}

/* --- settings ------------------------------------------------------------ */

static int set_stdio(struct session *s, struct args *a, int which,
		     struct buf *out)
{
	char *path;

	if (!take_hex_string(a, PATH_MAX, &path) || !take_end(a))
		return -EPROTO;
	start_set_stdio(&s->start, which, path);
	free(path);
	return reply_ok(out);
}

int pk_stdin(struct session *s, struct args *a, struct buf *out)
{
	return set_stdio(s, a, 0, out);
}

int pk_stdout(struct session *s, struct args *a, struct buf *out)
{
	return set_stdio(s, a, 1, out);
}

int pk_stderr(struct session *s, struct args *a, struct buf *out)
{
	return set_stdio(s, a, 2, out);
}

/* NAME=VALUE as it is. */
int pk_setenv_plain(struct session *s, struct args *a, struct buf *out)
{
	struct args word = take_rest(a);
	char *var = xstrndup(word.p, args_left(&word));
	char *value = strchr(var, '=');

	if (value) {
		*value++ = '\0';
		start_setenv(&s->start, var, value);
	}
	free(var);
	return value ? reply_ok(out) : -EPROTO;
}

int pk_detach_on_error(struct session *s, struct args *a, struct buf *out)
{
	uint64_t on;

	if (!take_hex_max(a, 1, &on) || !take_end(a))
		return -EPROTO;
	s->lldb.when_lost = on ? LOST_DETACH : LOST_KILL;
	return reply_ok(out);
}

/* lldb-server lets all go whatever was said. */
void lldb_disconnect(struct session *s)
{
	struct process *p, *next;

	list_each_safe(p, next, &s->target->processes, node) {
		if (s->lldb.when_lost == LOST_DETACH)
			session_detach(s, p);
		else if (s->lldb.when_lost == LOST_KILL)
			s->target->ops->kill(s->target, p);
	}
}

/* Which slice of a file for several machines: this one's. */
int pk_launch_arch(struct session *s, struct args *a, struct buf *out)
{
	struct args name = take_rest(a);

	(void)s;
	if (args_left(&name) < 4 ||
	    (memcmp(name.p, "x86_", 4) && memcmp(name.p, "i386", 4)))
		return err_set(&s->err, -EINVAL,
			       "programs of x86_64 and i386 run here");
	return reply_ok(out);
}

/* --- attaching by name --------------------------------------------------- */

static int attach(struct session *s, pid_t pid, struct buf *out)
{
	int r = pid < 0 ? pid : start_attach(s, pid, &s->err);

	if (r < 0)
		return r;
	stop_reply(s, &s->last, out);
	return REPLY_NOW;
}

static int take_name_hex(struct args *a, char **name)
{
	return take_hex_string(a, PATH_MAX, name) && take_end(a) ? 0 : -EPROTO;
}

/* The client has sent something, or has gone, or we are to end. */
static bool is_disturbed(struct session *s)
{
	const int ms = 2;
	struct pollfd fd = { link_fd(s->link), POLLIN, 0 };
	sigset_t set;

	if (link_pending(s->link) || poll(&fd, 1, ms))
		return true;
	sigpending(&set);
	return sigismember(&set, SIGTERM) || sigismember(&set, SIGINT) ||
	       sigismember(&set, SIGHUP);
}

static bool is_among(const struct buf *pids, pid_t pid)
{
	const pid_t *all = (void *)pids->data;

	for (size_t i = 0; i < pids->len / sizeof(pid); i++) {
		if (all[i] == pid)
			return true;
	}
	return false;
}

/* A process of that name that is none of those there before. */
static pid_t wait_for(struct session *s, const char *name,
		      const struct buf *before)
{
	struct buf now = { 0 };
	pid_t pid = 0;

	while (!pid && !is_disturbed(s)) {
		const pid_t *all;

		buf_reset(&now);
		lldb_processes_named(name, &now);
		all = (void *)now.data;
		for (size_t i = 0; i < now.len / sizeof(pid) && !pid; i++) {
			if (!is_among(before, all[i]))
				pid = all[i];
		}
	}
	buf_fini(&now);
	return pid ? pid : -EINTR;
}

int pk_attach_wait(struct session *s, struct args *a, struct buf *out)
{
	struct buf before = { 0 };
	char *name;
	int r = take_name_hex(a, &name);

	if (r < 0)
		return r;
	lldb_processes_named(name, &before);
	r = attach(s, wait_for(s, name, &before), out);
	buf_fini(&before);
	free(name);
	return r;
}

int pk_attach_or_wait(struct session *s, struct args *a, struct buf *out)
{
	struct buf none = { 0 };
	pid_t pid;
	char *name;
	int r = take_name_hex(a, &name);

	if (r < 0)
		return r;
	pid = lldb_find_process(name, &s->err);
	if (pid == -ESRCH)
		pid = wait_for(s, name, &none);
	r = attach(s, pid, out);
	free(name);
	return r;
}

int pk_attach_name(struct session *s, struct args *a, struct buf *out)
{
	char *name;
	int r = take_name_hex(a, &name);

	if (r < 0)
		return r;
	r = attach(s, lldb_find_process(name, &s->err), out);
	free(name);
	return r;
}

/* Is vAttachOrWait there? */
int pk_attach_or_wait_known(struct session *s, struct args *a, struct buf *out)
{
	(void)s, (void)a;
	return reply_ok(out);
}
