/*
 * System calls that a client wants to be told of.
 *
 * Threads of a process with such run by PTRACE_SYSCALL, which stops them at
 * each entry and each return; which of the two it is, the number and whose
 * convention it is in come from PTRACE_GET_SYSCALL_INFO (Linux 5.3). So
 * nothing has to be counted, and the first stop of a thread that was in a
 * call already is told for what it is.
 *
 * A step would run through a call unseen. Where one is about to enter a call,
 * or is in one that is told, it goes on by PTRACE_SYSCALL as well.
 */
#ifndef TARGET_LINUX_PTRACE_SYSCALL_H
#define TARGET_LINUX_PTRACE_SYSCALL_H

#include <signal.h>

#include "target/linux-ptrace/lwp.h"

/* The signal of a stop at a system call, by PTRACE_O_TRACESYSGOOD. */
#define SYSCALL_SIGTRAP (SIGTRAP | 0x80)

/* --- syscall.c ----------------------------------------------------------- */

/* What sets the stopped lwp going: PTRACE_CONT, _SINGLESTEP or _SYSCALL. */
int syscall_request(struct linux_target *lt, struct lwp *lwp, bool step);

/* The lwp stopped with SIGTRAP | 0x80. */
void syscall_take(struct linux_target *lt, struct lwp *lwp, bool hold);

/* Of a pending STOP_SYSCALL_*: false, and the lwp goes on, when the client has
 * thought better of it. */
bool syscall_still_wanted(struct linux_target *lt, struct lwp *lwp);

/* The stopped lwp is in a call past its entry: is its return to be told? */
bool syscall_return_wanted(const struct linux_target *lt, struct lwp *lwp);
/* Brings it there, out of the call; the return is told when the layer above
 * resumes the thread. -ESRCH: it died. */
int syscall_finish(struct linux_target *lt, struct lwp *lwp);
/* return_due is set, and the thread is resumed: that is its event. */
void syscall_tell_return(struct linux_target *lt, struct lwp *lwp);

extern const struct target_syscall_ops linux_syscall_ops;

/* --- syscall-x86_64.c ---------------------------------------------------- */

/* Is its next instruction one that makes a system call? */
bool syscall_insn_is_next(struct linux_target *lt, struct lwp *lwp);

/* The lwp is at the return of call nr. Was the call taken back meanwhile (by
 * a client that calls a function, which sets orig_rax to -1)? */
bool syscall_was_cancelled(struct lwp *lwp, uint32_t nr);

/* The number that the registers show at a return, as good as any when the
 * entry was not seen. */
uint32_t syscall_shown(struct lwp *lwp);

/* The lwp has stopped in a call that made another task. Do its registers say
 * that it is a process with a memory of its own? The flags of clone3() are in
 * memory that may have changed since. */
bool syscall_copies_memory(struct lwp *lwp);

/* The lwp was stopped amid a call, which the kernel has it make again before it
 * executes anything: it takes the pc back to the instruction, and no other pc
 * may be there then (signal(7), "Interruption of system calls"). */
bool syscall_restarts(struct lwp *lwp);

/*
 * Takes an lwp that is at the entry of a call back to before its instruction,
 * and to the entry again, so that something else can be executed between. No
 * signal is delivered meanwhile if the caller blocks them. -ESRCH: it died.
 */
int syscall_withdraw(struct linux_target *lt, struct lwp *lwp);
int syscall_enter_again(struct linux_target *lt, struct lwp *lwp);

/* To the next stop of a system call. Signals that come before it are sent again
 * (lwp.late). -ESRCH: it died. */
int syscall_run_to(struct linux_target *lt, struct lwp *lwp);

#endif
