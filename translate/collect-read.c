/* What was collected, on its way to the layer above: from the rings, and of
 * threads that have stopped for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/ax.h"
#include "base/clock.h"
#include "base/mem.h"
#include "translate/collects.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

#define EVERY_MS 20

static void tell(struct translator *tr, const struct collect_spec *spec,
		 const struct collect_hit *hit)
{
	tr->stats.collects++;
	if (spec->fn)
		spec->fn(spec->user, hit);
	else if (tr->collect)
		tr->collect(tr->collect_user, hit);
}

/* --- records -------------------------------------------------------------- */

static uint64_t *slot(const struct follow *f, uint32_t at)
{
	return (uint64_t *)(void *)(window_page(f->space, f->window) + at);
}

static void take_part(struct collect_hit *hit, struct collect_part *out,
		      const struct collector *c, unsigned place,
		      const uint8_t *record, bool failed)
{
	const struct collect_place *p = &c->places[place];
	uint32_t at = p->at;

	*out = (struct collect_part){
		.item = p->item,
		.error = failed ? -EFAULT : 0,
		.length = failed ? 0 : p->length,
	};
	out->addr = (uint64_t)place;
	if (p->has_address)
		memcpy(&out->addr, record + at, sizeof(out->addr));
	if (!failed)
		out->data = record + at + 8 * p->has_address;
	hit->n_parts++;
}

/* The parts are borrowed from the ring: that a program writes there changes
 * what they say, and nothing else. */
static void take_record(struct translator *tr, const struct thread *th,
			const struct collector *c,
			const struct collect_record *head,
			const uint8_t *record)
{
	struct collect_part parts[COLLECT_PARTS];
	struct collect_hit hit = {
		.who = th->id,
		.id = c->spec.id,
		.pc = c->spec.pc,
		.time = head->time,
		.parts = parts,
	};

	for (unsigned i = 0; i < c->n_places; i++) {
		uint32_t bit = UINT32_C(1) << i;

		if ((head->done | head->failed) & bit)
			take_part(&hit, &parts[hit.n_parts], c, i, record,
				  head->failed & bit);
	}
	if (c->user)
		c->user->told(tr, c, &hit);
	else
		tell(tr, &c->spec, &hit);
}

/* Returns the record's size; 0: there is none. */
static uint32_t take(struct translator *tr, const struct thread *th,
		     const uint8_t *record, uint64_t left)
{
	const struct space *sp = follow_of(th)->space;
	const struct collector *c;
	struct collect_record head;

	memcpy(&head, record, sizeof(head));
	if (left < sizeof(head) || head.size < sizeof(head) ||
	    head.size > left || head.size % 8)
		return 0;
	c = head.number ? map_find(&sp->by_number, head.number) : NULL;
	if (c && c->compiled && c->size == head.size)
		take_record(tr, th, c, &head, record);
	return head.size;
}

static void count_lost(struct translator *tr, struct follow *f)
{
	uint64_t lost =
		__atomic_load_n(slot(f, WIN_COLLECT_LOST), __ATOMIC_RELAXED);

	tr->stats.collects_lost += lost - f->lost;
	f->lost = lost;
}

void collect_drain(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	const uint8_t *ring;
	uint64_t head;
	uint32_t size = 8;

	if (!f->space->collect)
		return;
	ring = f->space->collect + (size_t)f->window * COLLECT_STRIDE;
	head = __atomic_load_n(slot(f, WIN_COLLECT_HEAD), __ATOMIC_ACQUIRE);
	if (head - f->collected > COLLECT_RING)
		f->collected = head; /* it is no count of ours */
	for (; f->collected != head && size; f->collected += size)
		size = take(tr, th, ring + f->collected % COLLECT_RING,
			    head - f->collected);
	f->collected = head;
	__atomic_store_n(slot(f, WIN_COLLECT_LIMIT), head + COLLECT_RING,
			 __ATOMIC_RELEASE);
	count_lost(tr, f);
}

void translate_collect_drain(struct target *t)
{
	struct translator *tr = translator_of(t);
	struct process *p;
	struct thread *th;

	if (!tr->n_collectors)
		return;
	list_each(p, &t->processes, node) {
		list_each(th, &p->threads, node) {
			if (follow_of(th))
				collect_drain(tr, th);
		}
	}
}

