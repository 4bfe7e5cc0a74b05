/*
 * Private to translate/: the two layers and how they belong together.
 *
 * Every process and thread that the lower target tells of has a record in
 * either layer. The upper ones are made and freed by mirror.c, in the moment
 * in which the lower ones come and go: within any operation of the lower
 * target, so that no pointer to an upper record outlives one either, unless
 * its process or thread is known to last.
 *
 * Which side has the say:
 *
 *	going up	running, when a stop is told and at a halt; last;
 *			what an exec changes; unsettled
 *	going down	what the layer above wants: the fields of struct target,
 *			options and untold of threads, registers that it wrote
 *
 * An upper point is never inserted as far as its record goes: the lower one
 * is, and has what it covers. So reads come up as the program wrote memory,
 * and writes go down without a look at points.
 */
#ifndef TRANSLATE_LAYER_H
#define TRANSLATE_LAYER_H

#include "target/target.h"
#include "translate/collect.h"
#include "translate/events.h"
#include "translate/flow.h"
#include "translate/record.h"
#include "translate/redirect.h"
#include "translate/sigtrap.h"
#include "translate/transform.h"
#include "translate/translate.h"

struct follow;
struct history;
struct run;
struct space;
struct watch;

struct translator {
	struct target t;       /* first: translator_of() casts */
	struct target_ops ops; /* t's: without what lower has not */
	struct target *lower;  /* owned */
	struct map processes;  /* pid -> struct process of t's */
	struct list running;   /* struct tr_thread, of threads that run */
	struct {
		bool due; /* some thread of who is to stop, and none has */
		struct ptid who;
	} interrupt;
	size_t n_followed;   /* processes, of which some threads are */
	int events_fd, more_fd; /* wrapper.c: lower's and ours */
	int timer_fd;		/* collect-read.c: rings are to be read */
	bool timed;		/* it is set */
	bool more;		/* ours is readable: there may be more events */
	size_t n_due;	     /* processes: see tr_process.follow_due */
	struct list blocked; /* blocked.c: what is to be undone yet */
	bool follow_new, follow_forks, follow_execs;
	uint64_t cache_size; /* of each space that is made */
	unsigned fs_base, gs, gs_base, orig_rax, fiseg, fioff; /* of registers */
	struct translate_stats stats;
	int64_t sweep_at, sweep_every; /* coverage.c: ns; 0: never */
	uint64_t swept_blocks;
	struct translate_sink sink;
	struct flow_sink flow_sink;
	uint32_t listener; /* how many there were */
	enum flow_keep keep; /* for images that begin */
	struct consumer *consumer; /* consumer.c; NULL: there was none yet */
	bool has_hints;
	char *hints_dir;   /* NULL: they are kept here alone */
	struct list hints; /* struct hints */
	bool saves;	   /* code, where hints_dir is: saved.h */
	struct module_rule *rules; /* exclude.c */
	unsigned n_rules;
	transform_fn *transform; /* or NULL */
	void *transform_user;
	transform_count_fn *count_fn; /* or NULL */
	void *count_user;
	collect_fn *collect; /* or NULL */
	void *collect_user;
	enum condition_place conditions;
	bool has_conditions; /* some point had any */
	bool holds_points; /* ... was one of watchpoints.h */
	uint64_t n_false;    /* lower's, when it was looked at last */
	unsigned n_collectors; /* of all spaces */
	int last_collector;    /* the number of the newest: none is another
				* program's */
	int64_t collect_at; /* when rings are read next: clock_ms() */
	unsigned calling;   /* the layer above, from within something */
	bool due;	    /* something was left for when that is over */
	bool callout_stops; /* the callout wants its thread to stop */
	translate_switch_fn *switch_fn; /* or NULL */
	void *switch_user;
	int trust;     /* translate_trust() */
	bool observed; /* translated code tells slow kinds apart */
	struct stop *later; /* events to be told before others */
	size_t n_later;
	translate_end_fn *on_end;
	void *on_end_user;
};

