/*
 * Calls and jumps between functions that the program adds up itself, of which
 * the code at a call cannot tell in advance: those through pointers, what has
 * gone on by jumps to other functions, what calls itself. Private to
 * translate/.
 *
 * A record of such a hop on top of the ring is looked up, by its last two
 * words, in a table that all code has in common; what it took is added there.
 * What has no entry stays a record, until whoever reads it has made one
 * (folds_learn()): so there are entries of what happens, and only of hops that
 * are what their kind says. The program may spoil the table: what entries stand
 * for is remembered here.
 */
#ifndef TRANSLATE_FOLDS_H
#define TRANSLATE_FOLDS_H

#include <stdbool.h>
#include <stdint.h>

struct flow_code;
struct flow_hop;
struct space;

#define FOLDS_MAX   0x8000u /* entries: a power of 2 */
/* The place of a key: bits of it by the first, from the second on. */
#define FOLDS_SPREAD 0x61c88647u
#define FOLDS_SHIFT  28

enum fold_kind {
	FOLD_NONE,
	FOLD_CALL, /* it comes back behind itself */
	FOLD_TAIL, /* it is over with its caller */
	FOLD_ON,   /* the same, if it is a stub's that was called: the linker's
		    * stubs are in no chain of tails */
};

/*
 * An entry, half of it for callers that are being called once, and half for
 * others. In each, what routines look at; and two counters for called ones that
 * are not being called by then, and two for others.
 */
struct fold_entry {
	struct fold_half {
		uint64_t key;		 /* of the first half; 0: it is free */
		uint32_t called, caller; /* offsets of depths in the window */
		uint32_t kind, back;	 /* ... FOLD_CALL: the hop behind it */
		uint64_t instructions;	 /* of the block that jumps */
		struct fold_sums {
			uint64_t took, times;
		} sums[2];
	} halves[2];
};

_Static_assert(sizeof(struct fold_entry) == 128, "the routine knows it");

/* What a hop is, for this. */
struct fold_hop {
	uint32_t caller, called; /* functions */
	uint32_t back;		 /* of a call: the hop that returns behind it */
	bool regular; /* it does to calls what its kind says, and nothing else */
	bool goes_on; /* ... as the jump of a stub that was called */
	bool may_be;  /* ... if its function is not being called already: else
		       * it may be a jump back into that */
	bool learned;
};

/* Where a thread is in the routine that folds what is on top of the ring. */
enum fold_phase {
	FOLD_LOOKS,	/* it is returning, and what is on top stays so far */
	FOLD_TAIL_TOOK, /* what a tail took was added up, it was not counted */
	FOLD_TAIL_COUNTED, /* it was, and its record goes */
	FOLD_ON_TOOK, /* the same of a stub's jump, which goes from the record
		       */
	FOLD_ON_COUNTED,
	FOLD_CALL_TOOK, /* the same of a call */
	FOLD_CALL_COUNTED,
	FOLD_DONE,   /* it has come back, and nothing is left to do */
	FOLD_BEHIND, /* the routine ends */
};

/* Of a space that has its tables. */
struct folds *folds_new(const struct space *sp);
void folds_free(struct folds *folds);

/* A hop is new; block: of those that leave one. */
struct flow_block;
struct fold_hop fold_hop_of(struct space *sp, const struct flow_hop *hop,
			    const struct flow_block *b);
/* The block's indirect branch says in its record that it is its own. False: it
 * may do anything to calls. */
bool folds_site(struct space *sp, uint32_t block);
/* A record with these last two words was not folded. */
void folds_learn(struct flow_code *fc, uint32_t word, uint32_t more);
/* What was added up is told. The lock is had. */
void folds_tell(struct space *sp);
/* The two counters that the thread with that window is about to use, wherever
 * they are. */
struct fold_sums *folds_under_way(struct space *sp, const uint8_t *window);

#endif
