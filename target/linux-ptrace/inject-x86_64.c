#include "target/linux-ptrace/inject.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "target/linux-ptrace/slot.h"
#include "target/linux-ptrace/syscall.h"

/*
 * Left unblocked during a call: what the kernel forces on a thread that blocks
 * it takes the program's handler away (force_sig_info_to_task() in the
 * kernel's signal.c), and a seccomp filter may send a SIGSYS. Faults and traps
 * are blocked: the call makes none, and one that waits comes later.
 */
#define FORCED (1ull << (SIGSYS - 1))

/* The kernel's selectors of code segments. */
#define CS_64 0x33
#define CS_32 0x23

static uint64_t vdso_address(struct linux_target *lt, struct process *p)
{
	struct thread *th = list_entry(p->threads.next, struct thread, node);
	uint8_t auxv[1024];
	unsigned word = p->arch->word;
	ssize_t n = linux_object_ops.read(&lt->t, th, OBJ_AUXV, 0, auxv,
					  sizeof(auxv));

	for (ssize_t at = 0; at + 2 * (ssize_t)word <= n; at += 2 * word) {
		uint64_t type = 0, value = 0;

		memcpy(&type, auxv + at, word);
		memcpy(&value, auxv + at + word, word);
		if (type == AT_SYSINFO_EHDR)
			return value;
	}
	return 0;
}

/* Some system call instruction of the vDSO: it has fallbacks for all. */
static uint64_t find_syscall_insn(struct linux_target *lt, struct process *p)
{
	const char *insn = p->arch->word == 8 ? "\x0f\x05" : "\xcd\x80";
	uint64_t base = vdso_address(lt, p);
	char image[8192], *hit;
	ssize_t n = -1;

	if (base)
		n = linux_read_mem(&lt->t, p, base, image, sizeof(image));
	hit = n > 0 ? memmem(image, (size_t)n, insn, 2) : NULL;
	return hit ? base + (uint64_t)(hit - image) : 0;
}

/* The field's number, 0 where there is none. */
static int status_number(const char *status, const char *field)
{
	const char *at = strstr(status, field);

	return at ? atoi(at + strlen(field)) : 0;
}

/* What a thread's system calls have to pass, as a number to compare; the mode
 * is told apart where the kernel does not count filters (before 5.9). */
static int seccomp_of(pid_t tid)
{
	char status[4096];

	if (file_peek(status, sizeof(status), "/proc/%d/status", tid) <= 0)
		return -1;
	return status_number(status, "\nSeccomp:") << 16 |
	       status_number(status, "\nSeccomp_filters:");
}

/*
 * As many filters as we have ourselves: those of a container that both are
 * in, which let us do as much. What was found holds while the thread is
 * stopped: a filter that another thread puts on it then comes unseen, as one
 * could between any look and the call.
 */
static bool filters_allow(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->call_allowed)
		return true;
	if (!lt->own_seccomp)
		lt->own_seccomp = seccomp_of(getpid()) + 1;
	lwp->call_allowed = seccomp_of(lwp->tid) + 1 == lt->own_seccomp;
	return lwp->call_allowed;
}

