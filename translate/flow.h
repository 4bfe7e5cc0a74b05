/*
 * What followed threads execute, all of it: for the layer above. With MODE_FLOW
 * (translate.h) every block that a thread begins is told, in order, and where
 * it was left if that was before its end; so the sequence of instructions is
 * known exactly. Who listens gets numbers of blocks, and what they stand for
 * once.
 *
 * An image is a program in memory, from where it begins to be followed until
 * it executes another one, or ends. Threads of it, and a vfork child that has
 * its memory, share its numbers: these count from 1, and one never stands for
 * other code, whatever becomes of that: code that was dropped, evicted or has
 * changed back has the number that it had if it is the same. Images have
 * numbers too, which are never used again.
 *
 * Exact are: signals and faults, wherever they come; system calls, which are
 * executed once more when the kernel restarts them; string instructions, which
 * count once however often they repeat. An instruction that faults was not
 * executed, one that traps (int3) was. What the server steps over natively, or
 * the layer above, is told as a block of one instruction (`native`).
 *
 * Not told, but for a gap, is what runs in the original code without steps:
 * restartable sequences of rseq(2), and excluded code; of excluded code
 * nothing at all is told, translated or not. A thread that is killed by
 * somebody else while it runs has begun the last block that is told of it, and
 * how far it got is not known (end).
 */
#ifndef TRANSLATE_FLOW_H
#define TRANSLATE_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ptid.h"

struct target;
struct thread;
struct translate_module;

/* How control leaves a block at its end. */
enum flow_end {
	FLOW_FALLS,	  /* to what comes next; the block is only cut there */
	FLOW_JUMP,	  /* jmp to a fixed address */
	FLOW_CONDITIONAL, /* jcc, loop, jrcxz, xbegin: there or not */
	FLOW_CALL,	  /* to a fixed address */
	FLOW_RETURN,	  /* any ret */
	FLOW_INDIRECT_JUMP, /* through a register or memory */
	FLOW_INDIRECT_CALL,
	FLOW_SYSCALL, /* syscall; it goes on behind unless it was a sigreturn */
	FLOW_OTHER,   /* traps, far and 16-bit branches, what nobody knows */
};

struct flow_block {
	uint64_t begin;	 /* of its first instruction */
	uint64_t last;	 /* of its last one, the address of that itself */
	uint64_t target; /* of JUMP, CONDITIONAL and CALL; else 0 */
	uint32_t bytes, instructions;
	uint8_t end; /* enum flow_end */
	bool native; /* one instruction, executed by the original code */
	bool turned; /* CONDITIONAL: it is logged where it does not branch */
	const uint8_t *code;		       /* its bytes, as they ran */
	const struct translate_module *module; /* NULL: of no file */
};

/* Who tells. */
struct flow_who {
	uint32_t image;
	struct ptid id;
};

#define FLOW_WAY_MOST 256 /* blocks of one way */

/*
 * With FLOW_CALLS blocks are counted by the program itself, and of what a thread
 * executes only that is logged where it comes to another function: hops, each
 * with the thread's instructions so far. What a hop is was known when the code
 * was translated.
 */
enum flow_hop_kind {
	HOP_CALLS, /* the call at the end of block `from` goes to pc */
	HOP_JUMPS, /* ... its jump does, or it falls through to there */
	HOP_RETURNS, /* some return has led to pc */
	HOP_LANDS, /* some other indirect branch has */
};

struct flow_hop {
	uint8_t kind;  /* enum flow_hop_kind */
	uint32_t from; /* of CALLS and JUMPS: the block */
	uint64_t pc;
	const struct translate_module *module; /* of pc */
	/* Of a call of a stub: the hop by which that jumps on, and after how
	 * many instructions; events without it are told by that one, too. */
	uint32_t through, instructions;
};

/* Calls and jumps of one hop that no event tells of: the program has added them
 * up itself. */
struct flow_fold {
	uint32_t hop;
	uint32_t from; /* as an event's */
	/* Was the function that it leaves being called more than once, and the
	 * one that it leads to already? */
	bool site_level, level;
	bool through; /* the hop by which a stub jumps on is in it, too */
	uint64_t times, instructions; /* that they took in all */
};

/* Of a function's code at some address. */
enum flow_function_flags {
	FLOW_BEGINS = 1 << 0, /* it is the first of it */
	FLOW_LINKS = 1 << 1,  /* it is the dynamic linker's, behind a stub */
};

/* A hop has happened. */
struct flow_event {
	uint32_t hop;
	uint32_t from; /* of HOP_LANDS: the block whose branch it was, or 0 */
	/* Instructions of the thread before it goes on at pc. leaf: a call that
	 * has returned, and nothing has happened in between; what it took. */
	uint64_t leaf : 1, now : 63;
};

/* A hop that has led into what has not been left yet. */
struct flow_open {
	uint32_t hop, from; /* as the event that told of it */
	uint64_t now;
};

/* A thread begins a block by no hop: it comes into the cache, or executes one
 * instruction natively. What was it doing before? */
enum flow_how {
	FLOW_UNKNOWN, /* nobody knows: this is the first of it */
	FLOW_GOES_ON, /* ... what led to here, or to another place like it */
	FLOW_LEFT,    /* it had executed block `from` */
	FLOW_CUT,     /* it has executed a part of it */
	FLOW_RETURNED, /* some return leads to here */
	FLOW_JUMPED,  /* the indirect branch of block `from` does */
};

