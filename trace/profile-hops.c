/*
 * Calls of a program that counts its blocks itself. There are a hundred million
 * hops in a second: a call that is made and comes back behind itself is
 * followed here, all else by calls.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/profiles.h"
#include "translate/flow.h"

struct profile_hop {
	struct calls_place to;
	uint32_t site, caller; /* and its function */
	uint8_t kind;
	bool stays;  /* a call of what is behind it: it is none */
	bool begins; /* the function that it leads to */
	bool quick;  /* it is a call, most of the time */
	uint32_t through, instructions; /* struct flow_hop's */
	/* By levels of site and function: the calls; 0: none yet. */
	uint32_t edges[LEVELS][LEVELS];
};

/* --- what there is -------------------------------------------------------- */

static void make_room(struct profile *p, uint32_t function)
{
	uint32_t cap = p->cap_own;

	if (function < cap)
		return;
	p->cap_own = 2 * function + 1024;
	p->own = profile_grown(p->own, cap, p->cap_own, sizeof(*p->own));
}

static bool is_quick(const struct profile *p, const struct profile_hop *h)
{
	const struct story *r = p->run;

	if (h->kind == HOP_JUMPS)
		return h->begins && !(r->steps[h->site].flags & FUNCTION_LINK);
	return h->kind == HOP_CALLS && !h->stays;
}

void profile_take_hop(void *user, uint32_t id, const struct story_hop *h)
{
	struct profile *p = user;
	const struct story_step *site = &p->run->steps[h->site];
	uint32_t cap = p->cap_hops;

	make_room(p, h->function);
	if (id >= cap) {
		p->cap_hops = 2 * id + 1024;
		p->hops = profile_grown(p->hops, cap, p->cap_hops,
					sizeof(*p->hops));
	}
	p->hops[id] = (struct profile_hop){
		.to = { h->begin, h->function },
		.site = h->site,
		.caller = site->function,
		.kind = h->kind,
		.begins = h->begin == p->run->functions[h->function].begin,
		.through = h->through,
		.instructions = h->instructions,
		.stays = h->begin == site->behind &&
			 h->function == site->function,
	};
	p->hops[id].quick = is_quick(p, &p->hops[id]);
}

void profile_take_count(void *user, uint32_t block, uint64_t times)
{
	struct profile *p = user;

	make_room(p, p->run->steps[block].function);
	p->counts[0][block] += times;
}

void profile_take_part(void *user, struct story_thread *th, uint32_t block,
		       uint32_t instructions)
{
	(void)th;
	profile_count_part(user, &(struct profile_part){
					 .block = block,
					 .instructions = instructions,
					 .count = 1,
				 });
}

/* A call that nothing has made is over, or is looked at. */
void profile_take_whole(struct thread_profile *t, const struct call *call)
{
	make_room(t->p, call->function);
	t->p->own[call->function].cost[call->level] +=
		t->calls.now - call->since;
}

uint64_t (*profile_own_costs(const struct profile *p))[LEVELS]
{
	uint64_t(*own)[LEVELS] = xcalloc(p->cap_own, sizeof(*own));

	for (uint32_t i = 0; i < p->cap_own; i++)
		memcpy(own[i], p->own[i].cost, sizeof(own[i]));
	for (uint32_t i = 1; i <= p->n_calls; i++) {
		const struct profile_call *c = &p->calls[i];

		own[c->function][c->level] += c->cost;
		own[p->run->steps[c->site].function][c->site_level] -= c->cost;
	}
	return own;
}

static void add_calls(struct profile *p, struct profile_hop *h,
		      const struct flow_fold *f)
{
	uint32_t site = h->kind == HOP_LANDS ? f->from : h->site, edge = 0;
	struct thread_profile t = { .p = p, .edge = &edge };

	if (h->kind != HOP_LANDS)
		t.edge = &h->edges[f->site_level][f->level];
	edge = profile_call_of(&t, site, f->site_level, h->to.function,
			       f->level);
	p->calls[edge].count += f->times;
	p->calls[edge].cost += f->instructions;
}

void profile_take_folded(void *user, const struct flow_fold *f)
{
	struct profile *p = user;
	struct profile_hop *h = &p->hops[f->hop];
	struct flow_fold on = *f;

	if (h->stays)
		return;
	add_calls(p, h, f);
	if (!f->through)
		return;
	on.instructions -= f->times * h->instructions;
	add_calls(p, &p->hops[h->through], &on);
}

