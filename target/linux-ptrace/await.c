/*
 * Sleeping until something happens.
 *
 * Who stops at a breakpoint or a watchpoint dies if we do before the stop was
 * waited for. On a busy machine that may be long: whoever kills us often waits
 * for the same processor, and has it first. So a sleep that such a stop can end
 * is one of real-time scheduling, where that is allowed, until all that is there
 * was waited for, and no longer.
 */
#include <poll.h>

#include "target/linux-ptrace/guardian.h"
#include "target/linux-ptrace/lwp.h"

static bool has_points(struct linux_target *lt)
{
	struct process *p;

	list_each(p, &lt->t.processes, node) {
		if (p->attached && !list_empty(&p->points->list))
			return true;
	}
	return false;
}

static bool has_stops(const struct linux_target *lt)
{
	struct pollfd p = { .fd = lt->signal_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

int linux_await(struct target *t, struct pollfd *fds, size_t n, int ms)
{
	struct linux_target *lt = linux_of(t);
	bool urgent = lt->guardian && lt->n_moving && has_points(lt) &&
		      guard_be_urgent(GUARD_SERVER);
	int r = poll(fds, n, ms);

	if (urgent && r > 0 && has_stops(lt))
		lwps_collect(lt);
	if (urgent)
		guard_be_usual();
	return r;
}
