/*
 * Calls and returns, derived from the blocks that a thread executes: a stack of
 * what is being called, by the address behind each call. It follows
 *
 *	returns		to whichever pending call they go back behind
 *	tail calls	a jump to another function is a call that returns with
 *			its caller; one back into a pending one is none
 *	unwinding	longjmp and exceptions: a jump, or a return that
 *			matches no call, into the middle of a function that is
 *			being called from
 *	signals		a handler is called by what was interrupted, and over
 *			when control is back there
 *	the linker	behind a stub of the PLT it finds a function and jumps
 *			to it: that is called by who called the stub
 *
 * It has nothing but blocks to go by, no stack pointer: of coroutines that
 * return to each other all but the first are calls that do not return.
 */
#ifndef TRACE_CALLS_H
#define TRACE_CALLS_H

#include "trace/story.h"

enum call_kind {
	CALL_REAL,
	CALL_TAIL,   /* it has no return address of its own */
	CALL_SIGNAL, /* a handler's */
	CALL_ENTRY,  /* where the thread was first seen: the bottom */
};

struct call {
	uint64_t back;	     /* place that it returns to; 0: none of its own */
	uint64_t since;	     /* instructions of the thread when it began */
	uint32_t site;	     /* block that called it; 0: none */
	uint32_t function;   /* that was called */
	uint32_t edge, node; /* the listener's, as are the next three */
	uint32_t hop, from;
	uint8_t level;
	uint8_t kind; /* enum call_kind */
};

struct calls;

struct calls_listener {
	/* The call on top has begun. */
	void (*enter)(void *user, struct calls *c, struct call *top);
	/* The call on top is over, and is dropped next. */
	void (*leave)(void *user, struct calls *c, struct call *top);
	void *user;
};

/* Of one thread. */
struct calls {
	const struct story *run;
	struct calls_listener to;
	struct call *stack; /* [0] is the bottom, if there is one */
	uint32_t n, cap;
	uint32_t function; /* that is being executed */
	uint32_t prev;	   /* block; 0: none, or not known */
	bool straight;	   /* prev leads nowhere but into its function */
	bool interrupted;  /* prev was left before its end */
	uint64_t now;	   /* instructions before what comes next */
};

/* story_functions() has been called. Zeroed by it; run is borrowed. */
void calls_init(struct calls *c, const struct story *r,
		const struct calls_listener *to);
/* What is pending is left, and its memory given back. */
void calls_end(struct calls *c);

/* The last block was left after so many of its instructions. */
void calls_cut(struct calls *c, uint32_t instructions);
/* What comes next does not follow from what was before. */
void calls_lost(struct calls *c);

/* Where block is no plain successor; as calls_step(). */
uint32_t calls_move(struct calls *c, uint32_t block);

/*
 * For who knows when control comes to another function, and sets `now`: the
 * same of a block, or any place that control goes on at. prev is the block
 * before, and end how that has been left; both may be 0, where nobody knows.
 */
struct calls_place {
	uint64_t begin; /* a place of trace/story.h */
	uint32_t function;
};
uint32_t calls_go(struct calls *c, uint32_t prev, unsigned end,
		  const struct calls_place *to);
/* It was left before its end. */
uint32_t calls_interrupt(struct calls *c, uint32_t prev,
			 const struct calls_place *to);
/* Nothing is known of what came before. */
uint32_t calls_begin(struct calls *c, const struct calls_place *to);

/*
 * The thread executes the block. Returns which one came before it in its
 * frame: behind a call that one which called; 0: it is the first there.
 */
static inline uint32_t calls_step(struct calls *c, uint32_t block)
{
	const struct story_step *s = &c->run->steps[block];
	uint32_t before = c->prev;

	if (!c->straight || s->function != c->function)
		before = calls_move(c, block);
	c->straight = s->end == END_FALLS;
	c->now += s->instructions;
	c->prev = block;
	return before;
}

static inline struct call *calls_top(struct calls *c)
{
	return &c->stack[c->n - 1];
}

#endif
