#include "translate/inspect.h"

#include <errno.h>

#include "translate/block.h"
#include "translate/exclude.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/redirects.h"

static const struct block *block_with(const struct space *sp, uint64_t pc)
{
	const struct block *b = block_find(sp, pc);

	if (b)
		return b;
	for (unsigned i = 0; i < sp->n_regions; i++) {
		const struct region *rg = sp->regions[i];

		for (uint32_t n = 1; n < rg->n_blocks; n++) {
			b = &rg->blocks[n];
			if (!(b->flags & (BLOCK_DEAD | BLOCK_STEPPED)) &&
			    pc - b->pc < b->length)
				return b;
		}
	}
	return NULL;
}

/* Blocks lie one behind the other, and chains of them are padded. */
static uint32_t code_end(const struct region *rg, const struct block *b)
{
	uint32_t end = stream_at(&rg->hot);

	if (b->entry >= rg->cold.start)
		end = stream_at(&rg->cold);
	for (uint32_t n = 1; n < rg->n_blocks; n++) {
		uint32_t other = rg->blocks[n].entry;

		if (other > b->entry && other < end)
			end = other;
	}
	while (end > b->entry + 1 && rg->map[end - 1] == 0xcc)
		end--;
	return end;
}

static unsigned flags_of(struct space *sp, const struct block *b)
{
	return (b->flags & BLOCK_CHECKED ? CODE_CHECKED : 0u) |
	       (b->flag_at ? CODE_GATED : 0u) |
	       (is_excluded(sp, b->pc) ? CODE_EXCLUDED : 0u) |
	       (redirect_is_at(sp, b->pc) ? CODE_REDIRECTED : 0u);
}

int translate_inspect(struct target *t, struct process *p, uint64_t pc,
		      struct translate_code *out)
{
	struct space *sp = space_of(p);
	const struct block *b = sp ? block_with(sp, pc) : NULL;
	const struct region *rg;

	(void)t;
	if (!b)
		return sp ? -ENOENT : -EINVAL;
	rg = sp->regions[b->region];
	block_record(sp, b, &out->block);
	out->flags = flags_of(sp, b);
	out->cache = block_cpc(sp, b);
	out->code = rg->map + b->entry;
	out->code_length = code_end(rg, b) - b->entry;
	return 0;
}

bool translate_thread_state(const struct thread *th,
			    struct translate_thread *out)
{
	const struct follow *f = follow_of(th);

	if (!f)
		return false;
	*out = (struct translate_thread){
		.in_cache = f->in_cache,
		.native = f->wait != WAIT_NONE || f->excluded ||
			  f->space->inactive,
		.depth = f->depth,
	};
	return true;
}
