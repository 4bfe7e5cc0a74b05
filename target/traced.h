/*
 * Breakpoints in memory that are there for several: a client that wants to hear
 * of its own, a logpoint that prints each time, and a tracer that is told of
 * each hit, whatever the client's conditions, and decides itself. Each can come
 * and go without the others.
 */
#ifndef TARGET_TRACED_H
#define TARGET_TRACED_H

#include "target/target.h"

/* The client's: as target_point_set(), _clear() and _drop(). */
int traced_point_ask(struct target *t, struct process *p, enum point_kind kind,
		     uint64_t addr, unsigned size, struct point_code *code);
int traced_point_unask(struct target *t, struct process *p,
		       enum point_kind kind, uint64_t addr, unsigned size);
void traced_points_unask(struct target *t, struct process *p);

/* The client's breakpoint of that kind, if it has one there, has that filter
 * from now on; NULL: none. */
void traced_point_filter(struct target *t, struct process *p,
			 enum point_kind kind, uint64_t addr,
			 struct point_filter *f);

/* The tracer's. Both do nothing that was done already. */
int traced_point_add(struct target *t, struct process *p, uint64_t addr);
int traced_point_drop(struct target *t, struct process *p, uint64_t addr);
void traced_points_drop(struct target *t, struct process *p);

/* There is that logpoint at addr, whose console is set, and no other one; NULL:
 * none is. */
int log_point_set(struct target *t, struct process *p, uint64_t addr,
		  struct point_code *log);

bool log_point_is_at(const struct process *p, uint64_t addr);

/* Is there one of the tracer's; has the client one there? */
bool point_is_traced(const struct process *p, uint64_t addr);
bool traced_point_is_asked(const struct process *p, uint64_t addr);

/* The thread has met the breakpoint at addr: is the client to hear of it? Its
 * conditions are evaluated, and its commands run. */
bool traced_point_stops(struct target *t, struct thread *th, uint64_t addr);

#endif
