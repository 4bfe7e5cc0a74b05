/* Collectors: which there are, what a record of theirs holds, and where it is
 * written. */
#include "translate/collects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/program.h"
#include "base/mem.h"
#include "translate/block.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/x86_64/expression.h"
#include "translate/x86_64/window.h"

/* --- rings ---------------------------------------------------------------- */

static void set(struct space *sp, int window, uint32_t slot, uint64_t v)
{
	memcpy(window_page(sp, window) + slot, &v, sizeof(v));
}

void collect_begin(struct space *sp, int window)
{
	if (!sp->collect)
		return;
	set(sp, window, WIN_COLLECT_RING,
	    sp->collect_addr + (uint64_t)window * COLLECT_STRIDE);
	set(sp, window, WIN_COLLECT_HEAD, 0);
	set(sp, window, WIN_COLLECT_LOST, 0);
	set(sp, window, WIN_COLLECT_LIMIT, COLLECT_RING);
}

static bool map_rings(struct space *sp)
{
	if (sp->collect)
		return true;
	sp->collect = space_map(sp, "tracestub-collected", COLLECT_SPACE,
				COLLECT_STRIDE, &sp->collect_addr, NULL);
	for (unsigned i = 0; sp->collect && i < sp->trails->n_windows; i++) {
		if (sp->windows_used[i])
			collect_begin(sp, (int)i);
	}
	return sp->collect;
}

/* --- what a record holds -------------------------------------------------- */

/* False: there are too many. */
static bool place_add(struct collector *c, unsigned item, uint32_t length,
		      bool has_address, size_t insn)
{
	uint64_t size = (uint64_t)length + 8 * has_address;

	if (c->n_places == COLLECT_PARTS || size > COLLECT_MOST)
		return false;
	c->places[c->n_places++] = (struct collect_place){
		.item = (uint8_t)item,
		.has_address = has_address,
		.insn = (uint16_t)insn,
		.at = c->size,
		.length = length,
	};
	c->size += (uint32_t)(size + 7) & ~7u;
	return c->size <= COLLECT_MOST;
}

/* The last one is for an error of the expression's own. */
static bool places_of_traces(struct collector *c, unsigned item)
{
	const struct ax_program *p = c->spec.items[item].code;

	for (size_t n = 0; n < p->n_insns; n++) {
		uint64_t length = p->insns[n].depth == AX_DEAD
					  ? 0
					  : expression_trace(p, n);

		if (length > COLLECT_MOST ||
		    (length && !place_add(c, item, (uint32_t)length, true, n)))
			return false;
	}
	return place_add(c, item, 0, false, 0);
}

/* The arguments, the last one first, and the strings in their own order. */
static uint32_t printed(const struct ax_format *f)
{
	return 8 * format_args(f) + COLLECT_STRING * format_strings(f);
}

static bool places_of_prints(struct collector *c, unsigned item)
{
	const struct ax_program *p = c->spec.items[item].code;

	for (size_t n = 0; n < p->n_insns; n++) {
		if (expression_prints(p, n) &&
		    !place_add(c, item, printed(p->formats[p->insns[n].imm]),
			       false, n))
			return false;
	}
	return place_add(c, item, 0, false, 0);
}

static bool places_of(struct collector *c, unsigned item)
{
	const struct collect_item *i = &c->spec.items[item];

	switch (i->what) {
	case COLLECT_REGISTERS:
		return place_add(
			c, item,
			8 * (unsigned)__builtin_popcountll(i->registers), false,
			0);
	case COLLECT_MEMORY:
		return place_add(c, item, i->length, true, 0);
	case COLLECT_VALUE:
		return place_add(c, item, 8, false, 0);
	case COLLECT_PRINTS:
		return places_of_prints(c, item);
	default:
		return places_of_traces(c, item);
	}
}

static bool plan(struct collector *c)
{
	c->size = sizeof(struct collect_record);
	for (unsigned i = 0; i < c->spec.n_items; i++) {
		if (!places_of(c, i))
			return false;
	}
	return collect_fits(c);
}

/* --- which there are ------------------------------------------------------ */

bool collector_is_at(const struct space *sp, uint64_t pc)
{
	return sp->collected.count && map_find(&sp->collected, pc + 1);
}

struct collector *collector_next(const struct space *sp, uint64_t pc,
				 const struct collector *after)
{
	struct collector *c;

	if (!after)
		return map_find(&sp->collected, pc + 1);
	for (c = list_entry(after->node.next, struct collector, node);
	     &c->node != &sp->collectors;
	     c = list_entry(c->node.next, struct collector, node)) {
		if (c->spec.pc == pc)
			return c;
	}
	return NULL;
}

struct collector *collector_new(struct space *sp,
				const struct collect_spec *spec)
{
	struct collector *c = xcalloc(1, sizeof(*c));
	size_t size = spec->n_items * sizeof(*spec->items);
	struct collect_item *items = xmalloc(size + 1);

	memcpy(items, spec->items, size);
	c->space = sp;
	c->spec = *spec;
	c->spec.items = items;
	c->number = ++sp->tr->last_collector;
	return c;
}

