/*
 * Watchpoints and hardware breakpoints beyond the debug registers: private to
 * translate/.
 *
 * A breakpoint that the lower target has no register for ends a block, as all
 * do, and is met there (trap.c): nothing is written to the program's code.
 * Watchpoints are checked by translated code, before each instruction that may touch it: two tables say
 * for every eight bytes, by the low bits of their address, whether there is a
 * watchpoint that is written to, or read, and a list of ranges has it exactly.
 * What touches one is executed natively, or if it is a string instruction with
 * a prefix in a block of its own, and then the stop is told: behind the
 * instruction, as the processor does (SDM vol. 3, 18.2.4). A mask may leave
 * bytes out; then it is told if they have changed.
 *
 * All threads of the process are followed for it, and what is excluded is
 * translated too. What the kernel writes, and what restartable sequences do
 * natively, is not seen.
 */
#ifndef TRANSLATE_WATCHPOINTS_H
#define TRANSLATE_WATCHPOINTS_H

#include "target/target.h"
#include "translate/cache.h"

struct follow;
struct compiler;
struct insn;

#define WATCHED_MAX 250u

struct watched {
	uint64_t lo, hi;
	enum point_kind kind;
};

/* How far a scan of memory comes is only known behind it: its register says. */
struct scan {
	int reg;	/* of an image's general ones; 0: it is none */
	uint64_t from;	/* what the register is before */
	uint64_t first; /* the first element, and its size */
	unsigned size;
};

/* What the instruction that a thread is about to execute will have touched. */
struct touched {
	unsigned n;
	struct watch_hit hits[STOP_MAX_WATCH];
	struct watched by[STOP_MAX_WATCH]; /* those that are hit */
	struct scan scans[STOP_MAX_WATCH];
	struct watched unsure[STOP_MAX_WATCH]; /* hi 0: it is certain */
	uint64_t sums[STOP_MAX_WATCH];
};

/* struct target_point_ops's, of points that the lower target does not take. */
int point_hold(struct target *t, struct process *p, struct point *pt);
int point_let_go(struct target *t, struct process *p, struct point *pt);

/* Processes are about to be resumed: what changed is in translated code. Does
 * the process have any? Where there can be none any more, that is printed. */
void points_resume(struct translator *tr, const struct resume *acts, size_t n);
bool points_held(const struct process *p);
/* All that it is to do is a step, and a breakpoint has gone since it was resumed:
 * clients take one out for that, and put it back. */
bool points_may_be_back(const struct process *p, const struct resume *acts,
			size_t n);

/* The rewound thread is about to execute an instruction: what it touches is
 * noted. whole: with all its turns. */
void watchpoints_note(struct translator *tr, struct thread *low,
		      struct follow *f, bool whole);
/* It has: true, *ev tells of it. */
bool watchpoints_told(struct translator *tr, struct thread *th,
		      struct follow *f, struct stop *ev);
/* It has not, or nobody knows. */
void watchpoints_forget(struct follow *f);

/* --- x86_64/check.c ------------------------------------------------------- */

/* Does the space's code check? */
static inline bool checks(const struct space *sp)
{
	return sp->n_watched;
}

/* Is excluded code translated all the same, and each instruction stepped? */
static inline bool misses_nothing(const struct space *sp)
{
	return checks(sp) || sp->holds_breakpoints;
}

/* Before the instruction, what it may touch. */
void checks_write(struct compiler *c, const struct insn *i);
/* The routine that looks through the list, once in a region. */
void check_routine(struct region *rg);
/* The tables and the list, as the space's watched say. */
void check_tables(struct space *sp);

/* The ranges that the instruction at the image's pc touches are told to fn. The
 * image is that of sp->by, which is rewound. whole: with all its turns. */
struct touch {
	uint64_t lo, hi;
	bool reads, writes, exact;
	struct scan scan;
};

typedef void touch_fn(void *user, const struct touch *t);
void check_touches(struct space *sp, uint8_t *image, bool whole, touch_fn *fn,
		   void *user);
/* Is it one that stays where it is between its turns? */
bool check_repeats(struct space *sp, uint64_t pc);

#endif
