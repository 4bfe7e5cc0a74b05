/* The last branches that each thread took: what led to a crash. */
#ifndef TRACE_TAILS_H
#define TRACE_TAILS_H

#include <stdio.h>

#include "trace/story.h"

#define TAILS_DEFAULT 32
#define TAILS_MAX     4096

/* A sink of the story: n branches of each thread are kept, after its end
 * too. */
struct tails *tails_new(struct story *s, unsigned n);
void tails_free(struct tails *b);

/* The image that the thread is of; 0: nothing is known of it. */
uint32_t tails_image(const struct tails *b, pid_t tid);

/* The thread's, the latest last, a line each; false: nothing is known of it. */
bool tails_put(struct tails *b, pid_t tid, FILE *out);

#endif
