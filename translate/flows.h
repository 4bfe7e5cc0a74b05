/*
 * The log of what threads execute: flow.h, private to translate/.
 *
 * A thread's log is words of 32 bits in a ring of its own, in memory that it
 * has in common with us: records that translated code writes, and among them
 * notes, which the server writes while the thread is stopped. Of a note the
 * word is only the place; what it says is in our memory, and cannot be
 * meddled with.
 *
 * Where a thread is when it leaves the cache is told by owners: for each
 * stretch of translated code, the block that it belongs to, and whether that
 * has begun or is over. It is kept until it is known how the thread goes on
 * (held): a stub in the midst of a block may be no end of anything.
 */
#ifndef TRANSLATE_FLOWS_H
#define TRANSLATE_FLOWS_H

#include "target/target.h"
#include "translate/cache.h"
#include "translate/flow.h"

struct follow;
struct history;
struct stub;
struct thread;
struct translator;

/*
 * A ring is chunks of FLOW_CHUNK bytes, each at a multiple of that: one with
 * FLOW_RECENT, in which a thread goes round and round, else FLOW_CHUNKS. At the
 * end of a chunk it goes on where the window says (WIN_CHUNKS): that is 0 as
 * long as the next chunk has not been read, and then it stops. The last word of
 * a chunk is 0 until it is full.
 */
#define FLOW_CHUNK  0x10000u
#define FLOW_WORDS  (FLOW_CHUNK / 4)
#define FLOW_CHUNKS 16u
#define HOP_CHUNKS  2u /* of these, with FLOW_CALLS; as many behind them are what
			* x86_64/fold.c keeps of each record for a while */

/* A word: what it is, and a number. 0 is none. */
enum flow_kind {
	FLOW_ENTRY = 1, /* the block of that number is begun */
	FLOW_EDGE = 2,	/* its branch was taken: it goes on at its target */
	FLOW_LANDS = 3, /* an indirect branch has led to the address of that
			 * number: flow_place() */
	FLOW_SKIPS = 4, /* what is executed from that address on is not told */
	FLOW_NOTE = 8,	/* and above: the note of that number, 31 bits */
};
#define FLOW_KIND_SHIFT 28
#define FLOW_NUMBER	((UINT32_C(1) << FLOW_KIND_SHIFT) - 1)
#define FLOW_NOTE_BIT	(UINT32_C(1) << 31)

static inline uint32_t flow_word(unsigned kind, uint32_t number)
{
	return kind << FLOW_KIND_SHIFT | number;
}

/*
 * With FLOW_CALLS a thread stops at the end of each chunk, and what is still
 * open then comes first in the next. A record is four words: the thread's count
 * of instructions, in two; one of these with the number of a hop; what else
 * there is to say, or 0. A thread may change the last one in its chunk, and
 * take it away: so a chunk is read when the thread has left it, or stands. The
 * first record of a chunk is none, and stays 0: whoever looks at the one before
 * finds that.
 */
enum hop_kind {
	HOP_PLAIN = 1, /* the hop of that number has happened: of HOP_LANDS, by
			* the branch of the block that the last word tells. Of a
			* call that is a block, a stub which always jumps on: the
			* same with the number of that jump, once it has */
	HOP_LEAF = 2,  /* it was a call, and has returned with no record behind
			* it: the last word is what it took */
	HOP_LONG = 3,  /* as HOP_PLAIN, but it takes so long that a word may
			* not be large enough for that */
};
#define HOP_WORDS 4u

/* What a stretch of code is to its block. */
enum flow_phase {
	FLOW_BETWEEN, /* it is not begun, and what led to it may be unknown */
	FLOW_HALF,    /* its instructions were added to the thread's count, but
		       * the block was not counted */
	FLOW_WITHIN,  /* begun, and not left */
	FLOW_OVER,    /* all of it was executed */
	/* Of no block, but of two counters in data, and that offset: what a call
	 * took was added to the first; it was counted in the second, too. */
	FLOW_FOLDS,
	FLOW_FOLDED,
};

struct flow_owner {
	uint32_t at; /* offset into the region, of its first byte */
	uint32_t block;
	uint8_t phase;
};

/* --- flow.c: what numbers stand for --------------------------------------- */

struct flow_code;