static void collector_free(struct collector *c)
{
	list_drop(&c->node);
	free((void *)(uintptr_t)c->spec.items);
	free(c);
}

void collectors_free(struct space *sp)
{
	struct collector *c, *next;

	list_each_safe(c, next, &sp->collectors, node) {
		sp->tr->n_collectors--;
		collector_free(c);
	}
	list_each_safe(c, next, &sp->ruled, node) {
		sp->tr->n_collectors--;
		collector_free(c);
	}
	list_each_safe(c, next, &sp->dropped, node)
		collector_free(c);
	map_fini(&sp->collected);
	map_fini(&sp->by_number);
	if (sp->collect)
		munmap(sp->collect, COLLECT_SPACE);
}

/* Whoever else has some makes new ones for each space. */
void collectors_take(struct space *sp, struct list *out)
{
	struct collector *c, *next;

	list_init(out);
	list_each_safe(c, next, &sp->collectors, node) {
		if (c->user)
			continue;
		list_drop(&c->node);
		list_add(out, &c->node);
		sp->tr->n_collectors--;
	}
}

void collectors_put(struct space *sp, struct list *from)
{
	struct collector *c, *next;

	list_each_safe(c, next, from, node) {
		if (!sp) {
			collector_free(c);
			continue;
		}
		list_drop(&c->node);
		c->space = sp;
		c->n_places = 0;
		collector_add(sp, c);
	}
}

static void begin(struct space *sp, struct collector *c, struct list *in)
{
	c->compiled = plan(c) && map_rings(sp);
	list_add(in, &c->node);
	map_set(&sp->by_number, (uint64_t)c->number, c);
	sp->tr->n_collectors++;
}

void collector_add(struct space *sp, struct collector *c)
{
	begin(sp, c, &sp->collectors);
	if (!collector_is_at(sp, c->spec.pc))
		map_set(&sp->collected, c->spec.pc + 1, c);
	blocks_drop(sp, c->spec.pc, c->spec.pc + 1);
}

static void end(struct space *sp, struct collector *c)
{
	c->dropped = true;
	map_drop(&sp->by_number, (uint64_t)c->number);
	list_drop(&c->node);
	list_add(&sp->dropped, &c->node);
	sp->tr->n_collectors--;
}

void collector_drop(struct space *sp, struct collector *c)
{
	struct collector *next;

	if (map_find(&sp->collected, c->spec.pc + 1) == c) {
		next = collector_next(sp, c->spec.pc, c);
		map_drop(&sp->collected, c->spec.pc + 1);
		if (next)
			map_set(&sp->collected, c->spec.pc + 1, next);
	}
	end(sp, c);
	blocks_drop(sp, c->spec.pc, c->spec.pc + 1);
}

struct collector *collector_of_rule(struct space *sp,
				    const struct collect_spec *rule)
{
	struct collector *c;

	list_each(c, &sp->ruled, node) {
		if (c->rule == rule)
			return c;
	}
	c = collector_new(sp, rule);
	c->rule = rule;
	begin(sp, c, &sp->ruled);
	return c;
}

void collectors_end_rules(struct space *sp)
{
	struct collector *c, *next;

	if (list_empty(&sp->ruled))
		return;
	translate_collect_drain(&sp->tr->t);
	list_each_safe(c, next, &sp->ruled, node)
		end(sp, c);
}

/* --- what is asked of it -------------------------------------------------- */

static bool is_item(const struct collect_item *i)
{
	switch (i->what) {
	case COLLECT_REGISTERS:
		return i->registers;
	case COLLECT_MEMORY:
		return i->length && i->length <= COLLECT_LARGE;
	case COLLECT_VALUE:
	case COLLECT_TRACES:
	case COLLECT_PRINTS:
		return i->code;
	default:
		return false;
	}
}

static bool is_spec(const struct collect_spec *spec)
{
	for (unsigned i = 0; i < spec->n_items; i++) {
		if (!is_item(&spec->items[i]))
			return false;
	}
	return true;
}

int translate_collect_add(struct target *t, struct process *p,
			  const struct collect_spec *spec, bool *compiled)
{
	struct translator *tr = translator_of(t);
	struct space *sp = space_of(p);
	struct collector *c;

	if (!sp || !is_spec(spec) || list_empty(&p->threads))
		return -EINVAL;
	if (tr->calling)
		return -EBUSY;
	c = collector_new(sp, spec);
	translator_pause(tr);
	sp->by = lower_thread(list_entry(p->threads.next, struct thread, node));
	collector_add(sp, c);
	translator_unpause(tr, NULL);
	if (compiled)
		*compiled = c->compiled;
	return c->number;
}

int translate_collect_drop(struct target *t, struct process *p, int number)
{
	struct space *sp = space_of(p);
	struct collector *c =
		sp && number > 0 ? map_find(&sp->by_number, (uint64_t)number)
				 : NULL;

	if (!c)
		return -ENOENT;
	translate_collect_drain(t);
	collector_drop(sp, c);
	return 0;
}

void translate_on_collect(struct target *t, collect_fn *fn, void *user)
{
	translator_of(t)->collect = fn;
	translator_of(t)->collect_user = user;
}
