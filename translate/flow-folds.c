#include "translate/folds.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/flows.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

#define CHUNK	   4096u
#define CHUNKS_MAX (FLOW_NUMBER / CHUNK)

_Static_assert(TAB_FOLDS + FOLDS_MAX * sizeof(struct fold_entry) <= TAB_END,
	       "the table has room");

/* A block whose indirect branch goes to other functions. */
struct fold_site {
	uint32_t caller, back;
	uint8_t kind; /* enum fold_kind; FOLD_NONE: nothing is known */
};

struct folds {
	struct fold_site **sites;	  /* chunks, by block */
	struct fold_entry *table; /* in memory of the program, too */
	struct known {
		uint32_t at; /* index of the entry */
		uint32_t hop, from;
	} *known;
	uint32_t n_known, cap_known;
	uint8_t used[FOLDS_MAX]; /* by index */
};

struct folds *folds_new(const struct space *sp)
{
	struct folds *f = xcalloc(1, sizeof(*f));

	f->table = (void *)(sp->tables + TAB_FOLDS - WIN_PAGE);
	f->sites = xcalloc(CHUNKS_MAX, sizeof(*f->sites));
	return f;
}

void folds_free(struct folds *f)
{
	for (uint32_t i = 0; i < CHUNKS_MAX; i++)
		free(f->sites[i]);
	free(f->sites);
	free(f->known);
	free(f);
}

/* --- what hops are -------------------------------------------------------- */

static bool can_count(uint32_t function)
{
	return function && function < DEPTHS_MAX;
}

static uint64_t behind(const struct flow_block *b)
{
	return b->begin + b->bytes;
}

static uint32_t back_of(struct space *sp, const struct flow_block *b)
{
	return flow_hop(sp, HOP_RETURNS, 0, behind(b), 0);
}

static void fold_jump(struct space *sp, const struct flow_block *b,
		      unsigned flags, struct fold_hop *f)
{
	bool links = flow_function_flags(sp, b->begin) & FLOW_LINKS;

	f->goes_on = flags & FLOW_BEGINS;
	f->regular = f->goes_on && !links;
	f->may_be = !f->goes_on && !links && b->end != FLOW_INDIRECT_JUMP &&
		    can_count(f->called) && can_count(f->caller);
}

struct fold_hop fold_hop_of(struct space *sp, const struct flow_hop *hop,
			    const struct flow_block *b)
{
	unsigned flags = flow_function_flags(sp, hop->pc);
	struct fold_hop f = { .called = flow_function(sp, hop->pc) };

	if (b)
		f.caller = flow_function(sp, b->begin);
	switch (hop->kind) {
	case HOP_CALLS:
		/* That is how code asks where it is. */
		f.regular = hop->pc != behind(b) || f.called != f.caller;
		f.back = back_of(sp, b);
		break;
	case HOP_JUMPS:
		fold_jump(sp, b, flags, &f);
		break;
	case HOP_LANDS:
		f.regular = flags & FLOW_BEGINS;
		break;
	default:
		f.regular = true;
		break;
	}
	return f;
}

bool folds_site(struct space *sp, uint32_t block)
{
	struct folds *f = *flow_folds_of(sp->flow);
	const struct flow_block *b = flow_block(sp->flow, block);
	struct fold_site s = { .caller = flow_function(sp, b->begin) };
	struct fold_site *chunk;

	if (b->end == FLOW_INDIRECT_CALL) {
		s.kind = FOLD_CALL;
		s.back = back_of(sp, b);
	} else if (b->end == FLOW_INDIRECT_JUMP &&
		   !(flow_function_flags(sp, b->begin) & FLOW_LINKS)) {
		s.kind = FOLD_TAIL;
	}
	chunk = f->sites[block / CHUNK];
	if (!chunk)
		chunk = xcalloc(CHUNK, sizeof(*chunk));
	chunk[block % CHUNK] = s;
	__atomic_store_n(&f->sites[block / CHUNK], chunk, __ATOMIC_RELEASE);
	return s.kind != FOLD_NONE;
}

/* --- entries -------------------------------------------------------------- */

static uint32_t depth_of(uint32_t function)
{
	return TAB_DEPTHS + 4 * function;
}

static uint64_t key_of(uint32_t word, uint32_t from)
{
	return (uint64_t)from << 32 | word;
}

/* As the routine looks for it. */
static uint32_t first_place(uint64_t key)
{
	return (key * FOLDS_SPREAD >> FOLDS_SHIFT) % FOLDS_MAX;
}

/* Where an entry with that key would be; UINT32_MAX: no more have room. */
static uint32_t place_of(struct folds *f, uint64_t key)
{
	uint32_t at = first_place(key);

	if (f->n_known >= FOLDS_MAX / 2)
		return UINT32_MAX;
	while (f->used[at])
		at = (at + 1) % FOLDS_MAX;
	return at;
}

static void add_entry(struct folds *f, uint32_t word, uint32_t from,
		      const struct fold_half *half)
{
	uint64_t key = key_of(word, from);
	uint32_t at = place_of(f, key);
	struct fold_entry *e;

	if (at == UINT32_MAX)
		return;
	GROW(f->known, f->n_known, f->cap_known, 1024);
	f->known[f->n_known++] =
		(struct known){ at, word & FLOW_NUMBER, from };
	f->used[at] = 1;
	e = &f->table[at];
	e->halves[0] = e->halves[1] = *half;
	__atomic_store_n(&e->halves[0].key, key, __ATOMIC_RELEASE);
}