/* Bytes of a thread's ring. */
static inline uint64_t flow_ring_size(const struct space *sp)
{
	return sp->keep == FLOW_RECENT ? FLOW_CHUNK : FLOW_CHUNKS * FLOW_CHUNK;
}

/* -ENOMEM: nothing can be mapped; an error with a reason. */
int flow_begin(struct space *sp, struct err *e);
void flow_free(struct space *sp);
uint32_t flow_image(const struct flow_code *fc);
/* A file's copy that stays; number: of the space's module, or 0. */
const struct translate_module *
flow_module(struct flow_code *fc, const struct space *sp, uint32_t number);
/* Whom the layer above has told of what is executed there. */
const struct flow_sink *flow_sink_of(const struct space *sp);

/* The number of that block: the same for the same. b's code is copied. */
uint32_t flow_number(struct space *sp, const struct flow_block *b);
/* NULL: there is none of that number. Until flow_free(). */
const struct flow_block *flow_block(const struct flow_code *fc, uint32_t id);
/* Those that were not told yet are. */
void flow_tell_blocks(struct flow_code *fc, const struct flow_sink *sink,
		      const struct flow_who *who);
/* None was: there is another listener. */
void flow_untell_blocks(struct flow_code *fc);
/*
 * The block that is at pc wherever no record says otherwise, or 0. Once there
 * is one there will be no other: what is translated there later and is not the
 * same writes a record of its entry. So how a thread got from one record to the
 * next is known, whenever somebody looks.
 */
uint32_t flow_static(struct flow_code *fc, uint64_t pc);
/* The block may be that one. False: there is another. */
bool flow_make_static(struct space *sp, uint32_t id);
/*
 * Where control goes from the block unless a record says otherwise; 0: nobody
 * knows.
 */
uint64_t flow_next(const struct flow_block *b);
/* ... and if the record of its branch does. */
uint64_t flow_edge(const struct flow_block *b);
/* Its jump or call to a fixed address writes a record: else threads could go
 * round without any. The same whenever it is asked. foresee: makes the block at
 * pc static, which is not yet, and returns its number; or 0. */
typedef uint32_t flow_foresee_fn(void *user, uint64_t pc);
bool flow_has_edge(struct space *sp, uint32_t id, flow_foresee_fn *foresee,
		   void *user);
/* A number for the address, and back (0: there is none). */
uint32_t flow_place(struct space *sp, uint64_t pc);
uint64_t flow_address(const struct flow_code *fc, uint32_t number);

/* From now on what is written to the stream is of that block (0: none). */
void flow_own(struct region *rg, const struct stream *s, uint32_t block,
	      enum flow_phase phase);
/* The stub of that number was made for it. */
void flow_own_stub(struct region *rg, uint32_t stub, uint32_t block);
/* Who owns what is at that offset. */
struct flow_owner flow_owner_at(const struct region *rg, uint32_t at);
uint32_t flow_owner_of_stub(const struct region *rg, uint32_t stub);
/* The region is as new; or freed. */
void flow_disown(struct region *rg, bool freed);

/* --- flow-log.c: a thread's log ------------------------------------------- */

struct flow_log;

/* What a note says. */
struct flow_note {
	enum flow_note_kind {
		NOTE_ENTERS,	/* the block, from its begin */
		NOTE_INSIDE,	/* the block, where a record of its entry would
				 * be past */
		NOTE_LEAVES,	/* the block, after so many instructions */
		NOTE_LEAVES_AT, /* at pc, where a block begins */
		NOTE_ENDS,	/* behind an indirect branch */
		NOTE_REACHES,	/* it is at the end of the block, and goes on */
		NOTE_NATIVE,	/* the block was executed natively */
		NOTE_SKIPS,	/* what comes now, from pc on, is not told */
	} kind;
	uint32_t block, instructions;
	uint64_t pc;
	/* FLOW_CALLS: so many instructions were counted that it has not
	 * executed; NOTE_ENDS: `block` says by which branch, 0: a return. */
	int64_t excess;
	/* ... the call on top of the ring was added up, but its record is still
	 * there. folds_on: only the jump that the record notes was. */
	bool folds, folds_on;
};

