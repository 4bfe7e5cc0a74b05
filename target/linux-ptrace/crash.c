/*
 * Cores of programs that die of a signal. The moment is that of the signal's
 * delivery: the thread is in its signal-delivery-stop, its registers are
 * those that it got the signal at, and the others can be stopped and are
 * whole. (At PTRACE_EVENT_EXIT the others are dying too.) Deaths that no
 * delivery-stop announces are not seen: those by seccomp(2).
 *
 * What is found in the middle of a resume is only marked: the other threads
 * are stopped, and may end or exec, where nobody goes over lists of them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/task.h"

/* Those whose default action is to write a core: signal(7). */
static bool is_core_signal(int signo)
{
	static const int signals[] = { SIGQUIT, SIGILL,	 SIGTRAP, SIGABRT,
				       SIGBUS,	SIGFPE,	 SIGSEGV, SIGXCPU,
				       SIGXFSZ, SIGSYS };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (signals[i] == signo)
			return true;
	}
	return false;
}

static bool is_fatal(const struct lwp *lwp)
{
	uint64_t bit = UINT64_C(1) << (lwp->signo - 1);
	struct task_facts f;

	return is_core_signal(lwp->signo) &&
	       task_facts_read(&f, lwp->proc->pid, lwp->tid) == 0 &&
	       !f.is_init &&
	       !((f.sig_blocked | f.sig_ignored | f.sig_caught) & bit);
}

bool crash_hold(struct linux_target *lt, struct lwp *lwp)
{
	if (!lwp->signal_stop || !lwp->th || is_ghost(lwp) ||
	    inferior_of(lwp->proc)->crashed || !is_fatal(lwp))
		return false;
	lwp->crashing = lt->crash_due = true;
	return true;
}

/* --- writing ------------------------------------------------------------- */

/* The program's file, without where it lies and that it was deleted. */
static char *name_of(const struct process *p)
{
	const char *base = strrchr(p->path, '/');
	const char *end;

	base = base ? base + 1 : p->path;
	end = strstr(base, " (deleted)");
	return xstrndup(base, end ? (size_t)(end - base) : strlen(base));
}

static void crash_dump(struct linux_target *lt, struct lwp *lwp)
{
	pid_t pid = lwp->proc->pid;
	char *name = name_of(lwp->proc);
	char *path = xasprintf("%s/core.%s.%d", lt->t.core_dir, name, pid);
	const char *signame = sigabbrev_np(lwp->signo);
	struct core_result result;
	struct err e = { "" };

	inferior_of(lwp->proc)->crashed = true;
	if (core_dump(lt, lwp->th, lwp->signo, path, &result, &e) < 0)
		fprintf(stderr, "tracestub: %s (%d) dies of SIG%s: %s\n", name,
			pid, signame, e.text);
	else
		fprintf(stderr, "tracestub: %s (%d) dies of SIG%s: core "
				"written to %s (%u threads, %.1f MiB)\n",
			name, pid, signame, path, result.threads,
			(double)result.size / (1 << 20));
	free(path);
	free(name);
}

/* One that was halted meanwhile is looked at again when it is resumed. */
static struct lwp *next_crash(struct linux_target *lt)
{
	struct lwp *lwp;

	list_each(lwp, &lt->settled, node) {
		if (!lwp->crashing)
			continue;
		lwp->crashing = false;
		if (lwp->th && lwp->th->running && !lwp->dead &&
		    lwp->pending.kind == STOP_NONE)
			return lwp;
	}
	return NULL;
}

void crashes_dump(struct linux_target *lt)
{
	struct lwp *lwp;

	lt->crash_due = false;
	while ((lwp = next_crash(lt))) {
		if (inferior_of(lwp->proc)->crashed)
			lwp_run_on(lt, lwp);
		else
			crash_dump(lt, lwp);
	}
}
