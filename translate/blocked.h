/*
 * Followed threads that wait for their vfork child: private to translate/.
 *
 * Such a thread is told as stopped, but it is in the kernel, will come back to
 * where it was in the cache, and cannot be changed before (struct thread's
 * blocked). So it is shown as the original one, and rewound at its next stop,
 * which it makes before it executes anything. If it is followed no more by
 * then, that and the cache, which it may need, are seen to afterwards.
 */
#ifndef TRANSLATE_BLOCKED_H
#define TRANSLATE_BLOCKED_H

#include "translate/follow.h"

/* The upper thread, which is blocked, is to be rewound: it will be. */
void blocked_rewind(struct translator *tr, struct thread *th);

/* The image, of a blocked upper thread's registers as they are, becomes the
 * original thread's. */
void blocked_show(struct translator *tr, struct thread *th);

/* The followed upper thread has stopped, and was blocked maybe. */
void blocked_end(struct translator *tr, struct thread *th);

/*
 * The process is about to be followed no more. What cannot be undone yet is
 * remembered, and done when its threads stop again, or when the process is let
 * go at last: threads that are to be rewound, and with space all that is ours
 * in its memory. False: there is no such thing.
 */
bool blocked_keep(struct translator *tr, struct process *p, bool space);
bool blocked_has(const struct translator *tr, pid_t pid);

/* Of a thread that was followed: it has stopped. */
void blocked_settle(struct translator *tr, struct thread *low);
/* The lower process has ended, or executes another program. */
void blocked_forget(struct translator *tr, pid_t pid);
/* struct target's on_leave, of the lower one. */
void blocked_leave(void *user, struct process *low);

#endif
