/* The cache is cleared, or room is made in it: for a moment nobody is in there.
 */
#include "translate/block.h"
#include "translate/evict.h"
#include "translate/follow.h"
#include "translate/ring.h"
#include "translate/trap.h"
#include "translate/x87.h"

/* Out of the cache, in the kernel's eyes too: when we die now, nobody could
 * find the way back. */
static void take_out(struct translator *tr, struct thread *th)
{
	follow_rewind(tr, th);
	x87_settle(tr, follow_of(th)->space, lower_thread(th));
	if (!lower_thread(th)->blocked)
		follow_commit(tr, lower_thread(th));
	ring_drain(tr, th, true);
}

/* Nobody is in the cache then; all are stopped. */
static void take_all_out(struct translator *tr, struct space *sp)
{
	struct process *p;
	struct thread *th;

	list_each(p, &tr->t.processes, node) {
		if (space_of(p) != sp)
			continue;
		follow_rewind_unborn(tr, p);
		list_each(th, &p->threads, node) {
			if (follow_of(th) && follow_of(th)->space == sp)
				take_out(tr, th);
		}
	}
}

void process_drop_code(struct translator *tr, struct space *sp)
{
	struct thread *by = sp->by;

	take_all_out(tr, sp);
	sp->by = by;
	records_end(sp);
	space_flush(sp);
}

/* Returns the thread that is not to run on when that is over. */
static struct thread *clear_cache(struct translator *tr, struct space *sp)
{
	struct thread *by = sp->by;

	translator_pause(tr);
	take_all_out(tr, sp);
	sp->by = by;
	return by;
}

static void run_on(struct translator *tr, struct space *sp, struct thread *by)
{
	translator_unpause(tr, by);
	sp->by = by;
}

/* Rare: it is when what code was translated by holds no more. */
void process_flush(struct translator *tr, struct space *sp)
{
	struct thread *by = clear_cache(tr, sp);

	space_measure(sp);
	records_end(sp);
	space_flush(sp);
	run_on(tr, sp, by);
}

void process_collect(struct translator *tr, struct space *sp)
{
	struct thread *by = clear_cache(tr, sp);

	space_collect(sp);
	run_on(tr, sp, by);
}

/* Rare, too: it is when megabytes of code have been translated. */
bool process_make_room(struct translator *tr, struct space *sp, uint64_t pc)
{
	struct thread *by;
	bool done;

	if (!space_can_evict(sp, pc))
		return false;
	by = clear_cache(tr, sp);
	done = space_evict(sp, pc);
	run_on(tr, sp, by);
	return done;
}
