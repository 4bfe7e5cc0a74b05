/*
 * Private to target/linux-ptrace: the records behind target/'s, and what its
 * files do for each other.
 *
 * A kernel thread (lwp) has two states that must not be mixed up:
 *
 *	th->running	what the layer above believes: it resumed the thread
 *			and has not been told of a stop since
 *	lwp->stopped	what is: the thread sits in a ptrace-stop
 *
 * running && stopped: an event is pending that nobody was told of yet, or we
 * are in the middle of something. !running && !stopped: the thread could not
 * be stopped (it waits for its vfork child, or in the kernel's D state).
 */
#ifndef TARGET_LINUX_PTRACE_LWP_H
#define TARGET_LINUX_PTRACE_LWP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <time.h>

#include "target/linux-ptrace/affinity.h"
#include "target/linux-ptrace/guardian.h"
#include "target/target.h"

#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif

#define N_DEBUG_ADDRESSES 4
#define TASK_NAME_SIZE 16 /* the kernel's TASK_COMM_LEN */

/* What a thread's are set to; of none, all zero. */
struct debug_registers {
	unsigned generation; /* the inferior's that they are */
	unsigned long control;
	uint64_t addr[N_DEBUG_ADDRESSES];
};

/* In the mask of a set of signals. */
static inline uint64_t signal_bit(int sig)
{
	return UINT64_C(1) << (sig - 1);
}

struct lwp {
	pid_t tid;
	struct process *proc;
	struct thread *th; /* NULL: a leader that has exited before the rest */
	struct list node;	  /* in linux_target.moving or .settled */
	struct list running_node; /* in linux_target.running, or alone */
	struct list pending_node; /* in linux_target.pending, or alone */
	struct list status_node;  /* in linux_target.statuses, or alone */
	int status;		  /* collected, to be handled */
	struct list left_node;	  /* in linux_target.left, or alone */

	bool stopped;
	bool dead;	      /* its exit was seen; kept to tell of it */
	bool starting;	      /* cloned; its first stop has not come yet */
	bool interrupting;    /* PTRACE_INTERRUPT sent, its stop not seen */
	bool report_interrupt; /* ... and that stop is to be reported */
	bool stop_owed;	       /* a SIGSTOP waits that is not to be: wait.c */
	bool trap_due;	       /* set going only to take a trap: wait.c */
	bool stop_again;       /* ... in a job-control stop of its process */
	bool waits_for_vfork; /* until its child execs or exits */
	bool in_call;	      /* this stop is inside a system call */
	bool at_entry;	      /* ... of which nothing is done yet */
	bool at_return;	      /* ... of which nothing is left to do */
	bool leaves_call;     /* resumed in such a stop that was not told */
	bool call_left;	      /* ... of which it was led out, to inject one */
	int signal_stop;      /* this stop is about that signal, and can deliver
			       * one; 0: it is about none */
	bool trap_stop;	      /* ... and a SIGTRAP of our making has */
	bool stepped;	      /* its last resume was a step */
	bool enters;	      /* ... was one with a signal: step_entered() */
	bool harmless;	      /* it can be left in this stop: idle.c */
	bool listen;	      /* a job-control stop: PTRACE_LISTEN resumes it */

	/* The system call that it is in, if its entry was seen: syscall.h. */
	uint32_t call;
	bool call_known;
	bool call_foreign; /* of another kind than the program */
	bool return_due;   /* it has left the call, and that is to be told */

	/* What the layer above asked for at the last resume. */
	enum resume_kind kind;
	uint64_t lo, hi;
	bool over;    /* the breakpoint that it is at, in its next run */
	int signo;    /* to be delivered when it next runs; 0 none */
	uint64_t injected; /* the client's signals that wait: signal_bit() */
	uint64_t injected_late; /* ... since before the last resume */
	siginfo_t injected_info; /* ... of that si_signo, what it is to say */
	bool own_siginfo;  /* the stop it is about is over: see idle.c */
	siginfo_t siginfo; /* ... this is what it said */

