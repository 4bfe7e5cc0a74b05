/*
 * A trace run ("trace experiment"): tracepoints that are in programs, and what
 * they have collected. The layer above (server/tracepoint*.c) speaks with
 * clients, puts the tracepoints into programs by target/traced.h, and asks here
 * at each stop what is to be done about it.
 *
 * A hit is an arrival: a thread that comes to a tracepoint's address hits it
 * once, whether it runs, steps, or is stepped there, and not again when it is
 * resumed from there.
 */
#ifndef TRACEPOINT_TRACING_H
#define TRACEPOINT_TRACING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "target/traced.h"
#include "tracepoint/buffer.h"
#include "tracepoint/frame.h"
#include "tracepoint/tracepoint.h"

enum trace_end {
	TRACE_NOT_RUN,
	TRACE_STOPPED, /* by the client */
	TRACE_FULL,
	TRACE_DISCONNECTED,
	TRACE_PASSED, /* a pass count was reached */
	TRACE_ERROR,
};

struct tracing {
	struct list points; /* of struct tracepoint */
	struct list variables;
	struct trace_buffer buffer;
	size_t regs_size; /* of the programs that this run is about */
	bool running;
	uint64_t started, stopped; /* trace_time(); 0: not yet */
	enum trace_end end;	   /* why it does not run */
	unsigned end_point;	   /* PASSED, ERROR: the tracepoint */
	const char *error;	   /* TRACE_ERROR; static */
	struct buf frame;	   /* the one that is being made */
};

void tracing_init(struct tracing *tr);
void tracing_fini(struct tracing *tr);

/* No tracepoints, no variables but ours, no frames. It must not run. */
void tracing_clear(struct tracing *tr);

/* NULL: there is none. */
struct tracepoint *tracepoint_find(const struct tracing *tr, unsigned number,
				   uint64_t addr);
/* The tracepoint, which is taken over, is one from now on: in place of one of
 * that number and address, whose hits it takes over. */
void tracing_define(struct tracing *tr, struct target *t,
		    struct tracepoint *tp);

/* regs_size is that of the g packet. */
void tracing_start(struct tracing *tr, size_t regs_size);
void tracing_stop(struct tracing *tr, enum trace_end why);

/*
 * --- threads -------------------------------------------------------------
 *
 * What is kept of one is behind its thread.traced.
 */

/* A thread has stopped, wherever and for whatever; but for STOP_SWBREAK its
 * registers are looked at only if that may matter. What it has come to is
 * collected. */
void tracing_stopped(struct tracing *tr, struct target *t, struct thread *th,
		     const struct stop *st);

/* The thread stands where it has hit what there is. */
void tracing_note_here(struct target *t, struct thread *th);

/* Is it to be stepped, for frames behind a hit? */
bool tracing_steps(const struct thread *th);

/* How the thread is to go on, having been asked to do so as act says, which
 * is changed. */
void tracing_resume(struct tracing *tr, struct target *t, struct thread *th,
		    struct resume *act);

/* As it was resumed last. */
const struct resume *tracing_asked(const struct thread *th);

/* A stop that nobody is told of: how it goes on from there. */
struct resume tracing_go_on(struct tracing *tr, struct thread *th);

/* Nothing is to be collected in any thread any more. */
void tracing_forget_threads(struct target *t);

/* --- one hit, for tracing.c: collect.c ----------------------------------- */

/* A frame of the tracepoint, by one of its lists. 0, or a negative errno: the
 * run is to end, as *why (static) says; -ENOSPC: as there is no room. */
int trace_collect(struct tracing *tr, struct target *t, struct thread *th,
		  struct tracepoint *tp, const struct trace_actions *actions,
		  uint64_t pc, const char **why);

/* Does the tracepoint's condition hold? 1, 0, or as above. */
int trace_condition(struct tracing *tr, struct target *t, struct thread *th,
		    const struct tracepoint *tp, const char **why);

#endif
