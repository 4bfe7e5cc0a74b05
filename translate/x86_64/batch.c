/*
 * A batch: the block that is wanted, what it falls through to, and where their
 * direct branches and calls lead, breadth first, until the budget is spent.
 * What was run before (hints.h) has a budget of its own, and where that is
 * known nothing else is looked at.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "translate/block.h"
#include "translate/exclude.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

/* What only other commands have run is known where it is met, and not before.
 */
static struct asked *ask(struct compiler *c, uint64_t pc)
{
	struct asked *a = &c->asked[(pc ^ pc / ASKED) % ASKED];

	if (!a->is_there || a->pc != pc)
		*a = (struct asked){
			.pc = pc,
			.hint = (uint8_t)hints_ask(c->sp, pc),
			.is_there = true,
		};
	return a;
}

static enum hint hint_of(const struct compiler *c, const struct asked *a)
{
	if (a->hint == HINT_APART)
		return c->is_apart ? HINT_OTHERS : HINT_NEW;
	return a->hint;
}

enum hint compiler_ask(struct compiler *c, uint64_t pc)
{
	return hint_of(c, ask(c, pc));
}

/* How many blocks like that may still be translated. */
unsigned *compiler_budget(struct compiler *c, enum hint hint)
{
	return hint_is_known(hint) ? &c->known_budget : &c->budget;
}

/* In the close batches, what there is no budget for comes later. */
void compiler_queue(struct compiler *c, uint64_t pc)
{
	struct asked *a = ask(c, pc);
	enum hint hint = hint_of(c, a);

	if (a->queued == c->queued || c->n_todo >= TODO_MAX ||
	    (!*compiler_budget(c, hint) &&
	     !(c->is_close && hint_is_known(hint))))
		return;
	a->queued = c->queued;
	if (block_find(c->sp, pc))
		return;
	GROW(c->todo, c->n_todo, c->cap_todo, 64);
	c->todo[c->n_todo++] = pc;
}

/* Code for pc may be there then. */
static bool begin(struct compiler *c, uint64_t pc)
{
	struct region *rg = space_region(c->sp, pc, NULL);

	if (!rg || !region_has_room(rg))
		return false;
	c->w.rg = rg;
	c->w.s = &rg->hot;
	saved_come(c, pc);
	return true;
}

/* Returns have their landings before what is called can be reached: of two that
 * share a slot the right one is there. */
void compiler_publish(struct compiler *c)
{
	blocks_settle(c->sp);
	for (size_t i = 0; i < c->n_landings; i++) {
		const struct landing *l = &c->landings[i];

		if (i + FETCH_AHEAD < c->n_landings)
			landing_fetch(c->sp, true, l[FETCH_AHEAD].pc);
		if (l->cpc)
			landing_set(c->sp, true, l->pc, l->cpc);
		else
			landing_forget(c->sp, l->pc);
	}
	c->n_landings = 0;
	blocks_publish(c->sp);
}

static void finish(struct compiler *c)
{
	compiler_publish(c);
	c->sp->in_batch = false;
	free(c->todo);
	table_free(c->landings, c->cap_landings * sizeof(*c->landings));
	free(c->ahead);
}

static bool is_full(const struct space *sp)
{
	return sp->n_pairs[0] > TAB_ALL_USED || sp->n_pairs[1] > TAB_ALL_USED;
}

/* The cache was used up once. */
static bool is_pressed(const struct space *sp)
{
	return sp->n_evicted >= sp->max_regions;
}

/* What may never run is not worth what it evicts. Where something is known, it
 * is known to run. */
static void set_budgets(struct compiler *c, uint64_t pc)
{
	bool pressed = is_pressed(c->sp);

	c->is_apart = hints_ask(c->sp, pc) == HINT_APART;
	c->is_close = !pressed && hints_are_close(c->sp, pc) &&
		      hint_is_own(compiler_ask(c, pc));
	c->budget = pressed ? BATCH_PRESSED : BATCH_MAX;
	c->known_budget = pressed	? BATCH_PRESSED
			  : c->is_close ? BATCH_CLOSE
					: BATCH_KNOWN;
	if (hint_is_known(compiler_ask(c, pc)))
		c->budget = 0;
}

