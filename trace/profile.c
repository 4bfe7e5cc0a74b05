#include "trace/profiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* One more of an array, whose index it returns; [0] is none. */
#define ADD(array, n, cap)                       \
	({                                       \
		GROW(array, (n) + 1, cap, 1024); \
		++(n);                           \
	})

/* --- blocks --------------------------------------------------------------- */

void *profile_grown(void *array, uint32_t from, uint32_t to, size_t size)
{
	array = xrealloc(array, to * size);
	memset((char *)array + from * size, 0, (to - from) * size);
	return array;
}

static void take_block(void *user, uint32_t block)
{
	struct profile *p = user;
	uint32_t cap = p->cap_blocks;

	if (block < cap)
		return;
	p->cap_blocks = cap ? 2 * cap : 8192;
	for (int i = 0; i < LEVELS; i++)
		p->counts[i] = profile_grown(p->counts[i], cap, p->cap_blocks,
				     sizeof(*p->counts[i]));
	p->first_call = profile_grown(p->first_call, cap, p->cap_blocks,
			      sizeof(*p->first_call));
	p->first_flow = profile_grown(p->first_flow, cap, p->cap_blocks,
			      sizeof(*p->first_flow));
}

/* --- ways ----------------------------------------------------------------- */

static void add_piece(struct profile *p, uint32_t way, uint32_t at)
{
	uint32_t block = story_blocks(p->run, way)[at];
	const struct story_step *s = &p->run->steps[block];
	uint32_t cap = p->cap_pieces;

	if (p->n_pieces == cap) {
		p->cap_pieces = cap ? 2 * cap : 4096;
		p->pieces = profile_grown(p->pieces, cap, p->cap_pieces,
				  sizeof(*p->pieces));
	}
	if (at)
		p->pieces[p->n_pieces - 1].more = true;
	p->pieces[p->n_pieces++] = (struct profile_piece){
		.first = block,
		.function = s->function,
		.way = way,
		.at = at,
	};
}

/* The next block of the way belongs to its last piece. */
static void extend_piece(struct profile *p, uint32_t block)
{
	struct profile_piece *last = &p->pieces[p->n_pieces - 1];
	const struct story_step *s = &p->run->steps[block];

	last->last = block;
	last->instructions += s->instructions;
	last->straight = s->end == END_FALLS;
	last->n++;
}

static bool is_piece(const struct profile *p, uint32_t block)
{
	const struct profile_piece *last = &p->pieces[p->n_pieces - 1];

	return !p->wants || (last->straight &&
			     last->function == p->run->steps[block].function);
}

static void take_way(void *user, uint32_t way)
{
	struct profile *p = user;
	const uint32_t *blocks = story_blocks(p->run, way);
	uint32_t cap = p->cap_ways;

	if (way >= cap) {
		p->cap_ways = 2 * way + 4096;
		p->pieces_of = profile_grown(p->pieces_of, cap, p->cap_ways,
				     sizeof(*p->pieces_of));
	}
	p->pieces_of[way] = p->n_pieces;
	for (uint32_t i = 0; i < p->run->ways[way].n; i++) {
		if (!i || !is_piece(p, blocks[i]))
			add_piece(p, way, i);
		extend_piece(p, blocks[i]);
	}
}

/* --- calls ---------------------------------------------------------------- */

static uint32_t call_add(struct profile *p, uint32_t site, unsigned site_level,
			 uint32_t function, unsigned level)
{
	uint32_t i = ADD(p->calls, p->n_calls, p->cap_calls);

	p->calls[i] = (struct profile_call){
		.site = site,
		.site_level = (uint8_t)site_level,
		.function = function,
		.level = (uint8_t)level,
		.next = p->first_call[site],
	};
	p->first_call[site] = i;
	return i;
}

static bool is_call(const struct profile_call *c, uint32_t site,
		    unsigned site_level, uint32_t function, unsigned level)
{
	return c->site == site && c->site_level == site_level &&
	       c->function == function && c->level == level;
}

/* Mostly it is the one that led to the same piece before. */
uint32_t profile_call_of(struct thread_profile *t, uint32_t site,
			unsigned site_level, uint32_t function, unsigned level)
{
	struct profile *p = t->p;
	uint32_t i = *t->edge;

	if (i && is_call(&p->calls[i], site, site_level, function, level))
		return i;
	for (i = p->first_call[site]; i; i = p->calls[i].next) {
		if (is_call(&p->calls[i], site, site_level, function, level))
			break;
	}
	if (!i)
		i = call_add(p, site, site_level, function, level);
	*t->edge = i;
	return i;
}

