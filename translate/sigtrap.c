#include "translate/sigtrap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

static bool is_handled(const struct trap_action *a)
{
	return a->handler != (uintptr_t)SIG_DFL &&
	       a->handler != (uintptr_t)SIG_IGN;
}

static int64_t call(struct translator *tr, struct thread *low,
		    uint64_t new_action, uint64_t old_action)
{
	const uint64_t args[6] = { SIGTRAP, new_action, old_action, 8 };

	return tr->lower->ops->inject->call(tr->lower, low, SYS_rt_sigaction,
					    args);
}

/* The thread's window is where the call's argument lies. */
static int64_t ask(struct translator *tr, struct thread *low,
		   const struct follow *f, struct trap_action *out)
{
	uint64_t addr = window_addr(f->space, f->window) + WIN_SCRATCH;
	int64_t r = call(tr, low, 0, addr);

	memcpy(out, window_page(f->space, f->window) + WIN_SCRATCH,
	       sizeof(*out));
	return r;
}

static void put_back(struct translator *tr, struct thread *low,
		     const struct follow *f, const struct trap_action *action)
{
	uint64_t addr = window_addr(f->space, f->window) + WIN_SCRATCH;

	memcpy(window_page(f->space, f->window) + WIN_SCRATCH, action,
	       sizeof(*action));
	if (call(tr, low, addr, 0) == 0)
		tr->lower->ops->inject->block(tr->lower, low, SIGTRAP);
}

void sigtrap_learn(struct translator *tr, struct process *p, struct thread *by)
{
	struct trap_action *action = &tr_process_of(p)->trap_action;
	const struct follow *any = NULL;
	struct thread *th;

	list_each(th, &p->threads, node)
		any = follow_of(th) ? follow_of(th) : any;
	if (!any || ask(tr, by, any, action) != 0)
		*action = (struct trap_action){ 0 };
}

/* The old action is stored last: a call that fails there has set the new one.
 * See rt_sigaction in the kernel's signal.c. */
void sigtrap_set(struct thread *th, const struct trap_action *action,
		 int64_t result)
{
	if (result == 0 || result == -EFAULT)
		tr_process_of(th->proc)->trap_action = *action;
}

void sigtrap_mend(struct translator *tr, struct thread *th)
{
	const struct trap_action *action =
		&tr_process_of(th->proc)->trap_action;
	struct thread *low = lower_thread(th);
	struct trap_action now;

	if (is_handled(action) && ask(tr, low, follow_of(th), &now) == 0 &&
	    now.handler == (uintptr_t)SIG_DFL)
		put_back(tr, low, follow_of(th), action);
}

/* By a system call, not by a trap: that kills who ignores it. */
static bool was_sent(struct translator *tr, struct thread *low)
{
	const struct target_object_ops *object = tr->lower->ops->object;
	siginfo_t si = { 0 };

	return object &&
	       object->read(tr->lower, low, OBJ_SIGINFO, 0, &si, sizeof(si)) ==
		       sizeof(si) &&
	       si.si_code <= 0;
}

int sigtrap_deliver(struct translator *tr, struct thread *th, int signo)
{
	struct trap_action *action = &tr_process_of(th->proc)->trap_action;

	if (signo != SIGTRAP)
		return signo;
	if (action->handler == (uintptr_t)SIG_IGN &&
	    was_sent(tr, lower_thread(th)))
		return 0;
	if (is_handled(action) && action->flags & SA_RESETHAND)
		action->handler = (uintptr_t)SIG_DFL;
	return signo;
}
