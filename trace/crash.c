#include "trace/crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/mem.h"
#include "trace/format.h"
#include "trace/out.h"
#include "trace/tails.h"
#include "trace/where.h"

/* Those whose default is a core: signal(7). */
static const int fatal[] = { SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGFPE,
			     SIGBUS,  SIGSEGV, SIGSYS,	SIGXCPU, SIGXFSZ };

bool crash_parse(struct crash *c, const char *text)
{
	static const char word[] = "report";

	if (strncmp(text, word, sizeof(word) - 1) != 0)
		return false;
	text += sizeof(word) - 1;
	c->wanted = true;
	c->path = *text == ':' && text[1] ? text + 1 : NULL;
	return !*text || c->path;
}

int crash_begin(struct crash *c, struct story *s, struct err *e)
{
	if (!c->wanted)
		return 0;
	c->out = c->path ? out_open(c->path) : stderr;
	if (!c->out)
		return err_set(e, -errno, "cannot write %s: %m", c->path);
	c->story = s;
	c->last = tails_new(s, c->branches ? c->branches : TAILS_DEFAULT);
	return 0;
}

void crash_fini(struct crash *c)
{
	if (c->last)
		tails_free(c->last);
	if (c->out && !out_close(c->out))
		fprintf(stderr, "tracestub: writing %s failed: %m\n",
			c->path ? c->path : "what led to a crash");
}

void crash_want(const struct crash *c, sigset_t *pass)
{
	for (size_t i = 0; c->wanted && i < ARRAY_SIZE(fatal); i++)
		sigdelset(pass, fatal[i]);
}

void crash_signal(struct crash *c, struct target *t, const struct stop *ev)
{
	struct thread *th = thread_find(t, ev->id.tid);

	if (!c->wanted || ev->kind != STOP_SIGNAL || !th)
		return;
	c->known = target_reg_read(t, th, th->proc->arch->pc, &c->pc) >= 0;
	c->who = ev->id;
}

struct story_death crash_death(struct crash *c, const struct stop *ev)
{
	struct story_death d = { .who.pid = ev->id.pid, .signal = ev->signo };

	if (c->known && c->who.pid == ev->id.pid) {
		d.who = c->who;
		d.known = true;
		d.pc = c->pc;
	}
	c->known = false;
	return d;
}

/* --- what is told --------------------------------------------------------- */

static void put_place(struct story *s, struct tails *last,
		      const struct story_death *d, FILE *out)
{
	uint32_t image = tails_image(last, d->who.tid);
	struct buf line = { 0 };

	where_put(&line, s,
		  image ? story_place(s, image, d->pc) : d->pc & PLACE_OFFSET);
	fprintf(out, "  it was at %s\n", buf_str(&line));
	buf_fini(&line);
}

static void put_death(struct story *s, struct tails *last,
		      const struct story_death *d, FILE *out)
{
	pid_t tid = d->who.tid ? d->who.tid : d->who.pid;
	const char *name = sigabbrev_np(d->signal);

	fprintf(out,
		"tracestub: process %d was killed by SIG%s, thread %d; its "
		"last branches:\n",
		d->who.pid, name ? name : "?", tid);
	if (!tails_put(last, tid, out))
		fputs("  none is known\n", out);
	if (d->known)
		put_place(s, last, d, out);
}

void crash_killed(struct crash *c, const struct story_death *d)
{
	if (!c->wanted)
		return;
	put_death(c->story, c->last, d, c->out);
	fflush(c->out);
}

/* --- the format ----------------------------------------------------------- */

struct deaths {
	struct story *story;
	struct tails *last;
	struct story_death *all;
	size_t n;
};

static void take_killed(void *user, const struct story_death *d)
{
	struct deaths *all = user;

	all->all = xrealloc(all->all, (all->n + 1) * sizeof(*all->all));
	all->all[all->n++] = *d;
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct deaths *d = xcalloc(1, sizeof(*d));

	(void)args;
	(void)e;
	d->story = s;
	d->last = tails_new(s, TAILS_DEFAULT);
	story_add_sink(
		s, &(struct story_sink){ .killed = take_killed, .user = d });
	return d;
}

static void write_deaths(void *state, FILE *out)
{
	struct deaths *d = state;

	for (size_t i = 0; i < d->n; i++)
		put_death(d->story, d->last, &d->all[i], out);
	if (!d->n)
		fputs("no signal has ended a process\n", out);
}

static void free_deaths(void *state)
{
	struct deaths *d = state;

	tails_free(d->last);
	free(d->all);
	free(d);
}

const struct format format_crash = {
	.name = "crash",
	.help = "which signal ended a process, and its last branches",
	.begin = begin,
	.write = write_deaths,
	.free = free_deaths,
};