	/* Calls it was made to execute: inject.h. */
	bool call_allowed; /* seccomp allows them; while it is stopped */
	uint64_t late;	   /* signals that came meanwhile, to be sent again */
	bool mask_due;	   /* its signal mask is to be this again */
	uint64_t mask;
	bool call_over; /* once its registers are written back */
	struct guard *call_guard; /* guardian.h; or NULL */
	struct guard *signal_guard; /* the same */

	bool crashing; /* a core is to be written before it runs: crash.c */

	struct stop pending; /* kind NONE: none */
	uint64_t lifted; /* address + 1 of a breakpoint taken out: idle.c */

	bool in_slot; /* making a step in a slot (slot.h, step.h) */
	bool put_off; /* with a signal blocked for that: slot-signal.c */
	/* Counted: of the point where it left one, with the instruction yet to
	 * be executed. Its commands have been run; NULL: none. */
	struct point_code *seen;

	uint64_t rseq;	  /* its area for rseq(2), or 0: step.h */
	uint64_t rseq_at; /* linux_target.n_acts when that was asked; or 0 */

	uint64_t step_pc, step_sp; /* before the last step; pc 0: unknown */
	bool step_traps;	   /* the program steps itself */

	struct user_regs_struct regs;
	bool regs_fresh, regs_dirty, pc_dirty;
	uint8_t *xsave; /* linux_target.xsave.size bytes, or NULL */

	struct debug_registers debug; /* that it has */

	/* What /proc said: see proc.c. */
	int core;
	char name[TASK_NAME_SIZE];
	int64_t seen_ms;  /* when; 0: never */
	bool seen_stopped; /* since it last ran */
	uint64_t named_at; /* linux_target.n_acts at that, all stopped; or 0 */
};

/* A debug register in use: a piece of a watchpoint, or a breakpoint. */
struct debug_address {
	const struct point *pt; /* NULL: free */
	uint64_t addr;
	unsigned len;	  /* 1, 2, 4, 8 */
	uint8_t value[8]; /* POINT_READ: memory when last seen */
};

/* One a process, behind process.priv. */
struct inferior {
	int mem_fd; /* /proc/PID/mem; -1: not open */
	bool ghost; /* not shown to the layer above: see release.c */
	bool held;  /* a ghost that is being halted all the same */
	bool defies_stop; /* runs although a job-control stop is in force */
	bool leaving; /* a ghost that is let go after its vfork */
	bool shares_memory; /* a vfork child's, before it execs */
	bool shares_pages; /* with another process's breakpoints in them */
	struct debug_address debug[N_DEBUG_ADDRESSES];
	unsigned debug_generation; /* 0: no debug register was ever set */
	struct slots *slots;	   /* slot.h; NULL: none yet */
	bool lifted; /* some lwp's is: see lwp.lifted */
	bool crashed; /* it is about to die, and its core was written */
	uint64_t syscall_insn;	   /* inject.h; 0: not looked for yet */
	uint64_t call_code;	   /* a better one; 0: there is none */
	enum { IDS_UNKNOWN, IDS_OURS, IDS_OTHERS } ids; /* whose namespace */
};

/* The periodic signal that bounds our waiting: see status.c. */
struct tick {
	timer_t timer;
	volatile int armed, used, struck;
	volatile int waits; /* one is in the kernel, or about to be */
};