/* Whoever waits for events wakes up for it. */
static void set_timer(struct translator *tr, bool on)
{
	const struct timespec every = { 0, on ? EVERY_MS * 1000000 : 0 };
	const struct itimerspec spec = { every, every };

	if (tr->timed != on)
		timerfd_settime(tr->timer_fd, 0, &spec, NULL);
	tr->timed = on;
}

int collect_tick(struct translator *tr)
{
	uint64_t ticks;
	int64_t now;

	if (tr->timed && read(tr->timer_fd, &ticks, sizeof(ticks)) < 0)
		ticks = 0;
	set_timer(tr, tr->n_collectors && !list_empty(&tr->running));
	if (!tr->n_collectors)
		return -1;
	now = clock_ms();
	if (now >= tr->collect_at) {
		translate_collect_drain(&tr->t);
		tr->collect_at = now + EVERY_MS;
	}
	return (int)(tr->collect_at - now);
}

/* --- by a stop ------------------------------------------------------------ */

/* A hit that is put together; data of parts is an offset until it is told. */
struct gathering {
	struct target_hit at;
	const struct collect_spec *spec;
	unsigned item;
	struct collect_part *parts;
	unsigned n_parts, cap_parts;
	uint8_t *data;
	size_t len, item_at; /* where the item's begin */
	size_t missing;	     /* bytes that it has looked for in vain */
};

static struct collect_part *part_add(struct gathering *g, int error)
{
	GROW(g->parts, g->n_parts, g->cap_parts, 16);
	g->parts[g->n_parts] = (struct collect_part){
		.item = g->item,
		.error = error,
		.data = (const uint8_t *)(uintptr_t)g->len,
	};
	return &g->parts[g->n_parts++];
}

/* Room for so many bytes of the last part. */
static uint8_t *room(struct gathering *g, size_t n)
{
	size_t at = g->len;

	g->len += (n + 7) & ~(size_t)7;
	g->data = xrealloc(g->data, g->len + 1);
	memset(g->data + at, 0, g->len - at);
	g->parts[g->n_parts - 1].length += (uint32_t)n;
	return g->data + at;
}

static void gather_registers(struct gathering *g, uint64_t set)
{
	const struct arch *a = g->at.th->proc->arch;
	int r = 0;

	part_add(g, 0);
	for (unsigned n = 0; n < 64 && r == 0; n++) {
		if (!(set >> n & 1))
			continue;
		r = n < a->n_regs
			    ? target_reg_read(
				      g->at.t, g->at.th, n,
				      room(g, (a->regs[n].bits / 8 + 7u) & ~7u))
			    : -EINVAL;
	}
	if (r < 0)
		g->parts[g->n_parts - 1].error = r;
}

#define PAGE 4096

/* As much as is there before a hole: how much that is. With nothing there is
 * no part. */
static uint64_t gather_block(struct gathering *g, uint64_t addr, uint64_t len,
			     bool to_nul)
{
	struct collect_part *part = part_add(g, 0);
	size_t at = g->len;
	uint8_t *data = room(g, len), *end;
	ssize_t n = target_read(g->at.t, g->at.th->proc, addr, data, len);

	if (n <= 0) {
		g->n_parts--;
		g->len = at;
		return 0;
	}
	end = to_nul ? memchr(data, 0, (size_t)n) : NULL;
	part->addr = addr;
	part->length = (uint32_t)(end ? end + 1 - data : n);
	if (!to_nul)
		g->len = at + ((part->length + 7u) & ~7u);
	return end ? len : (uint64_t)n;
}

/* How far it is to the next page where there is something, or to the end. */
static uint64_t hole(struct gathering *g, uint64_t addr, uint64_t len)
{
	uint64_t n = 0;
	uint8_t byte;

	do
		n += PAGE - (addr + n) % PAGE;
	while (n < len && target_read(g->at.t, g->at.th->proc, addr + n, &byte,
				      1) <= 0);
	n = n < len ? n : len;
	g->missing += n;
	return n;
}

