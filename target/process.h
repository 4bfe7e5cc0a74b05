/*
 * Records of what is debugged: processes, their threads, the last stop of
 * each, and the points set in them. Every layer of targets has records of its
 * own, keyed by id. A struct thread is not kept across a resume: keep its
 * struct ptid and look it up again.
 */
#ifndef TARGET_PROCESS_H
#define TARGET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "base/list.h"
#include "base/map.h"
#include "base/ptid.h"

struct ax_program;
struct point_filter;
struct syscall_set;
struct target;

enum stop_kind {
	STOP_NONE,	 /* stopped quietly, nothing to report */
	STOP_SIGNAL,	 /* signo: about to be delivered, code: a signal_code;
			  * 0: we interrupted, and code says whom */
	STOP_STEP,	 /* a step or range step is done */
	STOP_SWBREAK,	 /* pc is the breakpoint's address */
	STOP_HWBREAK,	 /* the same */
	STOP_WATCH,	 /* addr: the data address; point: which kind */
	STOP_FORK,	 /* child: the new process, stopped */
	STOP_VFORK,	 /* the same */
	STOP_VFORK_DONE, /* the vfork child has left the parent's memory */
	STOP_EXEC,	 /* process.path: the new program */
	STOP_SYSCALL_ENTRY,  /* code: its number; nothing is done yet */
	STOP_SYSCALL_RETURN, /* code: the same; its result is there */
	STOP_CLONED,	 /* child: the new thread, stopped at its start */
	STOP_CREATED,	 /* a new thread's first stop */
	STOP_THREAD_EXIT, /* code: status; the thread is gone */
	STOP_EXITED,	 /* code: exit status; the process is gone */
	STOP_KILLED,	 /* signo: what ended it; the process is gone */
	STOP_NO_RESUMED, /* nothing is left that could stop */
};

enum interrupt_code {
	INTERRUPT_THREAD, /* this one was to stop */
	INTERRUPT_ANY,	  /* any of them */
};

enum signal_code {
	SIGNAL_PROGRAMS, /* it is the program's business */
	SIGNAL_TRAP,	 /* a SIGTRAP: target.is_trap() has said so */
};

enum point_kind {
	POINT_SW,
	POINT_HW,
	POINT_WRITE,
	POINT_READ,
	POINT_ACCESS,
};

/* Of a thread: what a client wants to be told. */
enum {
	THREAD_TELL_CLONE = 1 << 0, /* STOP_CLONED when it makes a thread */
	THREAD_TELL_EXIT = 1 << 1,  /* STOP_THREAD_EXIT */
	THREAD_TELL_SIGNALS = 1 << 2, /* those that are to be passed, too */
	THREAD_TELL_CALLS = 1 << 3, /* those that struct target's wants_call()
				     * wants, from its next resume on */
};

/* More watchpoints than one may have met the same instruction. */
struct watch_hit {
	uint64_t addr; /* where it was touched */
	enum point_kind point;
};

#define STOP_MAX_WATCH 4

/* One stop, with all that a reply needs. */
struct stop {
	struct ptid id;
	enum stop_kind kind;
	int signo; /* the host's number */
	bool given; /* STOP_SIGNAL, told for THREAD_TELL_SIGNALS: a resume was
		     * to deliver it, and the thread may have gone on since */
	int code;
	uint64_t addr;
	enum point_kind point;
	unsigned n_watch; /* STOP_WATCH: how many; 0 means addr alone */
	struct watch_hit watch[STOP_MAX_WATCH]; /* the first is addr, point */
	struct ptid child;
};

static inline bool stop_ends_process(const struct stop *st)
{
	return st->kind == STOP_EXITED || st->kind == STOP_KILLED;
}

struct thread {
	struct ptid id;
	struct process *proc; /* borrowed; outlives the thread */
	struct list node;     /* in process.threads, oldest first */
	bool running;	      /* as the layer above sees it */
	bool untold; /* its stop is one that the client does not know of yet:
		      * no resume is meant for it */
	bool watched;	      /* the target's watcher knows of it */
	bool blocked; /* told as stopped, but it only waits for its vfork child:
		       * registers can be read, as far as they are known, and
		       * not written, before its next event */
	bool passes; /* it has met the breakpoint at its pc, which was not to be
		      * told, and is yet to execute what is there */
	struct point_code *logged; /* counted: what it has met at its pc, and
				    * does not meet again, be it the logpoint
				    * alone, to which something has come since;
				    * NULL: nothing */
	struct point_filter *counted; /* counted: the filter of what it is to
				       * meet at counted_at has it already;
				       * NULL: none has */
	uint64_t counted_at;
	bool counts; /* the last filter that looked at it has counted it */
	unsigned options;     /* THREAD_TELL_* bits; a new thread has none */
	struct stop last;     /* why it stopped; kind NONE before that */
	uint64_t handle; /* its pthread_t, which is the thread pointer, once
			  * that was looked up: xfer.c; 0: not known */
	uint8_t *regs;	      /* arch->regs_size bytes, as in the g packet; NULL
			       * before any were fetched */
	uint32_t fresh;	      /* a bit per register set: regs holds it */
	uint32_t dirty;	      /* ... and differs from the thread's own */
	void *priv;	      /* the target implementation's */
	void *traced; /* who traces it (tracepoint/): allocated, and freed with
		       * the record */
};

/*
 * What the server does by itself at a point: verified agent expressions. A
 * point stops when it has no condition, when any of them is true, and when
 * one cannot be evaluated. Commands run at each hit that would stop; a point
 * that has commands does not stop. Shared by the copies of a point that
 * forked processes have.
 */
