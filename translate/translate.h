/*
 * The translator: a target around a target. Threads that are followed run from
 * translated copies of their code, and the layer above sees nothing of it: its
 * registers, memory and stops are those of the original program. What is not
 * followed is forwarded.
 */
#ifndef TRANSLATE_TRANSLATE_H
#define TRANSLATE_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

/* What translated code does beside its work. */
enum trace_mode {
	MODE_NONE,
	MODE_COVERAGE, /* which blocks were run: costs nothing in the end */
	MODE_COUNT,    /* how often each was */
	MODE_TRACE,    /* events: see events.h */
	MODE_FLOW,     /* all that is executed: see flow.h */
	MODE_HISTORY,  /* its end, for target_branch_ops: not to be asked for */
};

struct translate_stats {
#define STAT(name, text) uint64_t name;
#include "translate/stats.def"
#undef STAT
};

/* Takes lower over. */
struct target *translate_new(struct target *lower);

/*
 * The process's threads, those to come included, run translated from their
 * next resume on. All of them are stopped. An error has a reason, and then
 * nothing has changed.
 */
int translate_follow(struct target *t, struct process *p, enum trace_mode mode,
		     struct err *e);

/* The same for one of which nothing is recorded, be it followed or not: its
 * code is translated anew. Where that is refused it is followed as before. */
int translate_follow_anew(struct target *t, struct process *p,
			  enum trace_mode mode, struct err *e);

/*
 * The same for one that was attached to just now. Should all of its threads
 * wait for their vfork children (-EBUSY above) it is followed once they are
 * back, if nothing forbids it then.
 */
int translate_follow_soon(struct target *t, struct process *p,
			  enum trace_mode mode, struct err *e);

/*
 * That thread alone, of a process whose threads are all stopped. Threads that
 * it makes are followed too, unless it is alone; the others, bystanders, run
 * their original code, as do those that they make. A program is followed if
 * a thread that was has executed it. More may be followed later, in the same
 * mode (-EEXIST), also all of the process.
 *
 * Probes, redirections and what a transformer puts concern followed threads.
 * Each system call of a bystander costs two stops, as it may change code.
 */
int translate_follow_thread(struct target *t, struct thread *th,
			    enum trace_mode mode, bool alone, struct err *e);
/* It is a bystander from now on, as translate_unfollow() if it was the last
 * that was followed. The same holds for callbacks. */
void translate_unfollow_thread(struct target *t, struct thread *th);

/*
 * All of its threads for a while, in the mode that it is followed in, if it is.
 * When they are taken back those run their original code again that are
 * followed for nothing else, and what they have made meanwhile; threads may
 * run then, which are stopped for a moment.
 */
int translate_lend(struct target *t, struct process *p, struct err *e);
void translate_take_back(struct target *t, struct process *p);

/* They run their original code again, and nothing of ours is left in the
 * process. All of them are stopped, unless a callback calls it: then it happens
 * soon, and nothing more is transformed. */
void translate_unfollow(struct target *t, struct process *p);

/* Programs that are started or attached to from now on are followed, or not
 * started or attached to. */
void translate_follow_new(struct target *t, bool on);

/*
 * Of excluded code nothing is recorded. Callees there run natively if nothing
 * else than that they are quicker can come of it; the rest, callbacks to other
 * code included, is translated. Transparently all calls from other code run
 * natively, with two stops each, and control comes back to translated code
 * where they return to: what they call back runs natively too, and system calls
 * that they make are not seen. A signal's handler in between runs translated.
 */
enum exclusion { INCLUDED, EXCLUDED, EXCLUDED_TRANSPARENTLY };

/*
 * So is lo..hi. All threads are stopped. A range that is included again is one
 * that was excluded; the last one that has an address counts. -EINVAL: no
 * range, or not followed; -ENOENT: it was not excluded.
 */
int translate_exclude(struct target *t, struct process *p, uint64_t lo,
		      uint64_t hi, bool transparent);