/* The upper thread's, when it begins to be followed with MODE_FLOW. */
void flow_log_begin(struct follow *f, const struct thread *th);
/* It is followed no more. gone: it has ended where it was. */
void flow_log_end(struct translator *tr, struct follow *f, bool gone);

/* What its thread executes from now on is told to that; NULL: to none. */
void flow_log_hear(struct follow *f, struct history *h);

/* It has left the cache at that address, of a stub (or NULL), and is at pc. */
void flow_left(struct follow *f, uint64_t cpc, const struct stub *stub,
	       uint64_t pc);
/* It goes on in the cache: where a block begins, or right where it was. */
void flow_entered(struct translator *tr, struct follow *f, uint64_t cpc);
void flow_stays(struct follow *f);
/* It was shown at pc, before the end of the block that it has left. */
void flow_stops_short(struct follow *f, uint64_t cpc, uint64_t pc);
/* It is about to execute the instruction at pc natively, and has come to now:
 * done or not. */
void flow_steps(struct follow *f, uint64_t pc);
void flow_stepped(struct translator *tr, struct follow *f, uint64_t now,
		  bool stepped);
/* It is about to run natively from pc on. */
void flow_skips(struct translator *tr, struct follow *f, uint64_t pc);
/* It is about to make a call that it may not come back from. */
void flow_reaches(struct translator *tr, struct follow *f);

/* Tells what is in the ring; the caller has the lock. True: there was more than
 * a little. */
bool flow_read(struct flow_log *log);
/* ... and it is waited for. */
void flow_drain(struct follow *f);
/* The thread stands at the end of a chunk, and there is no other; or it has run
 * out of patience (FLOW_CALLS). True: it has one now, else it may look again.
 */
bool flow_turn(struct follow *f);

/* --- consumer.c: who reads, while threads run ------------------------------
 */

struct consumer;

/* The thread of ours that reads logs of which nothing may be lost: it is there
 * while there are any. */
void consumer_add(struct translator *tr, struct flow_log *log);
void consumer_drop(struct translator *tr, struct flow_log *log);
void consumer_free(struct translator *tr);
/* Nobody else reads meanwhile. */
void consumer_lock(struct translator *tr);
void consumer_unlock(struct translator *tr);

/* --- flow-native.c: the same, of the lower thread where it is ---------------
 */

/* It is about to execute one instruction natively, or may be. */
void flow_is_at(struct translator *tr, struct thread *low, struct follow *f);
/* ... or any number. */
void flow_is_freed(struct translator *tr, struct thread *low, struct follow *f);
/* It is set going as the layer above asks: rewound, in the original code. */
void flow_goes(struct translator *tr, struct thread *low, struct follow *f,
	       enum resume_kind kind, int signo);
/* It has stopped: by a step, or not. */
void flow_has_stopped(struct translator *tr, struct thread *low,
		      struct follow *f, bool stepped);

/* --- flow-read.c: from words to blocks ------------------------------------ */

#define FLOW_OUT 4096

struct flow_reader {
	const struct flow_sink *sink;
	const uint32_t *listener; /* translator.listener */
	struct history *history; /* it is told too; or NULL */
	struct flow_code *code;
	struct flow_who who;
	/* Where it is: to begin a block where that record has led; or (0) at
	 * that address; or (0) in that block; or (0) nobody knows. */
	uint32_t last;
	uint64_t at;
	uint32_t now;
	bool is_told; /* the block was, as a whole */
	bool is_skipping;
	uint32_t n_way, cap_way;
	uint32_t *way; /* blocks that are to be told */
	uint32_t n_out;
	uint32_t out[FLOW_OUT]; /* ways */
	/* With FLOW_CALLS instead of the above: how the thread has left what it
	 * was in, and what it had counted by then. */
	uint8_t how;	/* enum flow_how */
	uint32_t from;	/* ... the block */
	uint64_t count; /* of the record that was read last */
	struct flow_event *events; /* n_out, to be told */
};

/* Records, up to a note or a word that is none of ours: how many. */
uint32_t flow_read_records(struct flow_reader *r, const uint32_t *words,
			   uint32_t n);
void flow_read_note(struct flow_reader *r, const struct flow_note *note);
/* What was gathered is told. */
void flow_read_done(struct flow_reader *r);
/* Is it known where the thread is? */
bool flow_read_knows(const struct flow_reader *r);
/* There will be no more of the thread. */
void flow_read_end(struct flow_reader *r);
/* Records were lost. */
void flow_read_lost(struct flow_reader *r);

