/* Starting programs and attaching to them: vRun, vAttach, R, Q*. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/shell.h"
#include "server/packet.h"
#include "server/session.h"

#define NAME_MAX_LEN 65536

/*
 * The reply is the stop that the new program is in, or why there is none. That
 * goes to our terminal too: gdb 13 does not show the text of such an error.
 */
static int reply_started(struct session *s, int r, struct buf *out)
{
	if (r < 0) {
		if (s->err.text[0])
			fprintf(stderr, "tracestub: %s\n", s->err.text);
		return r;
	}
	stop_reply(s, &s->last, out);
	return REPLY_NOW;
}

/* vRun;FILE;ARG;...: an empty FILE is the program of the last time. */
static char **take_words(struct session *s, struct args *a)
{
	size_t n = 0, max = args_left(a) + 2;
	char **v = xcalloc(max, sizeof(*v));

	do {
		if (!take_hex_string(a, NAME_MAX_LEN, &v[n]))
			break;
		n++;
	} while (take_char(a, ';'));
	if (n && !*v[0] && s->start.argv) {
		free(v[0]);
		v[0] = xstrdup(s->start.argv[0]);
	}
	if (n && *v[0] && take_end(a))
		return v;
	while (n)
		free(v[--n]);
	free(v);
	return NULL;
}

/*
 * gdb 18 sends its arguments as they were typed (single-inf-arg), and the
 * shell does the rest. Those before it split them, by rules that know no
 * backquotes: they are put together again as far as that can be done.
 */
static int set_program(struct session *s, char **words)
{
	char *line;
	int r;

	if (s->client.single_inf_arg && words[1] && words[2])
		return -EPROTO;
	if (s->client.single_inf_arg)
		return start_set_line(&s->start, words[0],
				      words[1] ? words[1] : "", &s->err);
	line = shell_join_backquoted(words + 1);
	if (line && s->start.shell) {
		r = start_set_line(&s->start, words[0], line, &s->err);
	} else {
		start_set_argv(&s->start, words);
		r = 0;
	}
	free(line);
	return r;
}

int pk_run(struct session *s, struct args *a, struct buf *out)
{
	char **words = take_words(s, a);
	int r;

	if (!words)
		return err_set(&s->err, -EINVAL, "no program is set");
	r = set_program(s, words);
	words_free(words);
	if (r == 0) {
		r = start_run(s, &s->err);
		/* gdbserver's words, which those who drive gdb look for. */
		if (r < 0)
			fprintf(stderr, "Cannot exec %s: %s.\n",
				s->start.argv[0], strerror(-r));
		if (r < 0 && s->lldb.on)
			lldb_launch_failed(s, r);
	}
	return reply_started(s, r, out);
}

int pk_exec_and_args(struct session *s, struct args *a, struct buf *out)
{
	const struct start *st = &s->start;
	char *line;

	(void)a;
	if (!st->argv) {
		buf_putc(out, 'U');
		return REPLY_NOW;
	}
	line = start_line(st);
	buf_puts(out, "S;");
	buf_put_hex_str(out, st->argv[0]);
	buf_putc(out, ';');
	buf_put_hex_str(out, line);
	buf_putc(out, ';');
	free(line);
	return REPLY_NOW;
}

int pk_attach(struct session *s, struct args *a, struct buf *out)
{
	struct resume all = { .who.tid = -1, .kind = RESUME_CONT };
	uint64_t pid;
	int r;

	if (!take_hex_max(a, 0x7fffffff, &pid) || !take_end(a))
		return -EPROTO;
	r = start_attach(s, (pid_t)pid, &s->err);
	if (r < 0 || !s->nonstop.on)
		return reply_started(s, r, out);
	/* The client stops what it wants stopped. */
	all.who.pid = (pid_t)pid;
	target_resume(s->target, &all, 1);
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* No reply: the client asks ? next. */
int pk_restart(struct session *s, struct args *a, struct buf *out)
{
	struct process *p, *next;

	(void)a, (void)out;
	list_each_safe(p, next, &s->target->processes, node)
		s->target->ops->kill(s->target, p);
	if (start_run(s, &s->err) < 0)
		fprintf(stderr, "tracestub: %s\n", s->err.text);
	return REPLY_NEVER;
}

/* --- settings ------------------------------------------------------------ */

static int reply_ok(struct buf *out)
{
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_aslr(struct session *s, struct args *a, struct buf *out)
{
	uint64_t disable;

	if (!take_hex_max(a, 1, &disable) || !take_end(a))
		return -EPROTO;
	s->start.keep_aslr = !disable;
	return reply_ok(out);
}

int pk_shell(struct session *s, struct args *a, struct buf *out)
{
	uint64_t on;

	if (!take_hex_max(a, 1, &on) || !take_end(a))
		return -EPROTO;
	s->start.shell = on;
	return reply_ok(out);
}

int pk_setenv(struct session *s, struct args *a, struct buf *out)
{
	char *var, *value;

	if (!take_hex_string(a, NAME_MAX_LEN, &var))
		return -EPROTO;
	value = strchr(var, '=');
	if (value) {
		*value++ = '\0';
		start_setenv(&s->start, var, value);
	}
	free(var);
	return value ? reply_ok(out) : -EPROTO;
}

int pk_unsetenv(struct session *s, struct args *a, struct buf *out)
{
	char *var;

	if (!take_hex_string(a, NAME_MAX_LEN, &var))
		return -EPROTO;
	start_unsetenv(&s->start, var);
	free(var);
	return reply_ok(out);
}

int pk_resetenv(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	start_resetenv(&s->start);
	return reply_ok(out);
}

int pk_cwd(struct session *s, struct args *a, struct buf *out)
{
	char *dir;

	if (!take_hex_string(a, NAME_MAX_LEN, &dir))
		return -EPROTO;
	start_set_cwd(&s->start, dir);
	free(dir);
	return reply_ok(out);
}
