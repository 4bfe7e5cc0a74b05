/*
 * Words in shared memory that tell others of this process's death: the kernel
 * itself changes them, as one of the first things that the process does when
 * it ends, whatever of (set_robust_list(2)). That comes before its descriptors
 * are closed, and before what it traces is let go.
 *
 * A word is nonzero, and LIFELINE_DEAD is not set in it, while we live; others
 * may wait for that by futex(2), for which LIFELINE_WAITED is set. The list of
 * words is the kernel's business: what others write there breaks the words
 * behind it, and nothing else. The C library's robust mutexes are of no use
 * beside it. All is the main thread's; a forked child has none.
 */
#ifndef BASE_LIFELINE_H
#define BASE_LIFELINE_H

#include <stdbool.h>
#include <stdint.h>

#define LIFELINE_DEAD	0x40000000u
#define LIFELINE_WAITED 0x80000000u

/* In memory that is mapped until lifeline_end(). */
struct lifeline {
	uint64_t next;
	uint32_t word;
};

/* The kernel changes no more than so many; some are left for what matters
 * most. Is there one to spare? */
bool lifeline_spare(void);

void lifeline_begin(struct lifeline *l, uint32_t flags);
void lifeline_end(struct lifeline *l);

#endif