int translate_include(struct target *t, struct process *p, uint64_t lo,
		      uint64_t hi);

/*
 * So are modules whose path, or the last part of it, matches the glob, but for
 * ranges that are excluded: in all processes, now and from now on. The last
 * glob that matches counts. All threads are stopped. -ENOSPC: there are
 * TRANSLATE_GLOBS_MAX already, and this is none of them.
 */
#define TRANSLATE_GLOBS_MAX 256
int translate_exclude_modules(struct target *t, const char *glob,
			      enum exclusion how);

/* Are forked children of followed processes followed, but of threads that are
 * lent, and programs that they execute? At first: no, and yes. */
void translate_follow_children(struct target *t, bool forks, bool execs);

/*
 * How much memory the code cache of a process may take, in bytes: of those that
 * are followed from now on. What does not fit takes the place of what was
 * translated longest ago. -EINVAL: less than CACHE_LEAST or more than
 * CACHE_MOST.
 */
#define CACHE_LEAST (UINT64_C(1) << 20)
#define CACHE_MOST  (UINT64_C(1) << 30)
#ifdef HOSTILE
#define CACHE_DEFAULT CACHE_LEAST
#else
#define CACHE_DEFAULT (UINT64_C(256) << 20)
#endif
int translate_cache_size(struct target *t, uint64_t bytes);
uint64_t translate_get_cache_size(const struct target *t);

/*
 * Where programs have been running is remembered until the target ends, to
 * translate as much ahead of time when the same files are followed again, and
 * in that directory for longer (NULL: nowhere), which is made when there is
 * something to write. At first nothing is remembered.
 */
void translate_hints(struct target *t, const char *dir);

/* Is translated code saved in a directory of that one? Not at first. */
void translate_save_code(struct target *t, bool save);

/*
 * After how many times that code which may change was run, and was what it had
 * been when it was translated, is it looked at no more? What the program makes
 * of it afterwards is not noticed before translate_invalidate(), a call that
 * maps or protects memory there, or the like. TRUST_NEVER, at first: it always
 * is. 0: not even once. Code is translated again for it. -EINVAL: less than -1
 * or more than TRUST_MOST.
 */
#define TRUST_NEVER (-1)
#define TRUST_MOST  1000000000
int translate_trust(struct target *t, int times);
int translate_get_trust(const struct target *t);

/*
 * What may be done to the code of a followed process, of which all threads are
 * stopped. -EINVAL: it is not followed, or that is no range.
 *
 *	invalidate	what was translated of lo..hi is translated again when
 *			it is wanted: how many blocks that were
 *	flush		all of it
 *	prefetch	code at pc is translated now, and some that follows it;
 *			-EFAULT: there is none, or no cache can be near it
 *	collect		memory goes back that no thread uses: windows of threads
 *			that have ended, code that was dropped. 1: the process
 *			still has memory of ours, as it does while it is
 *followed; 0: it has none
 */
int translate_invalidate(struct target *t, struct process *p, uint64_t lo,
			 uint64_t hi);
int translate_flush(struct target *t, struct process *p);
int translate_prefetch(struct target *t, struct process *p, uint64_t pc);
int translate_collect(struct target *t, struct process *p);

/*
 * What is done now and then while threads run; next_event() does it too, as far
 * as it is called. Returns in how many milliseconds it wants to be called
 * again; -1: not before the next event.
 */
int translate_tick(struct target *t);

/*
 * Are the counters slow_* exact? At first not: indirect jumps and calls that
 * find no code, but for their first time, are all in slow_indirect. It costs a
 * store for each; what is translated is dropped.
 */
void translate_observe(struct target *t, bool on);

const struct translate_stats *translate_stats(const struct target *t);
/* Calls fn for each counter, in order. */
void translate_stats_each(const struct target *t,
			  void (*fn)(void *user, const char *name,
				     const char *text, uint64_t value),
			  void *user);

#endif
