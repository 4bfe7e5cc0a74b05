/*
 * From words to blocks. From where one record has led, control has gone by
 * what is no branch, or one that needs no record, to where the next was
 * written: on that way each block has one successor.
 *
 * Nothing that is read here is trusted: a number may be any.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/flows.h"
#include "translate/history.h"

#define WAY_MAX	 65536u /* more blocks without a record are none of ours */

/* --- telling -------------------------------------------------------------- */

void flow_read_done(struct flow_reader *r)
{
	const struct flow_sink *sink = r->sink;
	uint32_t n = r->n_out;

	r->n_out = 0;
	if (n && sink->ways)
		sink->ways(sink->user, &r->who, r->out, n);
	if (n && (r->history || (sink->path && !sink->ways)))
		flow_ways_expand(r, r->out, n);
}

static void tell_way(struct flow_reader *r, uint32_t way)
{
	r->out[r->n_out++] = way;
	if (r->n_out == FLOW_OUT)
		flow_read_done(r);
}

static void tell(struct flow_reader *r, uint32_t id)
{
	tell_way(r, flow_way_single(r, id));
}

static void tell_all(struct flow_reader *r, const uint32_t *ids, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		tell(r, ids[i]);
}

static void tell_cut(struct flow_reader *r, uint32_t instructions)
{
	flow_read_done(r);
	if (r->sink->cut)
		r->sink->cut(r->sink->user, &r->who, instructions);
	if (r->history)
		history_cut(r->history, instructions);
}

/* Where that record of a branch leads; 0: it is none. */
static uint64_t led_to(const struct flow_reader *r, uint32_t word)
{
	uint32_t number = word & FLOW_NUMBER;
	const struct flow_block *b;

	if (word >> FLOW_KIND_SHIFT == FLOW_LANDS)
		return flow_address(r->code, number);
	b = flow_block(r->code, number);
	return b ? flow_edge(b) : 0;
}

/* --- where it is ---------------------------------------------------------- */

static void be_lost(struct flow_reader *r)
{
	r->at = 0;
	r->now = r->last = 0;
	r->is_told = false;
}

/* The branch that the record is of has been taken. */
static void be_behind(struct flow_reader *r, uint32_t word)
{
	be_lost(r);
	r->last = word;
	r->is_skipping = false;
}

static void be_at(struct flow_reader *r, uint64_t pc)
{
	be_lost(r);
	r->at = pc;
	r->is_skipping = false;
}

static void be_in(struct flow_reader *r, uint32_t id)
{
	be_lost(r);
	r->now = id;
	r->is_skipping = false;
}

/* --- ways ----------------------------------------------------------------- */

/* The block is on the way, and not the last one. Returns where that leads. */
static uint64_t pass(struct flow_reader *r, uint32_t id)
{
	GROW(r->way, r->n_way, r->cap_way, 64);
	r->way[r->n_way++] = id;
	return flow_next(flow_block(r->code, id));
}

/* Where a way goes: to that block, or to that address, before which block it
 * is; or with neither to where an indirect branch was. */
struct goal {
	uint32_t id;
	uint64_t pc;
};

/* Finds the way, without the goal. */
static bool find_way(struct flow_reader *r, const struct goal *g)
{
	uint64_t pc = r->last ? led_to(r, r->last) : r->at;
	uint32_t id;

	r->n_way = 0;
	if (!pc && !r->now)
		return false;
	if (!pc && !r->is_told) {
		if (g->id && g->id == r->now)
			return true;
		pc = pass(r, r->now);
	} else if (!pc) {
		pc = flow_next(flow_block(r->code, r->now));
	}
	while (pc && r->n_way < WAY_MAX) {
		if (g->pc && pc == g->pc)
			return true;
		id = flow_static(r->code, pc);
		if (!id)
			return false;
		if (g->id && id == g->id)
			return true;
		pc = pass(r, id);
	}
	return !pc && !g->pc && !g->id;
}

/* False: there is none, and nothing is told. */
static bool go(struct flow_reader *r, const struct goal *g)
{
	bool found = find_way(r, g);

	if (found)
		tell_all(r, r->way, r->n_way);
	return found;
}

bool flow_read_knows(const struct flow_reader *r)
{
	return r->last || r->at || r->now;
}

/* Somebody has written to the ring, or so it seems. */
static void miss(struct flow_reader *r)
{
	if (flow_read_knows(r))
		flow_read_lost(r);
}

/* --- records -------------------------------------------------------------- */

/* The way that was found, with the block at its end. */
static void tell_branch(struct flow_reader *r, uint32_t from, uint32_t to)
{
	if (from && r->n_way <= FLOW_WAY_MOST)
		tell_way(r, flow_way_add(r, from, to, r->way, r->n_way));
	else
		tell_all(r, r->way, r->n_way);
}