/* The block's site; NULL: it has none. */
static const struct fold_site *site_of(struct flow_code *fc, struct folds *f,
				  uint32_t block)
{
	const struct fold_site *chunk;

	if (!flow_block(fc, block))
		return NULL;
	chunk = __atomic_load_n(&f->sites[block / CHUNK], __ATOMIC_ACQUIRE);
	return chunk ? &chunk[block % CHUNK] : NULL;
}

static bool is_known(const struct folds *f, uint32_t word, uint32_t from)
{
	uint64_t key = key_of(word, from);
	uint32_t at = first_place(key);

	for (; f->used[at]; at = (at + 1) % FOLDS_MAX) {
		if (f->table[at].halves[0].key == key)
			return true;
	}
	return false;
}

/* By an indirect branch: it depends on whose it was. */
static void learn_landing(struct flow_code *fc, uint32_t word, uint32_t from,
			  const struct fold_hop *hop)
{
	struct folds *f = *flow_folds_of(fc);
	const struct fold_site *s = site_of(fc, f, from);

	if (!s || s->kind == FOLD_NONE || !can_count(s->caller) ||
	    (s->kind == FOLD_TAIL && !hop->regular) || is_known(f, word, from))
		return;
	add_entry(f, word, from,
		  &(struct fold_half){
			  .called = depth_of(hop->called),
			  .caller = depth_of(s->caller),
			  .kind = s->kind,
			  .back = s->back,
		  });
}

/* stub: of a call, the one that has not noted its jump there; or 0. */
static void learn_hop(struct flow_code *fc, uint32_t word, uint32_t stub,
		      const struct flow_hop *hop, struct fold_hop *fold)
{
	const struct flow_block *b = flow_block(fc, hop->from);
	struct folds *f = *flow_folds_of(fc);

	if (!can_count(fold->caller) ||
	    (stub ? is_known(f, word, stub) : fold->learned))
		return;
	fold->learned |= !stub;
	add_entry(f, word, stub,
		  &(struct fold_half){
			  .called = depth_of(fold->called),
			  .caller = depth_of(fold->caller),
			  .kind = hop->kind == HOP_CALLS ? FOLD_CALL
				  : fold->goes_on && !fold->regular
					  ? FOLD_ON
					  : FOLD_TAIL,
			  .back = fold->back,
			  .instructions = b->instructions,
		  });
}

void folds_learn(struct flow_code *fc, uint32_t word, uint32_t more)
{
	uint32_t number = word & FLOW_NUMBER;
	uint32_t plain = flow_word(HOP_PLAIN, number);
	struct fold_hop *fold;
	const struct flow_hop *hop = flow_hop_find(fc, number, &fold);

	if (!hop || hop->kind == HOP_RETURNS || !can_count(fold->called))
		return;
	if (word >> FLOW_KIND_SHIFT == HOP_LEAF)
		more = 0;
	if (more >> FLOW_KIND_SHIFT) {
		folds_learn(fc, more, 0);
		more = 0;
	}
	if (hop->kind == HOP_LANDS)
		learn_landing(fc, plain, more, fold);
	else if (hop->kind == HOP_CALLS && fold->regular)
		learn_hop(fc, plain, more, hop, fold);
	else if (!more && (fold->regular || fold->goes_on || fold->may_be))
		learn_hop(fc, plain, 0, hop, fold);
}

/* --- what was added up ---------------------------------------------------- */

static void tell_sums(struct space *sp, const struct known *k, unsigned half,
		      unsigned level)
{
	struct folds *f = *flow_folds_of(sp->flow);
	struct fold_sums *sums = &f->table[k->at].halves[half].sums[level];
	const struct flow_sink *sink = flow_sink_of(sp);
	struct fold_sums n = *sums;

	*sums = (struct fold_sums){ 0 };
	if (n.times && sink->folded)
		sink->folded(sink->user, flow_image(sp->flow),
			     &(struct flow_fold){
				     .hop = k->hop,
				     .from = k->from,
				     .site_level = half,
				     .level = level,
				     .times = n.times,
				     .instructions = n.took,
			     });
}

void folds_tell(struct space *sp)
{
	const struct folds *f = *flow_folds_of(sp->flow);

	for (uint32_t i = 0; i < f->n_known; i++) {
		for (unsigned n = 0; n < 4; n++)
			tell_sums(sp, &f->known[i], n / 2, n % 2);
	}
}

struct fold_sums *folds_under_way(struct space *sp, const uint8_t *window)
{
	struct folds *f = *flow_folds_of(sp->flow);
	uint64_t at;

	memcpy(&at, window + WIN_FOLD, sizeof(at));
	at %= FOLDS_MAX * sizeof(struct fold_entry);
	return &f->table[at / sizeof(struct fold_entry)]
			.halves[at / sizeof(struct fold_half) % 2]
			.sums[at / sizeof(struct fold_sums) % 2];
}
