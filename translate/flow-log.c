/*
 * A thread's log: what the server writes to it, and what it reads there. The
 * words in the ring are the program's to spoil; then records are lost, and
 * what notes say is not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/flows.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/ring.h"
#include "translate/x86_64/window.h"

#define NOTES_MAX FLOW_WORDS /* there are no more words for them */

struct flow_log {
	struct flow_note *notes; /* a ring of its own */
	uint32_t n_notes, told_notes, cap_notes;
	uint32_t read; /* words of the ring, round and round */
	struct flow_note held;
	bool has_held;
	bool stays; /* it goes on where it was, as if it had not stopped */
	bool is_stepping;
	uint64_t step_pc;
	struct flow_reader reader;
};

/* --- the ring ------------------------------------------------------------- */

static uint32_t *ring_of(const struct follow *f)
{
	return (uint32_t *)(void *)(f->space->rings +
				    (size_t)f->window * FLOW_RING);
}

static uint64_t *pointer_of(const struct follow *f)
{
	return (uint64_t *)(void *)(window_page(f->space, f->window) +
				    WIN_RING);
}

/* Where the next word goes. The program may have put anything there. */
static uint32_t next_word(const struct follow *f)
{
	uint64_t at = __atomic_load_n(pointer_of(f), __ATOMIC_ACQUIRE);

	return at % FLOW_RING / 4;
}

static void set_next(const struct follow *f, uint32_t word)
{
	uint64_t ring = f->space->rings_addr + (uint64_t)f->window * FLOW_RING;

	__atomic_store_n(pointer_of(f), ring + word % FLOW_WORDS * 4,
			 __ATOMIC_RELEASE);
}

/* --- reading -------------------------------------------------------------- */

static const struct flow_note *note_at(struct flow_log *log, uint32_t number)
{
	uint32_t back = (log->n_notes - number) & ~FLOW_NOTE_BIT;

	if (!back || back > log->cap_notes ||
	    back > log->n_notes - log->told_notes)
		return NULL;
	log->told_notes = log->n_notes - back + 1;
	return &log->notes[(log->n_notes - back) % log->cap_notes];
}

static bool take_word(struct translator *tr, struct flow_log *log,
		      uint32_t word)
{
	const struct flow_note *note;

	tr->stats.events++;
	if (!(word & FLOW_NOTE_BIT))
		return flow_read_record(&log->reader, word);
	note = note_at(log, word & ~FLOW_NOTE_BIT);
	if (note)
		flow_read_note(&log->reader, note);
	return note;
}

static void lose(struct translator *tr, struct flow_log *log)
{
	tr->stats.events_lost++;
	flow_read_lost(&log->reader);
}

/* What was read is zero again. So the word before the first new one is not, if
 * more was written than there is room for. */
static void read_ring(struct translator *tr, struct follow *f)
{
	struct flow_log *log = f->log;
	uint32_t *ring = ring_of(f), end = next_word(f), word, left;

	left = (end - log->read) % FLOW_WORDS;
	if (__atomic_load_n(&ring[(log->read - 1) % FLOW_WORDS],
			    __ATOMIC_RELAXED)) {
		if (f->space->keep == FLOW_RECENT)
			lose(tr, log);
		log->read = end;
		left = FLOW_WORDS;
	}
	for (; left; left--, log->read++) {
		word = __atomic_exchange_n(&ring[log->read % FLOW_WORDS], 0,
					   __ATOMIC_RELAXED);
		if (!take_word(tr, log, word))
			lose(tr, log);
	}
	log->read %= FLOW_WORDS;
	flow_read_done(&log->reader);
}

void flow_drain(struct translator *tr, struct follow *f)
{
	read_ring(tr, f);
}

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

static void write_note(struct translator *tr, struct follow *f,
		       const struct flow_note *note)
{
	struct flow_log *log = f->log;
	uint32_t at = next_word(f);

	/* It was kept from looking. */
	if (f->space->keep == FLOW_ALL && !at)
		flow_drain(tr, f);
	if (log->n_notes - log->told_notes == log->cap_notes) {
		if (log->cap_notes < NOTES_MAX)
			notes_grow(log);
		else
			log->told_notes++;
	}
	log->notes[log->n_notes % log->cap_notes] = *note;
	ring_of(f)[at] = FLOW_NOTE_BIT | (log->n_notes & ~FLOW_NOTE_BIT);
	log->n_notes++;
	set_next(f, at + 1);
	/* Code looks for the end when it has written the last word: it did not
	 * write this one. */
	if (f->space->keep == FLOW_ALL &&
	    (at + 1 == FLOW_WORDS ||
	     (at + 1 - log->read) % FLOW_WORDS >= FLOW_WORDS / 2))
		flow_drain(tr, f);
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
		note.kind = NOTE_ENDS;
		return note;
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

static struct flow_note at_code(const struct follow *f, const struct region *rg,
				uint64_t cpc, uint64_t pc)
{
	uint32_t at = (uint32_t)(cpc - rg->addr);
	struct flow_owner own = flow_owner_at(rg, at);
	const struct mark *m = trail_mark(rg->trail, at);
	struct flow_note note = { .kind = NOTE_LEAVES_AT, .pc = pc };

	if (m && m->rewind & (REWIND_TARGET | REWIND_RETURN | REWIND_EXCLUDED))
		note.kind = NOTE_ENDS;
	else if (own.phase != FLOW_BETWEEN)
		note = within(f, own.block, pc,
			      own.phase == FLOW_OVER ||
				      (m && m->rewind & REWIND_CALLED));
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
		write_note(tr, f,
			   &(struct flow_note){
				   .kind = own.phase == FLOW_BETWEEN
						   ? NOTE_ENTERS
						   : NOTE_INSIDE,
				   .block = own.block,
			   });
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
	write_held(tr, f);
}

/* --- beginning and end ---------------------------------------------------- */

void flow_log_begin(struct follow *f, const struct thread *th)
{
	struct flow_log *log;

	if (!f->space->flow)
		return;
	log = f->log = xcalloc(1, sizeof(*log));
	log->reader.sink = &f->space->tr->flow_sink;
	log->reader.code = f->space->flow;
	log->reader.who.image = flow_image(f->space->flow);
	log->reader.who.id = th->id;
	memset(ring_of(f), 0, FLOW_RING);
	set_next(f, 0);
}

void flow_log_end(struct translator *tr, struct follow *f, bool gone)
{
	struct flow_log *log = f->log;
	const struct flow_sink *sink;
	bool exact;

	if (!log)
		return;
	write_held(tr, f);
	read_ring(tr, f);
	exact = !gone || log->reader.is_told ||
		(!log->reader.now && !log->reader.at);
	flow_read_end(&log->reader);
	sink = log->reader.sink;
	if (sink->end)
		sink->end(sink->user, &log->reader.who, exact);
	free(log->reader.way);
	free(log->notes);
	free(log);
	f->log = NULL;
}

/* --- what is asked of it -------------------------------------------------- */

void translate_set_flow(struct target *t, const struct flow_sink *sink,
			enum flow_keep keep)
{
	translator_of(t)->flow_sink = *sink;
	translator_of(t)->keep = keep;
}

void translate_flow_read(struct target *t, struct thread *th)
{
	struct follow *f = follow_of(th);

	if (!f || !f->log)
		return;
	follow_rewind(translator_of(t), th);
	write_held(translator_of(t), f);
	read_ring(translator_of(t), f);
}

uint32_t translate_flow_image(const struct process *p)
{
	const struct space *sp = space_of(p);

	return sp && sp->flow ? flow_image(sp->flow) : 0;
}