static bool is_canonical(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

/*
 * Virtual machines are known that cannot let a thread go on whose stack pointer
 * is not canonical: it would have a SIGSEGV for ever, and never make the call.
 */
static void set_call(struct user_regs_struct *r, bool is64, long nr,
		     const uint64_t args[6])
{
	r->rax = (uint64_t)nr;
	r->orig_rax = (uint64_t)-1;
	r->cs = is64 ? CS_64 : CS_32;
	if (!is_canonical(r->rsp))
		r->rsp = 0;
	if (is64) {
		r->rdi = args[0], r->rsi = args[1], r->rdx = args[2];
		r->r10 = args[3], r->r8 = args[4], r->r9 = args[5];
	} else {
		r->rbx = args[0], r->rcx = args[1], r->rdx = args[2];
		r->rsi = args[3], r->rdi = args[4], r->rbp = args[5];
	}
}

/*
 * A filter that has it trap (SECCOMP_RET_TRAP, seccomp(2)) leaves the call's
 * number in rax, and a signal that is still to come: before anything else is
 * executed.
 */
static bool was_trapped(const struct lwp *lwp, uint64_t nr)
{
	return lwp->regs.rax == nr && has_queued(lwp->tid, SIGSYS, INT_MIN);
}

static int64_t take_trap(struct linux_target *lt, struct lwp *lwp)
{
	int status;

	do {
		if (lwp_run_wait(lt, lwp, PTRACE_SYSCALL, &status) < 0)
			return -ESRCH;
		if (status >> 8 != SIGSYS)
			lwp->late |= 1ull << (WSTOPSIG(status) - 1);
	} while (status >> 8 != SIGSYS);
	return lwp_regs(lwp) ? -EPERM : -ESRCH;
}

/* An i386 program's addresses may have the highest of 32 bits; errors are the
 * last 4095 numbers of either size. */
static int64_t result_of(const struct lwp *lwp)
{
	uint32_t low = (uint32_t)lwp->regs.rax;

	if (lwp->proc->arch->word == 8)
		return (int64_t)lwp->regs.rax;
	return low > (uint32_t)-4096 ? (int32_t)low : (int64_t)low;
}

/*
 * By the stops at its entry and at its return. A step would be one stop, and
 * deadly should we be killed before it is waited for: its SIGTRAP is the
 * kernel's, which these are not (ptrace_report_syscall()).
 */
static int64_t execute(struct linux_target *lt, struct lwp *lwp,
		       const struct user_regs_struct *call)
{
	bool interrupted;

	lwp->regs = *call;
	lwp->regs_fresh = lwp->regs_dirty = true;
	if (syscall_run_to(lt, lwp) < 0)
		return -ESRCH;
	interrupted = lwp->interrupting; /* the next stop takes it back */
	if (syscall_run_to(lt, lwp) < 0 || !lwp_regs(lwp))
		return -ESRCH;
	if (interrupted)
		lwp_interrupt(lwp);
	if (was_trapped(lwp, call->rax))
		return take_trap(lt, lwp);
	return result_of(lwp);
}

/*
 * A call that is under way would put its result where ours are. A fork or
 * exec is let end first; one that is about to begin, and may take long, is
 * put off.
 */
static int leave_call(struct linux_target *lt, struct lwp *lwp)
{
	int r;

	if (lwp->at_entry)
		return syscall_withdraw(lt, lwp);
	if (syscall_return_wanted(lt, lwp))
		r = syscall_finish(lt, lwp);
	else
		r = syscall_run_to(lt, lwp);
	return r == 0 && lwp_regs(lwp) ? 0 : -ESRCH;
}

/* regs: what it is to have again, or NULL for the signal mask alone. */
static void guard(struct linux_target *lt, struct lwp *lwp,
		  const struct user_regs_struct *regs)
{
	lwp->call_guard =
		guardian_call(guardian_of(&lt->t, lwp->proc), lwp->call_guard,
			      lwp->proc->pid, lwp->tid, regs, lwp->mask);
}

/* A signal mask that is still due is what was so before the last call. */
static void signals_block(struct linux_target *lt, struct lwp *lwp)
{
	uint64_t most = ~FORCED;

	if (!lwp->mask_due) {
		ptrace(PTRACE_GETSIGMASK, lwp->tid, sizeof(lwp->mask),
		       &lwp->mask);
		guard(lt, lwp, NULL);
		ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(most), &most);
	}
	lwp->mask_due = lwp->call_over = false;
}

/* What came during the call comes again. */
static void send_late(struct lwp *lwp)
{
	for (int sig = 1; sig < _NSIG; sig++) {
		if (lwp->late >> (sig - 1) & 1)
			syscall(SYS_tkill, lwp->tid, sig);
	}
	lwp->late = 0;
}

/*
 * The kernel makes a call that it had interrupted again where it looks for
 * signals. It has done so before the stop that the thread is in: it does so
 * once more when there is one, or an interrupt.
 */
void inject_end(struct lwp *lwp)
{
	if (syscall_restarts(lwp))
		lwp_interrupt(lwp);
	guardian_call_gone(lwp->call_guard);
	lwp->call_guard = NULL;
	lwp->call_over = false;
}

void inject_unblock(struct lwp *lwp)
{
	if (lwp->mask_due)
		ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(lwp->mask),
		       &lwp->mask);
	lwp->mask_due = false;
}

/* What a thread needs to have again that is not with its registers. */
struct kept {
	bool at_entry, call_known, listen, own_siginfo;
	int signo;
};

static struct kept keep(const struct lwp *lwp)
{
	return (struct kept){ lwp->at_entry, lwp->call_known, lwp->listen,
			      lwp->own_siginfo, lwp->signo };
}

static int give_back(struct linux_target *lt, struct lwp *lwp,
		     const struct user_regs_struct *saved, const struct kept *k)
{
	lwp->regs = *saved;
	lwp->regs_fresh = lwp->regs_dirty = true;
	if (k->at_entry && syscall_enter_again(lt, lwp) < 0)
		return -ESRCH;
	lwp->call_known = k->at_entry && k->call_known;
	lwp->signo = k->signo;
	lwp->own_siginfo = k->own_siginfo;
	lwp->mask_due = lwp->call_allowed = lwp->call_over = true;
	if (k->listen)
		lwp_interrupt(lwp); /* to the job-control stop, once more */
	send_late(lwp);
	lt->t.unsettled = lt->guardian != NULL;
	return 0;
}

