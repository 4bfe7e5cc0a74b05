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
	uint64_t back;	       /* HOP_CALLS: the place behind it */
	uint32_t site, caller; /* and its function */
	uint8_t kind;
	bool stays; /* a call of what is behind it: it is none */
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
		.back = site->behind,
		.site = h->site,
		.caller = site->function,
		.kind = h->kind,
		.stays = h->begin == site->behind &&
			 h->function == site->function,
	};
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

/* What was executed since the last time is the current function's. */
void profile_charge(struct thread_profile *t)
{
	struct calls *c = &t->calls;

	make_room(t->p, c->function);
	t->p->own[c->function].cost[t->level] += c->now - t->told;
	t->told = c->now;
}

/* --- hops ----------------------------------------------------------------- */

static uint32_t edge_of(struct thread_profile *t, struct profile_hop *h,
			unsigned level)
{
	uint32_t *edge = &h->edges[t->level][level];

	if (*edge)
		return *edge;
	t->edge = edge;
	return profile_call_of(t, h->site, t->level, h->to.function, level);
}

/* It has come and gone. */
static void take_leaf(struct thread_profile *t, struct profile_hop *h,
		      uint64_t cost)
{
	unsigned level = *profile_depth(t, h->to.function) > 0;
	struct profile_call *call = &t->p->calls[edge_of(t, h, level)];

	call->count++;
	call->cost += cost;
	t->p->own[h->to.function].cost[level] += cost;
	t->told += cost;
}

/* As calls.c's push(), and who listens to that. */
static void take_call(struct thread_profile *t, struct profile_hop *h)
{
	struct calls *c = &t->calls;
	struct call *top;

	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->stack = xrealloc(c->stack, c->cap * sizeof(*c->stack));
	}
	top = &c->stack[c->n++];
	top->back = h->back;
	top->since = c->now;
	top->site = h->site;
	top->function = h->to.function;
	top->level = (*profile_depth(t, h->to.function))++ > 0;
	top->edge = edge_of(t, h, top->level);
	top->node = 0;
	top->kind = CALL_REAL;
	t->p->calls[top->edge].count++;
	t->level = top->level;
	c->function = h->to.function;
}

static void take_return(struct thread_profile *t, const struct profile_hop *h)
{
	struct calls *c = &t->calls;
	struct call *top = &c->stack[c->n - 1];

	t->depth[top->function]--;
	t->p->calls[top->edge].cost += c->now - top->since;
	c->n--;
	t->level = top[-1].level;
	c->function = h->to.function;
}

/* The thread is where the hop begins; if not, something is missing. */
static void be_at(struct thread_profile *t, const struct profile_hop *h)
{
	const struct story_step *s = &t->p->run->steps[h->site];
	const struct calls_place at = { s->begin, s->function };

	if (!t->calls.n)
		calls_begin(&t->calls, &at);
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
	uint32_t site = h->kind == HOP_LANDS ? from : h->site, edge = 0;

	t->edge = &edge;
	be_at(t, h);
	if (h->kind == HOP_RETURNS)
		calls_go(&t->calls, returning(t), END_RET, &h->to);
	else
		calls_go(&t->calls, site, t->p->run->steps[site].end, &h->to);
}

static bool is_call(const struct thread_profile *t, const struct profile_hop *h)
{
	return h->kind == HOP_CALLS && t->calls.function == h->caller &&
	       t->calls.n && !h->stays;
}

/* Of what was called by a block, and is on top. */
static bool is_return(const struct thread_profile *t,
		      const struct profile_hop *h)
{
	const struct calls *c = &t->calls;

	return h->kind == HOP_RETURNS && c->n > 1 &&
	       c->stack[c->n - 1].back == h->to.begin &&
	       c->stack[c->n - 1].edge;
}

void profile_take_events(void *user, struct story_thread *th,
			 const struct story_events *events)
{
	struct profile *p = user;
	struct thread_profile *t = profile_of(p, th);

	for (size_t i = 0; i < events->n; i++) {
		const struct flow_event *e = &events->all[i];
		struct profile_hop *h = &p->hops[events->hops[e->hop]];

		if (e->leaf) {
			take_leaf(t, h, e->now);
			continue;
		}
		t->calls.now = e->now;
		p->own[t->calls.function].cost[t->level] += e->now - t->told;
		t->told = e->now;
		if (is_call(t, h))
			take_call(t, h);
		else if (is_return(t, h))
			take_return(t, h);
		else if (!h->stays)
			take_rare(t, h, e->from ? events->blocks[e->from] : 0);
	}
}

/* --- arrivals ------------------------------------------------------------- */

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
	profile_charge(t);
	make_room(p, s->function);
	t->edge = &edge;
	if (a->block)
		arrive(t, a, &(struct calls_place){ s->begin, s->function });
}
