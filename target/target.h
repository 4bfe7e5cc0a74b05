/*
 * What a debuggee can do: the one interface between the server (and the
 * translator) above and a way to control processes below. Functions return
 * as base/err.h says; struct err is filled where a person will read it.
 *
 * The layer is non-stop: every thread resumes and stops by itself. A client's
 * all-stop is a policy of the session, which calls halt() when it reports.
 */
#ifndef TARGET_TARGET_H
#define TARGET_TARGET_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/branch.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "target/process.h"

struct launch_spec {
	char *const *argv; /* argv[0] is the program, looked up in PATH */
	const char *line; /* what the shell is told instead of argv[1], ...:
			   * it expands them; or NULL */
	char *const *envp;
	char *const *wrapper; /* NULL or its words, before argv; it execs */
	const char *cwd;      /* NULL: ours */
	const char *stdio[3]; /* files to open as its descriptors 0 to 2;
			       * NULL: ours */
	bool keep_aslr;	      /* false: addresses are not randomized */
	bool shell;	      /* through $SHELL -c exec, words expanded */
};

enum resume_kind {
	RESUME_CONT,
	RESUME_STEP,
	RESUME_RANGE, /* step while lo <= pc < hi */
	RESUME_CALL,  /* a step over the system call instruction at the pc,
		       * which leaves no trap behind if we die */
	RESUME_STOP,  /* if it runs it stops, as by interrupt() */
};

struct resume {
	struct ptid who; /* a pattern */
	enum resume_kind kind;
	int signo; /* to deliver, the host's number; 0 none */
	bool over; /* a breakpoint in memory at its pc does not stop it there;
		    * not with a signo, whose handler comes first */
	uint64_t lo, hi;
};

enum object {
	OBJ_AUXV,
	OBJ_SIGINFO, /* of the thread's last stop; writable */
	OBJ_MAPS,    /* what is mapped, as in /proc/PID/maps */
	OBJ_PERSONALITY, /* the thread's, as in /proc/TID/personality */
	OBJ_CMDLINE, /* arguments, as in /proc/PID/cmdline */
	OBJ_PAGEMAP, /* of memory, as in /proc/PID/pagemap: proc_pid_pagemap(5) */
};

/* Where the conditions of points are evaluated. */
enum condition_place {
	CONDITIONS_AUTO,     /* by the program's threads, where many are false */
	CONDITIONS_SERVER,   /* here, at a stop for each */
	CONDITIONS_COMPILED, /* by the program's threads, where that can be */
};

struct target_point_ops {
	/*
	 * Any kind of point. -ENOSPC: out of debug registers; -ENODEV: they do
	 * nothing; -E2BIG: what does without them has no more room; -ENOTSUP:
	 * there is no such kind. The point is then not inserted.
	 */
	int (*insert)(struct target *t, struct process *p, struct point *pt);
	int (*remove)(struct target *t, struct process *p, struct point *pt);

	/*
	 * Optional: for a target that keeps the point elsewhere. One that is
	 * there was set again, and its code may be another. With an error it
	 * is there no more.
	 */
	int (*renew)(struct target *t, struct process *p, struct point *pt);

	/*
	 * Optional: of all points, now and from now on. CONDITIONS_AUTO at
	 * first. What stops a thread, and when, is the same. NULL: always here.
	 */
	void (*conditions)(struct target *t, enum condition_place place);
};

struct target_object_ops {
	/* Less than len: that is where it ends. */
	ssize_t (*read)(struct target *t, struct thread *th, enum object what,
			uint64_t off, void *buf, size_t len);
	ssize_t (*write)(struct target *t, struct thread *th, enum object what,
			 uint64_t off, const void *buf, size_t len);
	/* To read what OBJ_MAPS calls so, a regular file: a descriptor, the
	 * caller's to close. -ENOENT: it cannot be reached by that name. */
	int (*open_mapped)(struct target *t, const char *name, uint64_t dev,
			   uint64_t inode);
};

