#include "server/qtrace.h"

#include <errno.h>

#include "translate/record.h"

int take_who(struct session *s, struct args *a, struct ptid *who)
{
	const struct thread *th;

	*who = (struct ptid){ -1, -1 };
	if (take_end(a) || *a->p == ';')
		return 0;
	if (!take_ptid(a, who) || !who->tid)
		return err_set(&s->err, -EINVAL,
			       "that is no thread: give its id, pPID.-1 or -1, "
			       "in hex");
	if (who->tid < 0)
		return 0;
	th = thread_find(s->target, who->tid);
	if (!th || th->untold || th->proc->untold ||
	    (who->pid > 0 && who->pid != th->proc->pid))
		return err_set(&s->err, -ESRCH, "there is no such thread");
	who->pid = th->proc->pid;
	return 0;
}

bool take_range(struct args *a, uint64_t *lo, uint64_t *hi)
{
	struct args at = *a;
	uint64_t addr, len;

	if (take_hex(&at, &addr) && take_char(&at, ',') &&
	    take_hex(&at, &len) && addr + len > addr) {
		*lo = addr;
		*hi = addr + len;
		*a = at;
		return true;
	}
	return false;
}

int process_stands(struct session *s, const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			return err_set(&s->err, -EBUSY,
				       "process %d runs: stop it first",
				       p->pid);
	}
	return 0;
}

int all_stand(struct session *s)
{
	struct process *p;
	int r;

	list_each(p, &s->target->processes, node) {
		r = p->untold ? 0 : process_stands(s, p);
		if (r < 0)
			return r;
	}
	return 0;
}

struct process *take_followed(struct session *s)
{
	struct process *p = session_process(s);

	if (all_stand(s) < 0)
		return NULL;
	if (p && translate_space(p))
		return p;
	err_set(&s->err, -ESRCH, "the process is not followed");
	return NULL;
}