/* Behind an upper process's priv. */
struct tr_process {
	struct process *lower;
	struct space *space; /* NULL: no thread of it was followed yet */
	bool point_gone; /* points_may_be_back() */
	bool for_conditions; /* it is followed for nothing else */
	bool immovable;	     /* ... and cannot be */
	bool is_ours;	 /* a child that is followed, and was told to nobody */
	bool follow_due; /* once it can be: it waits for its vfork child */
	enum trace_mode due_mode;
	/* How many blocks of history were asked for last; 0: it is not kept. */
	size_t history_max;
	bool history_stays; /* while it is followed anew: nothing is missed */
	bool has_execed; /* which is to be told yet: the cache is no more */
	struct trap_action trap_action; /* of SIGTRAP, while it is followed */
	struct {
		bool followed, alone, lent;
	} execer; /* the thread that has just executed a program */
	unsigned runs;	    /* functions that threads of it run: runs.h */
	uint64_t run_point; /* that is for them only; 0: there is none */
};

/* Behind an upper thread's priv. */
struct tr_thread {
	struct thread *th; /* the upper one */
	struct thread *lower;
	struct list running_node; /* in translator.running, or alone */
	struct follow *follow;	  /* NULL: it runs its original code */
	struct resume asked;	  /* last, without its signal */
	bool stop_due;	/* it was to stop, and has not: what it is interrupted
			 * at may be no event for the layer above */
	struct history *history; /* owned; NULL: none. See history.h */
	bool by_history;	 /* it would not be followed but for that */
	bool lent;		 /* ... or for a while: lend.h */
	bool tells_calls;    /* bystander.h */
	struct watch *call;  /* that it is making, if it matters; owned */
	struct run *run; /* that it is to run, or runs: runs.h; NULL: none */
	bool trap_owed; /* it met a trap of ours that was not told yet, and
			 * has been rewound since */
};

static inline struct translator *translator_of(struct target *t)
{
	return (struct translator *)t;
}

static inline struct tr_process *tr_process_of(const struct process *p)
{
	return p->priv;
}

static inline struct tr_thread *tr_thread_of(const struct thread *th)
{
	return th->priv;
}

static inline struct process *lower_process(const struct process *p)
{
	return tr_process_of(p)->lower;
}

static inline struct thread *lower_thread(const struct thread *th)
{
	return tr_thread_of(th)->lower;
}

/* Of a lower thread that has been told of; NULL for others. */
static inline struct thread *upper_thread(const struct translator *tr,
					  const struct thread *lower)
{
	return thread_find(&tr->t, lower->id.tid);
}

static inline struct follow *follow_of(const struct thread *th)
{
	return tr_thread_of(th)->follow;
}

static inline struct space *space_of(const struct process *p)
{
	return tr_process_of(p)->space;
}

/* --- mirror.c: the upper records ----------------------------------------- */

/* lower has no processes yet. */
void mirror_start(struct translator *tr);

/* Is the thread running? As the lower one. */
void mirror_running(struct translator *tr, struct thread *th);

/* What the layer above wants reaches the lower target. */
void mirror_wishes(struct translator *tr);

/* The registers that were written reach the lower thread, and none is fresh:
 * before it can run, and before the lower target looks at them. */
void mirror_registers(struct translator *tr, struct process *p);

/* The thread is followed, or with NULL no more: its lower one tells us more. */
void mirror_follow(struct translator *tr, struct thread *th,
		   struct follow *follow);

/* What the lower thread is asked to tell: as the upper one, and more if it is
 * followed. */
void mirror_options(struct translator *tr, struct thread *th);

/* --- wrapper.c ----------------------------------------------------------- */

/*
 * Every lower thread is stopped for a moment, which nobody is told of, and
 * those that ran run on, but for one (or NULL).
 */
void translator_pause(struct translator *tr);
void translator_unpause(struct translator *tr, const struct thread *but);

/* One event of the lower target, for the layer above or not. */
enum pump { PUMP_NONE, PUMP_TOLD, PUMP_SEEN_TO };
enum pump translator_pump(struct translator *tr, struct stop *out,
			  bool patient);
/* One that is told by the next next_event(). */
void translator_tell_later(struct translator *tr, const struct stop *ev);

