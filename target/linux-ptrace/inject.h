/* System calls that a debuggee is made to execute. */
#ifndef TARGET_LINUX_PTRACE_INJECT_H
#define TARGET_LINUX_PTRACE_INJECT_H

#include "target/linux-ptrace/lwp.h"

/*
 * The stopped lwp executes one system call, and is then as it was: registers,
 * signal mask, the signal of its stop. Nothing is written to its memory: the
 * instruction used is one of the vDSO's, or of call_at(). It must be one that
 * soon returns. nr is x86-64's number; an i386 program makes mmap (at offset
 * 0) and munmap only. Returns what the call returned, or
 *	-ENOTSUP an i386 program, and another call
 *	-EPERM	a seccomp filter that is stricter than ours might kill it
 *	-ENOSYS	there is no instruction to use
 *	-EBUSY	it waits for its vfork child
 *	-ESRCH	it has died, and its record may be gone
 *
 * Several in a row cost two stops each: registers and signal mask are written
 * back when it is to run (lwp_regs_flush()).
 */
int64_t inject_syscall(struct linux_target *lt, struct lwp *lwp, long nr,
		       const uint64_t args[6]);

/* Gives the lwp its signal mask back, if calls have it changed. */
void inject_unblock(struct lwp *lwp);

/* Its own registers have been written back after calls. */
void inject_end(struct lwp *lwp);

extern const struct target_inject_ops linux_inject_ops;

#endif
