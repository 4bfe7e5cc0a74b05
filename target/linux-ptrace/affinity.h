/*
 * Which core we run on. A stop costs a switch between the debuggee's thread
 * and us, and on two cores of a virtual machine that is an interrupt of the
 * other core and its wake-up besides: PTRACE_SINGLESTEP and its wait take 3
 * to 18 us on one core and 45 to 240 us on two. The scheduler does either,
 * so the same session runs five or ten times quicker or slower from one day
 * to the next.
 *
 * So while a thread stops often, we run where it runs. Only our own mask is
 * changed, never the program's: nothing of this can be seen by it, and
 * nothing is left behind, however we end. Where a cpuset forbids it, we stay.
 */
#ifndef TARGET_LINUX_PTRACE_AFFINITY_H
#define TARGET_LINUX_PTRACE_AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct linux_target;

struct affinity {
	cpu_set_t own;	   /* what we were started with */
	int core;	   /* where we put ourselves; -1: nowhere */
	unsigned stops;	   /* since since_ms */
	int64_t since_ms;
	bool refused;	   /* the kernel does not let us */
	bool often;	   /* stops come more often than a person makes them */
};

void affinity_init(struct affinity *a);

/* We waited for a thread, and here it is. */
void affinity_stopped(struct linux_target *lt, pid_t tid);

/* Stops have become rare, or a child is about to inherit our mask: back to
 * the one that we had. */
void affinity_restore(struct affinity *a);

#endif
