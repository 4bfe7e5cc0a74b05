#include "translate/ring.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

#define BATCH 512

unsigned ring_kinds(const struct space *sp)
{
	unsigned mask = sp->tr->sink.mask;

	if (sp->mode != MODE_TRACE)
		return 0;
	/* The depth takes both. */
	return mask | (mask & CALLS ? CALLS : 0u);
}

uint32_t ring_record_size(const struct space *sp)
{
	return ring_kinds(sp) & CALLS ? 16 : 4;
}

uint32_t ring_site(struct region *rg, const struct event_site *site)
{
	GROW(rg->events, rg->n_events, rg->cap_events, 4096);
	rg->events[rg->n_events] = *site;
	return rg->index << REF_SHIFT | rg->n_events++;
}

/* What the program has written there may be anything. */
static const struct event_site *site_at(const struct space *sp, uint32_t ref)
{
	uint32_t index = ref >> REF_SHIFT, n = ref & (REF_MAX - 1);
	const struct region *rg =
		index < sp->n_regions ? sp->regions[index] : NULL;

	return rg && n && n < rg->n_events ? &rg->events[n] : NULL;
}

int rings_map(struct space *sp, struct err *e)
{
	sp->rings = space_map(sp, "tracestub-rings", RINGS_SIZE, RING_SIZE,
			      &sp->rings_addr, e);
	return sp->rings ? 0 : -ENOMEM;
}

static uint64_t ring_addr(const struct space *sp, int window)
{
	return sp->rings_addr + (uint64_t)window * RING_SIZE;
}

static void set_next(struct space *sp, int window, uint64_t at)
{
	__atomic_store_n(
		(uint64_t *)(void *)(window_page(sp, window) + WIN_RING), at,
		__ATOMIC_RELEASE);
}

void ring_begin(struct space *sp, int window)
{
	if (sp->rings)
		set_next(sp, window, ring_addr(sp, window));
}

/* --- reading ------------------------------------------------------------- */

struct batch {
	struct translator *tr;
	struct ptid who;
	size_t n;
	struct translate_event all[BATCH];
};

static void tell(struct batch *b)
{
	const struct translate_sink *sink = &b->tr->sink;

	if (b->n && sink->batch)
		sink->batch(sink->user, b->who, b->all, b->n);
	b->tr->stats.events += b->n;
	b->n = 0;
}

static void put(struct batch *b, struct follow *f, const struct event_site *s,
		uint64_t to)
{
	int32_t depth = f->depth;

	if (s->kind == EVENT_CALL)
		f->depth++;
	else if (s->kind == EVENT_RET)
		f->depth--;
	if (!(b->tr->sink.mask & s->kind) || s->silent)
		return;
	b->all[b->n++] =
		(struct translate_event){ s->kind, depth, s->from, to };
	if (b->n == BATCH)
		tell(b);
}

/* False: what is there is none of ours. */
static bool take_record(struct batch *b, struct follow *f, const uint8_t *p)
{
	const struct event_site *s;
	uint32_t id;
	uint64_t to;

	memcpy(&id, p, sizeof(id));
	s = site_at(f->space, id);
	if (!s)
		return false;
	to = s->to;
	if (s->indirect)
		memcpy(&to, p + 8, sizeof(to));
	put(b, f, s, to);
	return true;
}

/* How far the thread has written, which may be anything if it meddles. */
static uint32_t written(const struct follow *f)
{
	const struct space *sp = f->space;
	uint64_t next = __atomic_load_n(
		(uint64_t *)(void *)(window_page(sp, f->window) + WIN_RING),
		__ATOMIC_ACQUIRE);
	uint64_t n = next - ring_addr(sp, f->window);

	return n <= RING_SIZE && n % ring_record_size(sp) == 0 ? (uint32_t)n
							       : 0;
}

void ring_drain(struct translator *tr, struct thread *th, bool reset)
{
	struct follow *f = follow_of(th);
	const uint8_t *ring;
	struct batch b = { .tr = tr, .who = th->id };
	uint32_t size, end;

	if (f->space->mode != MODE_TRACE)
		return;
	ring = f->space->rings + (size_t)f->window * RING_SIZE;
	size = ring_record_size(f->space);
	end = written(f);
	for (; f->ring_read < end; f->ring_read += size) {
		if (!take_record(&b, f, ring + f->ring_read))
			tr->stats.events_lost++;
	}
	tell(&b);
	if (!reset)
		return;
	f->ring_read = 0;
	ring_begin(f->space, f->window);
}

void ring_compiled(struct space *sp, uint64_t begin, uint64_t end)
{
	struct translate_event e = { EVENT_COMPILE, 0, begin, end };
	const struct translate_sink *sink = &sp->tr->sink;

	if (!(ring_kinds(sp) & EVENT_COMPILE) || !sink->batch)
		return;
	sink->batch(sink->user, sp->by->id, &e, 1);
	sp->tr->stats.events++;
}

/* --- what is asked of it ------------------------------------------------- */

void translate_set_sink(struct target *t, const struct translate_sink *sink)
{
	translator_of(t)->sink = *sink;
}

void translate_drain(struct target *t)
{
	struct process *p;
	struct thread *th;

	list_each(p, &t->processes, node) {
		list_each(th, &p->threads, node) {
			if (follow_of(th))
				ring_drain(translator_of(t), th, false);
		}
	}
}
