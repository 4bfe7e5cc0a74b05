/*
 * What followed threads have executed, as their last branches: private to
 * translate/.
 *
 * A thread in the cache tells of each block as it begins it, in its ring (see
 * ring.h). What it has executed of the newest one is known when it leaves: the
 * boundary where it is says whether it is within (struct mark's begun). What it
 * executes natively, by steps of the translator's or of the layer above, is
 * seen by where it is afterwards. Between, h->pc is what comes next.
 *
 * All threads of a process that is followed with MODE_HISTORY have one, so that
 * it is there from a thread's beginning when somebody asks for it.
 */
#ifndef TRANSLATE_HISTORY_H
#define TRANSLATE_HISTORY_H

#include "translate/branches.h"
#include "translate/layer.h"

struct event_site;
struct follow;

/* How a thread that is not in the cache was set going. */
enum native_way {
	NATIVE_NOT,	/* it was not */
	NATIVE_STEP,	/* one instruction */
	NATIVE_HANDLER, /* a step with a signal, which has a handler */
	NATIVE_FREELY,	/* nobody looks */
};

struct history {
	struct branches branches;
	/* Told of last, and maybe not executed to its end. next is 0: none. */
	struct {
		uint64_t begin, last, next;
	} open;
	uint64_t pc;
	bool placed; /* pc is known */
	enum native_way native;
	uint64_t behind; /* when it leaves: it is there, not further; or 0 */
	bool wanted;	 /* the layer above has asked for it */
};

/* That pc is shown instead of the one further on, when it leaves next. */
static inline void history_leaves_at(struct history *h, uint64_t pc)
{
	if (h)
		h->behind = pc;
}

/* Blocks of a history that nobody has asked for: half of what gdb does. */
#define HISTORY_UNASKED 2048
/* ... and at most: gdb takes half a minute for ten times as much. */
#define HISTORY_MOST  100000
/* ... and at least: a page, as with perf_event_open(2). */
#define HISTORY_LEAST 256

/* The upper thread is followed from now on, if its space has that mode; what it
 * had is no more. */
void history_begin(struct thread *th, const struct space *sp);
/* The record of the thread goes, or its history. */
void history_free(struct tr_thread *tt);
/* The thread executes another program, and is the only one that is left. */
void history_execed(struct thread *th);

/* The thread has begun a block. */
void history_block(struct history *h, const struct event_site *site);

/* It has left the cache: it has been rewound. begun: it was within the block
 * that it told of last. */
void history_left(struct translator *tr, struct thread *low, struct follow *f,
		  bool begun);
/* It enters it. begun: in the midst of such a block, of which it does not tell
 * again. */
void history_entered(struct translator *tr, struct thread *low,
		     struct follow *f, bool begun);

/* The lower thread, which is not in the cache, is set going. */
void history_goes(struct translator *tr, struct thread *low, struct follow *f,
		  enum resume_kind kind, int signo);
/* It has stopped; by a step that was told as such, or otherwise. */
void history_stopped(struct translator *tr, struct thread *th, bool stepped);

/* A step through a range that the layer above has asked for is one by one. */
enum resume_kind history_kind(const struct follow *f, enum resume_kind kind);
/* ... and this one, which has ended, is followed by another. */
bool history_steps_on(struct translator *tr, struct thread *th);

extern const struct target_branch_ops history_ops;

#endif
