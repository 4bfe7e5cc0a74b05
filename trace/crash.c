#include "trace/crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/mem.h"
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
	c->out = c->path ? fopen(c->path, "we") : stderr;
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
	if (c->out && c->out != stderr)
		fclose(c->out);
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

static void put_place(struct crash *c)
{
	uint32_t image = tails_image(c->last, c->who.tid);
	struct buf line = { 0 };

	where_put(&line, c->story,
		  image ? story_place(c->story, image, c->pc)
			: c->pc & PLACE_OFFSET);
	fprintf(c->out, "  it was at %s\n", buf_str(&line));
	buf_fini(&line);
}

void crash_killed(struct crash *c, const struct stop *ev)
{
	bool known = c->known && c->who.pid == ev->id.pid;
	pid_t tid = known ? c->who.tid : ev->id.pid;
	const char *name = sigabbrev_np(ev->signo);

	if (!c->wanted)
		return;
	fprintf(c->out,
		"tracestub: process %d was killed by SIG%s, thread %d; its "
		"last branches:\n",
		ev->id.pid, name ? name : "?", tid);
	if (!tails_put(c->last, tid, c->out))
		fputs("  none is known\n", c->out);
	if (known)
		put_place(c);
	fflush(c->out);
	c->known = false;
}
