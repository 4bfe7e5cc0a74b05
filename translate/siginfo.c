#include "translate/siginfo.h"

#include <signal.h>

#include "target/target.h"
#include "translate/block.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

static bool siginfo_read(struct translator *tr, struct thread *low,
			 siginfo_t *si)
{
	const struct target_object_ops *object = tr->lower->ops->object;

	return object && object->read(tr->lower, low, OBJ_SIGINFO, 0, si,
				      sizeof(*si)) == sizeof(*si);
}

bool siginfo_trapped(struct translator *tr, struct thread *low,
		     const struct space *sp, uint64_t pc)
{
	const struct trail *tl = trails_at(sp->trails, pc - 1);
	siginfo_t si;

	if (!tl || !siginfo_read(tr, low, &si))
		return false;
	if (si.si_signo == SIGSTOP && si.si_code <= 0)
		return trail_is_stopped(tl, pc);
	return si.si_signo == SIGTRAP && si.si_code == SI_KERNEL &&
	       trail_knows(tl, pc - 1);
}

bool siginfo_is_fault(struct translator *tr, struct thread *low)
{
	siginfo_t si;

	return siginfo_read(tr, low, &si) && si.si_code > 0;
}

void siginfo_mend_call(struct translator *tr, struct thread *low,
		       struct follow *f)
{
	uint8_t *image = follow_image(tr, low, false);
	siginfo_t si;

	if (!image || !siginfo_read(tr, low, &si) ||
	    !space_region_at(f->space, (uintptr_t)si.si_call_addr))
		return;
	si.si_call_addr = (void *)(uintptr_t)*image_reg(image, IMAGE_RIP);
	tr->lower->ops->object->write(tr->lower, low, OBJ_SIGINFO, 0, &si,
				      sizeof(si));
}

bool siginfo_misses_bytes(struct translator *tr, struct thread *low,
			  struct follow *f)
{
	uint8_t *image = follow_image(tr, low, false);
	struct block *b = NULL;
	siginfo_t si;

	if (image)
		b = block_find(f->space, *image_reg(image, IMAGE_RIP));
	if (!b || !(b->flags & BLOCK_CHECKED) || !siginfo_read(tr, low, &si) ||
	    si.si_code <= 0 || (uintptr_t)si.si_addr - b->pc >= b->length)
		return false;
	block_drop(f->space, b);
	return true;
}