static int prepare(struct linux_target *lt, struct lwp *lwp)
{
	struct inferior *inf = inferior_of(lwp->proc);

	/* Stopped at that, it is on its way to wait. */
	if (lwp->waits_for_vfork)
		return -EBUSY;
	if (!lwp->stopped)
		return -ESRCH;
	if (lwp->th && lwp->th->dirty)
		target_regs_flush(&lt->t, lwp->th);
	if (!lwp_regs(lwp))
		return -ESRCH;
	if (!filters_allow(lt, lwp))
		return -EPERM;
	if (!inf->syscall_insn)
		inf->syscall_insn = find_syscall_insn(lt, lwp->proc);
	return inf->syscall_insn ? 0 : -ENOSYS;
}

/*
 * Released by our death before the guardian has come to stop it, a thread goes
 * on behind the call: with call_code it does so in a circle.
 */
static uint64_t call_insn(struct linux_target *lt, struct lwp *lwp)
{
	struct inferior *inf = inferior_of(lwp->proc);
	uint8_t code[CALL_CODE_BYTES];

	if (inf->call_code && guardian_of(&lt->t, lwp->proc) &&
	    linux_read_mem(&lt->t, lwp->proc, inf->call_code, code,
			   sizeof(code)) == sizeof(code) &&
	    !memcmp(code, linux_inject_ops.call_code, sizeof(code)))
		return inf->call_code;
	return inf->syscall_insn;
}

/* An i386 program's number for a call of ours; -1: it makes none such. */
static long i386_number(long nr)
{
	switch (nr) {
	case SYS_mmap:
		return 192; /* mmap2: arguments alike but for the offset */
	case SYS_munmap:
		return 91;
	default:
		return -1;
	}
}

int64_t inject_syscall(struct linux_target *lt, struct lwp *lwp, long nr,
		       const uint64_t args[6])
{
	struct user_regs_struct saved, call;
	struct kept kept;
	bool leaves;
	int64_t r;

	if (lwp->proc->arch->word != 8)
		nr = i386_number(nr);
	r = nr < 0 ? -ENOTSUP : prepare(lt, lwp);
	if (r < 0)
		return r;
	slot_leave(lwp);
	if (!lwp->own_siginfo)
		lwp->own_siginfo = ptrace(PTRACE_GETSIGINFO, lwp->tid, 0,
					  &lwp->siginfo) == 0;
	signals_block(lt, lwp);
	kept = keep(lwp);
	lwp->signo = 0;
	lwp->own_siginfo = false;
	leaves = lwp->in_call && !lwp->at_return;
	if (leaves && leave_call(lt, lwp) < 0)
		return -ESRCH;
	lwp->call_left |= leaves && !kept.at_entry;
	saved = call = lwp->regs;
	guard(lt, lwp, &saved);
	set_call(&call, lwp->proc->arch->word == 8, nr, args);
	call.rip = call_insn(lt, lwp);
	r = execute(lt, lwp, &call);
	if (r != -ESRCH && give_back(lt, lwp, &saved, &kept) < 0)
		r = -ESRCH;
	return r;
}

static int64_t linux_call(struct target *t, struct thread *th, long nr,
			  const uint64_t args[6])
{
	return inject_syscall(linux_of(t), lwp_of(th), nr, args);
}

static void linux_call_at(struct target *t, struct process *p, uint64_t addr)
{
	(void)t;
	inferior_of(p)->call_code = addr;
}

/* A mask that is still due is the one that counts. */
static int linux_block(struct target *t, struct thread *th, int signo)
{
	struct lwp *lwp = lwp_of(th);
	uint64_t bit = signal_bit(signo);
	bool due = lwp->mask_due;

	(void)t;
	if (!lwp->stopped)
		return -ESRCH;
	if (!due && ptrace(PTRACE_GETSIGMASK, lwp->tid, sizeof(lwp->mask),
			   &lwp->mask) < 0)
		return -errno;
	lwp->mask |= bit;
	if (!due && ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(lwp->mask),
			   &lwp->mask) < 0)
		return -errno;
	return 0;
}

static bool linux_at_entry(struct target *t, const struct thread *th)
{
	(void)t;
	return lwp_of(th)->at_entry;
}

/* Since Linux 5.13. */
static int linux_rseq_area(struct target *t, struct thread *th, uint64_t *addr)
{
	struct __ptrace_rseq_configuration c;
	struct lwp *lwp = lwp_of(th);

	(void)t;
	if (!lwp->stopped)
		return -ESRCH;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, lwp->tid, sizeof(c), &c) < 0)
		return -errno;
	*addr = c.rseq_abi_pointer;
	return 0;
}

const struct target_inject_ops linux_inject_ops = {
	.call = linux_call,
	.call_at = linux_call_at,
	/* syscall; 1: pause; jmp 1b */
	.call_code = { 0x0f, 0x05, 0xf3, 0x90, 0xeb, 0xfc },
	.rseq_area = linux_rseq_area,
	.own_id = linux_own_id,
	.sigcont_waits = linux_sigcont_waits,
	.action = linux_signal_action,
	.block = linux_block,
	.at_entry = linux_at_entry,
};
