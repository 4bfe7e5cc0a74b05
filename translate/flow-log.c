/*
 * A thread's log: what the server writes to it. Of a note only the place is in
 * the ring, which the program may spoil: what it says is not lost.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/flow-log.h"
#include "translate/folds.h"
#include "translate/follow.h"
#include "translate/history.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

#define NOTES_MAX  FLOW_WORDS /* with FLOW_RECENT: no more words are kept */

/* --- notes ---------------------------------------------------------------- */

static void notes_grow(struct flow_log *log)
{
	uint32_t cap = log->cap_notes ? 2 * log->cap_notes : 64;
	struct flow_note *notes = xcalloc(cap, sizeof(*notes));

	for (uint32_t n = log->told_notes; n != log->n_notes; n++)
		notes[n % cap] = log->notes[n % log->cap_notes];
	free(log->notes);
	log->notes = notes;
	log->cap_notes = cap;
}

static uint32_t add_note(struct flow_log *log, const struct flow_note *note)
{
	if (log->n_notes - log->told_notes == log->cap_notes) {
		if (flow_is_whole(log) || log->cap_notes < NOTES_MAX)
			notes_grow(log);
		else
			log->told_notes++;
	}
	log->notes[log->n_notes % log->cap_notes] = *note;
	return FLOW_NOTE_BIT | (log->n_notes++ & ~FLOW_NOTE_BIT);
}

/* The thread has filled the chunk: what it would do itself is done for it. All
 * the others are free then. */
static void turn(struct flow_log *log, uint32_t chunk)
{
	flow_read(log);
	flow_set_next(log, flow_chunk_behind(log, chunk), flow_first_word(log));
}

/* What was counted of what it has not executed is no more. */
static uint64_t settle_count(struct flow_log *log, const struct flow_note *note)
{
	uint64_t *count = flow_window_slot(log, WIN_COUNTS);

	__atomic_store_n(count, *count - (uint64_t)note->excess,
			 __ATOMIC_RELEASE);
	return flow_count(log);
}

/* The thread was about to take the record on top away. Returns where the next
 * one goes. */
static uint32_t finish_fold(const struct flow_log *log, uint32_t chunk,
			    const struct flow_note *note, uint32_t at)
{
	if (!note->folds || at < 2 * HOP_WORDS)
		return at;
	if (!note->folds_on)
		return at - HOP_WORDS;
	flow_chunk(log, chunk)[at - 1] = 0;
	return at;
}

/* Behind what is there. */
static void put_note(struct flow_log *log, uint32_t chunk, uint32_t at,
		     const struct flow_note *note)
{
	uint32_t *to = flow_chunk(log, chunk) + at;
	uint64_t count;

	if (flow_has_hops(log)) {
		count = settle_count(log, note);
		memcpy(to, &count, sizeof(count));
		to[3] = 0;
		to += 2;
	}
	*to = add_note(log, note);
}

static void write_note(struct translator *tr, struct follow *f,
		       const struct flow_note *note)
{
	struct flow_log *log = f->log;
	const uint32_t size = flow_record_words(log);
	bool all = flow_is_whole(log);
	uint32_t chunk, at;

	consumer_lock(tr);
	at = flow_next_word(log, &chunk);
	if (chunk == CHUNK_NONE) {
		flow_lose(log);
		flow_ring_anew(log);
		at = flow_next_word(log, &chunk);
	}
	if (all && !at && flow_is_full(log, chunk)) {
		turn(log, chunk);
		at = flow_next_word(log, &chunk);
	}
	at = finish_fold(log, chunk, note, at);
	put_note(log, chunk, at, note);
	flow_set_next(log, chunk, at + size);
	if (all && at + size == FLOW_WORDS)
		turn(log, chunk);
	consumer_unlock(tr);
}

static void write_held(struct translator *tr, struct follow *f)
{
	if (f->log->has_held)
		write_note(tr, f, &f->log->held);
	f->log->has_held = false;
}

/* --- what the thread does ------------------------------------------------- */

static struct flow_note within(const struct follow *f, uint32_t block,
			       uint64_t pc, bool is_over)
{
	const struct flow_block *b = flow_block(f->space->flow, block);
	struct flow_note note = { .kind = NOTE_LEAVES_AT, .pc = pc };

	if (!b)
		return note;
	note.kind = NOTE_LEAVES;
	note.block = block;
	note.instructions = is_over ? b->instructions : flow_index(b, pc);
	note.excess = b->instructions - note.instructions;
	return note;
}

/* Behind an indirect branch. */
static struct flow_note at_end(const struct follow *f, bool is_return)
{
	struct flow_note note = { .kind = NOTE_ENDS };
	uint32_t from;

	memcpy(&from, window_page(f->space, f->window) + WIN_FROM, 4);
	if (!is_return && flow_block(f->space->flow, from))
		note.block = from;
	return note;
}

