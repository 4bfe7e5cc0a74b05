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
#include "translate/history.h"
#include "translate/layer.h"
#include "translate/ring.h"
#include "translate/x86_64/window.h"

#define NOTES_MAX  FLOW_WORDS /* with FLOW_RECENT: no more words are kept */
#define CHUNK_NONE UINT32_MAX

struct flow_log {
	struct space *space;
	struct follow *f;
	struct flow_note *notes; /* a ring of its own */
	uint32_t n_notes, told_notes, cap_notes;
	uint32_t chunk, word; /* where it is read next */
	struct flow_note held;
	bool has_held;
	bool stays; /* it goes on where it was, as if it had not stopped */
	bool is_stepping;
	uint64_t step_pc;
	struct flow_reader reader;
};

/* --- the ring ------------------------------------------------------------- */

static uint32_t *chunk_at(const struct flow_log *log, uint32_t chunk)
{
	uint64_t at = (uint64_t)log->f->window * flow_ring_size(log->space);

	return (uint32_t *)(void *)(log->space->rings + at +
				    chunk * FLOW_CHUNK);
}

static uint64_t chunk_addr(const struct flow_log *log, uint32_t chunk)
{
	return log->space->rings_addr +
	       (uint64_t)log->f->window * flow_ring_size(log->space) +
	       chunk * FLOW_CHUNK;
}

static uint64_t *slot_of(const struct flow_log *log, uint32_t slot)
{
	return (uint64_t *)(void *)(window_page(log->space, log->f->window) +
				    slot);
}

/* Where the window says that the thread goes on behind that chunk. */
static uint64_t *next_of(const struct flow_log *log, uint32_t chunk)
{
	uint32_t n = chunk_addr(log, chunk) / FLOW_CHUNK & 0xff;

	return slot_of(log, WIN_CHUNKS + 8 * n);
}

/* Where the next word goes. The program may have put anything there. */
static uint32_t next_word(const struct flow_log *log, uint32_t *chunk)
{
	uint64_t at = __atomic_load_n(slot_of(log, WIN_RING), __ATOMIC_ACQUIRE);
	uint64_t from = at - chunk_addr(log, 0);

	*chunk = from < flow_ring_size(log->space)
			 ? (uint32_t)(from / FLOW_CHUNK)
			 : CHUNK_NONE;
	return at % FLOW_CHUNK / 4;
}

static void set_next(const struct flow_log *log, uint32_t chunk, uint32_t word)
{
	__atomic_store_n(slot_of(log, WIN_RING),
			 chunk_addr(log, chunk) + word % FLOW_WORDS * 4,
			 __ATOMIC_RELEASE);
}

/* All of it is free but the chunk that is written to. */
static void ring_anew(struct flow_log *log)
{
	const uint32_t n = log->space->keep == FLOW_ALL ? FLOW_CHUNKS : 0;

	log->chunk = log->word = 0;
	for (uint32_t i = 0; i < n; i++)
		chunk_at(log, i)[FLOW_WORDS - 1] = 0;
	for (uint32_t i = 0; i < n; i++)
		*next_of(log, i) = i + 1 < n ? chunk_addr(log, i + 1) : 0;
	set_next(log, 0, 0);
}

/* --- reading -------------------------------------------------------------- */

static const struct flow_note *note_at(struct flow_log *log, uint32_t number)
{
	uint32_t back = (log->n_notes - number) & ~FLOW_NOTE_BIT;

	if (!back || back > log->n_notes - log->told_notes)
		return NULL;
	log->told_notes = log->n_notes - back + 1;
	return &log->notes[(log->n_notes - back) % log->cap_notes];
}

static bool take_note(struct flow_log *log, uint32_t word)
{
	const struct flow_note *note =
		word & FLOW_NOTE_BIT ? note_at(log, word & ~FLOW_NOTE_BIT)
				     : NULL;

	if (note)
		flow_read_note(&log->reader, note);
	return note;
}

static void lose(struct flow_log *log)
{
	log->space->tr->stats.events_lost++;
	flow_read_lost(&log->reader);
}

static void take_words(struct flow_log *log, const uint32_t *words, uint32_t n)
{
	uint32_t i = 0;

	log->space->tr->stats.events += n;
	for (;; i++) {
		i += flow_read_records(&log->reader, words + i, n - i);
		if (i == n)
			return;
		if (!take_note(log,
			       __atomic_load_n(words + i, __ATOMIC_RELAXED)))
			lose(log);
	}
}

/* What was read is zero again. So the word before the first new one is not, if
 * more was written than there is room for. */
static void read_recent(struct flow_log *log)
{
	uint32_t *ring = chunk_at(log, 0), chunk, left, word;
	uint32_t end = next_word(log, &chunk);

	left = (end - log->word) % FLOW_WORDS;
	if (__atomic_load_n(&ring[(log->word - 1) % FLOW_WORDS],
			    __ATOMIC_RELAXED)) {
		lose(log);
		log->word = end;
		left = FLOW_WORDS;
	}
	for (; left; left--, log->word = (log->word + 1) % FLOW_WORDS) {
		word = ring[log->word];
		take_words(log, &word, 1);
		ring[log->word] = 0;
	}
}

