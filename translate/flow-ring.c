/*
 * A thread's ring, and how it is read: from words to whoever makes something of
 * them. The words are the program's to spoil; then records are lost.
 */
#include <stdlib.h>
#include <string.h>

#include "translate/flow-log.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/x86_64/window.h"

/* --- the ring ------------------------------------------------------------- */

uint32_t *flow_chunk(const struct flow_log *log, uint32_t chunk)
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

uint64_t *flow_window_slot(const struct flow_log *log, uint32_t slot)
{
	return (uint64_t *)(void *)(window_page(log->space, log->f->window) +
				    slot);
}

/* Where the window says that the thread goes on behind that chunk. */
static uint64_t *next_of(const struct flow_log *log, uint32_t chunk)
{
	uint32_t n = chunk_addr(log, chunk) / FLOW_CHUNK & 0xff;

	return flow_window_slot(log, WIN_CHUNKS + 8 * n);
}

/* Where the next record goes. The program may have put anything there. */
uint32_t flow_next_word(const struct flow_log *log, uint32_t *chunk)
{
	uint64_t at = __atomic_load_n(flow_window_slot(log, WIN_RING),
				      __ATOMIC_ACQUIRE);
	uint64_t from = at - chunk_addr(log, 0);

	*chunk = from < flow_ring_size(log->space)
			 ? (uint32_t)(from / FLOW_CHUNK)
			 : CHUNK_NONE;
	return at % FLOW_CHUNK / 4 / flow_record_words(log) *
	       flow_record_words(log);
}

void flow_set_next(const struct flow_log *log, uint32_t chunk, uint32_t word)
{
	__atomic_store_n(flow_window_slot(log, WIN_RING),
			 chunk_addr(log, chunk) + word % FLOW_WORDS * 4,
			 __ATOMIC_RELEASE);
}

/* Of a chunk, what is not 0 when it is full. */
static uint32_t *last_of(const struct flow_log *log, uint32_t chunk)
{
	return flow_chunk(log, chunk) + FLOW_WORDS -
	       (flow_has_hops(log) ? 2 : 1);
}

/* Where a thread begins to write to the chunk. */
static uint64_t chunk_begin(const struct flow_log *log, uint32_t chunk)
{
	return chunk_addr(log, chunk) + 4 * flow_first_word(log);
}

/*
 * So many returns may leave a record before the thread stops, and depths are put
 * right: at first as many as take as long as that does, and twice as many each
 * time when it was done so few instructions ago. What is met there may be what
 * is never folded; whether it was is not looked at.
 */
#define PATIENCE_LEAST 256u
#define PATIENCE_MOST  0x10000u
#define SOON	       (UINT64_C(1) << 20) /* instructions */

static void be_patient(struct flow_log *log)
{
	uint64_t now = flow_count(log);
	bool soon = now - log->patient_since <= SOON;

	if (!soon || !log->patience)
		log->patience = PATIENCE_LEAST;
	else if (log->patience < PATIENCE_MOST)
		log->patience *= 2;
	log->patient_since = now;
	*(uint32_t *)(void *)(window_page(log->space, log->f->window) +
			      WIN_PATIENCE) = log->patience;
}

/* All of it is free but the chunk that is written to. */
void flow_ring_anew(struct flow_log *log)
{
	const uint32_t n = flow_is_whole(log) ? FLOW_CHUNKS : 0;

	log->chunk = 0;
	log->word = flow_first_word(log);
	for (uint32_t i = 0; i < n; i++)
		*last_of(log, i) = 0;
	for (uint32_t i = 0; i < n; i++)
		*next_of(log, i) = i + 1 < n && !flow_has_hops(log)
					   ? chunk_begin(log, i + 1)
					   : 0;
	if (flow_has_hops(log))
		be_patient(log);
	flow_set_next(log, 0, flow_first_word(log));
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

/* count: of a record that has one. */
static bool take_note(struct flow_log *log, uint32_t word, uint64_t count)
{
	const struct flow_note *note =
		word & FLOW_NOTE_BIT ? note_at(log, word & ~FLOW_NOTE_BIT)
				     : NULL;

	if (note && flow_has_hops(log))
		hops_read_note(&log->reader, note, count);
	else if (note)
		flow_read_note(&log->reader, note);
	return note;
}

void flow_lose(struct flow_log *log)
{
	log->space->tr->stats.events_lost++;
	flow_read_lost(&log->reader);
}

static void take_hops(struct flow_log *log, const uint32_t *words, uint32_t n)
{
	uint32_t i = 0;
	uint64_t count;

	log->space->tr->stats.events += n / HOP_WORDS;
	for (;; i += HOP_WORDS) {
		i += hops_read(&log->reader, words + i, n - i);
		if (i >= n)
			return;
		memcpy(&count, words + i, sizeof(count));
		if (!take_note(log, words[i + 2], count))
			flow_lose(log);
	}
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
			       __atomic_load_n(words + i, __ATOMIC_RELAXED), 0))
			flow_lose(log);
	}
}