struct target_syscall_ops {
	/*
	 * The calls of set, which is taken over (NULL: none), stop the
	 * process's threads at entry and return from now on, a step's too.
	 * Numbers are those of the program's own kind: a call that it makes
	 * of another (i386's from 64-bit code) is in no set but that of all.
	 * A forked child and a new program keep the set.
	 */
	int (*catch)(struct target *t, struct process *p,
		     struct syscall_set *set);
};

enum signal_action { ACTION_HANDLED, ACTION_IGNORED, ACTION_DEFAULT };

#define CALL_CODE_BYTES 6

struct target_inject_ops {
	/*
	 * The stopped thread makes one system call, which soon returns and
	 * makes no process, and is then as it was: registers, signal mask,
	 * the signal of its stop. Returns what the call returned, -errno of
	 * its own included. nr is x86-64's number; an i386 program makes mmap
	 * (at offset 0) and munmap only. Or
	 *	-EPERM	 a seccomp filter that is stricter than ours
	 *	-ENOSYS	 there is no instruction to use
	 *	-EBUSY	 it waits for its vfork child
	 *	-ESRCH	 it has died: look it up again
	 *	-ENOTSUP an i386 program, and another call
	 */
	int64_t (*call)(struct target *t, struct thread *th, long nr,
			const uint64_t args[6]);
	/*
	 * The process has call_code at that address. Its threads make their
	 * calls there as long as it is to be found: should we be killed
	 * meanwhile, they wait behind the call until they are put back.
	 */
	void (*call_at)(struct target *t, struct process *p, uint64_t addr);
	uint8_t call_code[CALL_CODE_BYTES];
	/* Where the stopped thread's struct rseq is; 0: it has none. */
	int (*rseq_area)(struct target *t, struct thread *th, uint64_t *addr);
	/* The thread's id as it sees it itself, which may be in a namespace of
	 * its own; 0: unknown. */
	pid_t (*own_id)(struct target *t, const struct thread *th);
	/* Is there a SIGCONT for the thread that it blocks? */
	bool (*sigcont_waits)(struct target *t, const struct thread *th);
	/* What the thread's process does with the signal. */
	enum signal_action (*action)(struct target *t, const struct thread *th,
				     int signo);
	/* The stopped thread blocks the signal from now on. */
	int (*block)(struct target *t, struct thread *th, int signo);
	/*
	 * Is the stopped thread at the entry of a system call, which has been
	 * told or is about to be? It makes that when it goes on, whatever its
	 * pc is then. Should it be interrupted in it, the pc is taken back to
	 * be that of the instruction.
	 */
	bool (*at_entry)(struct target *t, const struct thread *th);
};

struct target_share_ops {
	/*
	 * Memory that the debuggee and we have in common: the stopped thread
	 * makes a memfd of this name and size, which cannot change any more.
	 * at: where it has room for the name for that long; 0: unknown.
	 * /proc/PID/maps shows it as /memfd:NAME. Returns our descriptor of
	 * it, the caller's to close. *remote is the debuggee's, which the
	 * caller closes by a call of the thread's once it has mapped it
	 * there; until then a child that another thread forks gets it too.
	 * Both are closed on exec. The errors are those of inject, of
	 * memfd_create(2) and open(2).
	 */
	int (*make)(struct target *t, struct thread *th, const char *name,
		    uint64_t at, uint64_t size, int *remote, struct err *e);
};

struct target_protect_ops {
	/*
	 * Pages whose writers wait until they are let. The stopped thread
	 * makes what it takes for its memory. Returns a descriptor, the
	 * caller's to close: then, and when we die, all pages are free to
	 * write and whoever waits goes on. It is readable when a writer
	 * waits. It holds for this memory alone: not that of forked children,
	 * nor of a program that is executed. What the kernel writes through
	 * /proc/PID/mem, or ptrace(2), does not wait, it fails: -EBUSY, the
	 * process has such a file open. The other errors are those of inject,
	 * of userfaultfd(2) and pidfd_getfd(2).
	 */
	int (*make)(struct target *t, struct thread *th, struct err *e);

	/*
	 * The following take such a descriptor, may be called in any thread,
	 * and look at no record. Addresses and lengths are of whole pages.
	 */

