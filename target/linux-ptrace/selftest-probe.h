/* Private to the self-test: what its probes share. */
#ifndef TARGET_LINUX_PTRACE_SELFTEST_PROBE_H
#define TARGET_LINUX_PTRACE_SELFTEST_PROBE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A child that counts in cell, which is at the same address on both sides. */
struct probe_child {
	pid_t pid;
	_Alignas(8) volatile uint64_t cell;
};

/* Started, seized and stopped; 0, or -errno with e filled and no child. */
int probe_child_start(struct probe_child *c, struct err *e);

/* Killed and reaped. */
void probe_child_end(struct probe_child *c);

/* The next stop or end of the child; -ETIMEDOUT when none comes. */
int probe_child_wait(struct probe_child *c, int *status);

/*
 * A probe returns 0, with a fact in e or none, or -errno with what to do.
 * Those of an instruction set are in the files named for it.
 */
int probe_extended_regs(struct err *e);

#endif
