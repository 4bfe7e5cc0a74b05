/*
 * Threads that run a function for the layer above: private to translate/. All
 * take upper records.
 */
#ifndef TRANSLATE_RUNS_H
#define TRANSLATE_RUNS_H

#include <stdbool.h>
#include <stdint.h>

struct process;
struct stop;
struct thread;
struct translator;

/* The thread, which is stopped, is about to be continued: it begins with what
 * it is to run, or has come back from it. */
void run_prepare(struct translator *tr, struct thread *th);

/* Has the function returned, of the thread which is stopped at pc? */
bool run_returned(const struct thread *th, uint64_t pc);
/* ... then the thread is put back. False: it is to stay stopped. */
bool run_finish(struct translator *tr, struct thread *th);

/* The lower target tells of the thread. True: it was the function's return, and
 * the thread has been seen to. */
bool run_event(struct translator *tr, struct thread *th, struct stop *ev);

/* Those of the process, whose threads are stopped, are put back. */
void runs_cancel(struct translator *tr, struct process *p);
bool runs_any(const struct process *p);
/* Does a function return there? */
bool runs_return_to(const struct process *p, uint64_t pc);

/* The thread's record is about to go, or its program has. */
void run_lost(struct translator *tr, struct thread *th);

#endif