/* What is left of the queue is for the batches to come. */
static void put_off(struct compiler *c, size_t first)
{
	struct space *sp = c->sp;

	for (size_t i = first; c->is_close && i < c->n_todo; i++) {
		if (sp->n_later == LATER_MAX)
			break;
		if (!sp->later)
			sp->later = xmalloc(LATER_MAX * sizeof(*sp->later));
		sp->later[sp->n_later++] = c->todo[i];
	}
	c->n_todo = 0;
	c->queued++;
}

static void write_queue(struct compiler *c)
{
	size_t i;

	for (i = 0; i < c->n_todo && (c->budget || c->known_budget); i++) {
		uint64_t pc = c->todo[i];

		if (*compiler_budget(c, compiler_ask(c, pc)) &&
		    !block_find(c->sp, pc) && begin(c, pc) &&
		    !block_find(c->sp, pc))
			chain_write(c, pc, false);
	}
	put_off(c, i);
}

/* The last comes first: what it leads to lies near. */
static void write_later(struct compiler *c)
{
	while (c->is_close && c->known_budget && c->sp->n_later) {
		uint64_t pc = c->sp->later[--c->sp->n_later];

		if (is_excluded(c->sp, pc))
			continue;
		compiler_queue(c, pc);
		write_queue(c);
	}
}

/* A block for each, be the budget spent. Excluded code is looked at once it is
 * called. */
static size_t write_some_met(struct compiler *c, uint64_t pc, uint64_t *met)
{
	size_t n = 0;

	while (n < BATCH_MET && hints_next_met(c->sp, pc, &met[n])) {
		if (is_excluded(c->sp, met[n]) ||
		    !hint_is_own(compiler_ask(c, met[n])))
			continue;
		c->known_budget += !c->known_budget;
		if (!block_find(c->sp, met[n]) && begin(c, met[n]) &&
		    !block_find(c->sp, met[n]))
			chain_write(c, met[n], false);
		n++;
	}
	return n;
}

/* True: there may be more. */
static bool land_some_met(struct compiler *c, uint64_t pc)
{
	uint64_t met[BATCH_MET];
	size_t n = write_some_met(c, pc, met);
	struct block *b;

	write_queue(c);
	compiler_publish(c);
	for (size_t i = 0; i < n; i++) {
		b = block_find(c->sp, met[i]);
		if (b && !b->indirect_landing)
			compile_landing(c->sp, b, false);
	}
	return n == BATCH_MET;
}

/*
 * Where indirect branches of any code go is not seen by looking ahead. With the
 * first known code of a file, and the next, comes what they were known to go to
 * in it, and its landings. Of pairs that are made for nothing there may be so
 * many that they are half of the table.
 */
static void write_met(struct compiler *c, uint64_t pc)
{
	if (!c->is_close)
		return;
	c->known_budget = BATCH_CLOSE;
	while (c->known_budget && c->sp->n_pairs[0] < TAB_ALL_USED / 2 &&
	       land_some_met(c, pc))
		;
}

struct block *compile(struct space *sp, uint64_t pc)
{
	struct compiler c = { .sp = sp, .w.sp = sp, .queued = 1 };
	struct block *b = block_find(sp, pc);

	if (b)
		return b;
	code_init(&c.reader, sp);
	c.has_points = process_has_points(sp);
	if (is_full(sp))
		return NULL;
	sp->in_batch = true;
	set_budgets(&c, pc);
	if (begin(&c, pc)) {
		if (!block_find(sp, pc))
			chain_write(&c, pc, false);
		write_queue(&c);
		write_met(&c, pc);
		write_later(&c);
	}
	finish(&c);
	return block_find(sp, pc);
}

struct block *compile_behind(struct space *sp,
			     const struct compile_start *start)
{
	struct compiler c = {
		.sp = sp,
		.w.sp = sp,
		.budget = 1,
		.queued = 1,
		.at_point = start->at_point,
		.watched = start->watched,
		.done = start->puts,
	};
	uint32_t first;

	code_init(&c.reader, sp);
	c.has_points = process_has_points(sp);
	sp->in_batch = true;
	if (!begin(&c, start->pc)) {
		finish(&c);
		return NULL;
	}
	first = c.w.rg->index << REF_SHIFT | c.w.rg->n_blocks;
	chain_write(&c, start->pc, true);
	finish(&c);
	return block_at(sp, first);
}
