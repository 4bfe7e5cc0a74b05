/* Processes of this machine, controlled by ptrace(2). */
#ifndef TARGET_LINUX_PTRACE_LINUX_H
#define TARGET_LINUX_PTRACE_LINUX_H

#include "target/target.h"

/*
 * One a process: it waits for all children of the caller and takes SIGCHLD
 * and SIGALRM for itself. Freed by ops->free(), which kills what it launched
 * and detaches from what it attached to.
 */
struct target *linux_target_new(void);

#endif
