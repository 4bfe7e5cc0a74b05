/*
 * What followed threads have executed, as their last branches: private to
 * translate/.
 *
 * A process whose history is kept is followed with MODE_HISTORY, and its
 * threads' logs are rings that are read when somebody asks: until then a thread
 * makes no stop for it. If the layer above has it followed with MODE_FLOW, the
 * same reader tells both. All of its followed threads have a history, so that
 * it is there from their beginning when somebody asks for it.
 */
#ifndef TRANSLATE_HISTORY_H
#define TRANSLATE_HISTORY_H

#include "translate/branches.h"
#include "translate/flow.h"
#include "translate/layer.h"

struct flow_block;
struct flow_code;

struct history {
	struct branches branches;
	/* Told of last, and not yet among them: so many of its instructions
	 * were executed. NULL: none. */
	const struct flow_block *open;
	uint32_t executed;
	bool wanted; /* the layer above has asked for it */
};

/* Blocks, at most: gdb takes some twenty seconds for them. */
#define HISTORY_MOST 262144
/* ... and at least: a page, as with perf_event_open(2). */
#define HISTORY_LEAST 256

/* What a thread has executed, as flow.h tells it. Who reads its log calls
 * these, be it from a thread of its own. */
void history_path(struct history *h, const struct flow_code *code,
		  const uint32_t *ids, size_t n);
void history_cut(struct history *h, uint32_t instructions);
void history_lost(struct history *h);
/* The newest block is over. Until then it is borrowed from its image. */
void history_settle(struct history *h);

/* The upper thread is followed from now on; what it had is no more, unless it
 * was left at the same place only just now. */
void history_begin(struct thread *th, const struct space *sp);
/* The record of the thread goes, or its history. */
void history_free(struct tr_thread *tt);
/* More blocks than are sure to be in a ring of FLOW_RECENT are read while
 * threads run: that costs them, as whatever has MODE_FLOW. */
enum flow_keep history_keep(const struct process *p);
/* The thread executes another program, and is the only one that is left. */
void history_execed(struct thread *th);

extern const struct target_branch_ops history_ops;

#endif
