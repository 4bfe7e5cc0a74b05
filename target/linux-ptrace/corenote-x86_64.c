/*
 * Notes as x86-64 and its i386 programs have them: struct elf_prstatus and
 * elf_prpsinfo of <sys/procfs.h>, and what those are in 32 bits.
 */
#include <cpuid.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/corenote.h"
#include "target/linux-ptrace/slot.h"

#ifndef NT_X86_SHSTK
#define NT_X86_SHSTK 0x204
#endif
#ifndef NT_X86_XSAVE_LAYOUT
#define NT_X86_XSAVE_LAYOUT 0x205
#endif

#define IOPERM_SIZE 8192 /* a bit a port */
#define N_REGS32    17

struct times32 {
	int32_t sec, usec;
};

struct prstatus32 {
	struct elf_siginfo info;
	int16_t cursig;
	uint32_t sigpend, sighold;
	int32_t pid, ppid, pgrp, sid;
	struct times32 utime, stime, cutime, cstime;
	uint32_t reg[N_REGS32];
	int32_t fpvalid;
};

struct prpsinfo32 {
	char state, sname, zomb, nice;
	uint32_t flag;
	uint16_t uid, gid;
	int32_t pid, ppid, pgrp, sid;
	char fname[16], psargs[ELF_PRARGSZ];
};

_Static_assert(sizeof(struct prstatus32) == 144, "as the kernel's compat");
_Static_assert(sizeof(struct prpsinfo32) == 124, "as the kernel's compat");

unsigned note_machine(const struct arch *a)
{
	return a->word == 8 ? EM_X86_64 : EM_386;
}

/* --- status -------------------------------------------------------------- */

static struct timeval time_of(unsigned long ticks)
{
	unsigned long hz = (unsigned long)sysconf(_SC_CLK_TCK);

	return (struct timeval){
		.tv_sec = (time_t)(ticks / hz),
		.tv_usec = (suseconds_t)(ticks % hz * 1000000 / hz),
	};
}

static struct times32 time32_of(unsigned long ticks)
{
	struct timeval t = time_of(ticks);

	return (struct times32){ (int32_t)t.tv_sec, (int32_t)t.tv_usec };
}

static void put_status64(pid_t tid, const struct user_regs_struct *regs,
			 const struct task_facts *f, int signo,
			 struct buf *out)
{
	struct elf_prstatus s;

