#include "trace/command.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "trace/events.h"
#include "trace/feed.h"
#include "trace/out.h"
#include "trace/trace.h"

/* --- running ------------------------------------------------------------- */

static int begin(struct command *c, struct err *e)
{
	struct launch_spec spec = {
		.argv = c->argv,
		.envp = environ,
		.keep_aslr = c->keep_aslr,
	};
	struct process *p;
	pid_t pid = c->pid;
	int r = 0;

	if (c->argv)
		pid = c->t->ops->launch(c->t, &spec, e);
	else
		r = c->t->ops->attach(c->t, pid, e);
	if (pid < 0 || r < 0)
		return -1;
	p = process_find(c->t, pid);
	r = translate_follow_soon(c->t, p, c->mode, e);
	if (r < 0 && c->pid)
		c->t->ops->detach(c->t, p, 0);
	return r;
}

static void resume(struct command *c, struct ptid who, int signo)
{
	struct resume act = { .who = who, .kind = RESUME_CONT, .signo = signo };

	target_resume(c->t, &act, 1);
}

/* What a thread that was attached to had stopped for is its own to have. */
static void resume_first(struct command *c)
{
	struct process *p;
	struct thread *th;

	list_each(p, &c->t->processes, node) {
		list_each(th, &p->threads, node) {
			if (th->last.kind == STOP_SIGNAL && th->last.signo)
				resume(c, th->id, th->last.signo);
		}
	}
	resume(c, (struct ptid){ -1, -1 }, 0);
}

static void take_death(struct command *c, const struct stop *ev)
{
	struct story_death d = crash_death(&c->crash, ev);

	translate_flow_hold(c->t);
	story_killed(c->story, &d);
	crash_killed(&c->crash, &d);
	translate_flow_release(c->t);
}

/* False: the last of them has ended. */
static bool take_event(struct command *c, const struct stop *ev)
{
	switch (ev->kind) {
	case STOP_EXITED:
		if (ev->id.pid == c->pid)
			c->status = ev->code;
		break;
	case STOP_KILLED:
		if (ev->id.pid == c->pid)
			c->status = 128 + ev->signo;
		take_death(c, ev);
		break;
	case STOP_NO_RESUMED:
		break;
	default:
		crash_signal(&c->crash, c->t, ev);
		resume(c, ev->id, ev->signo);
	}
	return !list_empty(&c->t->processes);
}

/* A signal that asks us to end is the program's to take when it runs in our
 * terminal. */
static bool asked_to_end(struct command *c)
{
	struct signalfd_siginfo si;

	if (read(c->signal_fd, &si, sizeof(si)) != sizeof(si))
		return false;
	return !c->argv || si.ssi_signo != SIGINT;
}

/* In ms, for poll(2): to what comes first of the end and the next ticks. */
static int time_left(struct command *c, int64_t until)
{
	const int ticks[] = { translate_tick(c->t),
			      progress_tick(&c->progress, c->t) };
	int64_t left = until ? until - clock_ms() : INT_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(ticks); i++) {
		if (ticks[i] >= 0 && ticks[i] < left)
			left = ticks[i];
	}
	return left == INT_MAX ? -1 : (int)left;
}

/* True: there may be more events; false: it is over. The signal that has ended
 * the last wait for an event comes once more, with nothing new. */
static bool wait_for_more(struct command *c, int64_t until)
{
	struct pollfd fds[2] = {
		{ c->signal_fd, POLLIN, 0 },
		{ c->t->ops->event_fd(c->t), POLLIN, 0 },
	};

	while (!until || until > clock_ms()) {
		if (poll(fds, 2, time_left(c, until)) >= 0 || errno != EINTR)
			return !(fds[0].revents && asked_to_end(c));
	}
	return false;
}

static void run(struct command *c)
{
	int64_t until =
		c->duration ? clock_ms() + (int64_t)(c->duration * 1000) : 0;
	struct stop ev;

	sigfillset(&c->t->pass_signals);
	sigfillset(&c->t->program_signals);
	crash_want(&c->crash, &c->t->pass_signals);
	resume_first(c);
	progress_begin(&c->progress, c->argv);
	do {
		while (c->t->ops->next_event(c->t, &ev, true) > 0) {
			if (!take_event(c, &ev))
				return;
		}
	} while (wait_for_more(c, until));
}

static void let_go(struct command *c)
{
	struct process *p;

	c->t->ops->halt(c->t);
	while (!list_empty(&c->t->processes)) {
		p = list_entry(c->t->processes.next, struct process, node);
		if (c->argv)
			c->t->ops->kill(c->t, p);
		else
			c->t->ops->detach(c->t, p, 0);
	}
}

/* --- files --------------------------------------------------------------- */

static const char *out_file(const struct command *c)
{
	return c->coverage_file ? c->coverage_file
	       : c->count_file	? c->count_file
				: c->trace_file;
}

/* Before the program starts: what cannot be written is not worth a run. */
static int open_files(struct command *c, struct err *e)
{
	const char *path = out_file(c);

	if (!path)
		return 0;
	c->out = out_open(path);
	return c->out ? 0 : err_set(e, -errno, "cannot write %s: %m", path);
}

static void take_hits(void *user, pid_t pid, const struct space *sp)
{
	struct command *c = user;

	if (!c->out)
		return;
	if (c->mode == MODE_TRACE)
		events_write_modules(c->out, pid, sp);
	else
		hits_take(&c->hits, sp);
}