void profile_take_depths(void *user, struct story_thread *th, uint32_t *depths,
			 uint32_t n, bool known)
{
	struct profile *p = user;
	struct thread_profile *t = profile_of(p, th);
	uint32_t most = p->run->n_functions + 1;

	if (known && !t->stale)
		return;
	profile_depth(t, most);
	memcpy(depths, t->depth, (most < n ? most : n) * sizeof(*depths));
	t->stale = false;
}

/* --- rare hops ------------------------------------------------------------ */

/* The thread is where the hop begins; if not, something is missing. */
static void be_at(struct thread_profile *t, const struct profile_hop *h)
{
	const struct story_step *s = &t->p->run->steps[h->site];
	const struct calls_place at = { s->begin, s->function };

	if (!t->calls.n)
		calls_begin(&t->calls, h->site ? &at : &h->to);
	else if (h->site && t->calls.function != h->caller)
		calls_go(&t->calls, 0, END_FALLS, &at);
}

/* Which block has returned is not told: some block of the function that does.
 */
static uint32_t returning(struct thread_profile *t)
{
	uint32_t function = t->calls.function;
	struct profile_own *own = &t->p->own[function];
	const struct story *r = t->p->run;

	for (uint32_t i = 1; !own->end && i <= r->n_blocks; i++) {
		if (r->steps[i].function == function &&
		    r->steps[i].end == END_RET)
			own->end = i;
	}
	return own->end;
}

static void take_rare(struct thread_profile *t, struct profile_hop *h,
		      uint32_t from)
{
	uint32_t site = h->kind == HOP_LANDS ? from : h->site;

	if (h->kind == HOP_RETURNS)
		calls_go(&t->calls, returning(t), END_RET, &h->to);
	else
		calls_go(&t->calls, site, t->p->run->steps[site].end, &h->to);
}

/* --- the others ----------------------------------------------------------- */

/* What is looked at for each event: of the thread, and back to it. */
struct hot {
	const struct story_step *steps;
	const struct profile_hop *hops;
	struct profile_call *calls;
	uint32_t *depth;
	struct call *bottom, *top, *end;
	uint32_t function;
	unsigned level;
	uint64_t now;
};

static void hot_begin(struct hot *hot, struct thread_profile *t)
{
	struct calls *c = &t->calls;

	profile_depth(t, t->p->cap_own);
	if (c->cap - c->n < 2) {
		c->cap = 2 * c->cap + 64;
		c->stack = xrealloc(c->stack, c->cap * sizeof(*c->stack));
	}
	hot->steps = t->p->run->steps;
	hot->hops = t->p->hops;
	hot->calls = t->p->calls;
	hot->depth = t->depth;
	hot->bottom = c->stack;
	hot->top = c->stack + c->n - 1;
	hot->end = c->stack + c->cap - 1;
	hot->function = c->function;
	hot->level = t->level;
	hot->now = c->now;
}

static void hot_end(const struct hot *hot, struct thread_profile *t)
{
	t->calls.n = (uint32_t)(hot->top + 1 - hot->bottom);
	t->calls.function = hot->function;
	t->calls.now = hot->now;
	t->level = (uint8_t)hot->level;
}

/* It has come and gone. False: it is the first such one. */
static bool take_leaf(struct hot *hot, const struct profile_hop *h,
		      uint64_t cost)
{
	unsigned level = hot->depth[h->to.function] > 0, on_level;
	uint32_t edge = h->edges[hot->level][level], on_edge;
	const struct profile_hop *on = &hot->hops[h->through];

	if (!edge || hot->function != h->caller)
		return false;
	if (h->through) {
		on_level = hot->depth[on->to.function] > 0;
		on_edge = on->edges[level][on_level];
		if (!on_edge)
			return false;
		hot->calls[on_edge].count++;
		hot->calls[on_edge].cost += cost - h->instructions;
	}
	hot->calls[edge].count++;
	hot->calls[edge].cost += cost;
	return true;
}

/* As calls.c's push(), and who listens to that. False: it is another case. A
 * jump to a function that is being called may be one back. */