struct flow_arrival {
	uint8_t how;		/* enum flow_how */
	uint32_t from, block; /* block 0: none; the thread is looked at */
	uint64_t now;
};

/*
 * What is called, each or NULL, in the order of what happened for each thread,
 * but for `block`, which comes before the first path or way that names it. All
 * pointers are borrowed until the call returns, those in a block until its
 * image ends. No call may call the target.
 *
 * With FLOW_ALL they come from a thread of the server's own, which reads while
 * threads run, or from the one that asks the target: one call at a time. With
 * FLOW_CALLS and FLOW_RECENT they come from the latter, mostly and always.
 */
struct flow_sink {
	/* One that some thread of the image is about to be told of. */
	void (*block)(void *user, const struct flow_who *who, uint32_t id,
		      const struct flow_block *b);
	/* It has executed these, each from its begin. */
	void (*path)(void *user, const struct flow_who *who,
		     const uint32_t *ids, size_t n);
	/*
	 * In place of that, both or none: most of what a thread executes are
	 * ways that it went before, of FLOW_WAY_MOST blocks at most. Returns a
	 * number for
	 * that way of this image, not 0, which is told from then on; it may
	 * be given to others of the same blocks.
	 */
	uint32_t (*way)(void *user, uint32_t image, const uint32_t *ids,
			size_t n);
	void (*ways)(void *user, const struct flow_who *who,
		     const uint32_t *ways, size_t n);
	/* The last block told was left after so many of its instructions, at
	 * least one: by a signal, a fault, a stop. What comes next begins
	 * where control went on. */
	void (*cut)(void *user, const struct flow_who *who,
		    uint32_t instructions);
	/* What was executed from there on to the next path is not known. */
	void (*gap)(void *user, const struct flow_who *who, uint64_t pc);
	/* Older records were written over, or are none: the program has written
	 * to the ring. The next path is what comes after that. */
	void (*lost)(void *user, const struct flow_who *who);
	/*
	 * These nine with FLOW_CALLS alone, and none of those above but `block`,
	 * gap and lost. Which function has the code at pc, by any number but 0:
	 * code of one number makes no hops within itself. flags: of enum
	 * flow_function_flags. It is asked when code is translated.
	 */
	uint32_t (*function)(void *user, const struct flow_who *who,
			     uint64_t pc, const struct translate_module *m,
			     unsigned *flags);
	/* Before the first event with it. */
	void (*hop)(void *user, const struct flow_who *who, uint32_t id,
		    const struct flow_hop *h);
	void (*events)(void *user, const struct flow_who *who,
		       const struct flow_event *all, size_t n);
	void (*arrives)(void *user, const struct flow_who *who,
			const struct flow_arrival *a);
	/* The block was begun that often, by some threads of the image; more
	 * than was told before. All of it is told before the image's end. */
	void (*count)(void *user, uint32_t image, uint32_t block,
		      uint64_t times);
	/* More than was told before; all of it before the image's end. */
	void (*folded)(void *user, uint32_t image, const struct flow_fold *f);
	/* How often is each function being called, of those whose numbers are
	 * less than n? All that the thread has executed was told. known: they
	 * are as if events alone had told of calls. */
	void (*depths)(void *user, const struct flow_who *who,
		       uint32_t *depths, uint32_t n, bool known);
	/* What the thread has come into last and has not left, n of these at
	 * most, is told once more, if it is not folded; so it was not now.
	 * Returns how many; out: the last one comes last. */
	size_t (*open)(void *user, const struct flow_who *who,
		       struct flow_open *out, size_t n);
	/* Of one of those times, after so many instructions it was left. */
	void (*part)(void *user, const struct flow_who *who, uint32_t block,
		     uint32_t instructions);
	/* The thread is followed no more. exact: all of it was told. */
	void (*end)(void *user, const struct flow_who *who, bool exact);
	/* The image has ended, and all of its threads. */
	void (*image_end)(void *user, uint32_t image);
	void *user;
};

/* How much is kept. */
enum flow_keep {
	FLOW_ALL,    /* nothing is lost: threads wait for us if need be */
	FLOW_CALLS,  /* the same; but hops alone, and how often blocks ran */
	FLOW_RECENT, /* a ring of FLOW_RECENT_RECORDS, read at stops: nobody
		      * ever waits, and what is older is lost */
};

/* A record tells of one block at least. */
#define FLOW_RECENT_RECORDS 16384

/* Copied. There is one listener, of all images with MODE_FLOW; keep is for
 * those that begin to be followed with MODE_FLOW from now on. The one before is
 * called no more when it returns. */
void translate_set_flow(struct target *t, const struct flow_sink *sink,
			enum flow_keep keep);

/*
 * Tells what the thread, which is stopped, has executed so far, up to its pc:
 * it is rewound for that, as whoever looks at its registers does. Of what runs
 * with FLOW_RECENT nothing is told but here and when the thread ends.
 */
void translate_flow_read(struct target *t, struct thread *th);

/* Nothing is called in between, but by translate_flow_read() there: for who
 * looks at what it has made of it. Threads that have no room left wait. */
void translate_flow_hold(struct target *t);
void translate_flow_release(struct target *t);

/* The image of a process; 0: it is not followed with MODE_FLOW. */
struct process;
uint32_t translate_flow_image(const struct process *p);

#endif
