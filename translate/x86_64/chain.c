/* What is written in a chain is noted, so that it can be saved. */
#include "base/mem.h"
#include "translate/x86_64/save.h"

void chain_begin(struct writer *w, bool own)
{
	struct region *rg = w->rg;

	w->sp->saving =
		!own && saved_may(w->sp) && w->sp->layout.size <= RELOC_AT;
	w->sp->chain = (struct chain){
		.hot.from = stream_at(&rg->hot),
		.cold.from = stream_at(&rg->cold),
		.blocks.from = rg->n_blocks,
		.sites.from = rg->n_sites,
		.caches.from = rg->n_caches,
		.relocs.from = rg->n_relocs,
	};
}

void chain_spoil(struct space *sp)
{
	sp->saving = false;
}

void chain_end(struct writer *w)
{
	struct region *rg = w->rg;
	struct chain *ch = &w->sp->chain;

	if (!w->sp->saving) {
		rg->n_relocs = ch->relocs.from;
		return;
	}
	w->sp->saving = false;
	ch->hot.to = stream_at(&rg->hot);
	ch->cold.to = stream_at(&rg->cold);
	ch->blocks.to = rg->n_blocks;
	ch->sites.to = rg->n_sites;
	ch->caches.to = rg->n_caches;
	ch->relocs.to = rg->n_relocs;
	GROW(rg->chains, rg->n_chains, rg->cap_chains, 256);
	rg->chains[rg->n_chains++] = *ch;
}

void chain_reloc(struct writer *w, enum reloc_kind kind, uint32_t at)
{
	struct region *rg = w->rg;

	if (!w->sp || !w->sp->saving)
		return;
	GROW(rg->relocs, rg->n_relocs, rg->cap_relocs, 2048);
	rg->relocs[rg->n_relocs++] = (uint32_t)kind << RELOC_SHIFT | at;
}

void chain_tail(struct writer *w, uint32_t landing, uint64_t pc)
{
	w->sp->chain.tail = landing;
	w->sp->chain.tail_pc = pc;
}

void chains_reset(struct region *rg)
{
	rg->n_chains = rg->n_relocs = 0;
}
