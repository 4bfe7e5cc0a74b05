/*
 * From words to blocks. Nothing that is read here is trusted: a number may be
 * any.
 */
#include "base/mem.h"
#include "translate/flows.h"

/* --- telling -------------------------------------------------------------- */

void flow_read_done(struct flow_reader *r)
{
	if (r->n_out && r->sink->path)
		r->sink->path(r->sink->user, &r->who, r->out, r->n_out);
	r->n_out = 0;
}

static void tell(struct flow_reader *r, uint32_t id)
{
	r->out[r->n_out++] = id;
	if (r->n_out == ARRAY_SIZE(r->out))
		flow_read_done(r);
}

static void tell_cut(struct flow_reader *r, uint32_t instructions)
{
	flow_read_done(r);
	if (r->sink->cut)
		r->sink->cut(r->sink->user, &r->who, instructions);
}

/* The one that it executes was executed. */
static void finish(struct flow_reader *r)
{
	if (r->now && !r->is_told)
		tell(r, r->now);
	r->now = 0;
	r->is_told = r->is_sure = false;
}

static void begin(struct flow_reader *r, uint32_t id, bool is_sure)
{
	r->now = id;
	r->is_sure = is_sure;
	r->is_told = false;
	r->is_skipping = false;
}

static void skip(struct flow_reader *r, uint64_t pc)
{
	finish(r);
	if (r->is_skipping)
		return;
	r->is_skipping = true;
	flow_read_done(r);
	if (r->sink->gap)
		r->sink->gap(r->sink->user, &r->who, pc);
}

/* --- records -------------------------------------------------------------- */

static bool read_entry(struct flow_reader *r, uint32_t id)
{
	if (!flow_block(r->code, id))
		return false;
	/* It was said before that it was about to begin. */
	if (!r->now || r->is_sure)
		finish(r);
	begin(r, id, true);
	return true;
}

bool flow_read_record(struct flow_reader *r, uint32_t word)
{
	uint32_t number = word & FLOW_NUMBER;
	uint64_t pc;

	switch (word >> FLOW_KIND_SHIFT) {
	case FLOW_ENTRY:
		return read_entry(r, number);
	case FLOW_SKIPS:
		pc = flow_address(r->code, number);
		if (pc)
			skip(r, pc);
		return pc;
	default:
		return false;
	}
}

/* --- notes ---------------------------------------------------------------- */

static void leave(struct flow_reader *r, uint32_t id, uint32_t instructions)
{
	const struct flow_block *b = flow_block(r->code, id);

	if (r->now != id || r->is_told) {
		finish(r);
		return;
	}
	if (!instructions) {
		r->now = 0;
		return;
	}
	finish(r);
	if (instructions < b->instructions)
		tell_cut(r, instructions);
}

static void leave_at(struct flow_reader *r, uint64_t pc)
{
	const struct flow_block *b = flow_block(r->code, r->now);

	if (b && !r->is_sure && b->begin == pc)
		r->now = 0;
	finish(r);
}

void flow_read_note(struct flow_reader *r, const struct flow_note *note)
{
	switch (note->kind) {
	case NOTE_ENTERS:
	case NOTE_INSIDE:
		finish(r);
		begin(r, note->block, note->kind == NOTE_INSIDE);
		break;
	case NOTE_LEAVES:
		leave(r, note->block, note->instructions);
		break;
	case NOTE_LEAVES_AT:
		leave_at(r, note->pc);
		break;
	case NOTE_ENDS:
		finish(r);
		break;
	case NOTE_REACHES:
		if (r->now && !r->is_told)
			tell(r, r->now);
		r->is_told = true;
		break;
	case NOTE_NATIVE:
		finish(r);
		r->is_skipping = false;
		tell(r, note->block);
		break;
	case NOTE_SKIPS:
		skip(r, note->pc);
		break;
	}
}

void flow_read_end(struct flow_reader *r)
{
	finish(r);
	flow_read_done(r);
}

void flow_read_lost(struct flow_reader *r)
{
	r->now = 0;
	r->is_told = r->is_sure = r->is_skipping = false;
	flow_read_done(r);
	if (r->sink->lost)
		r->sink->lost(r->sink->user, &r->who);
}
