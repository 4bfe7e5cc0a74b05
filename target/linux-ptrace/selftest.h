/*
 * Can this machine do what we need? For `tracestub --selftest`, and the first
 * thing to look at in a bug report.
 */
#ifndef TARGET_LINUX_PTRACE_SELFTEST_H
#define TARGET_LINUX_PTRACE_SELFTEST_H

#include <stdio.h>

/*
 * Tries each facility on a child of ours and writes a line for it: its name
 * and "ok", with a fact after it at times, or "no: " and what to do about it.
 * 0 when all that is essential works, else the first -errno of what does not.
 * Takes milliseconds, and some seconds at most where something hangs; leaves
 * no child behind.
 */
int selftest_run(FILE *out);

#endif
