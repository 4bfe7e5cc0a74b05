/* `tracestub trace`: a program runs translated, and no client looks on. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "target/target.h"

/*
 * argv is what follows `trace`; t a target made by translate_new() that has no
 * processes; signal_fd is readable when a signal asks us to end. Returns the
 * exit status for a shell: the program's own, 128 + signal when it died of one;
 * 125 for failures of ours.
 */
int trace_main(char **argv, struct target *t, int signal_fd);

#endif