struct linux_target {
	struct target t;     /* first: linux_of() casts */
	struct map lwps;     /* tid -> struct lwp */
	struct map strays;   /* tid -> wait status + 1, not yet announced */
	struct list moving;  /* lwps that are not stopped */
	struct list settled; /* those that are */
	struct list running; /* those whose thread's running is set */
	struct list pending; /* those whose event is to be told, in order */
	struct list statuses; /* collected, in order: see status.c */
	struct list left;     /* whose stop was looked at, but not taken */
	struct list ghosts;  /* processes: see release.c */
	size_t n_moving, n_running;
	uint64_t n_acts; /* runs, but for steps that are no system call;
			  * counted from 1 */
	size_t n_heard; /* statuses since all that were there were taken */
	struct {
		bool due; /* some thread of the pattern is to stop */
		struct ptid who;
	} interrupt;
	bool held_back;	  /* resumed lwps wait for a pending event's fate */
	bool crash_due;	  /* some lwp is crashing */
	bool no_resumed;  /* the last running thread has gone: to be told */
	int signal_fd; /* SIGCHLD */
	bool child_signalled; /* one came: has a leader exited? */
	bool child_ended;     /* one came of an end */
	int64_t swept_ms;     /* when all lwps were last waited for */
	pid_t terminal_group; /* that had our terminal before programs of
				 ours were given it; 0: they were not */
	struct guardian *guardian; /* from the first attach on, or NULL */
	int debugregs;	 /* 1: they trap; -ENODEV; 0: not looked at yet */
	int own_seccomp; /* inject-x86_64.c; 0: not looked at yet */
	struct tick tick;
	struct affinity affinity;
	struct arch *arch64, *arch32;
	struct xsave_layout xsave;
};

static inline struct linux_target *linux_of(struct target *t)
{
	return (struct linux_target *)t;
}

static inline struct lwp *lwp_of(const struct thread *th)
{
	return th->priv;
}

static inline struct inferior *inferior_of(const struct process *p)
{
	return p->priv;
}

/* Who watches over the process; NULL for one that dies with us. */
static inline struct guardian *guardian_of(struct target *t,
					   const struct process *p)
{
	return p->attached ? linux_of(t)->guardian : NULL;
}

static inline bool is_ghost(const struct lwp *lwp)
{
	return inferior_of(lwp->proc)->ghost;
}

/* --- lwp.c: records ------------------------------------------------------ */

/* Untold, until it is there with all that belongs to it. */
struct process *inferior_add(struct linux_target *lt, pid_t pid);
/* Frees the process and all of its lwps. */
void inferior_drop(struct linux_target *lt, struct process *p);
/* Whose memory it runs in: of a vfork child, its parent. */
struct process *memory_owner(struct linux_target *lt, struct process *p);
/* Once seized: architecture and path. */
void inferior_examine(struct linux_target *lt, struct process *p);
/* The same at the stop of its exec: quicker. */
void inferior_examine_new(struct linux_target *lt, struct process *p);

/* An id of the process whose /proc files show its memory: those of a leader
 * that has ended before the rest show none. */
pid_t inferior_tid(const struct process *p);

struct lwp *lwp_find(const struct linux_target *lt, pid_t tid);
/* Moving, and running as the layer above sees it. */
struct lwp *lwp_add(struct linux_target *lt, struct process *p, pid_t tid);
/* The same, but the layer above does not see it yet: see thread_tell(). */
struct lwp *lwp_add_untold(struct linux_target *lt, struct process *p,
			   pid_t tid);
void lwp_drop(struct linux_target *lt, struct lwp *lwp);
/* The leader has exited before its threads: it is a thread no more. */
void lwp_hide(struct linux_target *lt, struct lwp *lwp);

void lwp_set_stopped(struct linux_target *lt, struct lwp *lwp);
void lwp_set_moving(struct linux_target *lt, struct lwp *lwp);
void lwp_set_running(struct linux_target *lt, struct lwp *lwp, bool running);
void lwp_set_pending(struct linux_target *lt, struct lwp *lwp,
		     enum stop_kind kind);
void lwp_clear_pending(struct lwp *lwp);

/* --- regs.c -------------------------------------------------------------- */

int linux_fetch_regs(struct target *t, struct thread *th, enum regset set);
int linux_store_regs(struct target *t, struct thread *th, enum regset set);

int linux_thread_pointer(struct target *t, struct thread *th, uint64_t *base);

/* Where a stopped lwp is, as the processor has it; 0 when it is gone. */
uint64_t lwp_pc(struct lwp *lwp);

