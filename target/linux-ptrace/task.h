/* What /proc says of a thread that core files tell of, in /proc's terms. */
#ifndef TARGET_LINUX_PTRACE_TASK_H
#define TARGET_LINUX_PTRACE_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct task_facts {
	char name[16];
	pid_t ppid, pgrp, sid;
	int nice;
	unsigned long flags;
	/* In clock ticks; the last two are of children waited for. */
	unsigned long utime, stime, cutime, cstime;
	unsigned uid, gid; /* the real ones */
	/* A bit a signal, from 1 up: pending for the thread, held, ... */
	uint64_t sig_pending, sig_blocked, sig_ignored, sig_caught;
	bool is_init; /* of a namespace: signals do not end it */
};

/* Of a thread, or with tid 0 of all of the process. -ESRCH: it has gone. */
int task_facts_read(struct task_facts *f, pid_t pid, pid_t tid);

#endif