/* What was read is zero again. So the word before the first new one is not, if
 * more was written than there is room for. */
static void read_recent(struct flow_log *log)
{
	uint32_t *ring = flow_chunk(log, 0), chunk, left, word;
	uint32_t end = flow_next_word(log, &chunk);

	left = (end - log->word) % FLOW_WORDS;
	if (__atomic_load_n(&ring[(log->word - 1) % FLOW_WORDS],
			    __ATOMIC_RELAXED)) {
		flow_lose(log);
		log->word = end;
		left = FLOW_WORDS;
	}
	for (; left; left--, log->word = (log->word + 1) % FLOW_WORDS) {
		word = ring[log->word];
		take_words(log, &word, 1);
		ring[log->word] = 0;
	}
}

uint32_t flow_chunk_behind(const struct flow_log *log, uint32_t chunk)
{
	return (chunk + 1) % (flow_has_hops(log) ? HOP_CHUNKS : FLOW_CHUNKS);
}

/* The thread has left the chunk, and may come to it again. With hops it stops
 * at the end of each (flow_turn()). */
static void chunk_free(struct flow_log *log)
{
	uint32_t before = (log->chunk + FLOW_CHUNKS - 1) % FLOW_CHUNKS;

	*last_of(log, log->chunk) = 0;
	*next_of(log, log->chunk) = 0;
	if (!flow_has_hops(log))
		__atomic_store_n(next_of(log, before),
				 chunk_begin(log, log->chunk),
				 __ATOMIC_RELEASE);
	log->chunk = flow_chunk_behind(log, log->chunk);
	log->word = flow_first_word(log);
}

bool flow_is_full(const struct flow_log *log, uint32_t chunk)
{
	return __atomic_load_n(last_of(log, chunk), __ATOMIC_RELAXED);
}

/*
 * A word holds what a call took that is folded. One that is as long as this when
 * it is put at a chunk's begin is told to be long, and all others are each time
 * that so much was executed and the log is read: they are twice as long by then,
 * and by what is executed until it is read. That may be late, so it is far less
 * than a word holds.
 */
#define LONG_COUNT (UINT64_C(1) << 28)

/* Calls that have not returned yet are too long by now to be told as leaves;
 * the thread may do something else with one meanwhile. */
