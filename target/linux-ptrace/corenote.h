/*
 * The notes of a core file (core(5)): threads with their registers, what they
 * stopped for, and what of the process is not in its memory. Layouts are
 * those of the kernel's own cores: 32-bit ones for an i386 program.
 */
#ifndef TARGET_LINUX_PTRACE_CORENOTE_H
#define TARGET_LINUX_PTRACE_CORENOTE_H

#include "base/buf.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/mapping.h"
#include "target/linux-ptrace/task.h"

/* Type is one of elf.h's NT_; owner "CORE" or "LINUX". */
void note_put(struct buf *out, const char *owner, uint32_t type,
	      const void *data, size_t len);

/*
 * All notes of a process whose threads are stopped, that of first before the
 * others'. signo is what first is about to get, or -1: what it stopped for.
 * Returns how many threads there are; -ESRCH when first has gone.
 */
int notes_put(struct linux_target *lt, struct thread *first, int signo,
	      const struct mappings *ms, struct buf *out);

/* --- corenote-x86_64.c --------------------------------------------------- */

unsigned note_machine(const struct arch *a); /* elf.h's EM_ */

/* False, and nothing appended: its registers cannot be had. */
bool note_put_status(struct lwp *lwp, const struct task_facts *f, int signo,
		     struct buf *out);
/* As many as the thread has, but for the general ones: those are part of its
 * status. */
void note_put_regsets(struct linux_target *lt, struct lwp *lwp,
		      struct buf *out);
void note_put_process(const struct process *p, const struct task_facts *f,
		      const char *args, struct buf *out);
void note_put_layout(const struct xsave_layout *l, struct buf *out);

#endif
