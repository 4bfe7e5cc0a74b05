#include "translate/hints.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/search.h"
#include "target/target.h"
#include "translate/block.h"
#include "translate/hints-file.h"
#include "translate/layer.h"

/* --- build IDs ----------------------------------------------------------- */

#define PHDRS_MAX 64
#define NOTES_MAX 1024 /* bytes of a segment that are looked at */

static bool peek(struct space *sp, uint64_t addr, void *out, size_t n)
{
	return target_read_all(sp->tr->lower, sp->by->proc, addr, out, n) == 0;
}

static bool has_id(struct space *sp, uint64_t base, const Elf64_Phdr *ph,
		   char *hex)
{
	size_t size = ph->p_filesz < NOTES_MAX ? ph->p_filesz : NOTES_MAX, n;
	uint8_t notes[NOTES_MAX];
	const uint8_t *id;

	if (ph->p_type != PT_NOTE ||
	    !peek(sp, base + ph->p_offset, notes, size))
		return false;
	id = note_build_id(notes, size, &n);
	for (size_t i = 0; id && i < n; i++) {
		*hex++ = "0123456789abcdef"[id[i] >> 4];
		*hex++ = "0123456789abcdef"[id[i] & 15];
	}
	*hex = 0;
	return id;
}

/* Notes lie in the same segment as the ELF header: the file is mapped there as
 * it is. */
static bool read_id(struct space *sp, uint64_t base, char *hex)
{
	Elf64_Phdr ph[PHDRS_MAX];
	Elf64_Ehdr eh;

	if (!peek(sp, base, &eh, sizeof(eh)) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_phnum > PHDRS_MAX ||
	    eh.e_phentsize != sizeof(*ph) ||
	    !peek(sp, base + eh.e_phoff, ph, eh.e_phnum * sizeof(*ph)))
		return false;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (has_id(sp, base, &ph[i], hex))
			return true;
	}
	return false;
}

/* --- files --------------------------------------------------------------- */

static struct hints *find(struct translator *tr, const char *id)
{
	struct hints *h;

	list_each(h, &tr->hints, node) {
		if (!strcmp(h->id, id))
			return h;
	}
	return NULL;
}

struct hints *hints_open(struct space *sp, uint64_t base)
{
	struct translator *tr = sp->tr;
	char id[2 * BUILD_ID_MAX + 1];
	struct hints *h;
	int r;

	if (!tr->has_hints || !read_id(sp, base, id))
		return NULL;
	h = find(tr, id);
	if (h)
		return h;
	h = xcalloc(1, sizeof(*h));
	strcpy(h->id, id);
	list_add(&tr->hints, &h->node);
	r = tr->hints_dir ? hints_read(tr->hints_dir, h) : 0;
	debug(SESSION, "hints of %s: %zu (%d)", id, h->n, r);
	return h;
}

void hints_free(struct translator *tr)
{
	struct hints *h, *tmp;

	list_each_safe(h, tmp, &tr->hints, node) {
		free(h->all);
		free(h->fresh);
		free(h);
	}
	free(tr->hints_dir);
}

void translate_hints(struct target *t, const char *dir)
{
	struct translator *tr = translator_of(t);

	tr->has_hints = true;
	free(tr->hints_dir);
	tr->hints_dir = dir ? xstrdup(dir) : NULL;
}

/* --- asking -------------------------------------------------------------- */

static bool has(const struct hints *h, uint64_t place)
{
	size_t at = SEARCH_FIRST(h->n, i, h->all[i] >= place);

	return at < h->n && h->all[at] == place;
}

enum hint hints_ask(struct space *sp, uint64_t pc)
{
	uint32_t module = sp->tr->has_hints ? module_at(sp, pc) : 0;
	const struct hints *h = module ? sp->hints[module - 1] : NULL;

	if (!h)
		return HINT_NONE;
	return has(h, pc - sp->modules[module - 1].base) ? HINT_RUN : HINT_NEW;
}

/* --- learning ------------------------------------------------------------ */

/* A file is written again when it has grown by one part in so many. */
#define GROWTH 64

static void learn_block(struct space *sp, const struct block *b)
{
	struct hints *h = b->module ? sp->hints[b->module - 1] : NULL;
	struct translate_block out;
	uint64_t place;

	if (!h || !b->slot)
		return;
	block_record(sp, b, &out);
	place = b->pc - out.module->base;
	if (!out.hits || place > UINT32_MAX || has(h, place))
		return;
	if (h->n_fresh == h->cap_fresh) {
		h->cap_fresh = h->cap_fresh ? 2 * h->cap_fresh : 1024;
		h->fresh = xrealloc(h->fresh, h->cap_fresh * sizeof(*h->fresh));
	}
	h->fresh[h->n_fresh++] = (uint32_t)place;
}

static void keep(struct translator *tr, struct hints *h)
{
	size_t n = hints_add(h, h->fresh, h->n_fresh);
	int r = 0;

	h->n_fresh = 0;
	if (tr->hints_dir && n * GROWTH >= h->n && n)
		r = hints_write(tr->hints_dir, h);
	if (r < 0)
		debug(SESSION, "hints of %s are not written (%d)", h->id, r);
}

void hints_learn(struct space *sp)
{
	struct hints *h;

	if (!sp->tr->has_hints)
		return;
	for (unsigned i = 0; i < sp->n_regions; i++) {
		const struct region *rg = sp->regions[i];

		if (sp->ending && sp->ending != rg)
			continue;
		for (uint32_t n = 1; n < rg->n_blocks; n++)
			learn_block(sp, &rg->blocks[n]);
	}
	list_each(h, &sp->tr->hints, node) {
		if (h->n_fresh)
			keep(sp->tr, h);
	}
}
