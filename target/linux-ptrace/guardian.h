/*
 * The guardian: a process that outlives the server by a moment and puts back
 * what the server has changed in processes that it had attached to, when it
 * dies without a chance to do so itself (kill -9). Programs that the server
 * launched need none: they die with it.
 *
 * Both share a table of the changes. An entry counts from the instant that
 * its kind is written, which comes before the change is made, and until it is
 * cleared, which comes after the change is undone; so at whichever instruction
 * the server dies the table covers what is in memory. That costs a few stores
 * a change and no system call.
 *
 * The guardian waits for a word that the kernel changes when the server's
 * memory is about to be torn down (lifeline.h): before its descriptors are
 * closed, and well before exit_ptrace() sets the traced threads going
 * (do_exit() in the kernel's exit.c). So the breakpoints are usually gone
 * before any thread that was stopped runs.
 *
 * A thread whose trap the server had waited for, but not undone, goes on
 * behind the breakpoint, in the middle of an instruction. A SIGSTOP sent to it
 * before it is let go keeps it from that, until it is put back and gets a
 * SIGCONT; nobody else is sent one.
 *
 * A signal whose stop the server had waited for is not delivered by the kernel:
 * it is sent again. What is not queued by a program comes as one of kill(2).
 *
 * Threads in code of a layer above (GUARD_CODE) are put back by functions of
 * that layer, which the guardian has from the fork.
 *
 * What cannot be helped: a thread that executes a breakpoint just before the
 * server dies, so that the server has not waited for its stop yet, or before
 * the guardian has run, is given the SIGTRAP, and the program dies of it. So
 * does one in the middle of a step. Where real-time scheduling is allowed that
 * instant is short (await.c).
 *
 * All functions accept a NULL guardian, and then do nothing.
 */
#ifndef TARGET_LINUX_PTRACE_GUARDIAN_H
#define TARGET_LINUX_PTRACE_GUARDIAN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "arch/arch.h"
#include "base/lifeline.h"
#include "target/target.h"

enum guard_kind {
	GUARD_FREE,
	GUARD_TRAP,  /* a breakpoint at addr in pid's memory */
	GUARD_POINT, /* addr, in a slot, stands for an original place */
	GUARD_DEBUG, /* pid's threads have debug registers set */
	GUARD_CODE,  /* pid's threads may be in code of the layer above */
	GUARD_CALL,  /* thread addr of pid is made to make a system call */
	GUARD_HELD,  /* thread addr of pid is to go back to its breakpoint */
	GUARD_SIGNAL, /* thread addr of pid may have been taken a signal */
};

struct guard_trap {
	uint8_t original[ARCH_TRAP_MAX], trap[ARCH_TRAP_MAX];
	uint8_t len;
};

/* A thread at addr is rewound: see struct x86_point. */
struct guard_point {
	uint64_t pc;
	uint8_t undo, state;
};

struct guard_code {
	const struct orphan_ops *ops;
	const void *data;
	pid_t memory; /* whose memory has the code: a forked child's has not */
};

/* What the thread is to have again. */
struct guard_call {
	uint32_t current;
	struct guardian *g;
	struct {
		bool mask_alone;
		struct user_regs_struct regs;
		uint64_t mask; /* of signals */
	} of[2];
};

/* The signal of a stop that the server has waited for: the kernel would not
 * deliver it any more. */
struct guard_signal {
	struct guardian *g;
	uint32_t signo; /* 0: none; the rest counts when it is set */
	siginfo_t info;
};

struct guard {
	uint32_t kind; /* enum guard_kind; the rest counts when it is set */
	pid_t pid;
	uint64_t addr;
	union {
		struct guard_trap trap;
		struct guard_point point;
		struct guard_code code;
		struct guard_call *call;
		struct guard_signal *signal;
		uint32_t next_free;
	};
};

/* Address space alone: pages are allocated as entries come into use. */
#define GUARDIAN_SIZE (32u << 20)

/* A piece of the arena that was given back. */
struct guard_piece {
	size_t size;
	struct guard_piece *next;
};

/* In memory that both processes share, at one address. */
struct guardian {
	struct lifeline life; /* the server's */
	pid_t server, pid;    /* pid: the guardian's, only the server's view */
	uint32_t used;	      /* entries beyond were never used */
	uint32_t first_free;  /* index + 1; 0: none */
	struct {
		uint8_t *base; /* NULL: there is none */
		size_t size, used;
		struct guard_piece *free;
	} arena;
	struct guard table[];
};

/* Starts one; NULL when that is impossible. The caller is single-threaded. */
struct guardian *guardian_new(void);
/* The server ends orderly: nothing is left to guard. */
void guardian_free(struct guardian *g);

/*
 * A breakpoint is about to be written over original. Returns those bytes in
 * the table, which follow what the program's memory would hold; borrowed
 * until guardian_trap_gone() or guardian_forget(). NULL: the table is full.
 */
