/* Loads in translated code that are not the program's: an expression's. */
#include <signal.h>

#include "base/mem.h"
#include "base/search.h"
#include "translate/layer.h"
#include "translate/siginfo.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

void region_fault(struct region *rg, uint32_t at, uint32_t to)
{
	uint32_t i;

	GROW(rg->faults, rg->n_faults, rg->cap_faults, 64);
	for (i = rg->n_faults++; i && rg->faults[i - 1].at > at; i--)
		rg->faults[i] = rg->faults[i - 1];
	rg->faults[i] = (struct fault){ at, to };
}

uint32_t region_fault_at(const struct region *rg, uint32_t at)
{
	size_t n = SEARCH_FIRST(rg->n_faults, i, rg->faults[i].at >= at);

	return n < rg->n_faults && rg->faults[n].at == at ? rg->faults[n].to
							  : 0;
}

bool follow_passes_fault(struct translator *tr, struct thread *low,
			 struct follow *f)
{
	uint8_t *image = follow_image(tr, low, false);
	const struct region *rg;
	uint32_t to;

	if (!image)
		return false;
	rg = space_region_at(f->space, *image_reg(image, IMAGE_RIP));
	to = rg ? region_fault_at(rg, (uint32_t)(*image_reg(image, IMAGE_RIP) -
						 rg->addr))
		: 0;
	if (!to || !siginfo_is_fault(tr, low))
		return false;
	tr->stats.conditions_failed++;
	image = follow_image(tr, low, true);
	*image_reg(image, IMAGE_RIP) = rg->addr + to;
	follow_go(tr, low, RESUME_CONT, 0);
	return true;
}
