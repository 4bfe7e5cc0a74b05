/*
 * Caches that servers which were killed have left in a process: private to
 * translate/.
 *
 * Threads of such a process were rewound, but the cache stays mapped, and each
 * takes the room near the program's code that the next one needs. It goes when
 * the process is followed again and no thread of it can have a place there:
 * none of its registers nor a word of its stack, from the stack pointer to the
 * end of that mapping, is an address in one. A handler's frame may hold such a
 * place when the handler began as the server died; one on a stack that is not
 * in use (of a coroutine) is not found.
 */
#ifndef TRANSLATE_SWEEP_H
#define TRANSLATE_SWEEP_H

struct process;
struct thread;
struct translator;

/* All threads of the upper process are stopped, and none is followed. by is the
 * lower thread that makes calls. */
void sweep_leftovers(struct translator *tr, struct process *p,
		     struct thread *by);

#endif