static uint32_t node_find(struct profile *p, uint32_t parent, uint32_t function)
{
	uint64_t key = ((uint64_t)parent + 1) << 32 | function;
	uintptr_t known = (uintptr_t)map_find(&p->node_of, key);
	uint32_t i;

	if (known)
		return (uint32_t)known;
	i = ADD(p->nodes, p->n_nodes, p->cap_nodes);
	p->nodes[i] =
		(struct profile_node){ .parent = parent, .function = function };
	map_set(&p->node_of, key, (void *)(uintptr_t)i);
	return i;
}

/* Most functions call the same one again. */
static uint32_t node_of(struct profile *p, uint32_t parent, uint32_t function)
{
	uint32_t i = parent ? p->nodes[parent].recent : 0;

	if (i && p->nodes[i].function == function)
		return i;
	i = node_find(p, parent, function);
	if (parent)
		p->nodes[parent].recent = i;
	return i;
}

static void add_cost(struct thread_profile *t)
{
	if (t->node)
		t->p->nodes[t->node].cost += t->calls.now - t->told;
	t->told = t->calls.now;
}

uint32_t *profile_depth(struct thread_profile *t, uint32_t function)
{
	uint32_t cap = t->cap_depth;

	if (function >= cap) {
		t->cap_depth = 2 * function + 256;
		t->depth =
			profile_grown(t->depth, cap, t->cap_depth, sizeof(*t->depth));
	}
	return &t->depth[function];
}

static void enter(void *user, struct calls *c, struct call *top)
{
	struct thread_profile *t = user;
	struct profile *p = t->p;
	uint8_t before = t->level;

	t->level = top->level = (*profile_depth(t, top->function))++ > 0;
	(void)c;
	if (top->site) {
		top->edge = profile_call_of(t, top->site, before, top->function,
				    top->level);
		p->calls[top->edge].count++;
	}
	if (!(p->wants & PROFILE_TREE))
		return;
	add_cost(t);
	t->node = top->node = node_of(p, t->node, top->function);
}

static void leave(void *user, struct calls *c, struct call *top)
{
	struct thread_profile *t = user;

	t->depth[top->function]--;
	t->level = c->n > 1 ? top[-1].level : 0;
	if (top->edge)
		t->p->calls[top->edge].cost += c->now - top->since;
	else if (t->p->own)
		profile_take_whole(t, top);
	if (!(t->p->wants & PROFILE_TREE))
		return;
	add_cost(t);
	t->node = t->p->nodes[top->node].parent;
}

/* --- which block followed which ------------------------------------------- */

static void count_flow(struct profile *p, uint32_t from, uint32_t to,
		       uint64_t count)
{
	uint32_t i;

	for (i = p->first_flow[to]; i; i = p->flows[i].next) {
		if (p->flows[i].from == from) {
			p->flows[i].count += count;
			return;
		}
	}
	i = ADD(p->flows, p->n_flows, p->cap_flows);
	p->flows[i] =
		(struct profile_flow){ from, to, p->first_flow[to], count };
	p->first_flow[to] = i;
}

/* --- the sink ------------------------------------------------------------- */

struct thread_profile *profile_of(struct profile *p,
					 struct story_thread *th)
{
	static const struct calls_listener listener = { .enter = enter,
							.leave = leave };
	struct thread_profile *t = th->of[p->slot];
	struct calls_listener mine = listener;

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->p = p;
	mine.user = t;
	calls_init(&t->calls, p->run, &mine);
	th->of[p->slot] = t;
	return t;
}

/* There are hundreds of millions in a second, most of them in the function that
 * is being executed: what they use is at hand, and written back where calls are
 * looked at. */
static void take_calls(struct thread_profile *t, const uint32_t *ways, size_t n)
{
	struct profile *p = t->p;
	struct calls *c = &t->calls;
	uint32_t function = c->function, prev = c->prev, before;
	bool straight = c->straight, flows = p->wants & PROFILE_FLOWS;
	uint64_t now = c->now;
	unsigned level = t->level;

	for (size_t i = 0; i < n; i++) {
		struct profile_piece *s = &p->pieces[p->pieces_of[ways[i]]];

		for (;; s++) {
			before = prev;
			if (!straight || s->function != function) {
				c->now = now;
				c->prev = prev;
				t->edge = &s->edge;
				before = calls_move(c, s->first);
				function = c->function;
				level = t->level;
			}
			if (flows)
				count_flow(p, before, s->first, 1);
			s->counts[level]++;
			now += s->instructions;
			straight = s->straight;
			prev = s->last;
			if (!s->more)
				break;
		}
	}
	c->now = now;
	c->prev = prev;
	c->straight = straight;
}

