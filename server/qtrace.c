/*
 * The translator in a client's hands: qTrace:VERB[:ARGS], and the same verbs
 * as `monitor trace VERB [ARGS]`. Of server/ only this file knows that there
 * is a translator.
 */
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "server/packet.h"
#include "server/session.h"
#include "translate/record.h"
#include "translate/translate.h"

/* Appends what it has to say; args is what follows the verb. */
typedef int verb_fn(struct session *s, struct args *args, struct buf *out);

struct verb {
	const char *name, *args, *help;
	verb_fn *fn;
};

static verb_fn verb_features, verb_follow, verb_unfollow, verb_exclude,
	verb_include, verb_invalidate, verb_flush, verb_collect, verb_prefetch,
	verb_cache_size, verb_stats;

static const struct verb verbs[] = {
	{ "features", "", "the version and the verbs there are",
	  verb_features },
	{ "follow", "[THREAD][;mode=none|coverage|count]",
	  "run the process of that thread, or all (-1), translated from the "
	  "next resume on",
	  verb_follow },
	{ "unfollow", "[THREAD]", "... or from its original code again",
	  verb_unfollow },
	{ "exclude", "START,LEN[;transparent=1] | module=GLOB[;transparent=1]",
	  "record nothing of that code, and run of it natively what can be; "
	  "transparently:\n    all of it, with two stops a call",
	  verb_exclude },
	{ "include", "START,LEN | module=GLOB", "... or no more",
	  verb_include },
	{ "invalidate", "ADDR,LEN", "translate that code again when it runs",
	  verb_invalidate },
	{ "flush", "", "... all of it", verb_flush },
	{ "prefetch", "ADDR", "translate the code there now", verb_prefetch },
	{ "collect", "",
	  "give memory back that no thread uses: is there any left?",
	  verb_collect },
	{ "cache-size", "[BYTES]",
	  "how much code a process has that is followed from now on, at most",
	  verb_cache_size },
	{ "stats", "", "every counter of the translator", verb_stats },
};

/* --- arguments ----------------------------------------------------------- */

static const char *const mode_names[] = {
	[MODE_NONE] = "none",
	[MODE_COVERAGE] = "coverage",
	[MODE_COUNT] = "count",
};

static bool take_mode(struct args *a, enum trace_mode *mode)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mode_names); i++) {
		struct args at = *a;

		if (!take_name(a, mode_names[i]) || !take_end(a)) {
			*a = at;
			continue;
		}
		*mode = (enum trace_mode)i;
		return true;
	}
	return false;
}

/* The threads of a process are followed together. */
static int take_process(struct session *s, struct args *a, struct ptid *who)
{
	*who = (struct ptid){ -1, -1 };
	if (take_end(a) || *a->p == ';')
		return 0;
	if (!take_ptid(a, who))
		return err_set(&s->err, -EINVAL,
			       "that is no thread: give -1, "
			       "or pPID.-1 in hex");
	if (who->tid > 0 && thread_find(s->target, who->tid))
		who->pid = thread_find(s->target, who->tid)->proc->pid;
	return 0;
}

/* --- following ----------------------------------------------------------- */

static bool all_stand(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			return false;
	}
	return true;
}

/* Calls fn for the processes that who covers; how many there were. */
typedef int process_fn(struct session *s, struct process *p,
		       enum trace_mode mode);

static int each_process(struct session *s, struct ptid who, process_fn *fn,
			enum trace_mode mode)
{
	struct process *p;
	int n = 0, r;

	list_each(p, &s->target->processes, node) {
		if (p->untold || (who.pid > 0 && who.pid != p->pid))
			continue;
		if (!all_stand(p))
			return err_set(&s->err, -EBUSY,
				       "process %d runs: stop it first",
				       p->pid);
		r = fn(s, p, mode);
		if (r < 0)
			return r;
		n++;
	}
	return n ? n : err_set(&s->err, -ESRCH, "there is no such process");
}

static int follow(struct session *s, struct process *p, enum trace_mode mode)
{
	return translate_follow(s->target, p, mode, &s->err);
}

static int unfollow(struct session *s, struct process *p, enum trace_mode mode)
{
	(void)mode;
	translate_unfollow(s->target, p);
	return 0;
}

static int verb_follow(struct session *s, struct args *a, struct buf *out)
{
	enum trace_mode mode = MODE_NONE;
	struct ptid who;
	int r = take_process(s, a, &who);

	if (r < 0)
		return r;
	if (!take_end(a) && !(take_name(a, ";mode=") && take_mode(a, &mode)))
		return err_set(&s->err, -EINVAL,
			       "mode is none, coverage or count");
	r = each_process(s, who, follow, mode);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}

