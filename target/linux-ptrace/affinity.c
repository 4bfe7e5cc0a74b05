#include "target/linux-ptrace/affinity.h"

#include "base/clock.h"
#include "base/log.h"
#include "target/linux-ptrace/lwp.h"

/*
 * So many stops within so long are often. On the wrong core of a loaded
 * machine a session makes 500 a second, a person with a finger on "step" 30. A
 * look at the clock every so many stops is all that counting them costs.
 */
#define OFTEN_STOPS 16
#define OFTEN_MS    100

void affinity_init(struct affinity *a)
{
	*a = (struct affinity){ .core = -1 };
	/* EINVAL: a machine with more CPUs than a cpu_set_t has bits. */
	a->refused = sched_getaffinity(0, sizeof(a->own), &a->own) < 0;
}

static bool are_there_anyway(const struct affinity *a, int core)
{
	return CPU_COUNT(&a->own) == 1 && CPU_ISSET((size_t)core, &a->own);
}

static void move_to(struct affinity *a, int core)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)core, &one);
	if (a->core < 0 && are_there_anyway(a, core))
		return;
	a->refused = sched_setaffinity(0, sizeof(one), &one) < 0;
	debug(RESUME, "moved to core %d%s", core, a->refused ? ": no" : "");
	if (!a->refused)
		a->core = core;
}

void affinity_stopped(struct linux_target *lt, pid_t tid)
{
	struct affinity *a = &lt->affinity;
	int64_t now, since = a->since_ms;
	struct lwp *lwp;
	int core;

	if (++a->stops < OFTEN_STOPS)
		return;
	now = clock_coarse_ms();
	a->since_ms = now;
	a->stops = 0;
	a->often = now - since <= OFTEN_MS;
	if (!a->often || a->refused)
		return;
	lwp = lwp_find(lt, tid);
	core = lwp && lwp->th ? linux_thread_core(&lt->t, lwp->th) : -1;
	if (core >= 0 && core < CPU_SETSIZE && core != a->core)
		move_to(a, core);
}

void affinity_restore(struct affinity *a)
{
	if (a->core < 0)
		return;
	sched_setaffinity(0, sizeof(a->own), &a->own);
	a->core = -1;
}