/* --- flow-ways.c: ways that are known --------------------------------------
 */

/*
 * A way is the blocks that were begun from behind one record of a branch up to
 * the next; or any other block, alone. All threads of an image share them. They
 * have the numbers that the listener gives them, and lose these when there is
 * another one.
 */
struct flow_ways;
struct flow_ways **flow_ways_of(struct flow_code *fc);
void flow_ways_free(struct flow_ways *ways);
/* The way of those blocks between the two records is known from now on; it was
 * not. Returns its number, as the next does. */
uint32_t flow_way_add(struct flow_reader *r, uint32_t from, uint32_t to,
		      const uint32_t *ids, uint32_t n);
uint32_t flow_way_single(struct flow_reader *r, uint32_t id);
/* Records from behind the reader's last one on, up to the first whose way is
 * not known: how many. out is filled with their ways, and the last one is moved
 * on. */
uint32_t flow_ways_read(struct flow_reader *r, const uint32_t *restrict words,
			uint32_t n, uint32_t *restrict out);
/* Those ways are told as the paths that they stand for. */
void flow_ways_expand(struct flow_reader *r, const uint32_t *all, uint32_t n);

/* --- flow-hops.c: calls alone -------------------------------------------------
 */

/* Which function has the code at pc; 0: nobody tells them apart. */
uint32_t flow_function(struct space *sp, uint64_t pc);
/* ... and of enum flow_function_flags. */
unsigned flow_function_flags(struct space *sp, uint64_t pc);
/* A number for the hop: the same for the same. through: as flow.h has it. */
uint32_t flow_hop(struct space *sp, enum flow_hop_kind kind, uint32_t from,
		  uint64_t pc, uint32_t through);
/* Of a call of a stub: how that jumps on; or 0. */
uint32_t hops_through(const struct flow_code *fc, uint32_t id);
/* Where the hop goes. */
uint64_t flow_hop_pc(struct space *sp, uint32_t id);
/* As flow_read_records() and the like; words are records. */
uint32_t hops_read(struct flow_reader *r, const uint32_t *words, uint32_t n);
void hops_read_note(struct flow_reader *r, const struct flow_note *note,
		    uint64_t count);
void hops_read_done(struct flow_reader *r);
/* The thread has executed so many by now. */
void hops_read_end(struct flow_reader *r, uint64_t count);
/* Two counters for a call that is folded, and what its stub jumps to (through):
 * their offset in the region. */
uint32_t hops_fold(struct region *rg, uint32_t hop, bool through);
/* How often blocks of the region were begun is told, and what was folded. */
void hops_tell_counts(struct space *sp, const struct region *rg);
/* Does the hop do to calls what its kind says, and nothing else? If not, or if
 * returns are told, depths may be too large from then on. goes_on: it is noted
 * in the record of a call, of a stub. */
bool flow_hop_is_regular(struct space *sp, uint32_t id, bool goes_on);
/* ... if the function that it leads to is not being called by then, and the
 * last word of its record is 0? */
bool flow_hop_may_be(struct space *sp, uint32_t id);
/* For the reading thread; NULL: there is none. */
struct fold_hop;
const struct flow_hop *flow_hop_find(struct flow_code *fc, uint32_t id,
				     struct fold_hop **fold);
struct flow_hops;
struct folds **flow_folds_of(struct flow_code *fc);
struct flow_hops *flow_hops_new(const struct space *sp);
struct flow_hops *flow_hops_of(const struct flow_code *fc);
void flow_hops_free(struct flow_hops *h);

/* --- x86_64/flow.c -------------------------------------------------------- */

/* How many instructions of the block come before pc. */
uint32_t flow_index(const struct flow_block *b, uint64_t pc);
/* Where its instruction number n is, from 0 on. */
uint64_t flow_instruction(const struct flow_block *b, uint32_t n);
/* The block of the one instruction at pc, executed natively. */
uint32_t flow_number_native(struct space *sp, uint64_t pc);
/* Does the instruction at pc repeat itself? */
bool flow_repeats(struct space *sp, uint64_t pc);

#endif
