/*
 * Compiled collection: what followed threads have in registers and memory when
 * they come to an address, without a stop. For the layer above.
 *
 * Translated code writes a record to a ring of the thread's own, in memory that
 * it has in common with us, so that none is lost, however the program ends.
 * What cannot be compiled is collected by a stop instead (a callout), and comes
 * at its place among the thread's others; that is so for
 *
 *	- registers but the general ones, rip and eflags. Of eflags the compiled
 *	  form has the six status flags; the others are as they mostly are
 *	- expressions that are not compiled (x86_64/expression.h), and memory of
 *	  a size that only they know
 *	- more than COLLECT_PARTS parts, or COLLECT_MOST bytes of them
 *	- all, where the program can map no more
 */
#ifndef TRANSLATE_COLLECT_H
#define TRANSLATE_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ptid.h"

struct ax_program;
struct process;
struct target;

#define COLLECT_PARTS 32	/* compiled, of a hit */
#define COLLECT_MOST  0xf000u	/* bytes of them */
#define COLLECT_LARGE 0x100000u /* of memory, of an item that takes a stop: what is
				 * beyond has the error -E2BIG */

enum collect_what {
	COLLECT_REGISTERS, /* those of the set */
	COLLECT_MEMORY,	   /* length bytes at a register and offset */
	COLLECT_VALUE,	   /* of the expression */
	COLLECT_TRACES,	   /* the memory that the expression traces */
	COLLECT_PRINTS,	   /* what it prints, a part for each printf: the
			    * arguments, the last one first, and the strings
			    * that they point to. By a stop there are none */
};

struct collect_item {
	enum collect_what what;
	uint64_t registers; /* a bit for each number below 64 */
	int base;	    /* a register's number; -1: none */
	int64_t offset;
	uint32_t length;	       /* above 0, COLLECT_LARGE at most */
	const struct ax_program *code; /* borrowed until it is dropped */
};

/* What variables an expression may have; either may be NULL: it fails then. */
struct collect_variables {
	int (*getv)(void *user, unsigned number, int64_t *value);
	int (*setv)(void *user, unsigned number, int64_t value);
	int (*tracev)(void *user, unsigned number);
	void *user;
};

struct collect_hit;
/* Borrows all until it returns. It may read memory and registers of nothing,
 * and call nothing of the target. */
typedef void collect_fn(void *user, const struct collect_hit *hit);

struct collect_spec {
	int id; /* the caller's, which hits have */
	uint64_t pc;
	const struct ax_program *when;	  /* borrowed likewise; NULL: always */
	const struct collect_item *items; /* copied */
	unsigned n_items;
	/* Where the ring is full the hit is lost, and counted. Else the thread
	 * stops until the ring has been read, which is at once. */
	bool loses;
	const struct collect_variables *variables; /* borrowed; NULL: none */
	collect_fn *fn; /* is told, in place of the listener; or NULL */
	void *user;
};

/*
 * A part of a hit. The data of registers are those of the set in the order of
 * their numbers, each in a multiple of 8 bytes; of a value it is 8 bytes.
 */
struct collect_part {
	unsigned item; /* its index: of memory with holes several have the same
			*/
	int error; /* negative: there is no data. -EFAULT: nothing of that
		    * memory can be read, or the expression not be
		    * evaluated, of whatever reason; of one that traces a
		    * part more */
	uint64_t addr; /* of memory; else it means nothing */
	const uint8_t *data;
	uint32_t length;
};

struct collect_hit {
	struct ptid who;
	int id;
	uint64_t pc;
	uint64_t time; /* the processor's counter: an order of all threads */
	int error;     /* of the condition: then there are no parts */
	const struct collect_part
		*parts; /* in the order of the items; what an
			 * expression passes by is not there */
	unsigned n_parts;
};

/* There is one listener, to all that have none of their own; NULL: hits are
 * thrown away. */
void translate_on_collect(struct target *t, collect_fn *fn, void *user);

/*
 * Each time that a thread of the process comes to spec->pc, before what is
 * there is executed, and before a breakpoint there is met: a thread that is
 * told to go over one (struct resume) collects nothing there. Several at one
 * place are met in the order in which they were added. They go with the
 * process's next program, or when it is followed no more; a forked child has
 * none. Threads may run, and are stopped for a moment, of which nothing is
 * told. Native steps do not meet them. Returns a number above 0, and says in
 * *compiled (or NULL) whether hits take no stop; -EINVAL: not followed, or no
 * such item; -EBUSY: within a callback.
 */
int translate_collect_add(struct target *t, struct process *p,
			  const struct collect_spec *spec, bool *compiled);

/* What was collected until now is told before it returns, and none after that.
 * -ENOENT: no such number. */
int translate_collect_drop(struct target *t, struct process *p, int number);

/* What has been collected so far is told; threads may run. It is done, too,
 * when a ring is full, by translate_tick(), and when threads end. */
void translate_collect_drain(struct target *t);

#endif
