#include "translate/call.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/block.h"
#include "translate/gate.h"
#include "translate/sigtrap.h"
#include "translate/trap.h"
#include "translate/x86_64/callee.h"
#include "translate/x86_64/rewind.h"

struct watch call_look(struct translator *tr, struct thread *low,
		       struct space *sp)
{
	const uint8_t *image = follow_image(tr, low, false);
	size_t size = low->proc->arch->regs_size;
	uint8_t *copy;
	struct watch w = { .way = WATCH_PLAIN };

	if (!image)
		return w;
	copy = xmalloc(size);
	memcpy(copy, image, size);
	*image_reg(copy, IMAGE_RAX) = *follow_special(low, tr->orig_rax);
	sp->by = low;
	w = watch_call(sp, copy);
	free(copy);
	return w;
}

static void range_changed(struct space *sp, const struct watch *w)
{
	if (w->lo >= w->hi)
		return;
	/* Another thread may have had it looked up before the call. */
	space_changed(sp, w->lo, w->hi);
	callees_forget(sp);
	map_fini(&sp->trusted);
	gates_open(sp, w->lo, w->hi);
	if (w->stays)
		blocks_drop_fixed(sp, w->lo, w->hi);
	else
		blocks_drop(sp, w->lo, w->hi);
}

/* Where the call has mapped something of a length that it was not told. */
static uint64_t end_of(struct space *sp, uint64_t addr)
{
	const struct map_range *r;

	space_remapped(sp);
	r = space_find(sp, addr);
	return r ? r->hi : addr;
}

static void map_changed(struct space *sp, struct thread *low, struct watch *w,
			uint64_t result)
{
	sp->by = low;
	if (w->by_result) {
		w->lo = result;
		w->hi = w->hi ? w->hi + result : end_of(sp, result);
	}
	range_changed(sp, w);
	range_changed(sp,
		      &(struct watch){ .lo = w->also_lo, .hi = w->also_hi });
	space_look(sp);
}

void call_end(struct translator *tr, struct thread *th, struct space *sp,
	      struct watch *w)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);
	uint64_t result = image ? *image_reg(image, IMAGE_RAX) : 0;

	if (image && w->way == WATCH_NATIVE)
		map_changed(sp, low, w, result);
	if (image && w->way == WATCH_ACTION)
		sigtrap_set(th, &w->action, (int64_t)result);
	if (sp->outdated)
		process_flush(tr, sp);
}
