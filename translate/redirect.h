/*
 * Control that comes to one place is sent to another: for the layer above. The
 * program, its stack and its registers are as they would be at the first, but
 * for the pc.
 */
#ifndef TRANSLATE_REDIRECT_H
#define TRANSLATE_REDIRECT_H

#include <stdint.h>
#include <sys/types.h>

struct process;
struct target;

/*
 * Threads of the process that come to `from`, by whatever way, go on at `to`
 * instead; what is redirected there is not asked again, so two functions can
 * take each other's place. to == from: no more. What is translated is dropped.
 * It ends with the process's next program, or when it is followed no more; a
 * forked child has none. A breakpoint at `from` is met before. May be called
 * while threads run. -EINVAL: the process is not followed, or `to` is 0.
 */
int translate_redirect(struct target *t, struct process *p, uint64_t from,
		       uint64_t to);

/*
 * Asked for each pc at which a block begins, when it is compiled: where control
 * is to go from there; pc: nowhere else. Blocks begin where control goes by
 * jumps, calls and returns, and by falling through from the end of another; but
 * also wherever a thread was stopped. So the answer should be one for each pc,
 * whoever comes. It counts for all, also when blocks are linked. Not asked
 * where translate_redirect() has said something. What holds for a callout (see
 * transform.h) holds here.
 */
typedef uint64_t translate_switch_fn(void *user, struct target *t, pid_t pid,
				     uint64_t pc);

/* Of all that is followed, now and from now on; fn NULL: nobody is asked. What
 * is translated is dropped. */
void translate_set_switch(struct target *t, translate_switch_fn *fn,
			  void *user);

#endif
