/*
 * Threads that run in the cache: private to translate/.
 *
 * A followed thread that is stopped is in one of two states. In the cache: its
 * lower registers are those of translated code. Rewound: they are the original
 * ones, and so it can be shown, stepped by the lower target, or let go. It is
 * rewound by whoever wants to look, and enters the cache when it is resumed.
 */
#ifndef TRANSLATE_FOLLOW_H
#define TRANSLATE_FOLLOW_H

#include "translate/cache.h"
#include "translate/layer.h"
#include "translate/x86_64/section.h"
#include "translate/x86_64/watch.h"

/* What a thread executes of the original code, by a step of its own. */
enum follow_wait {
	WAIT_NONE,
	WAIT_NATIVE,   /* an instruction */
	WAIT_CALL,     /* a watched system call: see watch */
	WAIT_SIGNAL,   /* on to the first instruction of a handler */
	WAIT_SECTION,  /* a restartable sequence, without a step: see section */
	WAIT_EXCLUDED, /* on to where an excluded call returns */
	WAIT_VFORK,    /* the rest of a vfork, until its child lets it */
};

/* Where it was stopped with some of struct mark's puts done; 0 of them:
 * nowhere. It may come back from handlers within handlers. */
#define BEHIND_MAX 8
struct behind {
	uint64_t pc, stack;
	uint16_t puts;
};

struct flow_log;
struct point_code;
struct touched;

struct follow {
	struct space *space; /* counted */
	int window;
	uint64_t gs_base;   /* the program's own, while it is in the cache */
	uint32_t gs;	    /* the same: see has_fsgsbase(); 0: gs has it */
	int32_t depth;	    /* of calls, as far as its ring was read */
	uint32_t ring_read; /* bytes of it */
	uint64_t collected, lost; /* collects.h: as far as was told */
	struct flow_log *log; /* flows.h; NULL: none */
	bool in_cache;
	bool alone;	  /* threads that it makes are not followed */
	bool leaving;	  /* it is to be followed no more: callback.h */
	unsigned joined;  /* struct space's n_joins */
	bool excluded;	     /* it is in excluded code, natively */
	enum follow_wait wait;
	struct watch watch;
	struct section section;
	struct resume asked; /* by the layer above */
	struct behind behind[BEHIND_MAX];
	unsigned n_behind;    /* as many were written, round and round */
	struct touched *touched; /* watchpoints.h; or NULL */
	struct behind *noted; /* where it is now; NULL: nothing was done */
	struct point_code *passed; /* counted: of the breakpoint that it went
				    * on from last; or NULL */
};

/* The upper thread, which is stopped, is followed from its next resume on. What
 * has to be done in the process is done by the lower thread by. */
int follow_begin(struct translator *tr, struct thread *th, struct space *sp,
		 struct thread *by, struct err *e);
/* It is followed no more; if it still exists it has been rewound. */
void follow_end(struct translator *tr, struct thread *th);

/*
 * A thread or process that was born of a followed thread, and stands at its
 * start with the registers that it got of that, which may be in the cache: they
 * become original.
 */
void follow_rewind_child(struct translator *tr, const struct follow *parent,
			 struct thread *low);

/* The same for all that were born so and are not told of yet, before their
 * parents are followed no more. */
void follow_rewind_unborn(struct translator *tr, struct process *p);

/* The lower registers are the original thread's from now on. */
void follow_rewind(struct translator *tr, struct thread *th);

/* The thread has made a vfork child. The kernel lets it go on when that is done,
 * perhaps when it is followed no more: it is rewound at once, and enters the
 * cache at its next stop, which comes before it executes anything. */
void follow_await_vfork(struct translator *tr, struct thread *th);

/* The lower thread's registers are in the kernel: the code that it was in can
 * go, whatever becomes of us. */
void follow_commit(struct translator *tr, struct thread *low);

/* As the layer above asks. */
int follow_resume(struct translator *tr, struct thread *th,
		  const struct resume *act);

/* The lower target tells of a followed thread. True: it is for the layer
 * above, as the event then says. False: it has been seen to. */
bool follow_event(struct translator *tr, struct thread *th, struct stop *ev);

/* A point was set or cleared at the address, or memory written. */
void follow_forget(struct process *p, uint64_t addr, uint64_t len);

#endif