	/* Pages of the range can be armed from now on, as long as they stay
	 * mapped. -EINVAL: not this kind of memory. */
	int (*watch)(int fd, uint64_t addr, uint64_t len);
	/* Who writes there waits from now on, the kernel on behalf of a call
	 * included. Fails where something is not mapped. */
	int (*arm)(int fd, uint64_t addr, uint64_t len);
	/* Nobody waits any more. */
	int (*disarm)(int fd, uint64_t addr, uint64_t len);
	/* 1: *addr is where somebody wants to write, and waits; it may be told
	 * again. 0: nobody now. */
	int (*take)(int fd, uint64_t *addr);
};

struct core_result {
	unsigned threads;
	uint64_t size; /* bytes that went to disc: zeros are holes */
};

/* The memory of a process that we have left behind. A count, or -1. */
struct orphan_memory {
	ssize_t (*read)(void *user, uint64_t addr, void *buf, size_t len);
	ssize_t (*write)(void *user, uint64_t addr, const void *buf,
			 size_t len);
	void *user;
};

/* A thread of it, stopped for a moment. */
struct orphan {
	uint64_t regs[18]; /* as in the g packet, up to pc and flags */
	uint64_t gs, gs_base;
	const struct orphan_memory *memory;
	bool in_call; /* of that code's: the kernel is not to restart it */
};

/*
 * Puts threads back from code of the layer above, when we have died. It is
 * called in another process, which has our memory as it was at some time before
 * the process was attached to, but for what alloc() below gave: nothing else
 * may be looked at, and nothing allocated.
 */
struct orphan_ops {
	/* Is the place one where that code's SIGSTOP stops a thread? */
	bool (*is_stop)(const void *data, uint64_t pc);
	/* First: the threads run on, or are about to. */
	void (*prepare)(const void *data, const struct orphan_memory *memory);
	/* True: the thread was in that code, and is put back. */
	bool (*rewind)(const void *data, struct orphan *o);
};

struct target_guard_ops {
	/*
	 * Zeroed memory that the functions above can see; it is address space
	 * until it is used. NULL: the process dies with us, or there is none
	 * left.
	 */
	void *(*alloc)(struct target *t, struct process *p, size_t size);
	void (*free)(struct target *t, void *memory, size_t size);

	/* From now on, and until end(), the process's exec or its end. */
	void (*begin)(struct target *t, struct process *p,
		      const struct orphan_ops *ops, const void *data);
	void (*end)(struct target *t, struct process *p);

	/* What was written to the stopped thread's registers is there from now
	 * on, also if we die before it runs. */
	void (*commit)(struct target *t, struct thread *th);
};

struct target_core_ops {
	/*
	 * Writes a core file (core(5)) of first's process, with first as the
	 * thread that it is about. Running threads are stopped for it, and
	 * nothing is reported for that. Whatever happens, path is what it was
	 * or a whole core.
	 */
	int (*dump)(struct target *t, struct thread *first, const char *path,
		    struct core_result *out, struct err *e);
};

/*
 * What a thread has executed last, as gdb's manual has it of Branch Trace
 * Store. Threads may run, but one that is read.
 */
struct target_branch_ops {
	/* Is kept from now on: the last max blocks, or so many as the target
	 * keeps at most or at least. An error has a reason. */
	int (*enable)(struct target *t, struct thread *th, size_t max,
		      struct err *e);
	/* ... and no more, which forgets it. */
	void (*disable)(struct target *t, struct thread *th);
	/* How many blocks are kept; 0: it is not enabled. */
	size_t (*kept)(struct target *t, struct thread *th);
	/*
	 * What there is, newest first, to *out, which the caller frees: how
	 * many. The newest block ends with the thread's pc, which it has yet to
	 * execute.
	 *
	 *	all	what is kept
	 *	new	the same; nothing at all if the thread has not run since
	 *		it was read last
	 *	delta	since then: the oldest block has gone on from there, and
	 *		says 0 for its begin. -EOVERFLOW: some of it is gone, or
	 *		the thread went on from elsewhere; it counts as not read
	 */
	int64_t (*read)(struct target *t, struct thread *th,
			enum branch_read what, struct branch **out);
};