static int gather_memory(struct gathering *g, uint64_t addr, uint64_t len,
			 bool to_nul)
{
	unsigned before = g->n_parts;
	uint64_t first = addr, n;

	if (len > COLLECT_LARGE) {
		part_add(g, -E2BIG)->addr = addr;
		return 0;
	}
	for (; len; addr += n, len -= n) {
		n = gather_block(g, addr, len, to_nul);
		if (n == len || to_nul)
			break;
		n += hole(g, addr + n, len - n);
	}
	if (g->n_parts == before)
		part_add(g, -EFAULT)->addr = first;
	return 0;
}

static int env_getv(void *user, unsigned n, int64_t *v)
{
	const struct collect_variables *all =
		((struct gathering *)user)->spec->variables;

	return all && all->getv ? all->getv(all->user, n, v) : -ENOSYS;
}

static int env_setv(void *user, unsigned n, int64_t v)
{
	const struct collect_variables *all =
		((struct gathering *)user)->spec->variables;

	return all && all->setv ? all->setv(all->user, n, v) : -ENOSYS;
}

static int env_tracev(void *user, unsigned n)
{
	const struct collect_variables *all =
		((struct gathering *)user)->spec->variables;

	return all && all->tracev ? all->tracev(all->user, n) : -ENOSYS;
}

/* Of all its turns, too, an item has COLLECT_LARGE bytes at most, what is not
 * there included: to look for that takes its time as well. */
static int env_trace(void *user, uint64_t addr, uint64_t len, bool to_nul)
{
	struct gathering *g = user;

	if (len <= COLLECT_LARGE &&
	    g->len - g->item_at + g->missing + len > COLLECT_LARGE)
		return -E2BIG;
	return gather_memory(g, addr, len, to_nul);
}

static int evaluate(struct gathering *g, const struct ax_program *p, int64_t *v,
		    bool traces)
{
	const struct ax_env env = {
		.reg = target_hit_reg,
		.mem = target_hit_mem,
		.getv = env_getv,
		.setv = env_setv,
		.tracev = traces ? env_tracev : NULL,
		.trace = traces ? env_trace : NULL,
		.user = g,
	};

	return ax_eval(p, &env, v);
}

static void gather_item(struct gathering *g, const struct collect_item *i)
{
	uint64_t at = 0;
	int64_t v;
	int r;

	g->item_at = g->len;
	g->missing = 0;
	switch (i->what) {
	case COLLECT_REGISTERS:
		gather_registers(g, i->registers);
		break;
	case COLLECT_MEMORY:
		if (i->base >= 0 &&
		    target_hit_reg(g, (unsigned)i->base, &at) < 0)
			part_add(g, -EINVAL);
		else
			gather_memory(g, at + (uint64_t)i->offset, i->length,
				      false);
		break;
	case COLLECT_VALUE:
		r = evaluate(g, i->code, &v, false);
		part_add(g, r);
		if (r == 0)
			memcpy(room(g, sizeof(v)), &v, sizeof(v));
		break;
	case COLLECT_PRINTS:
		break;
	default:
		r = evaluate(g, i->code, NULL, true);
		if (r < 0)
			part_add(g, r);
	}
}

static void gather(struct gathering *g)
{
	for (g->item = 0; g->item < g->spec->n_items; g->item++)
		gather_item(g, &g->spec->items[g->item]);
	for (unsigned i = 0; i < g->n_parts; i++) {
		struct collect_part *p = &g->parts[i];

		if (p->error < 0)
			p->length = 0;
		p->data = p->error < 0 ? NULL : g->data + (uintptr_t)p->data;
	}
}

void collector_met(void *user, struct target *t, struct thread *th)
{
	const struct collector *c = user;
	struct gathering g = { .at = { t, th }, .spec = &c->spec };
	struct collect_hit hit = {
		.who = th->id,
		.id = c->spec.id,
		.pc = c->spec.pc,
	};
	int64_t v = 1;

	if (c->dropped)
		return;
	collect_drain(translator_of(t), th);
	if (c->user) {
		c->user->met(translator_of(t), c, th);
		return;
	}
	if (c->spec.when)
		hit.error = evaluate(&g, c->spec.when, &v, false);
	translator_of(t)->stats.collects_called++;
	if (hit.error == 0 && !v)
		return;
	if (hit.error == 0)
		gather(&g);
	hit.time = collect_time();
	hit.parts = g.parts;
	hit.n_parts = g.n_parts;
	tell(translator_of(t), &c->spec, &hit);
	free(g.parts);
	free(g.data);
}
