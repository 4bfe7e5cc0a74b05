/*
 * Leaving translated code for a while: for the layer above.
 *
 * A process that is followed but not active runs its original code, as fast as
 * it can, and nothing of it is recorded. What has been translated stays, and is
 * used again from where it is activated on, but for code that has changed
 * meanwhile. Its children and the programs that it executes begin as it is.
 */
#ifndef TRANSLATE_ACTIVATE_H
#define TRANSLATE_ACTIVATE_H

#include <stdint.h>

struct process;
struct target;

/*
 * Both may be called while threads run, and within a callback (transform.h); it
 * is done then when that is over. -EINVAL: the process is not followed; -EBUSY:
 * translated code has points to meet (watchpoints.h), which cannot be set while
 * it is not active, either. Twice is once.
 *
 * What the program opens of /proc/PID/mem while it is not active is not seen:
 * it cannot write by it to pages of generated code afterwards.
 */
int translate_deactivate(struct target *t, struct process *p);

/* target: until a thread comes there, excluded code is translated as any; 0:
 * it runs natively at once. */
int translate_activate(struct target *t, struct process *p, uint64_t target);

#endif
