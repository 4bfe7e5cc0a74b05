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
	return sp->by &&
	       target_read_all(sp->tr->lower, sp->by->proc, addr, out, n) == 0;
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

/* --- who runs ------------------------------------------------------------ */

#define ARGUMENTS_MAX 4096 /* bytes of them that are looked at */

#define SUM_BEGIN     2166136261u

static uint32_t sum_text(uint32_t sum, const char *text)
{
	/* FNV-1a */
	for (; *text; text++)
		sum = (sum ^ (uint8_t)*text) * 16777619u;
	return sum;
}

/* Of files for a while the names are others each time. */
static bool is_passing(const char *argument)
{
	return !strncmp(argument, "/tmp/", 5) ||
	       !strncmp(argument, "/var/tmp/", 9);
}

static uint32_t sum_arguments(struct space *sp, uint32_t sum)
{
	const struct target_object_ops *ops = sp->tr->lower->ops->object;
	char text[ARGUMENTS_MAX + 1];
	ssize_t n = -1;

	if (ops && sp->by)
		n = ops->read(sp->tr->lower, sp->by, OBJ_CMDLINE, 0, text,
			      ARGUMENTS_MAX);
	if (n <= 0)
		return sum;
	text[n] = 0;
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1) {
		if (!is_passing(text + at))
			sum = sum_text(sum, text + at) * 16777619u;
	}
	return sum;
}

/* The bits of the program that is run, which is mapped below all else, and of
 * the command. */
static const uint32_t *who(struct space *sp)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < sp->maps.n && !sp->ran_as[BY_PROGRAM]; i++) {
		const struct map_range *r = &sp->maps.all[i];

		if (!(r->flags & RANGE_FILE) || r->flags & RANGE_SHARE)
			continue;
		sum = sum_text(sum, r->name);
		sp->program = sum;
		sp->ran_as[BY_PROGRAM] = 1u << (sum >> 27);
		sum = sum_arguments(sp, sum);
		sp->ran_as[BY_COMMAND] = 1u << (sum >> 27);
	}
	return sp->ran_as;
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

static struct hints *add(struct translator *tr, const char *id)
{
	struct hints *h = xcalloc(1, sizeof(*h));
	int r;

	strcpy(h->id, id);
	h->mark = (uint32_t)strtoul(strndupa(id, 8), NULL, 16);
	list_add(&tr->hints, &h->node);
	r = tr->hints_dir ? hints_read(tr->hints_dir, h) : 0;
	debug(SESSION, "hints of %s: %zu (%d)", id, h->known[HINTS_RUN].n, r);
	return h;
}

/* As many blocks as the command, or the program, has run of the file: there is
 * room for them at once. */
static void expect_blocks(struct space *sp, const struct module_hints *m)
{
	const struct places *p = &m->of->known[HINTS_RUN];
	uint32_t bit = who(sp)[m->by];
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += (p->all[i * PLACES_WIDTH + 1 + m->by] & bit) != 0;
	index_reserve(&sp->index, sp->index.count + n);
}

struct module_hints hints_open(struct space *sp, uint64_t base)
{
	struct translator *tr = sp->tr;
	struct module_hints m = { .of = NULL };
	char id[2 * BUILD_ID_MAX + 1];

	if (!tr->has_hints || !read_id(sp, base, id))
		return m;
	m.of = find(tr, id);
	if (!m.of)
		m.of = add(tr, id);
	m.by = m.of->ran[BY_COMMAND] & who(sp)[BY_COMMAND] ? BY_COMMAND
							   : BY_PROGRAM;
	expect_blocks(sp, &m);
	return m;
}

