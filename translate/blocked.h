/*
 * Processes of which all threads wait for vfork children when they are followed
 * no more: private to translate/.
 *
 * Such a thread is in the kernel, and can be made to call nothing before it
 * comes back (struct thread's blocked). It was rewound when it began to wait.
 * The cache stays mapped until one of them stops again, or the process is let
 * go of at last.
 */
#ifndef TRANSLATE_BLOCKED_H
#define TRANSLATE_BLOCKED_H

#include "translate/follow.h"

/* What is ours in the process's memory is to be taken out later. */
void blocked_keep(struct translator *tr, struct process *p);
bool blocked_has(const struct translator *tr, pid_t pid);

/* The lower thread has stopped, perhaps of such a process. */
void blocked_settle(struct translator *tr, struct thread *low);
/* The lower process has ended, or executes another program. */
void blocked_forget(struct translator *tr, pid_t pid);
/* struct target's on_leave, of the lower one. */
void blocked_leave(void *user, struct process *low);

#endif