/* The general registers, fetched at most once a stop; NULL: it is gone. */
struct user_regs_struct *lwp_regs(struct lwp *lwp);
void lwp_set_pc(struct lwp *lwp, uint64_t pc);
/* The same, and the thread has it at once: should we be killed, it goes on
 * there. */
void lwp_put_pc(struct lwp *lwp, uint64_t pc);
/* Whether it is in 32-bit code just now. */
bool lwp_is_32bit(struct lwp *lwp);
/* Writes back what changed and forgets the rest: it is about to run. */
int lwp_regs_flush(struct lwp *lwp);

/* --- memory.c, object.c, proc.c ------------------------------------------ */

ssize_t linux_read_mem(struct target *t, struct process *p, uint64_t addr,
		       void *buf, size_t len);
ssize_t linux_write_mem(struct target *t, struct process *p, uint64_t addr,
			const void *buf, size_t len);
/* Where memory has the bytes of was they become those of now: 1; 0 where it
 * has others, or -EFAULT. len is that of a breakpoint. */
int linux_exchange_mem(struct target *t, struct process *p, uint64_t addr,
		       const uint8_t *was, const uint8_t *now, size_t len);
extern const struct target_object_ops linux_object_ops;

int linux_thread_core(struct target *t, struct thread *th);
int linux_thread_name(struct target *t, struct thread *th, char *buf,
		      size_t len);
/* The state letter of /proc/PID/task/TID/stat, 0 when it is gone. */
char proc_task_state(pid_t pid, pid_t tid);
/* The status of a zombie, in the form of waitpid(2); 0 if there is no telling:
 * proc_pid_stat(5), exit_code. */
int proc_task_status(pid_t pid, pid_t tid);
pid_t linux_own_id(struct target *t, const struct thread *th);
bool linux_sigcont_waits(struct target *t, const struct thread *th);
enum signal_action linux_signal_action(struct target *t,
				       const struct thread *th, int signo);

/* --- point.c, debugreg-x86_64.c ------------------------------------------------ */

extern const struct target_point_ops linux_point_ops;
int debugreg_insert(struct target *t, struct process *p, struct point *pt);
void debugreg_remove(struct process *p, struct point *pt);
/* None is to be set any more, whatever points there are. */
void debugreg_forget(struct process *p);
/* Brings a stopped lwp's debug registers up to date; for a mere step they may
 * hold what has been removed. */
void debugreg_sync(struct lwp *lwp, bool step);
/* Is a debug trap about points of ours? Then *out gets its kind, addr, point
 * and watch. */
bool debugreg_hit(struct target *t, struct lwp *lwp, struct stop *out);

/* --- trap.c --------------------------------------------------------------- */

/* The breakpoint exception that the lwp stopped for: is it of an instruction
 * of the program's own? */
bool trap_is_programs(struct linux_target *lt, struct lwp *lwp);
/* A stopped lwp is about to be stepped; it was. Together they keep the trap
 * flag from the program's sight. */
void step_note(struct lwp *lwp);
void step_hide(struct linux_target *lt, struct lwp *lwp);

/* It has stopped otherwise than at the end of a step, but may have been
 * stepped: the flag may have been pushed, or be there, as well. */
void step_cut(struct linux_target *lt, struct lwp *lwp);
/* What a thread makes has the flags that it has itself: either may have stopped
 * first. */
void step_inherit(struct linux_target *lt, const struct lwp *maker,
		  struct lwp *made);

/*
 * Before an instruction that sets the trap flag itself, popf or iret, the
 * kernel does not know any more who set it (is_setting_trap_flag() in its
 * step.c), and leaves it to the program when something else comes before the
 * instruction. So the flag is taken away at any stop there.
 */
void step_undo(struct lwp *lwp);
/*
 * A step with a signal (lwp.enters) is no step for the kernel, but goes on into
 * an interrupt: the handler's frame would have the flag in such a place, and
 * nobody dies of an interrupt if we do. Has the stopped lwp entered a handler?
 * If not, the signal did nothing, and the step is still to be made.
 */
