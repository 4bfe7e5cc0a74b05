/*
 * How a process comes under control, and leaves it: launch, attach, detach,
 * kill. Both ways in use PTRACE_SEIZE, which sends no signal of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "target/linux-ptrace/diagnose.h"
#include "target/linux-ptrace/launch.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/syscall.h"

/* --- attach -------------------------------------------------------------- */

static int seize(pid_t tid, unsigned long options)
{
	return ptrace(PTRACE_SEIZE, tid, 0, options) < 0 ? -errno : 0;
}

/* Seizes the threads not yet known; how many, or an error of the leader. */
static int seize_threads(struct linux_target *lt, struct process *p)
{
	char path[32];
	struct dirent *e;
	int found = 0, r;
	pid_t tid;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", p->pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	while ((e = readdir(dir))) {
		tid = atoi(e->d_name);
		if (tid <= 0 || lwp_find(lt, tid))
			continue;
		r = seize(tid, LINUX_PTRACE_OPTIONS);
		if (r < 0 && tid == p->pid &&
		    proc_task_state(p->pid, tid) != 'Z') {
			found = r;
			break;
		}
		if (r < 0)
			continue;
		lwp_add(lt, p, tid);
		found++;
	}
	closedir(dir);
	return found;
}

static bool signal_waits(pid_t tid)
{
	static const unsigned queues[] = { 0, PTRACE_PEEKSIGINFO_SHARED };
	siginfo_t si[8];
	uint64_t mask;
	long n;

	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		struct __ptrace_peeksiginfo_args args = {
			.flags = queues[i],
			.nr = ARRAY_SIZE(si),
		};

		do {
			n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, si);
			for (long k = 0; k < n; k++) {
				if (!(mask >> (si[k].si_signo - 1) & 1))
					return true;
			}
			args.off += ARRAY_SIZE(si);
		} while (n == ARRAY_SIZE(si));
	}
	return false;
}

/*
 * An interrupt overtakes the signals that wait, but what stops a thread that
 * has one is the signal: it is taken before any instruction. Should another
 * thread have it first, this one is halted again.
 */
static void take_waiting_signals(struct linux_target *lt, struct process *p)
{
	struct lwp *leader = lwp_find(lt, p->pid);
	struct thread *th, *next;
	int status;

	list_each_safe(th, next, &p->threads, node) {
		struct lwp *lwp = lwp_of(th);
		pid_t tid = lwp->tid;

		if (!lwp->stopped || lwp->listen || lwp->pending.kind ||
		    !signal_waits(tid))
			continue;
		lwp_run(lt, lwp, false);
		if (lwp_wait(lt, tid, &status, true) > 0)
			status_take(lt, tid, status, true);
	}
	lwps_halt(lt, p);
	/* The client hears of the leader now, of others when they run. */
	if (leader && leader->th && leader->pending.kind == STOP_SIGNAL) {
		leader->th->last = leader->pending;
		lwp_clear_pending(leader);
	}
}

int linux_attach(struct target *t, pid_t pid, struct err *e)
{
	struct linux_target *lt = linux_of(t);
	struct process *p;
	struct thread *th;
	int r = 0;

	if (process_find(t, pid))
		return err_set(e, -EBUSY, "already debugging process %d", pid);
	if (!lt->guardian)
		lt->guardian = guardian_new();
	p = inferior_add(lt, pid);
	p->attached = true;
	/*
	 * Threads may be born while we look: until two looks find none, as
	 * one may miss some when others end meanwhile (proc_task_readdir()
	 * counts them). A new one of a seized thread announces itself.
	 */
	for (int clean = 0; clean < 2 && r >= 0; clean++) {
		r = seize_threads(lt, p);
		if (r > 0) {
			/* Before it can fork: the child takes after it. */
			if (!p->path)
				inferior_examine(lt, p);
			lwps_halt(lt, p);
			clean = -1;
		}
	}
	if (list_empty(&p->threads)) {
		inferior_drop(lt, p);
		return diagnose_attach(pid, r < 0 ? -r : ESRCH, e);
	}
	take_waiting_signals(lt, p);
	list_each(th, &p->threads, node) {
		inferior_of(p)->defies_stop |= lwp_of(th)->listen;
		lwp_of(th)->listen = false;
		lwp_set_running(lt, lwp_of(th), false);
	}
	process_tell(t, p);
	return 0;
}

/* --- launch -------------------------------------------------------------- */

/* A failed launch: nothing is left of the child. */
static void reap(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) >= 0 || errno == EINTR)
		;
}

/*
 * Lets the child, which runs, come to its next exec; false when it ended
 * before. Only what was waited for is resumed: a stop that came already must
 * not go by unseen.
 */
