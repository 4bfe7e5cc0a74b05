/* The child's side of a launch: fork, prepare, wait to be seized, exec. */
#ifndef TARGET_LINUX_PTRACE_LAUNCH_H
#define TARGET_LINUX_PTRACE_LAUNCH_H

#include "target/target.h"

struct launch_child {
	pid_t pid;
	int go_fd;    /* the child waits for its end */
	int error_fd; /* closed by exec, or a struct launch_error */
};

/* The child is there and waits. */
int launch_fork(struct launch_child *c, const struct launch_spec *spec,
		struct err *e);
void launch_go(struct launch_child *c);
/* Why there was no exec: what the child says, or its wait status. */
int launch_failure(struct launch_child *c, const struct launch_spec *spec,
		   int status, struct err *e);
void launch_fini(struct launch_child *c);

#endif