static void keep_long(struct flow_log *log, uint32_t end)
{
	for (uint32_t i = log->word; i < end; i += HOP_WORDS) {
		uint32_t *word = flow_chunk(log, log->chunk) + i + 2;
		uint32_t v = __atomic_load_n(word, __ATOMIC_RELAXED);

		if (v >> FLOW_KIND_SHIFT == HOP_PLAIN)
			__atomic_compare_exchange_n(
				word, &v,
				v + ((HOP_LONG - HOP_PLAIN) << FLOW_KIND_SHIFT),
				false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

/* What is in the chunk may be changed and taken away by its thread as long as
 * it runs, until there is another: it stays there. */
static uint32_t without_open(struct flow_log *log, uint32_t end, uint64_t now)
{
	if (!flow_has_hops(log) || end == FLOW_WORDS)
		return end;
	if (now - log->long_from > LONG_COUNT) {
		keep_long(log, end);
		log->long_from = now;
	}
	return log->word;
}

uint64_t flow_count(const struct flow_log *log)
{
	uint64_t sum = 0;

	for (unsigned n = 0; n < WIN_COUNTS_MAX; n++)
		sum += __atomic_load_n(
			flow_window_slot(log, WIN_COUNTS + 8 * n),
			__ATOMIC_ACQUIRE);
	return sum;
}

/* Up to what the thread has written by now; less of what it goes on to write
 * meanwhile. runs: it may be writing. */
static bool read_all(struct flow_log *log, bool runs)
{
	uint32_t chunk, end, done = 0;
	uint64_t now = flow_count(log);
	bool left;

	do {
		end = flow_next_word(log, &chunk);
		if (chunk != log->chunk || (!end && flow_is_full(log, chunk)))
			end = FLOW_WORDS;
		if (end < log->word || chunk == CHUNK_NONE)
			end = log->word;
		if (runs)
			end = without_open(log, end, now);
		(flow_has_hops(log) ? take_hops : take_words)(
			log, flow_chunk(log, log->chunk) + log->word,
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

bool flow_read_log(struct flow_log *log, bool runs)
{
	bool much = false;

	if (flow_is_whole(log))
		much = read_all(log, runs);
	else
		read_recent(log);
	if (flow_has_hops(log))
		hops_read_done(&log->reader);
	else
		flow_read_done(&log->reader);
	return much;
}

bool flow_read(struct flow_log *log)
{
	return flow_read_log(log, true);
}

void flow_drain(struct follow *f)
{
	struct translator *tr = f->space->tr;

	consumer_lock(tr);
	flow_read(f->log);
	consumer_unlock(tr);
}

/* Of the thread, which stands, all is read; known: as flow.h has it. The lock
 * is had. */
static void take_stock(struct flow_log *log, bool known)
{
	const struct flow_sink *sink = log->reader.sink;
	uint8_t *depths = log->space->tables + TAB_DEPTHS - WIN_PAGE;

	flow_read_log(log, false);
	if (sink->depths && !log->space->shares_counts)
		sink->depths(sink->user, &log->reader.who,
			     (uint32_t *)(void *)depths, DEPTHS_MAX, known);
	if (!known) {
		*(uint8_t *)(void *)flow_window_slot(log, WIN_UNSURE) = 0;
		be_patient(log);
	}
}

void flow_know_depths(struct flow_log *log, bool others)
{
	struct translator *tr = log->space->tr;

	if (!flow_has_hops(log) || log->space->shares_counts)
		return;
	consumer_lock(tr);
	take_stock(log, !others && !log->is_unsure);
	consumer_unlock(tr);
	log->is_unsure = false;
}

#define OPEN_MOST 1024u

/* What is open is put at the begin of the chunk, to be folded there. Returns
 * how many records that are. */
static uint32_t put_open(struct flow_log *log, uint32_t chunk)
{
	const struct flow_sink *sink = log->reader.sink;
	uint32_t *to = flow_chunk(log, chunk) + flow_first_word(log);
	struct flow_open open[OPEN_MOST];
	uint64_t now = flow_count(log);
	size_t n = 0, k = 0;

	if (sink->open && !log->space->shares_counts)
		n = sink->open(sink->user, &log->reader.who, open, OPEN_MOST);
	for (size_t i = 0; i < n; i++, k++, to += HOP_WORDS) {
		bool is_long = now - open[i].now > LONG_COUNT;
		uint32_t on = hops_through(log->reader.code, open[i].hop);

		memcpy(to, &open[i].now, sizeof(open[i].now));
		to[2] = flow_word(is_long ? HOP_LONG : HOP_PLAIN, open[i].hop);
		to[3] = open[i].from;
		if (on && i + 1 < n && open[i + 1].hop == on)
			to[3] = flow_word(HOP_PLAIN, open[++i].hop);
	}
	return (uint32_t)k;
}

/* What it has done since its last record is nothing, so depths can be known as
 * well as they are read. */
static void turn_with_hops(struct flow_log *log)
{
	struct translator *tr = log->space->tr;
	uint32_t n;

	consumer_lock(tr);
	take_stock(log, false);
	/* No more comes in this chunk, full or not. */
	chunk_free(log);
	n = put_open(log, log->chunk);
	flow_set_next(log, log->chunk, flow_first_word(log) + n * HOP_WORDS);
	consumer_unlock(tr);
}

bool flow_turn(struct follow *f)
{
	if (f->log && flow_has_hops(f->log))
		turn_with_hops(f->log);
	else if (f->log)
		flow_drain(f);
	return f->log && flow_has_hops(f->log);
}