struct target_ops {
	const char *name;
	void (*free)(struct target *t);

	/* Both leave every thread stopped, and add the records. The new
	 * process's id, or an error with text. */
	pid_t (*launch)(struct target *t, const struct launch_spec *spec,
			struct err *e);
	int (*attach)(struct target *t, pid_t pid, struct err *e);

	/* Both take the records away. Detach leaves nothing of ours behind;
	 * the thread that last stopped for signo gets it, if it is not 0. */
	int (*detach)(struct target *t, struct process *p, int signo);
	int (*kill)(struct target *t, struct process *p);

	/*
	 * Every thread takes the first action whose pattern covers it, unless
	 * that is what it does already; others stay as they are. Dirty
	 * registers are written back first.
	 */
	int (*resume)(struct target *t, const struct resume *acts, size_t n);

	/* Stops running threads of the pattern, a tid of 0 meaning one that
	 * can stop; each reports STOP_SIGNAL with signo 0. */
	int (*interrupt)(struct target *t, struct ptid who);

	/* All that runs is one instruction of each running thread, and none
	 * of them waits in the kernel: it will stop by itself. */
	bool (*only_steps)(struct target *t);

	/*
	 * Stops every running thread of every process and returns when they
	 * have stopped. Nothing is reported for it; what happened meanwhile
	 * is reported after the thread's next resume.
	 */
	int (*halt)(struct target *t);

	/* Readable when next_event() may have something. */
	int (*event_fd)(struct target *t);

	/*
	 * 1: *out is an event, and its thread (with STOP_EXITED and
	 * STOP_KILLED, the process's records) is stopped (gone); 0: none now.
	 * With patient, a target whose threads run may wait a few
	 * milliseconds for them itself, which is quicker than a poll.
	 */
	int (*next_event)(struct target *t, struct stop *out, bool patient);

	/*
	 * Optional. Nothing has been asked for a while and unsettled is set:
	 * stopped threads are brought to where they can be left, should the
	 * server be killed. It shows in nothing.
	 */
	void (*idle)(struct target *t);

	/* Optional. As poll(2), for whoever waits for event_fd() among others:
	 * stops that this tells of are harmless from then on, as far as they
	 * can be, should the server be killed. */
	int (*await)(struct target *t, struct pollfd *fds, size_t n, int ms);

	/* The thread is stopped. Moves a register set between it and
	 * th->regs; fresh and dirty are kept by target_regs_*(). */
	int (*fetch_regs)(struct target *t, struct thread *th, enum regset set);
	int (*store_regs)(struct target *t, struct thread *th, enum regset set);

	/* What is in memory, inserted breakpoints included. A count, short
	 * where memory ends, or an error when not one byte could be moved. */
	ssize_t (*read_mem)(struct target *t, struct process *p, uint64_t addr,
			    void *buf, size_t len);
	ssize_t (*write_mem)(struct target *t, struct process *p, uint64_t addr,
			     const void *buf, size_t len);

	/* The CPU a thread last ran on, or -1; its name, "" if none. */
	int (*thread_core)(struct target *t, struct thread *th);
	int (*thread_name)(struct target *t, struct thread *th, char *buf,
			   size_t len);

	/* What thread-local storage is reached from: the base of fs (x86-64)
	 * or gs (i386). */
	int (*thread_pointer)(struct target *t, struct thread *th,
			      uint64_t *base);

	/* Optional. The layer above has set the thread's options or untold. */
	void (*thread_changed)(struct target *t, struct thread *th);

	/* Optional groups; NULL means that nothing of it is advertised. */
	const struct target_point_ops *point;
	const struct target_object_ops *object;
	const struct target_syscall_ops *syscall;
	const struct target_core_ops *core;
	const struct target_inject_ops *inject;
	const struct target_share_ops *share;
	const struct target_guard_ops *guard;
	const struct target_protect_ops *protect;
	const struct target_branch_ops *branch;
};

