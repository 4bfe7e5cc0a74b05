#include "translate/exclude.h"

#include <errno.h>

#include "base/mem.h"
#include "target/target.h"
#include "translate/block.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"

bool is_excluded(struct space *sp, uint64_t pc)
{
	uint32_t module;

	for (unsigned i = 0; i < sp->n_excluded; i++) {
		if (pc - sp->excluded[i].lo <
		    sp->excluded[i].hi - sp->excluded[i].lo)
			return true;
	}
	if (!sp->tr->is_native)
		return false;
	module = module_at(sp, pc);
	return module && sp->modules[module - 1].native;
}

bool exclude_returns_to(const struct space *sp, uint64_t pc)
{
	return map_find(&sp->returns, pc + 1);
}

/* Is there a call right before it, in code that is followed, and code behind?
 * Who is in excluded code and translated stays so: main() comes from there.
 * What cannot return has hlt there: it is how _start calls libc, which calls
 * main. */
static bool is_behind_call(struct space *sp, struct thread *low, uint64_t pc)
{
	const struct map_range *r = space_find(sp, pc);
	uint8_t b[8];

	if (!r || !(r->flags & RANGE_X) || is_excluded(sp, pc) ||
	    target_read_all(sp->tr->lower, low->proc, pc - 7, b, 8) < 0 ||
	    b[7] == 0xf4)
		return false;
	if (b[2] == 0xe8)
		return true;
	/* ff /2, by its lengths; a prefix does not matter */
	for (unsigned at = 0; at < 6; at++) {
		if (b[at] == 0xff && (b[at + 1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

static bool catch_return(struct space *sp, struct thread *low, uint64_t pc)
{
	if (exclude_returns_to(sp, pc))
		return true;
	if (point_find(low->proc, POINT_SW, pc, 1) ||
	    target_point_set(sp->tr->lower, low->proc, POINT_SW, pc, 1, NULL) <
		    0)
		return false;
	map_set(&sp->returns, pc + 1, sp);
	return true;
}

bool exclude_enter(struct translator *tr, struct thread *low, struct space *sp)
{
	uint64_t stack, pc;

	if (target_reg_u64(tr->lower, low, low->proc->arch->sp, &stack) < 0 ||
	    target_read_all(tr->lower, low->proc, stack, &pc, 8) < 0 ||
	    !is_behind_call(sp, low, pc) || !catch_return(sp, low, pc))
		return false;
	tr->stats.excluded_calls++;
	return true;
}

void exclude_end(struct space *sp, struct process *up)
{
	const struct map *m = &sp->returns;

	for (size_t i = 0; m->slots && i <= m->mask; i++) {
		uint64_t pc = m->slots[i].key - 1;

		if (m->slots[i].key && !point_find(up, POINT_SW, pc, 1))
			target_point_clear(sp->tr->lower, lower_process(up),
					   POINT_SW, pc, 1);
	}
}

bool exclude_stops_at(struct space *sp, uint64_t pc)
{
	return is_excluded(sp, pc) && !map_find(&sp->anyway, pc + 1);
}

void exclude_not(struct space *sp, const struct stub *stub)
{
	struct block *b = block_find(sp, stub->pc);

	if (b && exclude_stops_at(sp, stub->pc))
		block_replace(sp, b, stub->arg);
	map_set(&sp->anyway, stub->pc + 1, sp);
}

/* --- what is asked of it ------------------------------------------------- */

int translate_exclude(struct target *t, struct process *p, uint64_t lo,
		      uint64_t hi)
{
	struct space *sp = space_of(p);

	if (!sp || lo >= hi)
		return -EINVAL;
	sp->excluded = xrealloc(sp->excluded,
				(sp->n_excluded + 1) * sizeof(*sp->excluded));
	sp->excluded[sp->n_excluded].lo = lo;
	sp->excluded[sp->n_excluded++].hi = hi;
	blocks_drop(sp, lo, hi);
	(void)t;
	return 0;
}

int translate_include(struct target *t, struct process *p, uint64_t lo,
		      uint64_t hi)
{
	struct space *sp = space_of(p);

	(void)t;
	for (unsigned i = 0; sp && i < sp->n_excluded; i++) {
		if (sp->excluded[i].lo != lo || sp->excluded[i].hi != hi)
			continue;
		sp->excluded[i] = sp->excluded[--sp->n_excluded];
		blocks_drop(sp, lo, hi);
		return 0;
	}
	return -ENOENT;
}

void translate_exclude_modules(struct target *t, translate_native_fn *fn,
			       void *user)
{
	translator_of(t)->is_native = fn;
	translator_of(t)->is_native_user = user;
}