static void take_ways(void *user, struct story_thread *th, const uint32_t *ways,
		      size_t n)
{
	struct profile *p = user;
	struct thread_profile *t = profile_of(p, th);

	if (p->wants) {
		take_calls(t, ways, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		p->pieces[p->pieces_of[ways[i]]].counts[0]++;
	if (n)
		t->calls.prev = p->pieces[p->pieces_of[ways[n - 1]]].last;
}

void profile_count_part(struct profile *p, const struct profile_part *part)
{
	uint32_t i;

	for (i = 1; i <= p->n_parts; i++) {
		if (p->parts[i].block == part->block &&
		    p->parts[i].instructions == part->instructions &&
		    p->parts[i].level == part->level) {
			p->parts[i].count++;
			return;
		}
	}
	i = ADD(p->parts, p->n_parts, p->cap_parts);
	p->parts[i] = *part;
}

static void take_cut(void *user, struct story_thread *th, uint32_t instructions)
{
	struct profile *p = user;
	struct thread_profile *t = profile_of(p, th);

	if (t->calls.prev)
		profile_count_part(p, &(struct profile_part){
				      .block = t->calls.prev,
				      .instructions = instructions,
				      .level = t->level,
				      .count = 1,
			      });
	calls_cut(&t->calls, instructions);
}

static void take_lost(void *user, struct story_thread *th)
{
	struct profile *p = user;

	p->lost++;
	calls_lost(&profile_of(p, th)->calls);
}

static void take_end(void *user, struct story_thread *th)
{
	struct profile *p = user;
	struct thread_profile *t = th->of[p->slot];

	if (!t)
		return;
	calls_end(&t->calls);
	free(t->depth);
	free(t);
	th->of[p->slot] = NULL;
}

struct profile *profile_new(struct story *r, unsigned wants)
{
	struct profile *p = xcalloc(1, sizeof(*p));

	p->run = r;
	p->wants = wants & PROFILE_TREE ? wants | PROFILE_CALLS : wants;
	if (wants)
		story_functions(r);
	take_block(p, 0);
	p->slot = story_add_sink(r, &(struct story_sink){
					    .block = take_block,
					    .way = take_way,
					    .ways = take_ways,
					    .cut = take_cut,
					    .lost = take_lost,
					    .hop = profile_take_hop,
					    .events = profile_take_events,
					    .arrives = profile_take_arrival,
					    .count = profile_take_count,
					    .folded = profile_take_folded,
					    .depths = profile_take_depths,
					    .open = profile_take_open,
					    .part = profile_take_part,
					    .end = take_end,
					    .user = p,
				    });
	return p;
}

void profile_free(struct profile *p)
{
	free(p->pieces);
	free(p->pieces_of);
	free(p->counts[0]);
	free(p->counts[1]);
	free(p->first_call);
	free(p->first_flow);
	free(p->calls);
	free(p->nodes);
	free(p->parts);
	free(p->flows);
	free(p->own);
	free(p->hops);
	map_fini(&p->node_of);
	free(p);
}

static void settle(struct thread_profile *t)
{
	struct calls *c = &t->calls;

	add_cost(t);
	for (uint32_t i = 0; i < c->n; i++) {
		struct call *call = &c->stack[i];

		if (call->edge)
			t->p->calls[call->edge].cost += c->now - call->since;
		else if (t->p->own)
			profile_take_whole(t, call);
		call->since = c->now;
	}
}

/* The same of the blocks, each of which but the first follows another. */
static void settle_piece(struct profile *p, struct profile_piece *s)
{
	const uint32_t *blocks = story_blocks(p->run, s->way) + s->at;
	uint64_t all = s->counts[0] + s->counts[1];

	for (uint32_t i = 0; all && i < s->n; i++) {
		for (int level = 0; level < LEVELS; level++)
			p->counts[level][blocks[i]] += s->counts[level];
		if (i && p->wants & PROFILE_FLOWS)
			count_flow(p, blocks[i - 1], blocks[i], all);
	}
	s->counts[0] = s->counts[1] = 0;
}

void profile_settle(struct profile *p)
{
	const struct map *threads = &p->run->threads;

	for (uint32_t i = 0; i < p->n_pieces; i++)
		settle_piece(p, &p->pieces[i]);
	for (size_t i = 0; threads->count && i <= threads->mask; i++) {
		const struct story_thread *th = threads->slots[i].value;

		if (threads->slots[i].key && th->of[p->slot])
			settle(th->of[p->slot]);
	}
}

uint64_t *profile_costs(const struct profile *p)
{
	uint64_t *costs = xcalloc(p->run->n_blocks + 1, sizeof(*costs));

	for (uint32_t i = 1; i <= p->run->n_blocks; i++)
		costs[i] = profile_count(p, i) * p->run->blocks[i].instructions;
	for (uint32_t i = 1; i <= p->n_parts; i++) {
		const struct profile_part *part = &p->parts[i];

		costs[part->block] -=
			part->count *
			(p->run->blocks[part->block].instructions -
			 part->instructions);
	}
	return costs;
}
