/*
 * Which code is saved, and when: it is read where a process first runs code of
 * the file, and written when its cache goes, if it has grown by one part in 64.
 */
#include "translate/saved.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "target/target.h"
#include "translate/exclude.h"
#include "translate/hints.h"
#include "translate/layer.h"
#include "translate/redirects.h"
#include "translate/ring.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/save.h"
#include "translate/x86_64/section.h"

#define PAGE	UINT64_C(4096)
#define GROWTH	64
#define LEAST	64     /* blocks that are new */
#define MOST	250000 /* ... and old */
#define FOUR_GB (UINT64_C(1) << 32)

bool saved_may(const struct space *sp)
{
	const struct translator *tr = sp->tr;

	return tr->hints_dir && tr->saves && sp->mode == MODE_NONE &&
	       !sp->flow && !ring_kinds(sp) && !tr->transform &&
	       !tr->observed && !redirects(sp) && !sp->n_probes &&
	       !sp->collected.count && !sp->n_excluded && !tr->n_rules &&
	       !checks(sp) && !sp->wide && !sp->inactive && !sp->leaving &&
	       !(sp->by && process_has_points(sp));
}

static char *directory(const struct translator *tr)
{
	return xasprintf("%s/code", tr->hints_dir);
}

static char *file_name(const struct space *sp, uint32_t module)
{
	const struct module_hints *m = &sp->hints[module - 1];

	/* Copies of a file have one build ID. */
	return xasprintf("%s.%08x.%08x", m->of->id, sp->program,
			 (uint32_t)m->saved.file);
}

/* --- pages that have other bytes than the file ---------------------------- */

/* proc_pid_pagemap(5) */
#define IS_SWAPPED (UINT64_C(1) << 62)
#define IS_FILE	   (UINT64_C(1) << 61)
#define IS_PRESENT (UINT64_C(1) << 63)

static bool is_other(uint64_t entry)
{
	return entry & IS_SWAPPED || (entry & IS_PRESENT && !(entry & IS_FILE));
}

