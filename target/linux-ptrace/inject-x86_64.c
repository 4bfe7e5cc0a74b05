#include "target/linux-ptrace/inject.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "target/linux-ptrace/slot.h"
#include "target/linux-ptrace/syscall.h"

#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif

/* By call: x86-64's numbers, and i386's (mmap2 counts in pages). */
static const struct {
	long n64, n32;
} numbers[] = {
	[INJECT_MMAP] = { 9, 192 },
	[INJECT_MUNMAP] = { 11, 91 },
};

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

static int filters_of(const char *pid)
{
	char status[4096], *field;

	if (file_peek(status, sizeof(status), "/proc/%s/status", pid) <= 0)
		return -1;
	field = strstr(status, "\nSeccomp_filters:");
	return field ? atoi(field + strlen("\nSeccomp_filters:")) : 0;
}

/* As many filters as we have ourselves: those of a container that both are
 * in, which let us do as much. */
static bool filters_allow(const struct process *p)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", p->pid);
	return filters_of(pid) == filters_of("self");
}

static void set_arguments(struct user_regs_struct *r, bool is64, long nr,
			  const uint64_t args[4])
{
	r->rax = (uint64_t)nr;
	r->orig_rax = (uint64_t)-1;
	if (is64) {
		r->rdi = args[0], r->rsi = args[1], r->rdx = args[2];
		r->r10 = args[3], r->r8 = (uint64_t)-1, r->r9 = 0;
	} else {
		r->rbx = args[0], r->rcx = args[1], r->rdx = args[2];
		r->rsi = args[3], r->rdi = 0xffffffff, r->rbp = 0;
	}
}

static int64_t execute(struct linux_target *lt, struct lwp *lwp)
{
	struct user_regs_struct *regs;
	int status;

	if (lwp_step_wait(lt, lwp, &status) < 0)
		return -ESRCH;
	regs = lwp_regs(lwp);
	if (!regs)
		return -ESRCH;
	if (status >> 16 || WSTOPSIG(status) != SIGTRAP)
		return -EINTR;
	return lwp->proc->arch->word == 8 ? (int64_t)regs->rax
					  : (int32_t)regs->rax;
}

/*
 * A call that is under way would put its result where ours are. A fork or
 * exec is let end first; one that is about to begin, and may take long, is
 * put off.
 */
static int leave_call(struct linux_target *lt, struct lwp *lwp)
{
	int status, r;

	if (lwp->at_entry)
		return syscall_withdraw(lt, lwp);
	r = lwp_step_wait(lt, lwp, &status);
	return r < 0 || !lwp_regs(lwp) ? -ESRCH : 0;
}

int64_t inject_syscall(struct linux_target *lt, struct lwp *lwp,
		       enum inject_call call, const uint64_t args[4])
{
	struct inferior *inf = inferior_of(lwp->proc);
	bool is64 = lwp->proc->arch->word == 8;
	uint64_t mask, all = ~(uint64_t)0;
	struct user_regs_struct saved;
	bool at_entry = lwp->at_entry, has_si;
	int signo = lwp->signo;
	siginfo_t si;
	int64_t r;

	if (!filters_allow(lwp->proc))
		return -EPERM;
	if (!inf->syscall_insn)
		inf->syscall_insn = find_syscall_insn(lt, lwp->proc);
	if (!inf->syscall_insn)
		return -ENOSYS;
	if (!lwp_regs(lwp))
		return -ESRCH;
	slot_leave(lwp);
	has_si = ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, &si) == 0;
	ptrace(PTRACE_GETSIGMASK, lwp->tid, sizeof(mask), &mask);
	ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(all), &all);
	lwp->signo = 0;
	if (lwp->in_call && leave_call(lt, lwp) < 0)
		return -ESRCH;
	saved = lwp->regs;
	set_arguments(&lwp->regs, is64,
		      is64 ? numbers[call].n64 : numbers[call].n32, args);
	lwp->regs.rip = inf->syscall_insn;
	lwp->regs_dirty = true;
	r = execute(lt, lwp);
	if (r == -ESRCH)
		return r;
	lwp->regs = saved;
	lwp->regs_fresh = lwp->regs_dirty = true;
	if (at_entry && syscall_enter_again(lt, lwp) < 0)
		return -ESRCH;
	ptrace(PTRACE_SETSIGMASK, lwp->tid, sizeof(mask), &mask);
	if (has_si)
		ptrace(PTRACE_SETSIGINFO, lwp->tid, 0, &si);
	lwp->signo = signo;
	return r;
}
