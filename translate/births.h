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

/* --- process.c, for that ------------------------------------------------- */

/* As translate_follow(); fresh: nothing that a server left behind can be in
 * it. */
int process_follow(struct translator *tr, struct process *p,
		   enum trace_mode mode, bool fresh, struct err *e);

/* All threads of the process, in whose memory the space is, are followed; by is
 * a lower one that is stopped. The space is to be counted for the process. */
int process_follow_in(struct translator *tr, struct process *p,
		      struct space *sp, struct thread *by, struct err *e);

static inline struct thread *first_thread(const struct process *p)
{
	return list_entry(p->threads.next, struct thread, node);
}

#endif
