/*
 * Threads that are followed for a while alone: translate_lend(). As long as
 * there is more that they are followed for they stay so.
 */
#ifndef TRANSLATE_LEND_H
#define TRANSLATE_LEND_H

#include <stdbool.h>

struct process;
struct thread;

bool lend_any(const struct process *p);

/* Is it followed by what else there is that ends by itself, for conditions of
 * breakpoints or a history of branches alone? */
bool lend_is_kept(const struct thread *th);

/* The history of branches is kept of followed threads: of these it is one more
 * thing that they are followed for. */
void lend_note_history(struct process *p);

#endif
