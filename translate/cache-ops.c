/* What clients ask of the cache itself: translate.h says what it means. */
#include <errno.h>

#include "translate/block.h"
#include "translate/callback.h"
#include "translate/evict.h"
#include "translate/follow.h"
#include "translate/gate.h"
#include "translate/trap.h"

/* A thread that makes calls for us, and of which reading is done. */
static struct thread *any_thread(const struct process *p)
{
	return lower_thread(list_entry(p->threads.next, struct thread, node));
}

int translate_cache_size(struct target *t, uint64_t bytes)
{
	if (bytes < CACHE_LEAST || bytes > CACHE_MOST)
		return -EINVAL;
	translator_of(t)->cache_size = bytes;
	return 0;
}

uint64_t translate_get_cache_size(const struct target *t)
{
	return ((const struct translator *)t)->cache_size;
}

int translate_trust(struct target *t, int times)
{
	struct translator *tr = translator_of(t);

	if (times < TRUST_NEVER || times > TRUST_MOST)
		return -EINVAL;
	if (times == tr->trust)
		return 0;
	tr->trust = times;
	callbacks_outdate(tr, NULL);
	return 0;
}

int translate_get_trust(const struct target *t)
{
	return ((const struct translator *)t)->trust;
}

int translate_invalidate(struct target *t, struct process *p, uint64_t lo,
			 uint64_t hi)
{
	struct space *sp = space_of(p);
	unsigned n;

	(void)t;
	if (!sp || lo >= hi)
		return -EINVAL;
	sp->by = any_thread(p);
	n = blocks_drop(sp, lo, hi);
	map_fini(&sp->trusted);
	gates_disarm(sp, lo, hi);
	/* Pages that were read are read again. */
	space_remapped(sp);
	return (int)n;
}

int translate_flush(struct target *t, struct process *p)
{
	struct space *sp = space_of(p);

	if (!sp)
		return -EINVAL;
	sp->by = any_thread(p);
	process_flush(translator_of(t), sp);
	return 0;
}

int translate_prefetch(struct target *t, struct process *p, uint64_t pc)
{
	struct space *sp = space_of(p);
	const struct map_range *r;

	if (!sp)
		return -EINVAL;
	sp->by = any_thread(p);
	r = space_find(sp, pc);
	if (!r || !(r->flags & RANGE_X))
		return -EFAULT;
	return follow_block(translator_of(t), sp, pc) ? 0 : -EFAULT;
}

int translate_collect(struct target *t, struct process *p)
{
	struct space *sp = space_of(p);

	if (!sp)
		return 0;
	sp->by = any_thread(p);
	windows_collect(sp);
	process_collect(translator_of(t), sp);
	return 1;
}
