/*
 * What followed threads make, and whether it is followed: private to
 * translate/.
 */
#ifndef TRANSLATE_BIRTHS_H
#define TRANSLATE_BIRTHS_H

#include "translate/follow.h"

/*
 * The lower target tells of a followed thread that it has made a thread or a
 * process, or executed a program. True: it is for the layer above, as the event
 * then says. False: all concerned have been set going.
 */
bool take_clone(struct translator *tr, struct thread *th, struct stop *ev);
bool take_fork(struct translator *tr, struct thread *th, struct stop *ev);
bool take_exec(struct translator *tr, struct thread *th);

/* If it has executed a program, what is followed of it is that one from now on,
 * be it told yet or not. */
void exec_settle(struct translator *tr, struct process *p);

/* The forked child's memory has breakpoints that we have set for threads of p,
 * and records of them: both go. */
void births_forget_points(struct translator *tr, const struct process *p,
			  const struct stop *ev);

/* --- process.c, for that ------------------------------------------------- */

/* As translate_follow(), or of that thread alone; fresh: nothing that a server
 * left behind can be in it. */
int process_follow(struct translator *tr, struct process *p,
		   const struct thread *who, enum trace_mode mode, bool fresh,
		   struct err *e);

/* The threads of the process (or who) are followed, in whose memory the space
 * is; by is a lower one that is stopped. The space is to be counted for the
 * process. */
int process_follow_in(struct translator *tr, struct process *p,
		      const struct thread *who, struct space *sp,
		      struct thread *by, struct err *e);

static inline struct thread *first_thread(const struct process *p)
{
	return list_entry(p->threads.next, struct thread, node);
}

#endif
