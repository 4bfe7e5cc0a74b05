/* System calls that a debuggee is made to execute. */
#ifndef TARGET_LINUX_PTRACE_INJECT_H
#define TARGET_LINUX_PTRACE_INJECT_H

#include "target/linux-ptrace/lwp.h"

enum inject_call {
	INJECT_MMAP,   /* address, length, protection, flags; fd -1 */
	INJECT_MUNMAP, /* address, length */
};

/*
 * The stopped lwp executes one system call and is then as it was: registers,
 * signal mask, the signal of its stop. Nothing is written to its memory: the
 * instruction used is one of the vDSO's. Returns what the call returned, or
 *	-EPERM	a seccomp filter that is stricter than ours might kill it
 *	-ENOSYS	there is no instruction to use
 *	-ESRCH	it has died
 */
int64_t inject_syscall(struct linux_target *lt, struct lwp *lwp,
		       enum inject_call call, const uint64_t args[4]);

#endif