static void write_files(struct command *c)
{
	if (!c->out)
		return;
	if (c->coverage_file && c->outputs.args.drcov_version == 3)
		hits_write_drcov3(&c->hits, c->out);
	else if (c->coverage_file)
		hits_write_drcov(&c->hits, c->out);
	else if (c->count_file)
		hits_write_counts(&c->hits, c->out);
	if (!out_close(c->out))
		fprintf(stderr, "tracestub: writing %s failed: %m\n",
			out_file(c));
}

/* --- counters ------------------------------------------------------------ */

static void print_counter(void *user, const char *name, const char *text,
			  uint64_t value)
{
	(void)text;
	fprintf(user, "%s %lu\n", name, value);
}

static void print_stats(const struct command *c)
{
	FILE *f = c->stats_file ? out_open(c->stats_file) : stderr;

	if (!f) {
		fprintf(stderr, "tracestub: cannot write %s: %m\n",
			c->stats_file);
		return;
	}
	translate_stats_each(c->t, print_counter, f);
	if (!out_close(f))
		fprintf(stderr, "tracestub: writing %s failed: %m\n",
			c->stats_file ? c->stats_file : "the counters");
}

static void exclude(struct target *t, const char *const *globs, unsigned n,
		    enum exclusion how)
{
	for (unsigned i = 0; i < n; i++)
		translate_exclude_modules(t, globs[i], how);
}

/* What is not asked for is not recorded, but for code of no file. */
static void exclude_modules(const struct command *c)
{
	static const char *const all[] = { "*" };
	const struct globs *g = &c->globs;

	exclude(c->t, all, g->n_include > 0, EXCLUDED);
	exclude(c->t, g->include, g->n_include, INCLUDED);
	exclude(c->t, g->exclude, g->n_exclude, EXCLUDED);
	exclude(c->t, c->native.include, c->native.n_include,
		EXCLUDED_TRANSPARENTLY);
}

/* --- the command ---------------------------------------------------------- */

/* argv, as a shell shows it. */
static char *joined(char **argv)
{
	struct buf b = { 0 };

	for (; argv && *argv; argv++)
		buf_printf(&b, b.len ? " %s" : "%s", *argv);
	return buf_str(&b);
}

/* Some files take no more than calls. Which code is not to be recorded only a
 * log of all of it tells. */
static enum flow_keep how_much(const struct command *c)
{
	const struct globs *g = &c->globs;

	if (!c->outputs.n)
		return c->keep;
	for (unsigned i = 0; i < c->outputs.n; i++) {
		if (!c->outputs.all[i].format->calls)
			return FLOW_ALL;
	}
	return c->crash.wanted || g->n_include || g->n_exclude ||
			       c->native.n_include
		       ? FLOW_ALL
		       : FLOW_CALLS;
}

static int open_outputs(struct command *c, struct story *s, struct feed *feed,
			struct err *e)
{
	bool told = c->outputs.n || c->crash.wanted;
	struct flow_sink sink;

	s->command = joined(c->argv);
	feed_init(feed, s, &sink);
	c->outputs.args.globs = &c->globs;
	if (!told)
		sink = (struct flow_sink){ NULL };
	translate_set_flow(c->t, &sink, how_much(c));
	if (crash_begin(&c->crash, s, e) < 0)
		return -EINVAL;
	return outputs_open(&c->outputs, s, e);
}

static void run_program(struct command *c)
{
	if (c->argv)
		c->pid = list_entry(c->t->processes.next, struct process, node)
				 ->pid;
	run(c);
	progress_end(&c->progress);
	let_go(c);
}

/* All that is opened here is closed by the caller. */
static int trace(struct command *c, struct story *r, struct feed *feed)
{
	struct err e = { "" };

	translate_follow_children(c->t, c->follow_forks, true);
	translate_on_end(c->t, take_hits, c);
	exclude_modules(c);
	if (open_files(c, &e) < 0 || open_outputs(c, r, feed, &e) < 0)
		goto failed;
	translate_set_sink(c->t, &(struct translate_sink){
					 c->events, events_write, c->out });
	if (begin(c, &e) < 0)
		goto failed;
	run_program(c);
	/* Nobody else tells the story anything from here on. */
	translate_set_flow(c->t, &(struct flow_sink){ NULL }, c->keep);
	story_finish(r);
	write_files(c);
	return c->status;
failed:
	c->stats = false;
	fprintf(stderr, "tracestub: %s\n", e.text);
	return EXIT_OURS;
}

int trace_main(char **argv, struct target *t, int signal_fd)
{
	struct command c = { .t = t,
			     .signal_fd = signal_fd,
			     .keep_aslr = true };
	struct feed feed = { 0 };
	int argc = 0, status;
	struct story *r;

	while (argv[argc])
		argc++;
	status = command_take_options(&c, argc, argv);
	if (status)
		return status - 1;
	c.hits.globs = &c.globs;
	r = c.story = story_new();
	status = trace(&c, r, &feed);
	outputs_close(&c.outputs);
	crash_fini(&c.crash);
	feed_fini(&feed);
	story_free(r);
	hits_fini(&c.hits);
	globs_fini(&c.globs);
	globs_fini(&c.native);
	if (c.stats)
		print_stats(&c);
	return status;
}
