/*
 * Tracepoints as a client defines them (gdb manual, "Tracepoint Packets"), and
 * trace state variables. Nothing here runs: see tracing.h.
 */
#ifndef TRACEPOINT_TRACEPOINT_H
#define TRACEPOINT_TRACEPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ax.h"
#include "base/list.h"

enum trace_action_kind {
	TRACE_REGISTERS,
	TRACE_MEMORY,
	TRACE_EXPRESSION,
};

#define TRACE_NO_REGISTER UINT32_MAX /* memory at a fixed address */

struct trace_action {
	enum trace_action_kind kind;
	char *text;    /* owned; as in the packet that defined it */
	uint32_t base; /* TRACE_MEMORY: the register that offset counts from */
	uint64_t offset, len;
	struct ax_program *program; /* TRACE_EXPRESSION; owned */
};

struct trace_actions {
	struct trace_action *list; /* owned */
	size_t n;
};

/* What the user typed, for the next client: see QTDPsrc. */
struct trace_source {
	struct list node;
	char *type; /* owned: at, cond, cmd */
	char *text; /* owned */
};

enum tracepoint_kind { TRACEPOINT_TRAP, TRACEPOINT_FAST };

/* One place of a tracepoint: of several with a number each is a record. */
struct tracepoint {
	struct list node; /* in tracing.points, oldest first */
	unsigned number;
	uint64_t addr;
	enum tracepoint_kind kind;
	uint64_t room; /* TRACEPOINT_FAST: bytes, as the client said */
	bool enabled;
	int collector;	/* what collects at it without a stop, and how it is */
	int handle;	/* dropped; 0: nothing does, there is a breakpoint */
	uint64_t steps; /* to collect behind each hit; 0: none */
	uint64_t pass_count;	      /* hits that end the run; 0: none do */
	struct ax_program *condition; /* owned; NULL: always */
	char *condition_text;	      /* owned; LEN,HEX */
	struct trace_actions actions, step_actions;
	struct list sources; /* of struct trace_source */

	uint64_t hits;	/* of this run: those whose condition held */
	uint64_t usage; /* bytes of frames, of steps too */
};

struct tracepoint *tracepoint_new(unsigned number, uint64_t addr);
void tracepoint_free(struct tracepoint *tp);

/* A zeroed one at the end, for the caller to fill. */
struct trace_action *trace_action_add(struct trace_actions *v);

/* A piece that does not begin a text (start is not 0) goes behind the last one
 * of its type. */
void tracepoint_add_source(struct tracepoint *tp, const char *type,
			   uint64_t start, const char *text);

/* --- variables ----------------------------------------------------------- */

struct trace_variable {
	struct list node;
	unsigned number;
	int64_t initial, value;
	bool builtin; /* ours: what it is now is asked for */
	char *name;   /* owned */
};

#define TRACE_TIMESTAMP 1 /* the number of our one */

/* The list, newest first, has our own variables, and no others. */
void trace_variables_init(struct list *vars);
/* Those that are not ours go. */
void trace_variables_clear(struct list *vars);
void trace_variables_fini(struct list *vars);

/* NULL: there is none of that number. */
struct trace_variable *trace_variable_find(const struct list *vars,
					   unsigned number);
/* Defines it, or defines it again; ours stays as it is. */
void trace_variable_set(struct list *vars, unsigned number, int64_t initial,
			const char *name);
int64_t trace_variable_value(const struct trace_variable *v);

/* Microseconds since 1970. */
uint64_t trace_time(void);

#endif
