/* The guardian as a process of its own, which is to come in time. */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "target/linux-ptrace/guardian.h"

static void close_all(void)
{
	if (close_range(0, ~0u, 0) == 0)
		return;
	for (int fd = (int)sysconf(_SC_OPEN_MAX) - 1; fd >= 0; fd--)
		close(fd);
}

/* struct sched_attr of sched_setattr(2), which glibc does not declare. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

#define RESET_ON_FORK 1 /* one of its flags */

/* Nobody has said how it is to be scheduled. */
static bool is_usual(void)
{
	return (sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_OTHER &&
	       getpriority(PRIO_PROCESS, 0) >= 0;
}

/* A short slice gets it on a CPU sooner (from Linux 6.12 on), with no more of
 * the CPU than it has a right to. What is reset in children would be a nice
 * value below 0, too. */
void guard_be_usual(void)
{
	const struct attributes brief = {
		.size = sizeof(brief),
		.policy = SCHED_OTHER,
		.flags = RESET_ON_FORK,
		.nice = getpriority(PRIO_PROCESS, 0),
		.runtime = 100000,
	};
	const struct sched_param none = { 0 };

	/* Without slices, where the kernel or a filter has no such call: whoever
	 * is urgent may not stay so. */
	if (syscall(SYS_sched_setattr, 0, &brief, 0) < 0)
		sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
}

void guard_be_brief(void)
{
	if (is_usual())
		guard_be_usual();
}

bool guard_be_urgent(enum guard_urgency how)
{
	const struct sched_param first = { .sched_priority = how };

	return is_usual() &&
	       sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) ==
		       0;
}

/* Nothing of the server's is kept: no port, no terminal, no directory; and
 * what ends the server's process group does not reach it. */
void guard_go_private(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	log_select("none");
	close_all();
	if (chdir("/") < 0)
		_exit(1);
	prctl(PR_SET_NAME, "tracestub-guard");
	/* It sleeps until it has some tens of microseconds to do at once, and on
	 * a busy machine too it has to come before the server's exit has ended.
	 */
	if (!guard_be_urgent(GUARD_GUARDIAN))
		guard_be_brief();
}
