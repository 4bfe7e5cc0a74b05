/*
 * The translator: a target around a target. What is above sees the processes,
 * threads and points of the one below, and all that it does is done by that
 * one, but for threads that are followed, which run translated code.
 */
#ifndef TRANSLATE_TRANSLATE_H
#define TRANSLATE_TRANSLATE_H

struct target;

/* lower is taken over, and has no processes yet. Freed by ops->free(). */
struct target *translate_new(struct target *lower);

#endif