static int verb_unfollow(struct session *s, struct args *a, struct buf *out)
{
	struct ptid who;
	int r = take_process(s, a, &who);

	if (r >= 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL, "unfollow takes a thread alone");
	if (r >= 0)
		r = each_process(s, who, unfollow, MODE_NONE);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}

/* --- what is excluded ---------------------------------------------------- */

struct excluded_code {
	uint64_t lo, len;
	char glob[256]; /* "": it is a range */
};

static bool take_glob(struct args *a, char *glob, size_t size)
{
	struct args word;

	if (!take_name(a, "module=") || !take_word(a, ";", &word) ||
	    take_end(&word) || args_left(&word) >= size)
		return false;
	memcpy(glob, word.p, args_left(&word));
	glob[args_left(&word)] = '\0';
	return true;
}

static int take_code(struct session *s, struct args *a, struct excluded_code *c)
{
	*c = (struct excluded_code){ .lo = 0 };
	if (take_glob(a, c->glob, sizeof(c->glob)))
		return 0;
	if (take_hex(a, &c->lo) && take_char(a, ',') && take_hex(a, &c->len) &&
	    c->len && c->lo + c->len > c->lo)
		return 0;
	return err_set(&s->err, -EINVAL,
		       "which code? START,LEN in hex, or module=GLOB");
}

/* Blocks are dropped: nobody may be on the way to one. */
static int all_have_stopped(struct session *s)
{
	struct process *p;

	list_each(p, &s->target->processes, node) {
		if (!p->untold && !all_stand(p))
			return err_set(&s->err, -EBUSY,
				       "process %d runs: stop it first",
				       p->pid);
	}
	return 0;
}

/* Ranges are the current process's, modules everybody's. */
static int exclude_code(struct session *s, const struct excluded_code *c,
			enum exclusion how)
{
	struct process *p = session_process(s);
	int r = all_have_stopped(s);

	if (r < 0)
		return r;
	if (c->glob[0]) {
		r = translate_exclude_modules(s->target, c->glob, how);
		return r == 0 ? 0
			      : err_set(&s->err, r,
					"there are %d globs already",
					TRANSLATE_GLOBS_MAX);
	}
	if (!p || !translate_space(p))
		return err_set(&s->err, -ESRCH,
			       "the process is not followed: a range is of one "
			       "that is");
	if (how == INCLUDED &&
	    translate_include(s->target, p, c->lo, c->lo + c->len) < 0)
		return err_set(&s->err, -ENOENT,
			       "no such range was excluded: give the same one");
	if (how != INCLUDED)
		translate_exclude(s->target, p, c->lo, c->lo + c->len,
				  how == EXCLUDED_TRANSPARENTLY);
	return 0;
}

static int verb_exclude(struct session *s, struct args *a, struct buf *out)
{
	enum exclusion how = EXCLUDED;
	struct excluded_code c;
	int r = take_code(s, a, &c);

	if (r >= 0 && take_name(a, ";transparent=1"))
		how = EXCLUDED_TRANSPARENTLY;
	else if (r >= 0)
		take_name(a, ";transparent=0");
	if (r >= 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL,
			    "behind the code comes ;transparent=1 or nothing");
	if (r >= 0)
		r = exclude_code(s, &c, how);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}

static int verb_include(struct session *s, struct args *a, struct buf *out)
{
	struct excluded_code c;
	int r = take_code(s, a, &c);

	if (r >= 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL, "include takes the code alone");
	if (r >= 0)
		r = exclude_code(s, &c, INCLUDED);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}

/* --- the cache ----------------------------------------------------------- */

/* The current process, which is followed and stands, or NULL. */
static struct process *take_followed(struct session *s)
{
	struct process *p = session_process(s);

	if (all_have_stopped(s) < 0)
		return NULL;
	if (p && translate_space(p))
		return p;
	err_set(&s->err, -ESRCH, "the process is not followed");
	return NULL;
}

static int verb_invalidate(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len;
	struct process *p;

	if (!take_hex(a, &addr) || !take_char(a, ',') || !take_hex(a, &len) ||
	    !take_end(a) || addr + len <= addr)
		return err_set(&s->err, -EINVAL, "which code? ADDR,LEN in hex");
	p = take_followed(s);
	if (!p)
		return -EINVAL;
	buf_printf(
		out, "blocks=%x;",
		(unsigned)translate_invalidate(s->target, p, addr, addr + len));
	return 0;
}