/*
 * Told of records as they begin and stop to be there for the layer above, so
 * that it need not look at all of them to mirror them:
 *
 *	added	when the record is complete. A process comes before its threads:
 *		when launch() or attach() is about to return, or next_event()
 *		with the STOP_FORK or STOP_VFORK that tells of it; a thread,
 *		when the target meets it, but one that STOP_CLONED tells of with
 *		that. A forked child that is not told of never comes.
 *	gone	before the record is freed, which is after its threads for a
 *		process: within any operation, and before next_event() returns
 *		a STOP_EXITED, STOP_KILLED or STOP_THREAD_EXIT. An exec takes
 *		all threads but the leader; one that has ended, and gone, before
 *		is added again. Also when the target keeps the record for itself
 *		(a process that was let go of but cannot be detached yet).
 *	execs	before an exec takes the threads: which of them it was, by the
 *		id that it had
 *	execed	when a process runs another program: path, arch, points and the
 *		leader are as that found them.
 *
 * At each return of an operation, what was added and is not gone is what
 * thread_next() goes over, without threads that STOP_CLONED has yet to tell
 * of. None of the target's operations may be called.
 */
struct target_watcher {
	void (*process_added)(void *user, struct process *p);
	void (*process_gone)(void *user, struct process *p);
	void (*process_execs)(void *user, struct process *p, pid_t tid);
	void (*process_execed)(void *user, struct process *p);
	void (*thread_added)(void *user, struct thread *th);
	void (*thread_gone)(void *user, struct thread *th);
};

struct target {
	const struct target_ops *ops;
	struct list processes;
	struct map threads; /* tid -> struct thread */
	unsigned images;    /* process.image of the latest */

	/* What the layer above wants; it may change while all is stopped. */
	bool report_fork, report_vfork, report_exec;
	bool report_threads; /* all that begin and end; or by thread.options */
	bool all_stop; /* halt() follows each event that is told */
	/* Ends of threads wait as all that happened during a halt() does, and
	 * the end of a process for them; else ends are told at once. */
	bool ends_wait;
	bool unsettled; /* set by the target: it has use for idle() */
	uint64_t n_false; /* stops at points that were for nothing */
	const char *core_dir; /* where a core of a program that dies of a
				 signal is written, or NULL; borrowed */
	sigset_t pass_signals;	  /* delivered without a stop */
	sigset_t program_signals; /* delivered at detach */
	/* Where a point's commands print; console: see struct point_code. */
	void (*print)(void *user, bool console, const char *text, size_t len);
	void *print_user;
	/*
	 * Threads may meet breakpoint instructions that are no points and not
	 * the program's own: of code that the layer above has put there. Set
	 * before such code runs.
	 */
	bool traps;
	/*
	 * Optional, with traps: is the breakpoint instruction at addr, which
	 * th has just met, one of them? Then the thread stops with STOP_SIGNAL,
	 * SIGTRAP and SIGNAL_TRAP, whatever pass_signals says; its pc is
	 * behind the instruction; and the signal is not the program's: it is
	 * not delivered when the process is let go of. signo is SIGTRAP, or
	 * SIGSTOP: such code may also have the thread send itself that one,
	 * and addr is where the thread is then. It may call
	 * target_reg_u64() and read memory, and no other operation. It is not
	 * asked for processes that the layer above does not know of: code that
	 * forked children may run needs report_fork and report_vfork.
	 */
	bool (*is_trap)(void *user, struct thread *th, int signo,
			uint64_t addr);
	/* Optional, with traps: a SIGCONT was sent to th's process. It may call
	 * inject's sigcont_waits(). */
	void (*on_sigcont)(void *user, struct thread *th);
	/*
	 * Optional, with traps: th has met a breakpoint at addr that it is not
	 * to stop at. It goes on over it, as if it were not there.
	 */
	bool (*passes_point)(void *user, struct thread *th, uint64_t addr);
	void *trap_user; /* of these three */
	/* The system calls, of the program's own kind, of which threads with
	 * THREAD_TELL_CALLS tell, at entry and return. NULL: none. */
	bool (*wants_call)(uint32_t number);
	/*
	 * Optional: p was detached, but could not be let go of before now, as
	 * it waited for a vfork child. Its threads are stopped; the layer above
	 * has no record of it any more, so it may look at this one, read and
	 * write its memory and registers, and inject calls.
	 */
	void (*on_leave)(void *user, struct process *p);
	void *leave_user;
	/* NULL: nobody. Set while there are no records. */
	const struct target_watcher *watcher;
	void *watcher_user;
};

