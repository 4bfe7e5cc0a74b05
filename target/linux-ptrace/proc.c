/* What /proc says of processes and threads. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "target/linux-ptrace/lwp.h"

/* The text after the command, which is in parentheses and may hold any. */
static const char *after_command(const char *stat)
{
	const char *p = strrchr(stat, ')');

	return p && p[1] ? p + 2 : "";
}

char proc_task_state(pid_t pid, pid_t tid)
{
	char stat[1024];

	if (file_peek(stat, sizeof(stat), "/proc/%d/task/%d/stat", pid, tid) <=
	    0)
		return 0;
	return *after_command(stat);
}

/* The last field. */
int proc_task_status(pid_t pid, pid_t tid)
{
	char stat[1024];
	const char *last;

	if (file_peek(stat, sizeof(stat), "/proc/%d/task/%d/stat", pid, tid) <=
	    0)
		return 0;
	last = strrchr(stat, ' ');
	return last ? atoi(last) : 0;
}

/* --- threads, as lists and stop replies show them ------------------------ */

/*
 * Every stop reply says which core, and lists say it of a thousand threads at
 * once, where each look costs an open, a read and a close: more than all else
 * that a step takes. So one look serves for both, and holds for as long as
 * the thread stays stopped; what it said of the core holds for some
 * milliseconds when the thread runs and stops again: less than a scheduler
 * leaves a thread on a core that suits it.
 *
 * A name lasts while threads but make steps that are no system calls: only a
 * thread of the process gives it another, by one (prctl(2), proc_pid_comm(5)).
 */
#define SEEN_MS 10

/* The name's field escapes some characters; the name's own file does not. */
static void take_name(struct lwp *lwp, const char *stat)
{
	const char *from = strchr(stat, '('), *to = strrchr(stat, ')');
	size_t n = from && to ? (size_t)(to - ++from) : 0;
	char text[TASK_NAME_SIZE + 1] = ""; /* and a newline */
	ssize_t len;

	if (n < sizeof(lwp->name) && (!n || !memchr(from, '\\', n))) {
		memcpy(lwp->name, from ? from : "", n);
		lwp->name[n] = '\0';
		return;
	}
	len = file_peek(text, sizeof(text), "/proc/%d/task/%d/comm",
			lwp->proc->pid, lwp->tid);
	if (len > 0)
		text[len - 1] = '\0';
	memcpy(lwp->name, text, sizeof(lwp->name));
}

static int take_core(const char *stat)
{
	const int processor = 39, state = 3; /* fields, from 1: proc(5) */
	const char *p = after_command(stat);

	for (int field = state; p && field < processor; field++) {
		p = strchr(p, ' ');
		p += p != NULL;
	}
	return p && *p ? atoi(p) : -1;
}

static bool look_at(struct lwp *lwp, int64_t good_ms)
{
	char stat[1024];
	int64_t now;

	if (lwp->seen_stopped)
		return true;
	now = clock_coarse_ms();
	if (lwp->seen_ms && now - lwp->seen_ms < good_ms)
		return true;
	if (file_peek(stat, sizeof(stat), "/proc/%d/task/%d/stat",
		      lwp->proc->pid, lwp->tid) <= 0)
		return false;
	lwp->core = take_core(stat);
	take_name(lwp, stat);
	lwp->seen_ms = now;
	lwp->seen_stopped = lwp->stopped;
	return true;
}

int linux_thread_core(struct target *t, struct thread *th)
{
	struct lwp *lwp = lwp_of(th);

	(void)t;
	return look_at(lwp, SEEN_MS) ? lwp->core : -1;
}

int linux_thread_name(struct target *t, struct thread *th, char *buf,
		      size_t len)
{
	struct linux_target *lt = linux_of(t);
	struct lwp *lwp = lwp_of(th);
	bool seen = !lt->n_moving && lwp->named_at == lt->n_acts;

	if (!seen) {
		seen = look_at(lwp, 0);
		lwp->named_at = seen && !lt->n_moving ? lt->n_acts : 0;
	}
	snprintf(buf, len, "%s", seen ? lwp->name : "");
	return seen ? 0 : -ESRCH;
}

/* --- as threads see themselves ------------------------------------------- */

/* Ids mean the same to it as to us. */
static bool shares_ids(pid_t pid)
{
	char path[32], its[64], ours[64];
	ssize_t a, b;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	a = readlink(path, its, sizeof(its));
	b = readlink("/proc/self/ns/pid", ours, sizeof(ours));
	return a > 0 && a == b && !memcmp(its, ours, (size_t)a);
}

/* The last of those that the thread has, in namespaces from ours to its own. */
static pid_t innermost_id(pid_t tid)
{
	char status[4096], *p, *end;
	long id = 0;

	if (file_peek(status, sizeof(status), "/proc/%d/status", tid) <= 0)
		return 0;
	p = strstr(status, "\nNSpid:");
	if (!p)
		return 0;
	for (p += strlen("\nNSpid:"); *p == '\t'; p = end)
		id = strtol(p, &end, 10);
	return (pid_t)id;
}

pid_t linux_own_id(struct target *t, const struct thread *th)
{
	struct inferior *inf = inferior_of(th->proc);

	(void)t;
	if (inf->ids == IDS_UNKNOWN)
		inf->ids = shares_ids(th->proc->pid) ? IDS_OURS : IDS_OTHERS;
	return inf->ids == IDS_OURS ? th->id.tid : innermost_id(th->id.tid);
}

/* A field of /proc/TID/status that is a set of signals. */
static uint64_t signal_set(const char *status, const char *field)
{
	const char *p = strstr(status, field);

	return p ? strtoull(p + strlen(field), NULL, 16) : 0;
}

bool linux_sigcont_waits(struct target *t, const struct thread *th)
{
	const uint64_t bit = UINT64_C(1) << (SIGCONT - 1);
	char status[4096];

	(void)t;
	return file_peek(status, sizeof(status), "/proc/%d/status",
			 th->id.tid) > 0 &&
	       signal_set(status, "\nSigBlk:") &
		       (signal_set(status, "\nSigPnd:") |
			signal_set(status, "\nShdPnd:")) &
		       bit;
}

enum signal_action linux_signal_action(struct target *t,
				       const struct thread *th, int signo)
{
	const uint64_t bit = UINT64_C(1) << (signo - 1);
	char status[4096];

	(void)t;
	if (file_peek(status, sizeof(status), "/proc/%d/status", th->id.tid) <=
		    0 ||
	    signal_set(status, "\nSigCgt:") & bit)
		return ACTION_HANDLED;
	return signal_set(status, "\nSigIgn:") & bit ? ACTION_IGNORED
						     : ACTION_DEFAULT;
}
