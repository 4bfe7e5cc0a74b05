#include "translate/activate.h"

#include <errno.h>
#include <string.h>

#include "translate/block.h"
#include "translate/callback.h"
#include "translate/exclude.h"
#include "translate/follow.h"
#include "translate/gate.h"
#include "translate/layer.h"
#include "translate/probes.h"
#include "translate/ring.h"
#include "translate/trap.h"
#include "translate/watchpoints.h"
#include "translate/x87.h"

#define PAGE 4096u

/* --- what code was ------------------------------------------------------- */

/* FNV-1a, and never 0: of the page as it is. 0: it cannot be executed, or is
 * data that cannot be read. */
static uintptr_t page_sum(struct space *sp, uint64_t page, bool code)
{
	const struct map_range *r = space_find(sp, page);
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	uint8_t bytes[PAGE];

	if ((code && (!r || !(r->flags & RANGE_X))) ||
	    target_read_all(sp->tr->lower, sp->by->proc, page, bytes, PAGE) < 0)
		return 0;
	for (size_t i = 0; i < PAGE; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (uintptr_t)(sum | 1);
}

/* Of pages, by their number + 1. */
static void note_pages(struct space *sp, const struct map *pages, bool code)
{
	for (size_t i = 0; pages->slots && i <= pages->mask; i++) {
		uint64_t key = pages->slots[i].key;
		uintptr_t sum = key ? page_sum(sp, (key - 1) * PAGE, code) : 0;

		if (sum)
			map_set(&sp->sums, key, (void *)sum);
	}
}

static bool is_same(struct space *sp, uint64_t key, bool code)
{
	uintptr_t was = (uintptr_t)map_find(&sp->sums, key);

	return was && was == page_sum(sp, (key - 1) * PAGE, code);
}

static void drop_changed(struct space *sp)
{
	struct map *pages = &sp->pages;

	for (size_t i = 0; pages->slots && i <= pages->mask; i++) {
		uint64_t key = pages->slots[i].key;

		if (key && !is_same(sp, key, true))
			blocks_drop(sp, (key - 1) * PAGE, key * PAGE);
	}
}

static bool constants_are_same(struct space *sp)
{
	const struct map *all = &sp->constants;

	for (size_t i = 0; all->slots && i <= all->mask; i++) {
		if (all->slots[i].key && !is_same(sp, all->slots[i].key, false))
			return false;
	}
	return true;
}

/* --- to and fro ---------------------------------------------------------- */

static void leave(struct translator *tr, struct process *p)
{
	struct space *sp = space_of(p);
	struct thread *th;

	follow_rewind_unborn(tr, p);
	list_each(th, &p->threads, node) {
		if (!follow_of(th))
			continue;
		follow_settle(tr, th);
		follow_rewind(tr, th);
		x87_settle(tr, sp, lower_thread(th));
		ring_drain(tr, th, true);
		follow_of(th)->wait = WAIT_NONE;
		follow_of(th)->excluded = false;
		follow_goes_natively(tr, th);
	}
	sections_end(sp, lower_process(p));
	exclude_end(sp, p);
	map_fini(&sp->returns);
	gates_disarm(sp, 0, UINT64_MAX);
	note_pages(sp, &sp->pages, true);
	note_pages(sp, &sp->constants, false);
}

static void come_back(struct translator *tr, struct process *p)
{
	struct space *sp = space_of(p);

	space_remapped(sp);
	space_find(sp, 0);
	if (sp->outdated || !constants_are_same(sp))
		process_drop_code(tr, sp);
	else
		drop_changed(sp);
	map_fini(&sp->sums);
	sigtrap_learn(tr, p, sp->by);
}

void activation_settle(struct translator *tr, struct process *p)
{
	struct space *sp = space_of(p);

	if (sp->inactive == sp->to_be_inactive)
		return;
	sp->inactive = sp->to_be_inactive;
	if (sp->inactive)
		leave(tr, p);
	else
		come_back(tr, p);
}

/* --- exclusions ---------------------------------------------------------- */

/* Of code that is excluded: blocks that lead to it, or those of itself. */
static void drop_excluded_in(struct space *sp, struct region *rg)
{
	for (uint32_t i = 1; i < rg->n_blocks; i++) {
		struct block *b = &rg->blocks[i];

		if (!(b->flags & BLOCK_DEAD) && is_excluded(sp, b->pc))
			block_drop(sp, b);
	}
}

static void drop_excluded(struct space *sp)
{
	for (unsigned i = 0; i < sp->n_regions; i++)
		drop_excluded_in(sp, sp->regions[i]);
}

static void reach(void *user, struct target *t, const struct probe_hit *hit)
{
	struct space *sp = user;

	(void)t, (void)hit;
	probe_drop(sp, sp->reaching);
	sp->reaching = 0;
	drop_excluded(sp);
}

/* Exclusions do not count while there is a target to be reached. */
static void set_target(struct space *sp, uint64_t target)
{
	if (sp->reaching)
		probe_drop(sp, sp->reaching);
	sp->reaching = 0;
	drop_excluded(sp);
	if (target)
		sp->reaching = probe_add(sp, target, reach, sp);
}

/* --- what is asked of it ------------------------------------------------- */

static int ask(struct target *t, struct process *p, bool inactive)
{
	struct translator *tr = translator_of(t);

	space_of(p)->to_be_inactive = inactive;
	tr->due = true;
	callbacks_settle(tr);
	return 0;
}

int translate_deactivate(struct target *t, struct process *p)
{
	if (points_held(p))
		return -EBUSY;
	return space_of(p) ? ask(t, p, true) : -EINVAL;
}

int translate_activate(struct target *t, struct process *p, uint64_t target)
{
	struct space *sp = space_of(p);

	if (!sp)
		return -EINVAL;
	set_target(sp, target);
	return ask(t, p, false);
}