static void note_dirty(struct saved_module *m, const uint64_t *entries)
{
	uint64_t n = (m->hi - m->lo) / PAGE;

	for (uint64_t i = 0; i < n; i++) {
		if (!is_other(entries[i]))
			continue;
		if (!m->dirty)
			m->dirty = xcalloc(n / 8 + 1, 1);
		m->dirty[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

bool saved_is_dirty(const struct saved_module *m, uint64_t pc)
{
	uint64_t page = (pc - m->lo) / 4096;

	return pc < m->lo || pc >= m->hi ||
	       (m->dirty && m->dirty[page / 8] >> page % 8 & 1);
}

/* False: nobody can tell. */
static bool look_at_pages(struct space *sp, struct saved_module *m)
{
	const struct target_object_ops *ops = sp->tr->lower->ops->object;
	size_t bytes = (m->hi - m->lo) / PAGE * sizeof(uint64_t);
	uint64_t *entries = xmalloc(bytes);
	ssize_t n = -1;

	if (ops && sp->by)
		n = ops->read(sp->tr->lower, sp->by, OBJ_PAGEMAP,
			      m->lo / PAGE * sizeof(uint64_t), entries, bytes);
	if (n == (ssize_t)bytes)
		note_dirty(m, entries);
	free(entries);
	return n == (ssize_t)bytes;
}

/* --- a module ------------------------------------------------------------ */

/* Its code is one mapping, of a file's bytes that nobody writes to. */
static bool find_code(struct space *sp, const struct translate_module *t,
		      struct saved_module *m, uint64_t pc)
{
	const struct map_range *r = space_find(sp, pc);

	if (!r || (r->flags &
		   (RANGE_R | RANGE_W | RANGE_X | RANGE_FILE | RANGE_SHARE)) !=
			  (RANGE_R | RANGE_X | RANGE_FILE))
		return false;
	m->lo = r->lo;
	m->hi = r->hi;
	for (size_t i = 0; i < sp->maps.n; i++) {
		r = &sp->maps.all[i];
		if (r->lo >= t->base && r->hi <= t->base + t->size &&
		    r->flags & RANGE_X && r->lo != m->lo)
			return false;
	}
	return true;
}

static bool can_save(struct space *sp, uint32_t module, uint64_t pc)
{
	const struct translate_module *t = &sp->modules[module - 1];
	struct saved_module *m = &sp->hints[module - 1].saved;

	if (!saved_may(sp) || !sp->hints[module - 1].of ||
	    t->excluded != INCLUDED || t->size > INT32_MAX ||
	    !find_code(sp, t, m, pc))
		return false;
	m->file = section_file(sp, pc);
	return m->file && look_at_pages(sp, m);
}

static uint64_t fixed(uint64_t base)
{
	return base < FOUR_GB ? base : 0;
}

static bool open_file(struct space *sp, uint32_t module, struct saved *k)
{
	const struct saved_module *m = &sp->hints[module - 1].saved;
	uint64_t base = sp->modules[module - 1].base;
	char *dir = directory(sp->tr), *name = file_name(sp, module);
	bool good = saved_open(k, dir, name);

	if (good &&
	    (k->head->file != m->file || k->head->fixed != fixed(base))) {
		saved_close(k);
		good = false;
	}
	free(name);
	free(dir);
	return good;
}

void saved_come(struct compiler *c, uint64_t pc)
{
	struct space *sp = c->sp;
	uint32_t module = sp->tr->saves ? module_at(sp, pc) : 0;
	struct saved_module *m = module ? &sp->hints[module - 1].saved : NULL;
	struct saved k;
	uint32_t n;

	if (!m || m->tried || sp->is_forked)
		return;
	m->tried = true;
	m->off = !can_save(sp, module, pc) || blocks_touch(sp, m->lo, m->hi);
	if (m->off || !open_file(sp, module, &k))
		return;
	n = place_code(c, &k, module);
	/* Other modules may have come to be known. */
	m = &sp->hints[module - 1].saved;
	m->n_blocks = k.head->n[SAVED_BLOCKS];
	m->n_left = m->n_blocks - n;
	m->n_refused = k.head->refused;
	debug(SESSION, "saved code of %s: %u blocks of %u",
	      sp->modules[module - 1].path, n, m->n_blocks);
	saved_close(&k);
}

void saved_changed(struct space *sp, uint64_t lo, uint64_t hi)
{
	for (uint32_t i = 0; i < sp->n_modules; i++) {
		struct saved_module *m = &sp->hints[i].saved;

		m->off |= lo < m->hi && hi > m->lo;
	}
}

/* --- which --------------------------------------------------------------- */

static bool is_good(const struct saver *k, const struct block *b)
{
	const uint8_t never = BLOCK_DEAD | BLOCK_CHECKED | BLOCK_STEPPED;

	return !(b->flags & never) && b->module == k->module && b->length &&
	       b->length <= UINT16_MAX && !b->flag_at &&
	       !saved_is_dirty(k->of, b->pc) &&
	       !saved_is_dirty(k->of, b->pc + b->length - 1) &&
	       !map_find(&k->places, b->pc - k->base + 1);
}

/* Has it run, as far as it tells? */
static bool has_run(const struct region *rg, const struct block *b)
{
	return !b->slot || rg->map[b->slot];
}

/* Its first block was known to run, or known of others, and all of it has run:
 * then it is laid out as what runs is. */
bool saved_wants(const struct saver *k, const struct region *rg,
		 const struct chain *ch)
{
	unsigned flags = ch->blocks.from < ch->blocks.to
				 ? rg->blocks[ch->blocks.from].flags
				 : 0;
	bool ran = flags & BLOCK_HINTED;

	if (!ran)
		return false;
	for (uint32_t n = ch->blocks.from; n < ch->blocks.to; n++) {
		if (!is_good(k, &rg->blocks[n]))
			return false;
		ran &= has_run(rg, &rg->blocks[n]);
	}
	return ran || flags & BLOCK_KNOWN;
}

/* How many blocks, about, it has that were not put there. */
static uint32_t n_wanted(const struct saver *k)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < k->sp->n_regions; i++) {
		const struct region *rg = k->sp->regions[i];

		for (uint32_t c = 0; c < rg->n_chains; c++)
			n += saved_wants(k, rg, &rg->chains[c])
				     ? rg->chains[c].blocks.to -
					       rg->chains[c].blocks.from
				     : 0;
	}
	return n;
}

/* --- writing ------------------------------------------------------------- */

static void write_saved(struct saver *k)
{
	struct space *sp = (struct space *)k->sp;
	char *dir = directory(sp->tr), *name = file_name(sp, k->module);
	int r;

	k->to.head.file = k->of->file;
	k->to.head.fixed = fixed(k->base);
	r = saved_write(&k->to, dir, name);
	if (r < 0)
		debug(SESSION, "code of %s is not saved (%d)", name, r);
	free(name);
	free(dir);
}

/* What others have saved meanwhile is there, too. What cannot be saved is
 * counted there, so that it is not tried each time. */
static void save(struct saver *k, uint32_t n)
{
	struct space *sp = (struct space *)k->sp;
	struct saved old;
	uint32_t n_known;

	if (open_file(sp, k->module, &old)) {
		saved_take(&k->to, &old);
		saved_close(&old);
	}
	/* Those that were not put there are in the file already. */
	n_known = save_module(k) + k->of->n_left;
	k->to.head.refused = n > n_known ? n - n_known : 0;
	write_saved(k);
	saved_new_fini(&k->to);
}

void saved_save(struct space *sp, uint32_t module)
{
	const struct saved_module *m = &sp->hints[module - 1].saved;
	struct saver k = {
		.sp = sp,
		.of = m,
		.module = module,
		.base = sp->modules[module - 1].base,
		.size = sp->modules[module - 1].size,
	};
	uint32_t n, least = m->n_blocks / GROWTH;

	if (!m->tried || m->off || sp->ending || !saved_may(sp))
		return;
	n = n_wanted(&k);
	if (n >= m->n_left + m->n_refused + (least < LEAST ? LEAST : least) &&
	    n + m->n_blocks <= MOST)
		save(&k, n);
}

void saved_free(struct saved_module *m)
{
	free(m->dirty);
}
