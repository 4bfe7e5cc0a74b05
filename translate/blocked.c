#include "translate/blocked.h"

#include <stdlib.h>

#include "base/mem.h"
#include "translate/trail.h"

/* A space that could not be taken out of a process's memory yet. */
struct blocked {
	struct list node; /* in translator.blocked */
	pid_t pid;
	struct space *space; /* counted */
};

void blocked_keep(struct translator *tr, struct process *p)
{
	struct blocked *b = xcalloc(1, sizeof(*b));

	b->pid = p->pid;
	b->space = space_of(p);
	b->space->refs++;
	list_add(&tr->blocked, &b->node);
}

bool blocked_has(const struct translator *tr, pid_t pid)
{
	const struct blocked *b;

	list_each(b, &tr->blocked, node) {
		if (b->pid == pid)
			return true;
	}
	return false;
}

static void drop(struct blocked *b)
{
	list_drop(&b->node);
	space_unref(b->space);
	free(b);
}

void blocked_settle(struct translator *tr, struct thread *low)
{
	struct blocked *b, *next;

	list_each_safe(b, next, &tr->blocked, node) {
		if (b->pid != low->proc->pid || low->blocked)
			continue;
		space_unmap(b->space, low);
		trails_unguard(b->space, low->proc);
		drop(b);
	}
}

void blocked_forget(struct translator *tr, pid_t pid)
{
	struct blocked *b, *next;

	list_each_safe(b, next, &tr->blocked, node) {
		if (b->pid == pid)
			drop(b);
	}
}

void blocked_leave(void *user, struct process *low)
{
	struct thread *th;

	list_each(th, &low->threads, node)
		blocked_settle(user, th);
}