/*
 * --- interrupts.c: what was asked to stop -------------------------------
 *
 * The lower target takes an interrupt back when it tells of another stop of
 * the thread, and when it is halted. Stops that are seen to here, and pauses,
 * are none to the layer above: what it has asked for is asked for again.
 */

/* As target_ops.interrupt: a thread, if it runs, or any of who. */
void interrupts_note(struct translator *tr, struct ptid who);

/* This stop is told. */
void interrupts_told(struct translator *tr, const struct stop *ev);

/* After a stop of the thread that is not told; it may be gone. */
void interrupts_renew(struct translator *tr, pid_t tid);

/* After a pause. */
void interrupts_renew_all(struct translator *tr);

/* --- process.c ----------------------------------------------------------- */

/* The lower target tells of a followed thread. True: it is for the layer
 * above, as the event then says. False: it has been seen to. */
bool process_event(struct translator *tr, struct thread *th, struct stop *ev);

/* The lower target tells of a thread that is not followed. True: the layer
 * above is to hear it. */
bool process_wants(struct translator *tr, struct thread *th,
		   const struct stop *ev);

/* The lower target tells of a thread that is not followed: it may be now. */
void process_follow_late(struct translator *tr, struct thread *th,
			 const struct stop *ev);

/* Is every thread of it stopped, and any there? */
bool process_is_still(const struct process *p);

/* Nothing of the process is followed any more; its threads have been rewound,
 * or are gone. */
void process_forget(struct translator *tr, struct process *p);

/* Has the layer above any breakpoints in it, and one there? */
bool process_has_points(const struct space *sp);
bool process_has_point(const struct space *sp, uint64_t pc);
/* Of an upper process: a breakpoint in memory or in a debug register, as the
 * layer above set it; or NULL. */
const struct point *process_point(const struct process *p, uint64_t pc);
const struct point *process_point_of(const struct space *sp, uint64_t pc);
/* One of each kind: both are looked at, by a stop. */
static inline bool process_has_two_points(const struct process *p, uint64_t pc)
{
	return point_find(p, POINT_SW, pc, 0) && point_find(p, POINT_HW, pc, 1);
}
bool process_has_two_points_of(const struct space *sp, uint64_t pc);

/* The numbers of registers of such a thread. */
void process_learn_registers(struct translator *tr, const struct arch *a);

/* Counted; the last use frees it. */
void space_unref(struct space *sp);

/* --- births.c ------------------------------------------------------------ */

/* The process, with its threads, is let go of if it is ours alone: the layer
 * above knows nothing of it. */
bool process_let_go(struct translator *tr, struct process *p);
/* The same of the process of that thread, which by is about to trace. True: by
 * has been set going as all that ran, and makes its call again. */
bool process_yield(struct translator *tr, const struct thread *by, pid_t tid);

/* --- clear.c ------------------------------------------------------------- */

/* The cache is dropped, for all threads. */
void process_flush(struct translator *tr, struct space *sp);
/* Regions of it in which nothing is used any more are empty. */
void process_collect(struct translator *tr, struct space *sp);
/* It is full: room is made for code at pc. False: there can be none. */
bool process_make_room(struct translator *tr, struct space *sp, uint64_t pc);
/* The same; all are stopped. */
void process_drop_code(struct translator *tr, struct space *sp);

/* --- wrapper-*.c: operations that forward -------------------------------- */

int wrap_fetch_regs(struct target *t, struct thread *th, enum regset set);
int wrap_store_regs(struct target *t, struct thread *th, enum regset set);
ssize_t wrap_read_mem(struct target *t, struct process *p, uint64_t addr,
		      void *buf, size_t len);
ssize_t wrap_write_mem(struct target *t, struct process *p, uint64_t addr,
		       const void *buf, size_t len);

extern const struct target_point_ops wrap_point_ops;
extern const struct target_object_ops wrap_object_ops;
extern const struct target_syscall_ops wrap_syscall_ops;
extern const struct target_core_ops wrap_core_ops;
extern const struct target_inject_ops wrap_inject_ops;
extern const struct target_branch_ops wrap_branch_ops;

#endif
