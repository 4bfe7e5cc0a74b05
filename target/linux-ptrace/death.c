/*
 * Threads and processes that end.
 *
 * No wait status tells of a leader that has exited before its threads (its
 * SIGCHLD does come). It is a thread no more; and nothing may be left that
 * runs.
 */
#include <sys/wait.h>

#include "target/linux-ptrace/lwp.h"

/* Is there nothing else of the process that we would hear of? Its leader is,
 * but not when it had ended before we attached. */
static bool is_last_of_all(struct linux_target *lt, const struct lwp *lwp)
{
	const struct list *threads = &lwp->proc->threads;

	return lwp->th && threads->next == threads->prev &&
	       !lwp_find(lt, lwp->proc->pid);
}

/* A thread that is no process's end. One that a signal has killed died with
 * its process, whose end comes. */
static void drop_exited(struct linux_target *lt, struct lwp *lwp, bool killed)
{
	bool was_running = lwp->th && lwp->th->running;
	struct process *p = lwp->proc;

	lwp_drop(lt, lwp);
	/* With its last thread gone a process ends, and that is told. */
	lt->no_resumed = was_running && !lt->n_running && !killed &&
			 !list_empty(&p->threads);
}

bool tells_exit(const struct linux_target *lt, const struct lwp *lwp)
{
	return lt->t.report_threads ||
	       (lwp->th && lwp->th->options & THREAD_TELL_EXIT);
}

void exit_take(struct linux_target *lt, struct lwp *lwp, int status)
{
	bool end = lwp->tid == lwp->proc->pid || is_last_of_all(lt, lwp);

	release_untold_child(lt, lwp);
	if (is_ghost(lwp)) {
		if (inferior_of(lwp->proc)->held) {
			lwp_set_stopped(lt, lwp);
			lwp->dead = true;
		} else if (end)
			inferior_drop(lt, lwp->proc);
		else
			lwp_drop(lt, lwp);
		return;
	}
	if (!end && !tells_exit(lt, lwp)) {
		drop_exited(lt, lwp, WIFSIGNALED(status));
		return;
	}
	lwp_set_stopped(lt, lwp);
	lwp->dead = true;
	lwp_set_pending(lt, lwp,
			!end		    ? STOP_THREAD_EXIT
			: WIFEXITED(status) ? STOP_EXITED
					    : STOP_KILLED);
	if (WIFEXITED(status))
		lwp->pending.code = WEXITSTATUS(status);
	else
		lwp->pending.signo = WTERMSIG(status);
}

bool is_zombie_leader(const struct lwp *lwp)
{
	return lwp->tid == lwp->proc->pid &&
	       proc_task_state(lwp->proc->pid, lwp->tid) == 'Z';
}

void zombie_leaders_hide(struct linux_target *lt)
{
	struct process *p;
	struct lwp *lwp;
	bool running;

	lt->child_signalled = false;
	list_each(p, &lt->t.processes, node) {
		lwp = lwp_find(lt, p->pid);
		if (!lwp || !lwp->th || lwp->stopped ||
		    p->threads.next == p->threads.prev ||
		    !is_zombie_leader(lwp))
			continue;
		/* Killed, and all others with it: the end comes. */
		if (WIFSIGNALED(proc_task_status(p->pid, p->pid)))
			continue;
		running = lwp->th->running;
		if (running && tells_exit(lt, lwp)) {
			lwp_set_pending(lt, lwp, STOP_THREAD_EXIT);
			continue;
		}
		lwp_hide(lt, lwp);
		lt->no_resumed |= running && !lt->n_running;
	}
}
