/*
 * How stubs stop threads, so that the server sees to them: private to
 * translate/.
 *
 * A thread sends itself a SIGSTOP (x86_64/stub.c), which costs no more than a
 * trap, and which no program dies of if we do. That takes a SIGCONT back that
 * waits for the process. It is no loss where it does not wait: it has continued
 * the process when it was sent. A program that blocks it can wait for it,
 * though; from when one is found that does so, stubs trap. So they do when the
 * program is about to filter its system calls, and when they are caught.
 *
 * What is not seen to: with several threads, one may meet a stub in the instant
 * between the sending of a SIGCONT and its handler, in another.
 */
#ifndef TRANSLATE_STOP_H
#define TRANSLATE_STOP_H

#include <stdbool.h>
#include <stdint.h>

struct space;
struct thread;
struct translator;

/* The thread, whose window that is, is about to be followed. */
void stop_prepare(struct translator *tr, const struct thread *low,
		  uint8_t *window);

/* The lower thread of the space may have a SIGCONT that waits. */
void stop_keep_sigcont(struct translator *tr, const struct thread *low,
		       struct space *sp);

/* The lower thread takes the signal without entering a handler: it stops the
 * process, or nothing comes of it. To ask that of any signal is dear: it is
 * only done if the thread waits, and may do so for long. */
bool stop_passes_by(struct translator *tr, const struct thread *low, int signo,
		    bool waits);

/* struct target's is_trap and on_sigcont, of the lower one. */
bool stop_is_stubs(void *user, struct thread *low, int signo, uint64_t addr);
void stop_on_sigcont(void *user, struct thread *low);

#endif