static bool read_branch(struct flow_reader *r, uint32_t word)
{
	struct goal g = { 0 };
	uint32_t from = r->last;
	bool known = flow_read_knows(r);

	if (!led_to(r, word))
		return false;
	if (word >> FLOW_KIND_SHIFT == FLOW_EDGE)
		g.id = word & FLOW_NUMBER;
	if (known && !find_way(r, &g)) {
		flow_read_lost(r);
	} else if (known) {
		if (g.id && !(r->is_told && r->now == g.id))
			pass(r, g.id);
		tell_branch(r, from, word);
	}
	be_behind(r, word);
	return true;
}

static bool read_entry(struct flow_reader *r, uint32_t id)
{
	const struct flow_block *b = flow_block(r->code, id);

	if (!b)
		return false;
	if (!go(r, &(struct goal){ .pc = b->begin }))
		miss(r);
	be_in(r, id);
	return true;
}

static bool read_skip(struct flow_reader *r, uint64_t pc)
{
	if (!pc)
		return false;
	if (!go(r, &(struct goal){ .pc = pc }))
		miss(r);
	be_lost(r);
	if (r->is_skipping)
		return true;
	r->is_skipping = true;
	flow_read_done(r);
	if (r->sink->gap)
		r->sink->gap(r->sink->user, &r->who, pc);
	return true;
}

static bool read_record(struct flow_reader *r, uint32_t word)
{
	switch (word >> FLOW_KIND_SHIFT) {
	case FLOW_EDGE:
	case FLOW_LANDS:
		return read_branch(r, word);
	case FLOW_ENTRY:
		return read_entry(r, word & FLOW_NUMBER);
	case FLOW_SKIPS:
		return read_skip(r, flow_address(r->code, word & FLOW_NUMBER));
	default:
		return false;
	}
}

/* How many there were whose ways are known. */
static uint32_t read_known(struct flow_reader *r, const uint32_t *words,
			   uint32_t n)
{
	uint32_t i = 0, most, some;

	while (i < n && r->last) {
		most = n - i < FLOW_OUT - r->n_out ? n - i
						   : FLOW_OUT - r->n_out;
		some = flow_ways_read(r, words + i, most, r->out + r->n_out);
		r->n_out += some;
		i += some;
		if (r->n_out == FLOW_OUT)
			flow_read_done(r);
		if (some < most)
			break;
	}
	return i;
}

uint32_t flow_read_records(struct flow_reader *r, const uint32_t *words,
			   uint32_t n)
{
	uint32_t i = read_known(r, words, n);

	for (; i < n; i += read_known(r, words + i, n - i)) {
		if (!read_record(r,
				 __atomic_load_n(words + i, __ATOMIC_RELAXED)))
			return i;
		i++;
	}
	return n;
}

/* --- notes ---------------------------------------------------------------- */

static void leave(struct flow_reader *r, uint32_t id, uint32_t instructions)
{
	const struct flow_block *b = flow_block(r->code, id);
	bool was_told = r->is_told && r->now == id;

	if (!was_told && !go(r, &(struct goal){ .id = id }))
		miss(r);
	else if (!was_told && instructions)
		tell(r, id);
	if (!was_told && instructions && instructions < b->instructions)
		tell_cut(r, instructions);
	be_lost(r);
}

static void reach(struct flow_reader *r, uint32_t id)
{
	if (go(r, &(struct goal){ .id = id }))
		tell(r, id);
	else
		miss(r);
	be_in(r, id);
	r->is_told = true;
}

static void leave_at(struct flow_reader *r, const struct goal *g)
{
	const struct flow_block *b = flow_block(r->code, r->now);

	/* What goes back to itself has a record of that. */
	if (b && !r->is_told && g->pc == b->begin)
		be_lost(r);
	else if (!go(r, g))
		miss(r);
	be_lost(r);
}

void flow_read_note(struct flow_reader *r, const struct flow_note *note)
{
	switch (note->kind) {
	case NOTE_ENTERS:
		be_at(r, flow_block(r->code, note->block)->begin);
		break;
	case NOTE_INSIDE:
		be_in(r, note->block);
		break;
	case NOTE_LEAVES:
		leave(r, note->block, note->instructions);
		break;
	case NOTE_LEAVES_AT:
		leave_at(r, &(struct goal){ .pc = note->pc });
		break;
	case NOTE_ENDS:
		leave_at(r, &(struct goal){ .id = 0 });
		break;
	case NOTE_REACHES:
		reach(r, note->block);
		break;
	case NOTE_NATIVE:
		be_lost(r);
		r->is_skipping = false;
		tell(r, note->block);
		break;
	case NOTE_SKIPS:
		be_lost(r);
		if (!r->is_skipping && r->sink->gap) {
			flow_read_done(r);
			r->sink->gap(r->sink->user, &r->who, note->pc);
		}
		r->is_skipping = true;
		break;
	}
}

/* --- the end -------------------------------------------------------------- */

void flow_read_end(struct flow_reader *r)
{
	if (r->now && !r->is_told)
		tell(r, r->now);
	be_lost(r);
	flow_read_done(r);
}

void flow_read_lost(struct flow_reader *r)
{
	be_lost(r);
	r->is_skipping = false;
	flow_read_done(r);
	if (r->sink->lost)
		r->sink->lost(r->sink->user, &r->who);
	if (r->history)
		history_lost(r->history);
}
