/* A thread's log, for its two parts: flow-ring.c reads, flow-log.c writes
 * notes. Private to translate/. */
#ifndef TRANSLATE_FLOW_LOG_H
#define TRANSLATE_FLOW_LOG_H

#include "translate/flows.h"

#define CHUNK_NONE UINT32_MAX

struct flow_log {
	struct space *space;
	struct follow *f;
	struct flow_note *notes; /* a ring of its own */
	uint32_t n_notes, told_notes, cap_notes;
	uint32_t chunk, word; /* where it is read next */
	struct flow_note held;
	bool has_held;
	bool is_unsure;	    /* it may have been between a call and its record */
	uint64_t long_from; /* the count when keep_long() was last */
	uint32_t patience; /* be_patient(): when it was last, and how much */
	uint64_t patient_since;
	bool stays; /* it goes on where it was, as if it had not stopped */
	bool is_stepping;
	uint64_t step_pc;
	struct flow_reader reader;
};

static inline bool flow_has_hops(const struct flow_log *log)
{
	return log->space->keep == FLOW_CALLS;
}

static inline bool flow_is_whole(const struct flow_log *log)
{
	return log->space->keep != FLOW_RECENT;
}

/* Words of a record, and where a chunk's first one is. */
static inline uint32_t flow_record_words(const struct flow_log *log)
{
	return flow_has_hops(log) ? HOP_WORDS : 1;
}

static inline uint32_t flow_first_word(const struct flow_log *log)
{
	return flow_has_hops(log) ? HOP_WORDS : 0;
}

uint32_t *flow_chunk(const struct flow_log *log, uint32_t chunk);
uint64_t *flow_window_slot(const struct flow_log *log, uint32_t slot);
/* Where the next record goes. The program may have put anything there: then the
 * chunk is CHUNK_NONE. */
uint32_t flow_next_word(const struct flow_log *log, uint32_t *chunk);
void flow_set_next(const struct flow_log *log, uint32_t chunk, uint32_t word);
/* All of it is free but the chunk that is written to. */
void flow_ring_anew(struct flow_log *log);
/* The one that the thread goes on in. */
uint32_t flow_chunk_behind(const struct flow_log *log, uint32_t chunk);
bool flow_is_full(const struct flow_log *log, uint32_t chunk);
/* What the thread has counted. */
uint64_t flow_count(const struct flow_log *log);
/* flow_read(). runs: the thread may be writing. */
bool flow_read_log(struct flow_log *log, bool runs);
/* The thread is about to go on: what it knows of how often functions are being
 * called is put right. others: some other thread may have changed that. */
void flow_know_depths(struct flow_log *log, bool others);
/* Records are none of ours. */
void flow_lose(struct flow_log *log);

#endif
