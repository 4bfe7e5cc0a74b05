/* A piece of what a thread has executed. */
#ifndef BASE_BRANCH_H
#define BASE_BRANCH_H

#include <stdint.h>

/* Instructions that follow each other, as gdb's btrace document tells of
 * them. */
struct branch {
	uint64_t begin; /* the first one */
	uint64_t end;	/* the last one itself, not what is behind it */
};

/* How much of it is wanted: see struct target_branch_ops. */
enum branch_read { BRANCH_ALL, BRANCH_NEW, BRANCH_DELTA };

#endif