uint8_t *guardian_trap(struct guardian *g, pid_t pid, const struct arch *a,
		       uint64_t addr, const uint8_t *original);
/* It is no longer in memory. original may be NULL. */
void guardian_trap_gone(struct guardian *g, uint8_t *original);

/* A boundary of a slot that threads may be stopped at. */
void guardian_point(struct guardian *g, pid_t pid, uint64_t addr,
		    const struct guard_point *at);
/* All of those from lo up to hi are none any more. */
void guardian_points_gone(struct guardian *g, pid_t pid, uint64_t lo,
			  uint64_t hi);
/* Debug registers of the process's threads are about to be set. */
void guardian_debug(struct guardian *g, pid_t pid);

/* Threads of the process may soon be in code that ops knows. */
void guardian_code(struct guardian *g, pid_t pid, const struct guard_code *c);
/* There is no such code any more. */
void guardian_code_gone(struct guardian *g, pid_t pid);

/*
 * A stopped thread is about to be given other registers than these, or none
 * (NULL), and another signal mask. at is the entry of an earlier such call that is not over
 * yet, or NULL. Returns the entry, until guardian_call_gone(); or NULL.
 */
struct guard *guardian_call(struct guardian *g, struct guard *at, pid_t pid,
			    pid_t tid, const struct user_regs_struct *regs,
			    uint64_t mask);
/* The thread has its own again, or its record goes. e may be NULL. */
void guardian_call_gone(struct guard *e);

/*
 * The thread has stopped for a signal of the program's, and is to have it if
 * the server dies. at is the thread's entry, or NULL. Returns the entry, until
 * guardian_signal_end(); or NULL.
 */
struct guard *guardian_signal(struct guardian *g, struct guard *at, pid_t pid,
			      pid_t tid, const siginfo_t *info);
/* It is about to go on, with the signal or without. e may be NULL. */
void guardian_signal_gone(struct guard *e);
/* The thread's record goes. e may be NULL. */
void guardian_signal_end(struct guard *e);

/* guardian-memory.c: for what that code's data is. Zeroed, and address space
 * until it is used. NULL: none left. */
void *guardian_alloc(struct guardian *g, size_t size);
void guardian_give_back(struct guardian *g, void *memory, size_t size);
/* Reserves it, before there is a guardian, and frees it. */
void guardian_arena_init(struct guardian *g);
void guardian_arena_fini(struct guardian *g);

/* A forked child has a copy of its parent's slots. */
void guardian_copy_points(struct guardian *g, pid_t from, pid_t to);
/* The memory of a process that goes is another's from now. */
void guardian_move(struct guardian *g, pid_t from, pid_t to);
/* The process, or its memory, is gone or clean. What its threads are to have
 * again stays. */
void guardian_forget(struct guardian *g, pid_t pid);

/* --- inside the guardian ------------------------------------------------- */

/* The next entry in use behind e (NULL: the first), or NULL. */
const struct guard *guard_next(const struct guardian *g, const struct guard *e);
/* Is it the first of its process, among breakpoints or among the rest? */
bool guard_is_first(const struct guardian *g, const struct guard *of);
/* Is there any of the process? */
bool guard_has(const struct guardian *g, pid_t pid);
/* Notes a thread that was kept from running behind a breakpoint. */
void guard_hold(struct guardian *g, pid_t pid, pid_t tid);

/* guardian-private.c: nothing of the server's is kept, and it comes first. */
void guard_go_private(void);
/* The caller is soon on a CPU when it wakes up, and so waits for stops, and
 * dies, in time; what it forks is not. */
void guard_be_brief(void);
/*
 * By real-time scheduling the caller is on a CPU at once. False: that is not
 * allowed, or it is scheduled in another way than most. guard_be_usual() is for
 * who was, later; whoever sleeps in it is to do little then. The guardian comes
 * before a server that dies.
 */
enum guard_urgency { GUARD_SERVER = 1, GUARD_GUARDIAN };
bool guard_be_urgent(enum guard_urgency how);
void guard_be_usual(void);

/* The process's memory: a descriptor, or -1. */
int guard_mem_open(pid_t pid);
/* A way to it. *mem is such a descriptor. */
struct orphan_memory guard_memory(int *mem);

/* The entry, or NULL. */
const struct guard *guard_find(const struct guardian *g, enum guard_kind kind,
			       pid_t pid, uint64_t addr);

/* guardian-x86_64.c: a thread that has just lost its tracer is to stop. */
bool guardian_seize_thread(pid_t tid);
/* When it has stopped it is taken out of a slot or of other code of ours, its
 * debug registers are cleared, and it is let go. False: it has not. Our end
 * releases it too. */
bool guardian_mend_thread(struct guardian *g, pid_t pid, pid_t tid);

#endif