/* The thread has left the chunk, and may come to it again. */
static void chunk_free(struct flow_log *log)
{
	uint32_t before = (log->chunk + FLOW_CHUNKS - 1) % FLOW_CHUNKS;

	chunk_at(log, log->chunk)[FLOW_WORDS - 1] = 0;
	*next_of(log, log->chunk) = 0;
	__atomic_store_n(next_of(log, before), chunk_addr(log, log->chunk),
			 __ATOMIC_RELEASE);
	log->chunk = (log->chunk + 1) % FLOW_CHUNKS;
	log->word = 0;
}

static bool is_full(const struct flow_log *log, uint32_t chunk)
{
	return __atomic_load_n(&chunk_at(log, chunk)[FLOW_WORDS - 1],
			       __ATOMIC_RELAXED);
}

/* Up to what the thread has written by now; less of what it goes on to write
 * meanwhile. */
static bool read_all(struct flow_log *log)
{
	uint32_t chunk, end, done = 0;
	bool left;

	do {
		end = next_word(log, &chunk);
		if (chunk != log->chunk || (!end && is_full(log, chunk)))
			end = FLOW_WORDS;
		if (end < log->word || chunk == CHUNK_NONE)
			end = log->word;
		take_words(log, chunk_at(log, log->chunk) + log->word,
			   end - log->word);
		done += end - log->word;
		log->word = end;
		left = end == FLOW_WORDS && chunk != log->chunk &&
		       chunk != CHUNK_NONE;
		if (left)
			chunk_free(log);
	} while (left && done < FLOW_CHUNKS * FLOW_WORDS);
	return done > FLOW_WORDS / 4;
}

bool flow_read(struct flow_log *log)
{
	bool much = false;

	if (log->space->keep == FLOW_RECENT)
		read_recent(log);
	else
		much = read_all(log);
	flow_read_done(&log->reader);
	return much;
}

void flow_drain(struct follow *f)
{
	struct translator *tr = f->space->tr;

	consumer_lock(tr);
	flow_read(f->log);
	consumer_unlock(tr);
}

void flow_turn(struct follow *f)
{
	if (f->log)
		flow_drain(f);
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

static uint32_t add_note(struct flow_log *log, const struct flow_note *note)
{
	if (log->n_notes - log->told_notes == log->cap_notes) {
		if (log->space->keep == FLOW_ALL || log->cap_notes < NOTES_MAX)
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
	set_next(log, (chunk + 1) % FLOW_CHUNKS, 0);
}

static void write_note(struct translator *tr, struct follow *f,
		       const struct flow_note *note)
{
	struct flow_log *log = f->log;
	bool all = f->space->keep == FLOW_ALL;
	uint32_t chunk, at;

	consumer_lock(tr);
	at = next_word(log, &chunk);
	if (chunk == CHUNK_NONE) {
		lose(log);
		ring_anew(log);
		chunk = at = 0;
	}
	if (all && !at && is_full(log, chunk)) {
		turn(log, chunk);
		at = next_word(log, &chunk);
	}
	chunk_at(log, chunk)[at] = add_note(log, note);
	set_next(log, chunk, at + 1);
	if (all && at + 1 == FLOW_WORDS)
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

static bool is_turning(const struct region *rg, uint32_t at)
{
	return at >= rg->turn && at < rg->turned;
}

static struct flow_note at_code(const struct follow *f, const struct region *rg,
				uint64_t cpc, uint64_t pc)
{
	uint32_t at = (uint32_t)(cpc - rg->addr);
	struct flow_owner own = flow_owner_at(rg, at);
	const struct mark *m = trail_mark(rg->trail, at);
	struct flow_note note = { .kind = NOTE_LEAVES_AT, .pc = pc };

	if (m && !is_turning(rg, at) &&
	    m->rewind & (REWIND_TARGET | REWIND_RETURN | REWIND_EXCLUDED))
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
	log->space = f->space;
	log->f = f;
	log->reader.sink = flow_sink_of(f->space);
	log->reader.listener = &f->space->tr->listener;
	log->reader.history = tr_thread_of(th)->history;
	log->reader.code = f->space->flow;
	log->reader.who.image = flow_image(f->space->flow);
	log->reader.who.id = th->id;
	if (f->space->keep == FLOW_RECENT)
		memset(chunk_at(log, 0), 0, FLOW_CHUNK);
	ring_anew(log);
	if (f->space->keep == FLOW_ALL)
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
	if (f->space->keep == FLOW_ALL)
		consumer_drop(tr, log);
	consumer_lock(tr);
	flow_read(log);
	exact = !gone || log->reader.is_told || !flow_read_knows(&log->reader);
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