	memset(&s, 0, sizeof(s)); /* its padding is written too */
	s.pr_info.si_signo = signo;
	s.pr_cursig = (short)signo;
	s.pr_sigpend = f->sig_pending;
	s.pr_sighold = f->sig_blocked;
	s.pr_pid = tid;
	s.pr_ppid = f->ppid;
	s.pr_pgrp = f->pgrp;
	s.pr_sid = f->sid;
	s.pr_utime = time_of(f->utime);
	s.pr_stime = time_of(f->stime);
	s.pr_cutime = time_of(f->cutime);
	s.pr_cstime = time_of(f->cstime);
	memcpy(s.pr_reg, regs, sizeof(*regs));
	s.pr_fpvalid = 1;
	note_put(out, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

static void put_status32(pid_t tid, const struct user_regs_struct *r,
			 const struct task_facts *f, int signo,
			 struct buf *out)
{
	struct prstatus32 s;

	memset(&s, 0, sizeof(s));
	s = (struct prstatus32){
		.info.si_signo = signo,
		.cursig = (int16_t)signo,
		.sigpend = (uint32_t)f->sig_pending,
		.sighold = (uint32_t)f->sig_blocked,
		.pid = tid,
		.ppid = f->ppid,
		.pgrp = f->pgrp,
		.sid = f->sid,
		.utime = time32_of(f->utime),
		.stime = time32_of(f->stime),
		.cutime = time32_of(f->cutime),
		.cstime = time32_of(f->cstime),
		/* struct user_regs_struct of an i386 <sys/user.h> */
		.reg = { (uint32_t)r->rbx, (uint32_t)r->rcx, (uint32_t)r->rdx,
			 (uint32_t)r->rsi, (uint32_t)r->rdi, (uint32_t)r->rbp,
			 (uint32_t)r->rax, (uint32_t)r->ds, (uint32_t)r->es,
			 (uint32_t)r->fs, (uint32_t)r->gs,
			 (uint32_t)r->orig_rax, (uint32_t)r->rip,
			 (uint32_t)r->cs, (uint32_t)r->eflags,
			 (uint32_t)r->rsp, (uint32_t)r->ss },
		.fpvalid = 1,
	};
	note_put(out, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

bool note_put_status(struct lwp *lwp, const struct task_facts *f, int signo,
		     struct buf *out)
{
	const struct user_regs_struct *regs = lwp_regs(lwp);

	if (!regs)
		return false;
	slot_leave(lwp);
	if (lwp->proc->arch->word == 8)
		put_status64(lwp->tid, regs, f, signo, out);
	else
		put_status32(lwp->tid, regs, f, signo, out);
	return true;
}

/* --- the other registers ------------------------------------------------- */

struct note_regset {
	unsigned type;
	const char *owner;
	size_t size; /* 0: as the kernel says */
};

/* PTRACE_GETREGSET takes the thread's own view of what a set is: the 32-bit
 * one, as long as it runs 32-bit code. */
static void put_regset(struct lwp *lwp, const struct note_regset *set,
		       void *room, size_t size, struct buf *out)
{
	struct iovec v = { room, size };

	if (ptrace(PTRACE_GETREGSET, lwp->tid, set->type, &v) < 0 ||
	    (set->size && set->size != v.iov_len))
		return;
	note_put(out, set->owner, set->type, room, v.iov_len);
}

static void put_fp64(struct lwp *lwp, struct buf *out)
{
	struct user_fpregs_struct fp;

	if (ptrace(PTRACE_GETFPREGS, lwp->tid, 0, &fp) == 0)
		note_put(out, "CORE", NT_PRFPREG, &fp, sizeof(fp));
}

void note_put_regsets(struct linux_target *lt, struct lwp *lwp,
		      struct buf *out)
{
	static const struct note_regset sets[] = {
		{ NT_X86_XSTATE, "LINUX", 0 },
		{ NT_386_IOPERM, "LINUX", 0 },
		{ NT_X86_SHSTK, "LINUX", 0 },
	}, sets32[] = {
		{ NT_PRFPREG, "CORE", 108 }, /* FSAVE's */
		{ NT_PRXFPREG, "LINUX", sizeof(struct user_fpregs_struct) },
		{ NT_386_TLS, "LINUX", 48 },
	};
	size_t size = lt->xsave.size > IOPERM_SIZE ? lt->xsave.size :
						     IOPERM_SIZE;
	void *room;

	if (!lwp->stopped || lwp->dead)
		return;
	room = xmalloc(size);
	if (lwp->proc->arch->word == 8)
		put_fp64(lwp, out);
	for (size_t i = 0; lwp->proc->arch->word == 4 && i < ARRAY_SIZE(sets32);
	     i++)
		put_regset(lwp, &sets32[i], room, size, out);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		put_regset(lwp, &sets[i], room, size, out);
	free(room);
}

/* --- the process --------------------------------------------------------- */

static void put_process64(pid_t pid, const struct task_facts *f,
			  const char *args, struct buf *out)
{
	struct elf_prpsinfo s;

	memset(&s, 0, sizeof(s));
	s.pr_sname = 'R';
	s.pr_nice = (char)f->nice;
	s.pr_flag = f->flags;
	s.pr_uid = f->uid;
	s.pr_gid = f->gid;
	s.pr_pid = pid;
	s.pr_ppid = f->ppid;
	s.pr_pgrp = f->pgrp;
	s.pr_sid = f->sid;
	memcpy(s.pr_fname, f->name, sizeof(s.pr_fname));
	strncpy(s.pr_psargs, args, sizeof(s.pr_psargs) - 1);
	note_put(out, "CORE", NT_PRPSINFO, &s, sizeof(s));
}

static void put_process32(pid_t pid, const struct task_facts *f,
			  const char *args, struct buf *out)
{
	struct prpsinfo32 s = {
		.sname = 'R',
		.nice = (char)f->nice,
		.flag = (uint32_t)f->flags,
		.uid = (uint16_t)f->uid,
		.gid = (uint16_t)f->gid,
		.pid = pid,
		.ppid = f->ppid,
		.pgrp = f->pgrp,
		.sid = f->sid,
	};

	memcpy(s.fname, f->name, sizeof(s.fname));
	strncpy(s.psargs, args, sizeof(s.psargs) - 1);
	note_put(out, "CORE", NT_PRPSINFO, &s, sizeof(s));
}

void note_put_process(const struct process *p, const struct task_facts *f,
		      const char *args, struct buf *out)
{
	if (p->arch->word == 8)
		put_process64(p->pid, f, args, out);
	else
		put_process32(p->pid, f, args, out);
}

/* Of each component from AVX on: number, size, offset (CPUID leaf 0Dh, SDM
 * vol. 1, 13.2) and a word that is 0 as yet, as kernels from 6.12 have it. */
void note_put_layout(const struct xsave_layout *l, struct buf *out)
{
	const unsigned first = 2;
	uint32_t rows[64][4] = { { 0 } }, flags, unused;
	size_t n = 0;

	for (unsigned i = first; i < 63; i++) {
		uint32_t *row = rows[n];

		if (!(l->features >> i & 1) ||
		    !__get_cpuid_count(0xd, i, &row[1], &row[2], &flags,
				       &unused))
			continue;
		row[0] = i;
		n++;
	}
	if (n)
		note_put(out, "LINUX", NT_X86_XSAVE_LAYOUT, rows,
			 n * sizeof(rows[0]));
}
