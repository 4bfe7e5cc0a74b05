/* The pointer of 64 bits is two registers, as a debugger sees it. */
#include "translate/x87.h"

#include "translate/cache.h"
#include "translate/follow.h"
#include "translate/layer.h"

static uint32_t *register_32(struct thread *th, unsigned regno)
{
	return (uint32_t *)(void *)(th->regs +
				    th->proc->arch->regs[regno].packed_at);
}

/* True: it was in the cache. */
static bool place(const struct translator *tr, const struct space *sp,
		  struct thread *th)
{
	uint32_t *hi = register_32(th, tr->fiseg);
	uint32_t *lo = register_32(th, tr->fioff);
	uint64_t cpc = (uint64_t)*hi << 32 | *lo;
	const struct trail *tl = trails_at(sp->trails, cpc);
	struct mark m;

	if (!tl || !trail_mark(tl, (uint32_t)(cpc - tl->addr), &m))
		return false;
	*hi = (uint32_t)(m.pc >> 32);
	*lo = (uint32_t)m.pc;
	return true;
}

void x87_show(const struct translator *tr, struct thread *th)
{
	place(tr, follow_of(th)->space, th);
}

void x87_settle(struct translator *tr, const struct space *sp,
		struct thread *low)
{
	if (!low->blocked &&
	    target_regs_fetch(tr->lower, low, REGSET_EXTENDED) >= 0 &&
	    place(tr, sp, low))
		low->dirty |= 1u << REGSET_EXTENDED;
}