/* For implementations: t is part of theirs. */
void target_init(struct target *t, const struct target_ops *ops);
void target_fini(struct target *t);

/* As the program wrote them: inserted breakpoints are hidden from reads, and
 * stay inserted under writes. What the program has written over one is read. */
ssize_t target_read(struct target *t, struct process *p, uint64_t addr,
		    void *buf, size_t len);
ssize_t target_write(struct target *t, struct process *p, uint64_t addr,
		     const void *buf, size_t len);

/* Is there a breakpoint at the address, and in its memory? */
bool target_has_trap(struct target *t, struct process *p, uint64_t addr);

int target_resume(struct target *t, const struct resume *acts, size_t n);

/* The first action whose pattern covers the thread, or NULL. */
const struct resume *target_action_for(const struct resume *acts, size_t n,
				       struct ptid id);
/* Can any of them be meant for threads of the process? */
bool target_actions_meet(const struct resume *acts, size_t n, pid_t pid);
/* Are all that can be to step, once? */
bool target_actions_step(const struct resume *acts, size_t n, pid_t pid);

/* Conditions are evaluated in that place from now on: "auto", "server" or
 * "compiled" (enum condition_place). -EINVAL: there is no such; -EOPNOTSUPP:
 * the target has but one. */
int target_place_conditions(struct target *t, const char *place);

/* What the layer above wants of a thread: see struct thread. */
void target_thread_options(struct target *t, struct thread *th,
			   unsigned options);
void target_thread_untold(struct target *t, struct thread *th, bool untold);

/* All of len bytes or -EFAULT. */
int target_read_all(struct target *t, struct process *p, uint64_t addr,
		    void *buf, size_t len);

/* Registers by number, through the cache. regs_all: the whole g image,
 * fetched; borrowed until the thread is resumed. */
int target_reg_read(struct target *t, struct thread *th, unsigned regno,
		    void *buf);
int target_reg_write(struct target *t, struct thread *th, unsigned regno,
		     const void *buf);
const uint8_t *target_regs_all(struct target *t, struct thread *th);
/* One set, into th->regs; it is fresh then. */
int target_regs_fetch(struct target *t, struct thread *th, enum regset set);
int target_regs_write_all(struct target *t, struct thread *th,
			  const uint8_t *regs);
int target_reg_u64(struct target *t, struct thread *th, unsigned regno,
		   uint64_t *v);

/* Writes dirty register sets back and forgets all: before a resume. */
int target_regs_flush(struct target *t, struct thread *th);

/*
 * Adds and inserts a point, or replaces the code of the one that is there.
 * code (or NULL) is taken over, whatever the result.
 */
int target_point_set(struct target *t, struct process *p, enum point_kind kind,
		     uint64_t addr, unsigned size, struct point_code *code);
int target_point_clear(struct target *t, struct process *p,
		       enum point_kind kind, uint64_t addr, unsigned size);
/* All points of the process, e.g. when the client has gone. */
void target_points_drop(struct target *t, struct process *p);

/* Where agent expressions are evaluated: registers and memory for a struct
 * ax_env whose user is, or begins with, one of these. */
struct target_hit {
	struct target *t;
	struct thread *th;
};

int target_hit_reg(void *user, unsigned regno, uint64_t *v);
int target_hit_mem(void *user, uint64_t addr, void *buf, size_t len);
/* AX_VARIABLE_THREAD alone. */
int target_hit_variable(void *user, unsigned number, int64_t *v);

/*
 * A thread met the point: evaluates its conditions, runs its commands.
 * True when the stop is to be reported.
 */
bool target_point_hit(struct target *t, struct thread *th,
		      const struct point *pt);
/* The same of the code (or NULL) alone. */
bool point_code_stops(struct target *t, struct thread *th,
		      struct point_code *c);

#endif
