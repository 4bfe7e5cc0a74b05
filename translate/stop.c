/* How stubs stop threads: by which signals, and what they need for it. */
#include "translate/stop.h"

#include <signal.h>
#include <string.h>

#include "translate/follow.h"
#include "translate/x86_64/window.h"

bool stop_is_stubs(void *user, struct thread *low, int signo, uint64_t addr)
{
	struct translator *tr = user;
	struct thread *th = upper_thread(tr, low);
	const struct follow *f = th ? follow_of(th) : NULL;
	const struct region *rg;

	if (!f || !f->in_cache)
		return false;
	rg = space_region_at(f->space, addr);
	return rg && (signo == SIGTRAP ||
		      addr == rg->addr + rg->cold.start + STOPPED_AT);
}

void stop_keep_sigcont(struct translator *tr, const struct thread *low,
		       struct space *sp)
{
	if (!sp->only_traps &&
	    tr->lower->ops->inject->sigcont_waits(tr->lower, low))
		space_use_traps(sp);
}

void stop_on_sigcont(void *user, struct thread *low)
{
	struct translator *tr = user;
	struct thread *th = upper_thread(tr, low);

	if (th && follow_of(th))
		stop_keep_sigcont(tr, low, follow_of(th)->space);
}

void stop_prepare(struct translator *tr, const struct thread *low,
		  uint8_t *window)
{
	uint32_t id = (uint32_t)tr->lower->ops->inject->own_id(tr->lower, low);

	uint64_t ours = (uint64_t)low->id.tid;

	memcpy(window + WIN_THREAD, &id, sizeof(id));
	memcpy(window + WIN_TID, &ours, sizeof(ours));
}

bool stop_passes_by(struct translator *tr, const struct thread *low, int signo,
		    bool waits)
{
	const struct target_inject_ops *inject = tr->lower->ops->inject;

	switch (signo) {
	case SIGSTOP:
		return true;
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
		return inject->action(tr->lower, low, signo) != ACTION_HANDLED;
	default:
		return waits &&
		       inject->action(tr->lower, low, signo) == ACTION_IGNORED;
	}
}