static bool run_to_exec(pid_t pid, int *status)
{
	for (;;) {
		while (waitpid(pid, status, __WALL) < 0) {
			if (errno != EINTR)
				return false;
		}
		if (!WIFSTOPPED(*status))
			return false;
		if (*status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return true;
		ptrace(PTRACE_CONT, pid, 0,
		       *status >> 16 ? 0 : WSTOPSIG(*status));
	}
}

static bool is_program(pid_t pid, const struct launch_spec *spec)
{
	char exe[PATH_MAX], want[PATH_MAX], link[32];
	ssize_t n;

	if (!spec->wrapper || !realpath(spec->argv[0], want))
		return true;
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	return !strcmp(exe, want);
}

/*
 * How many execs lead to the program: its own, the shell's before it, and a
 * wrapper's. A wrapper may exec others first, so with one what counts is that
 * the program itself has been reached.
 */
static bool run_to_program(pid_t pid, const struct launch_spec *spec,
			   int *status)
{
	unsigned execs = 1 + spec->shell + (spec->wrapper != NULL);

	for (unsigned i = 1; run_to_exec(pid, status); i++) {
		if (i >= execs && (is_program(pid, spec) || i > execs + 8))
			return true;
		ptrace(PTRACE_CONT, pid, 0, 0);
	}
	return false;
}

/* Out of its exec, to before its first instruction: that a step is to
 * execute, and the exec is no call of the program's. */
static bool finish_exec(pid_t pid, int *status)
{
	ptrace(PTRACE_SETOPTIONS, pid, 0,
	       LINUX_PTRACE_OPTIONS | PTRACE_O_EXITKILL);
	do {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		while (waitpid(pid, status, __WALL) < 0) {
			if (errno != EINTR)
				return false;
		}
	} while (WIFSTOPPED(*status) && WSTOPSIG(*status) != SYSCALL_SIGTRAP);
	return WIFSTOPPED(*status);
}

/*
 * A program that we start owns the terminal that we are on, as if its user
 * had started it there: it may read it, and ^C typed there is its own.
 */
static void give_terminal(struct linux_target *lt, pid_t pid)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);

	if (group > 0 && tcsetpgrp(STDERR_FILENO, pid) == 0 &&
	    !lt->terminal_group)
		lt->terminal_group = group;
}

pid_t linux_launch(struct target *t, const struct launch_spec *spec,
		   struct err *e)
{
	struct linux_target *lt = linux_of(t);
	struct launch_child child;
	struct process *p;
	struct lwp *lwp;
	int status = 0, r;

	affinity_restore(&lt->affinity);
	r = launch_fork(&child, spec, e);
	if (r < 0)
		return r;
	/* What shells and wrappers fork is no business of ours. */
	r = seize(child.pid, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	if (r < 0) {
		reap(child.pid);
		launch_fini(&child);
		return err_set(e, r, "cannot trace the new process: %s",
			       strerror(-r));
	}
	launch_go(&child);
	if (!run_to_program(child.pid, spec, &status) ||
	    !finish_exec(child.pid, &status)) {
		r = launch_failure(&child, spec, status, e);
		reap(child.pid);
		launch_fini(&child);
		return r;
	}
	launch_fini(&child);
	give_terminal(lt, child.pid);
	p = inferior_add(lt, child.pid);
	lwp = lwp_add(lt, p, child.pid);
	lwp_set_stopped(lt, lwp);
	lwp->in_call = lwp->at_return = true; /* of its exec */
	lwp_set_running(lt, lwp, false);
	inferior_examine_new(lt, p);
	process_tell(t, p);
	debug(SESSION, "launched %s as %d", p->path, p->pid);
	return p->pid;
}

/* --- detach, kill -------------------------------------------------------- */

int linux_detach(struct target *t, struct process *p, int signo)
{
	struct linux_target *lt = linux_of(t);
	pid_t pid = p->pid;

	lwps_halt(lt, p);
	inferior_release(lt, p, signo);
	leaving_wait(lt, pid);
	return 0;
}

static bool is_of(const struct linux_target *lt, pid_t tid, pid_t pid)
{
	const struct lwp *lwp = lwp_find(lt, tid);

	return lwp && lwp->proc->pid == pid;
}

int linux_kill(struct target *t, struct process *p)
{
	struct linux_target *lt = linux_of(t);
	pid_t pid = p->pid, tid;
	struct lwp *leader;
	int status;

	debug(SESSION, "kill %d", pid);
	kill(pid, SIGKILL);
	/* Its threads have to be reaped before the leader can be. */
	while ((leader = lwp_find(lt, pid)) && !leader->dead) {
		tid = lwp_wait(lt, -1, &status, true);
		if (tid < 0)
			break;
		if (tid > 0)
			status_take(lt, tid, status, is_of(lt, tid, pid));
	}
	p = process_find(t, pid);
	if (p)
		inferior_drop(lt, p);
	return 0;
}