/* By what the stub is for: where that is a block's own, the block. */
static struct flow_note at_stub(const struct follow *f, const struct region *rg,
				const struct stub *stub, uint64_t pc)
{
	uint32_t number = (uint32_t)(stub - rg->trail->stubs);
	struct flow_note note = { .kind = NOTE_LEAVES_AT, .pc = pc };

	switch (stub->kind) {
	case STUB_INDIRECT:
	case STUB_RETURN:
		return at_end(f, stub->kind == STUB_RETURN);
	case STUB_EXIT:
	case STUB_STALE:
	case STUB_GATE:
	case STUB_POINT:
	case STUB_EXCLUDED:
		return note;
	default:
		return within(f, flow_owner_of_stub(rg, number), pc, false);
	}
}

static bool is_turning(const struct region *rg, uint32_t at)
{
	return at >= rg->turn && at < rg->turned;
}

static bool is_folding(const struct region *rg, uint32_t at)
{
	const struct fold_step *steps = rg->fold_steps;

	return at >= steps[0].at && at < steps[rg->n_fold_steps - 1].at;
}

/* In the routine, by what it has done. */
static struct flow_note at_routine(const struct follow *f,
				   const struct region *rg, uint32_t at,
				   uint64_t pc)
{
	struct flow_note note = at_end(f, true);
	unsigned n = 0, phase;

	while (rg->fold_steps[n + 1].at <= at)
		n++;
	phase = rg->fold_steps[n].phase;
	if (phase >= FOLD_CALL_TOOK)
		note = (struct flow_note){ .kind = NOTE_LEAVES_AT, .pc = pc };
	if (phase == FOLD_LOOKS || phase == FOLD_DONE)
		return note;
	note.folds = true;
	folds_under_way(f->space, window_page(f->space, f->window))->times +=
		phase == FOLD_TAIL_TOOK || phase == FOLD_ON_TOOK ||
		phase == FOLD_CALL_TOOK;
	note.folds_on = phase == FOLD_ON_TOOK || phase == FOLD_ON_COUNTED;
	return note;
}

static void at_fold(const struct region *rg, const struct flow_owner *own,
		    struct flow_note *note)
{
	uint64_t *counters = (uint64_t *)(void *)(rg->map + own->block);

	counters[1] += own->phase == FLOW_FOLDS;
	note->folds = true;
}

static struct flow_note at_code(const struct follow *f, const struct region *rg,
				uint64_t cpc, uint64_t pc)
{
	uint32_t at = (uint32_t)(cpc - rg->addr);
	struct flow_owner own = flow_owner_at(rg, at);
	struct flow_note note = { .kind = NOTE_LEAVES_AT, .pc = pc };
	struct mark m;
	bool is_marked = trail_mark(rg->trail, at, &m);

	if (is_marked && flow_has_hops(f->log) && is_folding(rg, at))
		note = at_routine(f, rg, at, pc);
	else if (is_marked && !is_turning(rg, at) &&
		 m.rewind & (REWIND_TARGET | REWIND_RETURN | REWIND_EXCLUDED))
		note = at_end(f, m.rewind & REWIND_RETURN);
	else if (own.phase == FLOW_FOLDS || own.phase == FLOW_FOLDED)
		at_fold(rg, &own, &note);
	else if (own.phase == FLOW_HALF)
		note.excess = flow_block(f->space->flow, own.block)
				      ->instructions;
	else if (own.phase != FLOW_BETWEEN)
		note = within(f, own.block, pc,
			      own.phase == FLOW_OVER ||
				      (is_marked &&
				       m.rewind & REWIND_CALLED));
	return note;
}

void flow_left(struct follow *f, uint64_t cpc, const struct stub *stub,
	       uint64_t pc)
{
	struct flow_log *log = f->log;
	const struct region *rg = space_region_at(f->space, cpc);

	if (!log)
		return;
	log->has_held = true;
	log->is_unsure |= !stub;
	if (!rg)
		log->held = (struct flow_note){ .kind = NOTE_ENDS };
	else if (stub)
		log->held = at_stub(f, rg, stub, pc);
	else
		log->held = at_code(f, rg, cpc, pc);
}

void flow_stops_short(struct follow *f, uint64_t cpc, uint64_t pc)
{
	const struct region *rg = space_region_at(f->space, cpc);
	struct flow_owner own;

	if (!f->log || !rg)
		return;
	own = flow_owner_at(rg, (uint32_t)(cpc - rg->addr) - 1);
	f->log->held = within(f, own.block, pc, false);
}

void flow_stays(struct follow *f)
{
	if (!f->log)
		return;
	f->log->has_held = false;
	f->log->stays = true;
}

/* Are other threads of its memory followed? */
static bool has_others(const struct follow *f)
{
	const struct space *sp = f->space;

	for (uint32_t n = 0; n < sp->trails->n_windows; n++) {
		if (sp->windows_used[n] && n != (uint32_t)f->window)
			return true;
	}
	return false;
}

/* Instructions of the block. */
static int64_t whole(const struct follow *f, uint32_t block)
{
	return flow_block(f->space->flow, block)->instructions;
}