static bool push(struct hot *hot, const struct profile_hop *h,
		 const struct flow_event *e, uint32_t site, bool tail)
{
	const struct story_step *from = &hot->steps[site];
	unsigned level = hot->depth[h->to.function] > 0;
	uint32_t edge = h->edges[hot->level][level];
	struct call *top = hot->top + 1;

	if (hot->function != from->function || !edge || top == hot->end ||
	    (tail && level))
		return false;
	hot->depth[h->to.function]++;
	hot->calls[edge].count++;
	*top = (struct call){
		.back = tail ? 0 : from->behind,
		.since = hot->now,
		.site = site,
		.function = h->to.function,
		.edge = edge,
		.hop = e->hop,
		.from = e->from,
		.level = (uint8_t)level,
		.kind = tail ? CALL_TAIL : CALL_REAL,
	};
	hot->top = top;
	hot->level = level;
	hot->function = h->to.function;
	return true;
}

/* By an indirect branch: mostly from where it was before. */
static bool take_landing(struct hot *hot, const struct profile_hop *h,
			 const struct flow_event *e, uint32_t site)
{
	unsigned level = hot->depth[h->to.function] > 0;
	uint32_t edge = h->edges[hot->level][level];

	if (!site || hot->calls[edge].site != site ||
	    h->to.begin == hot->steps[site].behind)
		return false;
	if (hot->steps[site].end == END_CALL_IND)
		return push(hot, h, e, site, false);
	return hot->steps[site].end == END_JUMP_IND && h->begins &&
	       !(hot->steps[site].flags & FUNCTION_LINK) &&
	       push(hot, h, e, site, true);
}

static void pop(struct hot *hot)
{
	hot->depth[hot->top->function]--;
	hot->calls[hot->top->edge].cost += hot->now - hot->top->since;
	hot->top--;
}

/* From what is on top, or has jumped there. */
static bool take_return(struct hot *hot, const struct profile_hop *h)
{
	struct call *call = hot->top;

	while (call > hot->bottom && call->kind == CALL_TAIL && call->edge)
		call--;
	if (call <= hot->bottom || call->back != h->to.begin || !call->edge)
		return false;
	do {
		pop(hot);
	} while (hot->top >= call);
	hot->level = hot->top->level;
	hot->function = h->to.function;
	return true;
}

static bool take_quickly(struct hot *hot, const struct profile_hop *h,
			 const struct flow_event *e, const uint32_t *blocks)
{
	if (e->leaf)
		return take_leaf(hot, h, e->now);
	hot->now = e->now;
	if (h->kind == HOP_RETURNS)
		return take_return(hot, h);
	if (h->kind == HOP_LANDS)
		return take_landing(hot, h, e, e->from ? blocks[e->from] : 0);
	return h->quick && push(hot, h, e, h->site, h->kind == HOP_JUMPS);
}

/* A call of a stub is one of what that jumps to, too. */
static void count_leaf(struct thread_profile *t, const struct profile_hop *h,
		       unsigned level, uint64_t cost)
{
	struct profile_hop *on = &t->p->hops[h->through];
	uint32_t edge =
		profile_call_of(t, h->site, t->level, h->to.function, level);
	unsigned on_level;

	t->p->calls[edge].count++;
	t->p->calls[edge].cost += cost;
	if (!h->through)
		return;
	on_level = *profile_depth(t, on->to.function) > 0;
	t->edge = &on->edges[level][on_level];
	edge = profile_call_of(t, on->site, level, on->to.function, on_level);
	t->p->calls[edge].count++;
	t->p->calls[edge].cost += cost - h->instructions;
}

/* The call that the hop is between those levels, for the next time; what has
 * become of it may be another one. site: its own, or where it has landed from.
 */
static void keep_edge(const struct profile *p, struct profile_hop *h,
		      uint32_t site, unsigned from, unsigned to)
{
	const struct profile_call *c = &p->calls[h->edges[from][to]];

	if (h->edges[from][to] &&
	    (c->site != site || c->site_level != from ||
	     c->function != h->to.function || c->level != to))
		h->edges[from][to] = 0;
}

/* The event has led into the call on top, if one has begun: it can be told once
 * more. */
static void keep_event(struct thread_profile *t, const struct profile_hop *h,
		       const struct flow_event *e, uint32_t site)
{
	struct call *top = calls_top(&t->calls);

	if (h->kind == HOP_RETURNS || top->function != h->to.function ||
	    top->site != site)
		return;
	top->hop = e->hop;
	top->from = e->from;
}

