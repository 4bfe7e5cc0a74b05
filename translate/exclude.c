#include "translate/exclude.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/target.h"
#include "translate/block.h"
#include "translate/follow.h"
#include "translate/ring.h"
#include "translate/x86_64/callee.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

enum exclusion exclusion_of(struct space *sp, uint64_t pc)
{
	uint32_t module;

	if (sp->reaching)
		return INCLUDED;
	for (unsigned i = sp->n_excluded; i--;) {
		const struct excluded *x = &sp->excluded[i];

		if (pc - x->lo < x->hi - x->lo)
			return x->transparent ? EXCLUDED_TRANSPARENTLY
					      : EXCLUDED;
	}
	if (!sp->tr->n_rules)
		return INCLUDED;
	module = module_at(sp, pc);
	return module ? sp->modules[module - 1].excluded : INCLUDED;
}

struct module_rule {
	char *glob;
	enum exclusion how;
};

static bool matches(const char *glob, const char *path)
{
	const char *slash = strrchr(path, '/');

	return fnmatch(glob, path, 0) == 0 ||
	       (slash && fnmatch(glob, slash + 1, 0) == 0);
}

enum exclusion exclude_module(const struct translator *tr, const char *path)
{
	for (unsigned i = tr->n_rules; i--;) {
		if (matches(tr->rules[i].glob, path))
			return tr->rules[i].how;
	}
	return INCLUDED;
}

void exclude_fini(struct translator *tr)
{
	for (unsigned i = 0; i < tr->n_rules; i++)
		free(tr->rules[i].glob);
	free(tr->rules);
}

bool exclude_returns_to(const struct space *sp, uint64_t pc)
{
	return map_find(&sp->returns, pc + 1);
}

/* Is there a call right before it, in code that is followed, and code behind?
 * Who is in excluded code and translated stays so: main() comes from there.
 * What cannot return has hlt there: it is how _start calls libc, which calls
 * main. */
