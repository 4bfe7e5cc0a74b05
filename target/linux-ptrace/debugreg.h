/*
 * What the debug registers of this machine are good for. Some virtual machines
 * take what is written to them and never trap: paravirtual ones whose host does
 * not pass them on, and emulators.
 */
#ifndef TARGET_LINUX_PTRACE_DEBUGREG_H
#define TARGET_LINUX_PTRACE_DEBUGREG_H

#include "base/err.h"

/*
 * Has a child of ours write to what its debug registers watch. 0; -ENODEV if
 * nothing came of it; another -errno when they cannot be set, or nobody knows.
 * e says what it means for watchpoints. Takes a millisecond, waits for no time
 * to pass, and leaves no child behind.
 */
int debugreg_probe(struct err *e);

#endif