static void take_slowly(struct thread_profile *t, struct profile_hop *h,
			const struct flow_event *e, const uint32_t *blocks)
{
	uint32_t site = e->from ? blocks[e->from] : 0, n;
	unsigned from, to;

	if (h->stays)
		return;
	t->edge = &h->edges[0][0];
	be_at(t, h);
	n = t->calls.n;
	from = t->level;
	to = *profile_depth(t, h->to.function) > 0;
	t->edge = &h->edges[from][to];
	if (e->leaf)
		count_leaf(t, h, to, e->now);
	else
		take_rare(t, h, site);
	site = h->kind == HOP_LANDS ? site : h->site;
	if (t->calls.n == n + 1)
		keep_event(t, h, e, site);
	t->stale |= h->kind != HOP_CALLS;
	keep_edge(t->p, h, site, 0, 0);
	keep_edge(t->p, h, site, from, to);
}

void profile_take_events(void *user, struct story_thread *th,
			 const struct story_events *events)
{
	struct profile *p = user;
	struct thread_profile *t = profile_of(p, th);
	struct hot hot;

	hot_begin(&hot, t);
	for (size_t i = 0; i < events->n; i++) {
		const struct flow_event *e = &events->all[i];
		struct profile_hop *h = &p->hops[events->hops[e->hop]];

		if (take_quickly(&hot, h, e, events->blocks))
			continue;
		hot_end(&hot, t);
		take_slowly(t, h, e, events->blocks);
		hot_begin(&hot, t);
	}
	hot_end(&hot, t);
}

/* --- what is open --------------------------------------------------------- */

/* As if the call on top had not begun. */
static void take_back(struct thread_profile *t, const struct call *top)
{
	struct calls *c = &t->calls;

	t->depth[top->function]--;
	t->p->calls[top->edge].count--;
	c->n--;
	t->level = calls_top(c)->level;
	c->function = t->p->run->steps[top->site].function;
}

size_t profile_take_open(void *user, struct story_thread *th,
			 struct flow_open *out, size_t n)
{
	struct thread_profile *t = profile_of(user, th);
	const struct call *first = t->calls.stack + t->calls.n;
	size_t k = 0;

	while (k < n && first > t->calls.stack + 1 && first[-1].hop &&
	       first[-1].edge) {
		first--;
		k++;
	}
	for (size_t i = 0; i < k; i++)
		out[i] = (struct flow_open){
			.hop = first[i].hop,
			.from = first[i].from,
			.now = first[i].since,
		};
	for (size_t i = k; i > 0; i--)
		take_back(t, &first[i - 1]);
	return k;
}

/* --- arrivals ------------------------------------------------------------- */

/* Hops have records: who is at the begin of another function without one was
 * interrupted, by a signal, where a block begins. */
static bool is_between(const struct thread_profile *t,
		       const struct flow_arrival *a,
		       const struct calls_place *to)
{
	return a->how == FLOW_GOES_ON && to->function != t->calls.function &&
	       to->begin == t->p->run->functions[to->function].begin;
}

static void arrive(struct thread_profile *t, const struct flow_arrival *a,
		   const struct calls_place *to)
{
	struct calls *c = &t->calls;

	if (!c->n || a->how == FLOW_UNKNOWN)
		calls_begin(c, to);
	else if (a->how == FLOW_CUT)
		calls_interrupt(c, a->from, to);
	else if (a->how == FLOW_RETURNED)
		calls_go(c, returning(t), END_RET, to);
	else if (is_between(t, a, to))
		calls_interrupt(c, a->from ? a->from : returning(t), to);
	else
		calls_go(c, a->from, t->p->run->steps[a->from].end, to);
}

void profile_take_arrival(void *user, struct story_thread *th,
			  const struct flow_arrival *a)
{
	struct profile *p = user;
	struct thread_profile *t = profile_of(p, th);
	const struct story_step *s = &p->run->steps[a->block];
	uint32_t edge = 0;

	t->calls.now = a->now;
	t->stale |= a->how != FLOW_GOES_ON ||
		    s->function != t->calls.function;
	make_room(p, s->function);
	t->edge = &edge;
	if (a->block)
		arrive(t, a, &(struct calls_place){ s->begin, s->function });
}