static bool is_behind_call(struct space *sp, struct thread *low, uint64_t pc)
{
	const struct map_range *r = space_find(sp, pc);
	uint8_t b[8];

	if (!r || !(r->flags & RANGE_X) || is_excluded(sp, pc) ||
	    target_read_all(sp->tr->lower, low->proc, pc - 7, b, 8) < 0 ||
	    b[7] == 0xf4)
		return false;
	if (b[2] == 0xe8)
		return true;
	/* ff /2, by its lengths; a prefix does not matter */
	for (unsigned at = 0; at < 6; at++) {
		if (b[at] == 0xff && (b[at + 1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

static bool catch_return(struct space *sp, struct thread *low, uint64_t pc)
{
	if (exclude_returns_to(sp, pc))
		return true;
	if (point_find(low->proc, POINT_SW, pc, 1) ||
	    target_point_set(sp->tr->lower, low->proc, POINT_SW, pc, 1, NULL) <
		    0)
		return false;
	map_set(&sp->returns, pc + 1, sp);
	return true;
}

bool exclude_enter(struct translator *tr, struct thread *low, struct space *sp)
{
	uint64_t stack, pc;

	if (target_reg_u64(tr->lower, low, low->proc->arch->sp, &stack) < 0 ||
	    target_read_all(tr->lower, low->proc, stack, &pc, 8) < 0 ||
	    !is_behind_call(sp, low, pc) || !catch_return(sp, low, pc))
		return false;
	tr->stats.excluded_calls++;
	return true;
}

void exclude_end(struct space *sp, struct process *up)
{
	const struct map *m = &sp->returns;

	for (size_t i = 0; m->slots && i <= m->mask; i++) {
		uint64_t pc = m->slots[i].key - 1;

		if (m->slots[i].key && !point_find(up, POINT_SW, pc, 1))
			target_point_clear(sp->tr->lower, lower_process(up),
					   POINT_SW, pc, 1);
	}
}

bool exclude_is_native(struct space *sp, uint64_t pc)
{
	switch (exclusion_of(sp, pc)) {
	case EXCLUDED:
		return callee_is_noted(sp, pc) &&
		       callee_at(sp, pc) == CALLEE_PLAIN;
	case EXCLUDED_TRANSPARENTLY:
		return !map_find(&sp->anyway, pc + 1) &&
		       callee_at(sp, pc) != CALLEE_CALLS;
	default:
		return false;
	}
}

void exclude_not(struct space *sp, const struct stub *stub)
{
	struct block *b = block_find(sp, stub->pc);

	if (b && exclude_is_native(sp, stub->pc))
		block_replace(sp, b, stub->arg);
	map_set(&sp->anyway, stub->pc + 1, sp);
}

/* --- calls under way in the cheap form ------------------------------------ */

/* As far as events tell it has returned; now it will tell of that itself. */
static void leave_depth(struct translator *tr, struct thread *low,
			struct follow *f)
{
	struct thread *th = upper_thread(tr, low);

	if (!th || !(ring_kinds(f->space) & EVENT_RET))
		return;
	ring_drain(tr, th, true);
	f->depth++;
}

void exclude_settle(struct translator *tr, struct thread *low, struct follow *f)
{
	uint8_t *window = window_page(f->space, f->window);
	uint64_t stack, pc;

	if (!rewind_excluded(window, &stack, &pc))
		return;
	memset(window + WIN_EXCLUDED, 0, 8);
	target_write(tr->lower, low->proc, stack, &pc, 8);
	tr->stats.excluded_settled++;
	leave_depth(tr, low, f);
}

/* A word of the thread's, of which lo..hi is in what is read or written. */
static void show_word(struct process *up, const struct follow *f, uint64_t addr,
		      uint8_t *buf, size_t len, bool read)
{
	uint8_t *window = window_page(f->space, f->window);
	uint64_t stack, pc, in_memory;
	bool pending = rewind_excluded(window, &stack, &pc);
	uint64_t lo = stack > addr ? stack : addr;
	uint64_t hi = stack + 8 < addr + len ? stack + 8 : addr + len;
	uint8_t *word = window + WIN_RETURNS;

	if (!pending || lo >= hi)
		return;
	if (read) {
		memcpy(buf + (lo - addr), word + (lo - stack), hi - lo);
		return;
	}
	if (target_read_all(f->space->tr->lower, lower_process(up), stack,
			    &in_memory, 8) < 0)
		return;
	memcpy(word + (lo - stack), buf + (lo - addr), hi - lo);
	memcpy(buf + (lo - addr), (uint8_t *)&in_memory + (lo - stack),
	       hi - lo);
}

void exclude_show(struct process *up, uint64_t addr, void *buf, size_t len,
		  bool read)
{
	struct thread *th;

	list_each(th, &up->threads, node) {
		if (follow_of(th))
			show_word(up, follow_of(th), addr, buf, len, read);
	}
}

/* --- what is asked of it ------------------------------------------------- */

int translate_exclude(struct target *t, struct process *p, uint64_t lo,
		      uint64_t hi, bool transparent)
{
	struct space *sp = space_of(p);

	if (!sp || lo >= hi)
		return -EINVAL;
	sp->excluded = xrealloc(sp->excluded,
				(sp->n_excluded + 1) * sizeof(*sp->excluded));
	sp->excluded[sp->n_excluded++] =
		(struct excluded){ lo, hi, transparent };
	/* Other code comes from there without a record. */
	if (sp->flow)
		process_drop_code(translator_of(t), sp);
	blocks_drop(sp, lo, hi);
	return 0;
}

int translate_include(struct target *t, struct process *p, uint64_t lo,
		      uint64_t hi)
{
	struct space *sp = space_of(p);

	(void)t;
	for (unsigned i = sp ? sp->n_excluded : 0; i--;) {
		struct excluded *x = &sp->excluded[i];

		if (x->lo != lo || x->hi != hi)
			continue;
		memmove(x, x + 1, (--sp->n_excluded - i) * sizeof(*x));
		blocks_drop(sp, lo, hi);
		return 0;
	}
	return -ENOENT;
}

static void exclude_again(const struct translator *tr, struct space *sp)
{
	for (uint32_t i = 0; i < sp->n_modules; i++) {
		struct translate_module *m = &sp->modules[i];
		enum exclusion now = exclude_module(tr, m->path);

		if (m->excluded != now)
			blocks_drop(sp, m->base, m->base + m->size);
		m->excluded = now;
	}
}

/* The last of all from now on. */
static int rule_set(struct translator *tr, const char *glob, enum exclusion how)
{
	unsigned i = 0;

	while (i < tr->n_rules && strcmp(tr->rules[i].glob, glob))
		i++;
	if (i == TRANSLATE_GLOBS_MAX)
		return -ENOSPC;
	if (i < tr->n_rules) {
		free(tr->rules[i].glob);
		memmove(tr->rules + i, tr->rules + i + 1,
			(--tr->n_rules - i) * sizeof(*tr->rules));
	}
	tr->rules = xrealloc(tr->rules, (tr->n_rules + 1) * sizeof(*tr->rules));
	tr->rules[tr->n_rules++] = (struct module_rule){ xstrdup(glob), how };
	return 0;
}

int translate_exclude_modules(struct target *t, const char *glob,
			      enum exclusion how)
{
	struct translator *tr = translator_of(t);
	int r = rule_set(tr, glob, how);
	struct process *p;

	list_each(p, &t->processes, node) {
		if (r == 0 && space_of(p) && space_of(p)->flow)
			process_drop_code(tr, space_of(p));
		if (r == 0 && space_of(p))
			exclude_again(tr, space_of(p));
	}
	return r;
}
