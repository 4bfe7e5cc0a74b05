#include "translate/probes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/target.h"
#include "translate/block.h"
#include "translate/layer.h"

/* In the order of their numbers. */
struct probe {
	uint64_t pc;
	probe_fn *fn;
	void *user;
	int number;
};

static struct probe *first_at(const struct space *sp, uint64_t pc, int from)
{
	for (unsigned i = 0; i < sp->n_probes; i++) {
		if (sp->probes[i].pc == pc && sp->probes[i].number >= from)
			return &sp->probes[i];
	}
	return NULL;
}

bool probe_is_at(const struct space *sp, uint64_t pc)
{
	return sp->n_probes && map_find(&sp->probed, pc + 1);
}

/* Code that is translated from now on looks again. */
static void forget(struct space *sp, uint64_t pc)
{
	blocks_drop(sp, pc, pc + 1);
}

int probe_add(struct space *sp, uint64_t pc, probe_fn *fn, void *user)
{
	sp->probes =
		xrealloc(sp->probes, (sp->n_probes + 1) * sizeof(*sp->probes));
	sp->probes[sp->n_probes++] = (struct probe){
		.pc = pc,
		.fn = fn,
		.user = user,
		.number = ++sp->last_probe,
	};
	if (!probe_is_at(sp, pc)) {
		map_set(&sp->probed, pc + 1, sp);
		forget(sp, pc);
	}
	return sp->last_probe;
}

int probe_drop(struct space *sp, int number)
{
	uint64_t pc;
	unsigned i = 0;

	while (i < sp->n_probes && sp->probes[i].number != number)
		i++;
	if (i == sp->n_probes)
		return -ENOENT;
	pc = sp->probes[i].pc;
	memmove(sp->probes + i, sp->probes + i + 1,
		(--sp->n_probes - i) * sizeof(*sp->probes));
	if (!first_at(sp, pc, 0)) {
		map_drop(&sp->probed, pc + 1);
		forget(sp, pc);
	}
	return 0;
}

void probes_free(struct space *sp)
{
	map_fini(&sp->probed);
	free(sp->probes);
}

/* Those that are added meanwhile wait for the next time; any may go. */
void probes_met(void *user, struct target *t, struct thread *th)
{
	struct space *sp = user;
	struct probe_hit hit = { .th = th };
	int last = sp->last_probe, number = 0;
	const struct probe *p;

	if (target_reg_u64(t, th, th->proc->arch->pc, &hit.pc) < 0 ||
	    target_reg_u64(t, th, th->proc->arch->sp, &hit.stack) < 0)
		return;
	if (target_read_all(t, th->proc, hit.stack, &hit.return_address, 8) < 0)
		hit.return_address = 0;
	while ((p = first_at(sp, hit.pc, number + 1)) && p->number <= last) {
		number = p->number;
		sp->tr->stats.probes++;
		p->fn(p->user, t, &hit);
	}
}

/* --- what is asked of it ------------------------------------------------- */

int translate_probe_add(struct target *t, struct process *p, uint64_t pc,
			probe_fn *fn, void *user)
{
	(void)t;
	return space_of(p) ? probe_add(space_of(p), pc, fn, user) : -EINVAL;
}

int translate_probe_drop(struct target *t, struct process *p, int number)
{
	(void)t;
	return space_of(p) ? probe_drop(space_of(p), number) : -ENOENT;
}