static int verb_flush(struct session *s, struct args *a, struct buf *out)
{
	struct process *p;

	if (!take_end(a))
		return -EPROTO;
	p = take_followed(s);
	if (!p)
		return -EINVAL;
	translate_flush(s->target, p);
	buf_puts(out, "OK");
	return 0;
}

static int verb_prefetch(struct session *s, struct args *a, struct buf *out)
{
	struct process *p;
	uint64_t addr;

	if (!take_hex(a, &addr) || !take_end(a))
		return err_set(&s->err, -EINVAL, "which code? ADDR in hex");
	p = take_followed(s);
	if (!p)
		return -EINVAL;
	if (translate_prefetch(s->target, p, addr) < 0)
		return err_set(&s->err, -EFAULT,
			       "there is no code that could be translated");
	buf_puts(out, "OK");
	return 0;
}

static int verb_collect(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);
	int r;

	if (!take_end(a))
		return -EPROTO;
	r = all_have_stopped(s);
	if (r < 0)
		return r;
	buf_printf(out, "remains=%d;", p ? translate_collect(s->target, p) : 0);
	return 0;
}

static int verb_cache_size(struct session *s, struct args *a, struct buf *out)
{
	char text[32] = "";
	struct args word;
	uint64_t bytes;

	if (take_end(a)) {
		buf_printf(out, "cache-size=%lu;",
			   translate_get_cache_size(s->target));
		return 0;
	}
	take_word(a, ";", &word);
	if (args_left(&word) < sizeof(text))
		memcpy(text, word.p, args_left(&word));
	if (!take_end(a) || size_parse(text, &bytes) < 0 ||
	    translate_cache_size(s->target, bytes) < 0)
		return err_set(&s->err, -EINVAL, "a cache has 1M to 1G bytes");
	buf_puts(out, "OK");
	return 0;
}

/* --- what there is ------------------------------------------------------- */

static int verb_features(struct session *s, struct args *a, struct buf *out)
{
	(void)s;
	if (!take_end(a))
		return -EPROTO;
	buf_puts(out, "version=" VERSION ";verbs=");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		buf_printf(out, "%s%s", i ? "," : "", verbs[i].name);
	buf_puts(out, ";modes=");
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++)
		buf_printf(out, "%s%s", i ? "," : "", mode_names[i]);
	return 0;
}

static void put_counter(void *user, const char *name, const char *text,
			uint64_t value)
{
	(void)text;
	buf_printf(user, "%s=%lu;", name, value);
}

static int verb_stats(struct session *s, struct args *a, struct buf *out)
{
	if (!take_end(a))
		return -EPROTO;
	translate_stats_each(s->target, put_counter, out);
	return 0;
}

/* --- both ways in -------------------------------------------------------- */

static const struct verb *take_verb(struct args *a, char sep)
{
	const char stops[2] = { sep, '\0' };
	struct args word;

	take_word(a, stops, &word);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct args name = word;

		if (take_name(&name, verbs[i].name) && take_end(&name)) {
			take_char(a, sep);
			return &verbs[i];
		}
	}
	return NULL;
}

int pk_trace(struct session *s, struct args *a, struct buf *out)
{
	const struct verb *v = take_verb(a, ':');
	int r = v ? v->fn(s, a, out) : -ENOTSUP;

	/* Only a verb that is not known is answered by nothing. */
	if (v && r == -ENOTSUP)
		r = -EPERM;
	return r < 0 ? r : REPLY_NOW;
}

static void print_help(struct session *s)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		buf_printf(&text, "  monitor trace %s %s\n    %s\n",
			   verbs[i].name, verbs[i].args, verbs[i].help);
	session_print(s, buf_str(&text));
	buf_fini(&text);
}

/* A pair a line is what a person reads. */
static void print_pairs(struct session *s, struct buf *text)
{
	for (char *p = buf_str(text); *p; p++) {
		if (*p == ';')
			*p = '\n';
	}
	buf_puts(text, "\n");
	session_print(s, buf_str(text));
}

int monitor_trace(struct session *s, const char *line)
{
	struct args a = args_of(line, strlen(line));
	const struct verb *v = take_verb(&a, ' ');
	struct buf text = { 0 };
	int r = 0;

	if (!v) {
		print_help(s);
		return !*line || !strcmp(line, "help")
			       ? 0
			       : err_set(&s->err, -EINVAL,
					 "no such verb of trace: %s", line);
	}
	r = v->fn(s, &a, &text);
	if (r == -EPROTO)
		r = err_set(&s->err, -EINVAL, "%s takes no arguments", v->name);
	if (r >= 0 && strcmp(buf_str(&text), "OK"))
		print_pairs(s, &text);
	buf_fini(&text);
	return r < 0 ? r : 0;
}
