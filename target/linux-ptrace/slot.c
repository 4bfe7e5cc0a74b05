#include "target/linux-ptrace/slot.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/log.h"

static void run_process_on(struct linux_target *lt, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			lwp_run_on(lt, lwp_of(th));
	}
}

/*
 * Where the instruction cannot be relocated: the others of the process are
 * stopped, and the breakpoint is lifted for as long as the step takes.
 */
static void step_in_place(struct linux_target *lt, struct lwp *lwp,
			  const struct point *pt)
{
	struct process *p = lwp->proc;
	const struct arch *a = p->arch;
	uint64_t addr = pt->addr;
	pid_t tid = lwp->tid, r;
	int status;

	lwps_halt(lt, p);
	linux_write_mem(&lt->t, p, addr, pt->shadow, a->trap_len);
	lwp_run(lt, lwp, true);
	do {
		r = lwp_wait(lt, tid, &status, true);
	} while (!r);
	if (r > 0 && WIFSTOPPED(status))
		linux_write_mem(&lt->t, p, addr, a->trap, a->trap_len);
	if (r > 0)
		status_take(lt, tid, status, false);
	if (process_find(&lt->t, p->pid) == p)
		run_process_on(lt, p);
}

void slot_step_over(struct linux_target *lt, struct lwp *lwp,
		    const struct point *pt)
{
	step_in_place(lt, lwp, pt);
}

bool slot_step_done(struct linux_target *lt, struct lwp *lwp)
{
	(void)lt, (void)lwp;
	return true;
}

void slot_leave(struct linux_target *lt, struct lwp *lwp)
{
	(void)lt, (void)lwp;
}

struct slots *slots_share(const struct slots *s)
{
	(void)s;
	return NULL;
}

void slots_remove(struct linux_target *lt, struct process *p)
{
	(void)lt, (void)p;
}

void slots_free(struct slots *s)
{
	(void)s;
}