bool step_entered(struct lwp *lwp);

/* --- fork.c -------------------------------------------------------------- */

/* A stopped lwp reports a PTRACE_EVENT_FORK, _VFORK or _CLONE. True: an event
 * is pending; false: it may run on. */
bool fork_take(struct linux_target *lt, struct lwp *lwp, int event);
/* The stopped lwp reports PTRACE_EVENT_EXEC: returns what it is now. */
struct lwp *exec_take(struct linux_target *lt, struct lwp *lwp);
/* --- release.c ----------------------------------------------------------- */

/* Lets go of a process whose threads are all stopped, or wait for a vfork
 * child. It may become a ghost. */
void inferior_release(struct linux_target *lt, struct process *p, int signo);
/* What the lwp has forked, while that is still to be told of; or NULL. */
struct process *untold_child(const struct linux_target *lt,
			     const struct lwp *lwp);
/* That will never be told of: it goes its own way. */
void release_untold_child(struct linux_target *lt, struct lwp *lwp);
/* Processes (pid 0: all) that are only waiting for their vfork children, which
 * are none of the client's: until they are gone. */
void leaving_wait(struct linux_target *lt, pid_t pid);
/* The lwp, of a process that is leaving, has done waiting. */
void leaving_take(struct linux_target *lt, struct lwp *lwp);
/* A process goes from its memory: another that is shown gets what there is
 * of ours in it, or it is taken out and ghosts there are let go. */
void memory_leave(struct linux_target *lt, struct process *p);
/* The layer above has a breakpoint there for other threads. */
bool point_is_passed(const struct linux_target *lt, const struct lwp *lwp,
		     uint64_t addr);
/* A breakpoint that is in the memory of the stopped lwp's process, but does
 * not concern it; or NULL. */
const struct point *point_not_for(struct linux_target *lt,
				  const struct lwp *lwp, uint64_t addr);

/* --- idle.c -------------------------------------------------------------- */

void linux_idle(struct target *t);
/* A thread of the process is about to run. */
void points_put_back(struct target *t, struct process *p);

/* --- await.c: struct target_ops's ---------------------------------------- */

int linux_await(struct target *t, struct pollfd *fds, size_t n, int ms);

/* --- core.c, crash.c ----------------------------------------------------- */

extern const struct target_core_ops linux_core_ops;

/* The core of the process whose thread is about to get signo (-1: of the stop
 * that it is in). Its threads are stopped for it, and what was running is set
 * going again. */
int core_dump(struct linux_target *lt, struct thread *first, int signo,
	      const char *path, struct core_result *out, struct err *e);

/* lwp.signo is about to be delivered. True: it would end the process with a
 * core, and has to wait until that is written. */
bool crash_hold(struct linux_target *lt, struct lwp *lwp);
/* Writes those cores, and lets the processes have their signals. */
void crashes_dump(struct linux_target *lt);

/* --- status.c ------------------------------------------------------------ */

int tick_init(struct tick *tk);
void tick_fini(struct tick *tk);

/*
 * wait4() on tid (-1: all). Blocks up to a tick or two with block: 0 then.
 * -ECHILD: there is no such child.
 */
pid_t lwp_wait(struct linux_target *lt, pid_t tid, int *status, bool block);

/* Takes all wait statuses that are there, one a thread; then they are got one
 * by one: a tid, or 0. */
void lwps_collect(struct linux_target *lt);
pid_t lwp_collected(struct linux_target *lt, int *status);
/* One that somebody has waited for who cannot take it: it is got later. */
void lwp_collect(struct linux_target *lt, struct lwp *lwp, int status);

/* --- death.c ------------------------------------------------------------- */

/* The lwp's wait status says that it has ended: a thread is dropped, and of
 * what is to be told an event is pending. */
