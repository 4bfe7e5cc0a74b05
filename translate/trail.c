/*
 * Trails have their full size from the beginning, as address space: so they
 * never move, and can be looked at whenever we die. Where nobody looks after
 * the process then, they are any memory.
 */
#include "translate/trail.h"

#include <sys/mman.h>

#include "base/err.h"
#include "base/search.h"
#include "translate/cache.h"
#include "translate/layer.h"
#include "translate/x86_64/orphan.h"

static size_t marks_size(const struct layout *l)
{
	return layout_marks_max(l) * sizeof(struct mark);
}

static size_t trail_size(const struct layout *l)
{
	return 2 * marks_size(l) + layout_stubs_max(l) * sizeof(struct stub);
}

static const struct target_guard_ops *guard_of(const struct space *sp)
{
	return sp->tr->lower->ops->guard;
}

/* *guarded: is it to be seen by others? It becomes false if it cannot. */
static void *memory_new(struct space *sp, size_t size, bool *guarded)
{
	const struct target_guard_ops *guard = guard_of(sp);
	void *m = NULL;

	if (*guarded && guard)
		m = guard->alloc(sp->tr->lower, sp->by->proc, size);
	*guarded = m;
	if (m)
		return m;
	m = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m == MAP_FAILED)
		die("no address space for %zu bytes", size);
	return m;
}

static void memory_free(struct space *sp, void *m, size_t size, bool guarded)
{
	if (guarded)
		guard_of(sp)->free(sp->tr->lower, m, size);
	else
		munmap(m, size);
}

void trails_init(struct space *sp)
{
	sp->guarded = true;
	sp->trails = memory_new(sp, sizeof(*sp->trails), &sp->guarded);
}

void trails_fini(struct space *sp)
{
	struct trails *all = sp->trails;

	for (uint32_t i = 0; i < all->n_regions; i++)
		memory_free(sp, all->regions[i].hot,
			    trail_size(&all->regions[i].layout),
			    !all->regions[i].unseen);
	memory_free(sp, all, sizeof(*all), sp->guarded);
}

void trail_add(struct space *sp, struct region *rg)
{
	struct trail *tl = &sp->trails->regions[rg->index];
	bool guarded = sp->guarded;
	const struct layout *l = &sp->layout;
	uint8_t *m = memory_new(sp, trail_size(l), &guarded);

	*tl = (struct trail){
		.addr = rg->addr,
		.layout = *l,
		.hot = (void *)m,
		.cold = (void *)(m + marks_size(l)),
		.stubs = (void *)(m + 2 * marks_size(l)),
		.unseen = !guarded,
	};
	rg->trail = tl;
	__atomic_store_n(&sp->trails->n_regions, rg->index + 1,
			 __ATOMIC_RELEASE);
}

/* --- searching ----------------------------------------------------------- */

const struct trail *trails_at(const struct trails *all, uint64_t cpc)
{
	for (uint32_t i = 0; i < all->n_regions; i++) {
		if (cpc - all->regions[i].addr < all->regions[i].layout.data)
			return &all->regions[i];
	}
	return NULL;
}

struct stub *trail_stub(const struct trail *tl, uint32_t at)
{
	uint32_t n = (at - tl->layout.stubs) / STUB_BYTES;

	return at >= tl->layout.stubs && n < tl->n_stubs ? &tl->stubs[n] : NULL;
}

#define GUESSES 10

/*
 * Marks are spread nearly evenly, so where one is can be guessed from any two
 * between which it lies. Each look is at another line of memory, and a million
 * of them are halved twenty times. What guesses have not found is.
 */
size_t marks_up_to(const struct mark *marks, size_t n, uint32_t at)
{
	size_t lo = 1, hi = n ? n - 1 : 0, i;

	if (!n || marks[0].at > at)
		return 0;
	if (marks[hi].at <= at)
		return n;
	/* marks[lo - 1].at <= at < marks[hi].at */
	for (unsigned k = 0; k < GUESSES && lo < hi; k++) {
		uint64_t from = marks[lo - 1].at, to = marks[hi].at;

		i = lo + (size_t)((at - from) * (hi - lo) / (to - from));
		if (marks[i].at > at)
			hi = i;
		else
			lo = i + 1;
	}
	return lo + SEARCH_FIRST(hi - lo, k, marks[lo + k].at > at);
}

/* The last of its stream up to the offset, or NULL. */
static const struct mark *mark_up_to(const struct trail *tl, uint32_t at)
{
	const struct mark *marks = at < tl->layout.cold ? tl->hot : tl->cold;
	size_t all = at < tl->layout.cold ? tl->n_hot : tl->n_cold;
	size_t n = marks_up_to(marks, all, at);

	return n ? &marks[n - 1] : NULL;
}

bool trail_mark(const struct trail *tl, uint32_t at, struct mark *m)
{
	const struct mark *last = mark_up_to(tl, at);

	if (!last || (last->at != at && !last->run))
		return false;
	*m = *last;
	m->pc += at - last->at;
	m->at = at & 0x7fffffff;
	return true;
}

bool trail_has_mark(const struct trail *tl, uint32_t at)
{
	const struct mark *last = mark_up_to(tl, at);

	return last && last->at == at;
}

const struct mark *trail_before(const struct trail *tl, uint32_t at)
{
	struct mark m;

	return at && trail_mark(tl, at, &m) ? mark_up_to(tl, at - 1) : NULL;
}

/* Where control has left the instruction a mark says where to in its own way.
 */
bool trail_is_within(const struct trail *tl, uint32_t at)
{
	const struct mark *before = trail_before(tl, at);
	struct mark m;

	return before && trail_mark(tl, at, &m) && !before->run &&
	       before->pc == m.pc &&
	       !(m.rewind & (REWIND_TARGET | REWIND_RETURN | REWIND_CALLED));
}

/* --- who looks after it -------------------------------------------------- */

void trails_guard(struct space *sp, struct process *lower)
{
	if (sp->guarded)
		guard_of(sp)->begin(sp->tr->lower, lower, &orphan_ops,
				    sp->trails);
}

void trails_unguard(struct space *sp, struct process *lower)
{
	if (sp->guarded)
		guard_of(sp)->end(sp->tr->lower, lower);
}