void hints_free(struct translator *tr)
{
	struct hints *h, *tmp;

	list_each_safe(h, tmp, &tr->hints, node) {
		hints_clear(h);
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

void translate_save_code(struct target *t, bool save)
{
	translator_of(t)->saves = save;
}

/* --- asking -------------------------------------------------------------- */

/* So that there are some rows to look at, and no more. There are rows. */
static void find_first(struct places *p)
{
	const size_t width = PLACES_WIDTH;
	uint32_t last = p->all[(p->n - 1) * width], pieces, at = 0;

	while (p->shift < 31 && last >> p->shift >= p->n)
		p->shift++;
	pieces = (last >> p->shift) + 1;
	p->n_first = pieces + 1;
	p->first = table_alloc(p->n_first * sizeof(*p->first));
	for (uint32_t i = 0; i < pieces; i++) {
		while (p->all[at * width] >> p->shift < i)
			at++;
		p->first[i] = at;
	}
	p->first[pieces] = (uint32_t)p->n;
}

/* The row that begins with the place, or NULL. */
static const uint32_t *row_of(struct hints *h, enum hints_kind kind,
			      uint64_t place)
{
	struct places *p = &h->known[kind];
	const size_t width = PLACES_WIDTH;
	size_t at, end;

	if (!p->n || place > p->all[(p->n - 1) * width])
		return NULL;
	if (!p->first)
		find_first(p);
	at = p->first[place >> p->shift];
	end = p->first[(place >> p->shift) + 1];
	at += SEARCH_FIRST(end - at, i, p->all[(at + i) * width] >= place);
	return at < p->n && p->all[at * width] == place ? p->all + at * width
							: NULL;
}

static struct module_hints *module_hints(struct space *sp, uint64_t pc,
					 uint64_t *base)
{
	uint32_t module = sp->tr->has_hints ? module_at(sp, pc) : 0;

	if (!module || !sp->hints[module - 1].of)
		return NULL;
	*base = sp->modules[module - 1].base;
	return &sp->hints[module - 1];
}

enum hint hints_ask(struct space *sp, uint64_t pc)
{
	uint64_t base;
	const struct module_hints *m = module_hints(sp, pc, &base);
	const uint32_t *row = m ? row_of(m->of, HINTS_RUN, pc - base) : NULL;

	if (!row)
		return m ? HINT_NEW : HINT_NONE;
	if (m->by == BY_COMMAND && row[1 + BY_COMMAND] & who(sp)[BY_COMMAND])
		return HINT_RUN;
	if (row[1 + BY_PROGRAM] & who(sp)[BY_PROGRAM])
		return m->by == BY_COMMAND ? HINT_APART : HINT_PROGRAM;
	return m->of->ran[m->by] & who(sp)[m->by] ? HINT_NEW : HINT_OTHERS;
}

static bool is_common(const struct hints *h, const uint32_t *row)
{
	return 2 * __builtin_popcount(row[1 + BY_COMMAND]) >
	       __builtin_popcount(h->ran[BY_COMMAND]);
}

bool hints_want(struct space *sp, uint64_t pc)
{
	uint64_t base;
	const struct module_hints *m = module_hints(sp, pc, &base);
	const uint32_t *row = m ? row_of(m->of, HINTS_RUN, pc - base) : NULL;

	if (!row || !(row[1 + m->by] & who(sp)[m->by]))
		return false;
	return m->by == BY_COMMAND || is_common(m->of, row);
}

bool hints_are_close(struct space *sp, uint64_t pc)
{
	uint64_t base;
	const struct module_hints *m = module_hints(sp, pc, &base);
	uint32_t bit = m ? who(sp)[m->by] : 0;

	return m && m->of->ran[m->by] & bit && !(m->of->varied[m->by] & bit);
}

/* It may be a lie. */
static bool is_code(struct space *sp, uint64_t pc)
{
	const struct map_range *r = space_find(sp, pc);

	return r && r->flags & RANGE_X;
}

/* Of two files with one mark, or of two places of a file, any. */
static bool base_among(const struct space *sp, uint32_t mark, uint32_t first,
		       uint64_t *base)
{
	for (uint32_t i = first; i < sp->n_modules; i++) {
		*base = sp->modules[i].base;
		if (sp->hints[i].of && sp->hints[i].of->mark == mark)
			return true;
	}
	return false;
}

/* The map may be read again meanwhile. */
static void meet_modules(struct space *sp)
{
	sp->maps_met = true;
	for (size_t i = 0; i < sp->maps.n; i++) {
		const struct map_range *r = &sp->maps.all[i];

		if (r->flags & RANGE_X && r->flags & RANGE_FILE && !r->module &&
		    !maps_is_ours(r))
			module_at(sp, r->lo);
	}
}

/* ... or of a file that is mapped, but of which nothing was run yet. */
static bool base_of(struct space *sp, uint32_t mark, uint64_t *base)
{
	uint32_t known = sp->n_modules;

	if (base_among(sp, mark, 0, base))
		return true;
	if (!sp->maps_met)
		meet_modules(sp);
	return base_among(sp, mark, known, base);
}

bool hints_goes(struct space *sp, uint64_t site, uint64_t *target)
{
	uint64_t base;
	const struct module_hints *m = module_hints(sp, site, &base);
	struct hints *of = m ? m->of : NULL;
	const uint32_t *row = of ? row_of(of, HINTS_GOES, site - base) : NULL;

	if (!row || (row[1] != of->mark && !base_of(sp, row[1], &base)))
		return false;
	*target = base + row[2];
	return is_code(sp, *target);
}

bool hints_next_met(struct space *sp, uint64_t pc, uint64_t *target)
{
	uint64_t base;
	struct module_hints *m = module_hints(sp, pc, &base);
	const struct places *met = m ? &m->of->known[HINTS_MET] : NULL;

	while (m && m->n_begun < met->n) {
		const uint32_t *row = met->all + PLACES_WIDTH * m->n_begun++;

		*target = base + row[0];
		if (row[1 + m->by] & who(sp)[m->by] && is_code(sp, *target))
			return true;
	}
	return false;
}

const uint64_t *hints_plain(struct space *sp, uint64_t pc)
{
	uint64_t base;
	const struct module_hints *m = module_hints(sp, pc, &base);

	return m ? &m->of->plain : NULL;
}

void hints_tell_plain(struct space *sp, uint64_t pc, uint64_t sum)
{
	uint64_t base;
	struct module_hints *m = module_hints(sp, pc, &base);

	if (m) {
		m->of->plain = sum;
		m->of->told_plain = true;
	}
}

/* --- learning ------------------------------------------------------------ */

/* A file is written again when it has grown by one part in so many. */
#define GROWTH 64

/* The row is there, and tells all of that. */
static bool is_known(const uint32_t *row, enum hints_kind kind,
		     const uint32_t *more)
{
	return row && (kind == HINTS_GOES || (row[1 + BY_PROGRAM] & more[0] &&
					      row[1 + BY_COMMAND] & more[1]));
}

/* Of the module that has that number, which pc is in: what comes behind its
 * place in the row. */
static void learn(struct space *sp, uint32_t module, enum hints_kind kind,
		  uint64_t pc, const uint32_t *more)
{
	struct hints *h = module ? sp->hints[module - 1].of : NULL;
	uint64_t place = h ? pc - sp->modules[module - 1].base : 0;
	uint32_t low = (uint32_t)place;
	const uint32_t *row = h ? row_of(h, kind, place) : NULL;

	if (!h || place != low || is_known(row, kind, more))
		return;
	buf_put(&h->fresh[kind], &low, sizeof(low));
	buf_put(&h->fresh[kind], more, (PLACES_WIDTH - 1) * sizeof(*more));
}

/* Saved code does not tell whether it ran. What was put there for a command of
 * which nothing was known is taken for it. */
static bool is_taken(const struct space *sp, const struct block *b)
{
	return b->flags & BLOCK_SAVED &&
	       sp->hints[b->module - 1].by != BY_COMMAND;
}

static void learn_block(struct space *sp, const struct block *b)
{
	struct translate_block out;

	block_record(sp, b, &out);
	if (b->slot && b->module && b->flags & BLOCK_KNOWN) {
		sp->hints[b->module - 1].n_asked++;
		sp->hints[b->module - 1].n_ran += out.hits > 0;
	}
	if ((b->slot && out.hits) || is_taken(sp, b))
		learn(sp, b->module, HINTS_RUN, b->pc, who(sp));
	if (b->indirect_landing)
		learn(sp, b->module, HINTS_MET, b->pc, who(sp));
}

static void learn_branch(struct space *sp, const struct branch_cache *k)
{
	const struct block *to = k->learned ? block_find(sp, k->target) : NULL;
	const struct hints *h =
		to && to->module ? sp->hints[to->module - 1].of : NULL;
	uint64_t place = h ? to->pc - sp->modules[to->module - 1].base : 0;
	uint32_t where[2] = { h ? h->mark : 0, (uint32_t)place };

	if (h && place <= UINT32_MAX)
		learn(sp, k->module, HINTS_GOES, k->pc, where);
}

/* Fewer than so many tell nothing. Between the two shares it stays as it is. */
#define ASKED_LEAST 16
#define RAN_LITTLE  60 /* percent */
#define RAN_MOST    90

/* True: that has changed. */
static bool learn_how_close(struct space *sp, struct module_hints *m)
{
	uint32_t asked = m->n_asked, share = asked ? 100 * m->n_ran / asked : 0;
	uint32_t *varied = &m->of->varied[m->by], before = *varied;

	m->n_asked = m->n_ran = 0;
	if (asked >= ASKED_LEAST && share < RAN_LITTLE)
		*varied |= who(sp)[m->by];
	if (asked >= ASKED_LEAST && share >= RAN_MOST)
		*varied &= ~who(sp)[m->by];
	return *varied != before;
}

static void learn_region(struct space *sp, const struct region *rg)
{
	for (uint32_t n = 1; n < rg->n_blocks; n++)
		learn_block(sp, &rg->blocks[n]);
	for (uint32_t n = 1; n < rg->n_caches; n++)
		learn_branch(sp, &rg->caches[n]);
}

static void keep(struct translator *tr, struct hints *h, bool changed)
{
	size_t n = 0, all = 0;
	int r = 0;

	for (unsigned kind = 0; kind < N_HINTS_KINDS; kind++) {
		struct buf *fresh = &h->fresh[kind];

		n += hints_add(h, kind, (const uint32_t *)(void *)fresh->data,
			       fresh->len / PLACES_WIDTH / 4);
		all += h->known[kind].n;
		buf_fini(fresh);
	}
	changed |= h->told_plain;
	h->told_plain = false;
	if (tr->hints_dir && (changed || (n && n * GROWTH >= all)))
		r = hints_write(tr->hints_dir, h);
	if (r < 0)
		debug(SESSION, "hints of %s are not written (%d)", h->id, r);
}

void hints_learn(struct space *sp)
{
	struct module_hints *m = sp->hints;

	if (!sp->tr->has_hints)
		return;
	for (unsigned i = 0; i < sp->n_regions; i++) {
		if (!sp->ending || sp->ending == sp->regions[i])
			learn_region(sp, sp->regions[i]);
	}
	for (uint32_t i = 0; i < sp->n_modules; i++, m++) {
		if (m->of)
			keep(sp->tr, m->of, learn_how_close(sp, m));
		saved_save(sp, i + 1);
	}
}