void exit_take(struct linux_target *lt, struct lwp *lwp, int status);
/* A leader that has exited before its threads stays a zombie until they do. */
bool is_zombie_leader(const struct lwp *lwp);
/* All of them, of the processes that are shown. */
void zombie_leaders_hide(struct linux_target *lt);

/* --- wait.c, events.c, resume.c, start.c --------------------------------- */

/*
 * Takes in one wait status. Afterwards an event is pending on the lwp's
 * behalf, or what happened was consumed; then the lwp runs on unless hold.
 */
void status_take(struct linux_target *lt, pid_t tid, int status, bool hold);

/* The signal of an earlier stop is delivered after all: as it was then. */
void restore_siginfo(struct lwp *lwp, int sig);

/* What kind of stop it is. */
void note_stop(struct linux_target *lt, struct lwp *lwp, int status);

/* A stop that is not told: the lwp goes on, but not when its process is being
 * halted or the layer above has it stopped. */
void run_on_unless(struct linux_target *lt, struct lwp *lwp, bool hold);

/* The stopped lwp has met a trap whose signal is still to come: true, and it
 * goes on to that. */
bool take_queued_trap(struct linux_target *lt, struct lwp *lwp);

/* Is there such a signal for the thread that it has not taken yet, with that
 * si_code or a higher one? */
bool has_queued(pid_t tid, int signo, int lowest_code);

/* THREAD_TELL_SIGNALS: the layer above may have it elsewhere by the time that a
 * signal comes, and is told of all. */
bool tells_signals(const struct lwp *lwp);
/* Its end, too? */
bool tells_exit(const struct linux_target *lt, const struct lwp *lwp);

int linux_next_event(struct target *t, struct stop *out, bool patient);
int linux_resume(struct target *t, const struct resume *acts, size_t n);
int linux_interrupt(struct target *t, struct ptid who);
bool linux_only_steps(struct target *t);
int linux_halt(struct target *t);
pid_t linux_launch(struct target *t, const struct launch_spec *spec,
		   struct err *e);
int linux_attach(struct target *t, pid_t pid, struct err *e);
int linux_detach(struct target *t, struct process *p, int signo);
int linux_kill(struct target *t, struct process *p);

/* Halts the threads of one process, or of all (NULL). */
void lwps_halt(struct linux_target *lt, struct process *p);

/* Lets a stopped lwp run, by an instruction or on; delivers lwp->signo. */
void lwp_run(struct linux_target *lt, struct lwp *lwp, bool step);
/*
 * It is to get this signal when it next runs; 0: none. One that it was to get
 * then and has not, as it was halted or had an event to tell first, is not
 * lost, nor delivered in another place.
 */
void lwp_give(struct lwp *lwp, int sig);
/* A moving lwp is to stop: a PTRACE_EVENT_STOP follows, sooner or later. */
void lwp_interrupt(struct lwp *lwp);
/* Is its next stop to be told of as an interrupt? Then tell does so. */
bool lwp_interrupt_wanted(const struct linux_target *lt,
			  const struct lwp *lwp);
void lwp_tell_interrupt(struct linux_target *lt, struct lwp *lwp);
/*
 * Sets a stopped lwp going by a ptrace request and waits for it, whatever
 * interrupts were under way: *status is its stop, not yet taken in, and it is
 * stopped. -ESRCH: it has died. That is taken in when statuses are waited for
 * next, since callers and theirs hold on to the thread.
 */
int lwp_run_wait(struct linux_target *lt, struct lwp *lwp, int request,
		 int *status);
/* The same, by an instruction. */
int lwp_step_wait(struct linux_target *lt, struct lwp *lwp, int *status);
/* It has seen the point with that code (NULL: none), and is not to run its
 * commands once more before it has gone on. */
void lwp_see(struct lwp *lwp, struct point_code *code);
/* As the layer above asked last: continue, or step. */
void lwp_run_on(struct linux_target *lt, struct lwp *lwp);

#define LINUX_PTRACE_OPTIONS                                                \
	(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |   \
	 PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD)

#endif