struct point_code {
	unsigned refs;
	struct ax_program **cond; /* owned, and so are the programs */
	size_t n_cond;
	struct ax_program **command;
	size_t n_command;
	struct point_filter *filter; /* counted; NULL: none. See filter.h: what
				      * meets the conditions has to pass it */
	uint64_t n_false; /* stops for nothing, here: no condition held, or
			   * the commands were all */
	bool persist; /* commands stay after the client has gone */
	bool console; /* what commands print is for the client, not for the
		       * server's output: of a logpoint */
	/*
	 * Each hit is told, whatever the conditions: the layer above looks at
	 * it (target/traced.h). What a client has asked for is beneath.
	 */
	bool told;
	bool asked;		       /* it has asked for this point */
	struct point_code *asked_code; /* counted; NULL: it just stops */
	/* Counted: a logpoint that is at the same place as what was asked for,
	 * and comes before that. */
	struct point_code *log;
};

struct point {
	struct list node; /* in process.points->list */
	enum point_kind kind;
	uint64_t addr;
	unsigned size;	/* the Z packet's kind field */
	bool inserted;	/* it is in the process's memory or registers */
	bool held; /* the target sees to it by itself, without those */
	uint8_t shadow[ARCH_TRAP_MAX]; /* POINT_SW: what it covers */
	uint8_t *twin; /* the target's copy of shadow, kept equal; or NULL */
	struct point_code *code;       /* counted; NULL: it just stops */
};

/* The points of an address space: of a process, and of its vfork children
 * until they exec. */
struct points {
	unsigned refs;
	struct list list; /* of struct point */
	struct map sw;	  /* address + 1 -> POINT_SW point */
	bool had_sw;	  /* there was one: a thread may have met it */
};

struct process {
	pid_t pid;
	unsigned image; /* another for each program that a process executes,
			 * of all in the target */
	struct list node; /* in target.processes, oldest first */
	struct list threads;
	struct points *points; /* counted */
	const struct arch *arch; /* borrowed from the target */
	struct syscall_set *caught; /* counted; system calls that are told */
	char *path;		 /* owned: the program's absolute path */
	bool attached;		 /* as opposed to started by us */
	bool untold; /* forked, and the fork was not reported yet; or being
		      * taken, or a ghost: for the layer above it is not
		      * there */
	bool watched; /* the target's watcher knows of it */
	void *priv;
};

struct process *process_find(const struct target *t, pid_t pid);
struct process *process_add(struct target *t, pid_t pid,
			    const struct arch *arch);
/* The same, and untold is set. */
struct process *process_add_untold(struct target *t, pid_t pid,
				   const struct arch *arch);
/* It is no longer untold, nor are its threads but those that were added so. */
void process_tell(struct target *t, struct process *p);
/* It is untold again, with its threads: for the watcher it is gone. */
void process_hide(struct target *t, struct process *p);
/* Its thread of that id, whose record may be gone, has executed a program. */
void process_execs(struct target *t, struct process *p, pid_t tid);
/* ... and the record says all of that. */
void process_execed(struct target *t, struct process *p);
/* The registers of its threads are forgotten when it is another. */
void process_set_arch(struct process *p, const struct arch *arch);
/* With all its threads and points; nothing is undone in the debuggee. */
void process_free(struct target *t, struct process *p);
/* Drops the process's set of system calls for another, which is taken over;
 * NULL: none. */
void process_set_caught(struct process *p, struct syscall_set *caught);
/* Drops the process's set of points for of's, which they share from now;
 * with NULL, for an empty one. */
void process_set_points(struct process *p, struct process *of);

static inline bool thread_can_resume(const struct thread *th)
{
	return !th->running && !th->untold && !th->proc->untold;
}

struct thread *thread_find(const struct target *t, pid_t tid);
struct thread *thread_add(struct target *t, struct process *p, pid_t tid);
/* The same, and untold is set, until thread_tell(). */
struct thread *thread_add_untold(struct target *t, struct process *p,
				 pid_t tid);
void thread_tell(struct target *t, struct thread *th);
void thread_free(struct target *t, struct thread *th);

/* The threads of all processes that the layer above has been told of, in
 * order: the one behind th, or the first (NULL). */
struct thread *thread_next(const struct target *t, const struct thread *th);

/* Any thread that the pattern covers, a stopped one if there is one. */
struct thread *thread_match(const struct target *t, struct ptid pattern);

/* Exactly this point, or NULL. */
struct point *point_find(const struct process *p, enum point_kind kind,
			 uint64_t addr, unsigned size);
struct point *point_add(struct process *p, enum point_kind kind, uint64_t addr,
			unsigned size);
void point_free(struct process *p, struct point *pt);

/* An empty one with a single reference. */
struct point_code *point_code_new(void);
/* Freed with its last reference; c may be NULL. */
void point_code_unref(struct point_code *c);

/* Have both the same logpoint? Either may be NULL. */
bool point_code_logs_as(struct point_code *now, struct point_code *before);

/* The thread is to meet a point again that before had that code, which may be
 * NULL: what is still the same logpoint was met, and what is still the same
 * filter has counted it. */
void thread_note_logged(struct thread *th, const struct point *pt,
			struct point_code *before);
/* The same of one that goes on where points are met otherwise: all that is
 * still the same. */
void thread_note_met(struct thread *th, const struct point *pt,
		     struct point_code *before);
/* Has that filter, which may be NULL, counted that it is where it is? That is
 * known once. */
bool thread_takes_counted(struct thread *th, const struct point_filter *f);
/* The other thread's record has that from now on, which is of the same. */
void thread_hand_logged(struct thread *to, struct thread *from);
/* It is to go on from where that point is, or none (NULL): what it has met
 * elsewhere it will meet there. */
void thread_keep_logged(struct thread *th, const struct point *pt);

#endif