void flow_entered(struct translator *tr, struct follow *f, uint64_t cpc)
{
	const struct region *rg = space_region_at(f->space, cpc);
	struct flow_owner own;

	if (!f->log || !rg)
		return;
	if (f->log->stays) {
		f->log->stays = false;
		return;
	}
	write_held(tr, f);
	own = flow_owner_at(rg, (uint32_t)(cpc - rg->addr));
	if (own.block)
		write_note(tr, f, &(struct flow_note){
					  .kind = own.phase == FLOW_BETWEEN
							  ? NOTE_ENTERS
							  : NOTE_INSIDE,
					  .block = own.block,
					  .excess = own.phase == FLOW_BETWEEN
							    ? 0
							    : -whole(f, own.block),
				  });
	flow_know_depths(f->log, has_others(f));
}

void flow_steps(struct follow *f, uint64_t pc)
{
	if (!f->log)
		return;
	f->log->is_stepping = true;
	f->log->step_pc = pc;
}

void flow_stepped(struct translator *tr, struct follow *f, uint64_t now,
		  bool stepped)
{
	struct flow_log *log = f->log;
	uint64_t pc;

	if (!log || !log->is_stepping)
		return;
	log->is_stepping = false;
	pc = log->step_pc;
	if (now == pc && (!stepped || flow_repeats(f->space, pc)))
		return;
	write_held(tr, f);
	write_note(tr, f,
		   &(struct flow_note){
			   .kind = NOTE_NATIVE,
			   .block = flow_number_native(f->space, pc),
			   .excess = -1,
		   });
}

void flow_skips(struct translator *tr, struct follow *f, uint64_t pc)
{
	if (!f->log)
		return;
	write_held(tr, f);
	write_note(tr, f, &(struct flow_note){ .kind = NOTE_SKIPS, .pc = pc });
}

void flow_reaches(struct translator *tr, struct follow *f)
{
	struct flow_log *log = f->log;

	if (!log || !log->has_held)
		return;
	log->held.kind = NOTE_REACHES;
	log->held.excess = 0;
	write_held(tr, f);
}

/* --- beginning and end ---------------------------------------------------- */

void flow_log_begin(struct follow *f, const struct thread *th)
{
	struct flow_log *log;

	if (!f->space->flow)
		return;
	log = f->log = xcalloc(1, sizeof(*log));
	log->space = f->space;
	log->f = f;
	log->reader.sink = flow_sink_of(f->space);
	log->reader.listener = &f->space->tr->listener;
	log->reader.history = tr_thread_of(th)->history;
	log->reader.code = f->space->flow;
	log->reader.who.image = flow_image(f->space->flow);
	log->reader.who.id = th->id;
	if (f->space->keep == FLOW_RECENT)
		memset(flow_chunk(log, 0), 0, FLOW_CHUNK);
	flow_ring_anew(log);
	if (!f->space->index.count && has_others(f))
		f->space->shares_counts = true;
	if (flow_is_whole(log))
		consumer_add(f->space->tr, log);
}

void flow_log_end(struct translator *tr, struct follow *f, bool gone)
{
	struct flow_log *log = f->log;
	const struct flow_sink *sink;
	bool exact;

	if (!log)
		return;
	write_held(tr, f);
	if (flow_is_whole(log))
		consumer_drop(tr, log);
	consumer_lock(tr);
	flow_read_log(log, false);
	exact = !gone || log->reader.is_told || !flow_read_knows(&log->reader);
	if (flow_has_hops(log))
		hops_read_end(&log->reader, flow_count(log));
	else
		flow_read_end(&log->reader);
	if (log->reader.history)
		history_settle(log->reader.history);
	sink = log->reader.sink;
	if (sink->end)
		sink->end(sink->user, &log->reader.who, exact);
	consumer_unlock(tr);
	free(log->reader.way);
	free(log->notes);
	free(log);
	f->log = NULL;
}

void flow_log_hear(struct follow *f, struct history *h)
{
	struct translator *tr = f->space->tr;

	if (!f->log)
		return;
	consumer_lock(tr);
	flow_read(f->log);
	f->log->reader.history = h;
	consumer_unlock(tr);
}

/* --- what is asked of it -------------------------------------------------- */

void translate_set_flow(struct target *t, const struct flow_sink *sink,
			enum flow_keep keep)
{
	translate_flow_hold(t);
	translator_of(t)->flow_sink = *sink;
	translator_of(t)->listener++;
	translator_of(t)->keep = keep;
	translate_flow_release(t);
}

void translate_flow_hold(struct target *t)
{
	consumer_lock(translator_of(t));
}

void translate_flow_release(struct target *t)
{
	consumer_unlock(translator_of(t));
}

void translate_flow_read(struct target *t, struct thread *th)
{
	struct follow *f = follow_of(th);

	if (!f || !f->log)
		return;
	follow_rewind(translator_of(t), th);
	write_held(translator_of(t), f);
	flow_drain(f);
}

uint32_t translate_flow_image(const struct process *p)
{
	const struct space *sp = space_of(p);

	return sp && sp->flow ? flow_image(sp->flow) : 0;
}
