/*
 * Call probes: functions of the server that are called when a followed thread
 * comes to an address, before the instruction there. For the layer above.
 */
#ifndef TRANSLATE_PROBE_H
#define TRANSLATE_PROBE_H

#include <stdint.h>

struct process;
struct target;
struct thread;

/* As at the entry of a function: the rest is in the thread's registers. */
struct probe_hit {
	struct thread *th;
	uint64_t pc;		 /* the probe's */
	uint64_t stack;		 /* the pointer; arguments begin above it */
	uint64_t return_address; /* what it points at; 0: it cannot be read */
};

/* The thread is as at a callout (transform.h), and the same is allowed. */
typedef void probe_fn(void *user, struct target *t,
		      const struct probe_hit *hit);

/*
 * fn is called each time that a thread of the process comes to pc, by whatever
 * way: a call, a jump, or from the instruction before it. Several at one pc are
 * called in the order in which they were added. They go with the process's next
 * program, or when it is followed no more; a forked child has none. May be
 * called while threads run. Returns the probe's number, above 0; -EINVAL: the
 * process is not followed.
 */
int translate_probe_add(struct target *t, struct process *p, uint64_t pc,
			probe_fn *fn, void *user);

/* fn is not called any more once this has returned. -ENOENT: no such probe. */
int translate_probe_drop(struct target *t, struct process *p, int number);

#endif
