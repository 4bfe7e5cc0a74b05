/*
 * The last branches of a thread: a ring of blocks, and how far somebody has
 * read it. Private to translate/.
 *
 * What falls through is one block, however often it was told of: a block ends
 * where control went elsewhere, be that by a signal. gdb decodes each from its
 * begin to its end and wants to come to that exactly.
 */
#ifndef TRANSLATE_BRANCHES_H
#define TRANSLATE_BRANCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/branch.h"

struct branches {
	struct branch *ring; /* owned; block i is at i % max */
	size_t max, size;    /* blocks: at most, and that there is room for */
	uint64_t total;	     /* blocks so far, of which the last n are there */
	size_t n;
	uint64_t next; /* behind the newest block; 0: that is not known */
	/* Of the last time that it was read: the thread's pc, and the number of
	 * the block that this belonged to. */
	uint64_t read_pc, read_at;
	bool moved; /* something was executed since */
	bool torn;  /* ... and not what was to come then */
};

/* Nothing was executed yet; max, which is not 0, is what is kept. */
void branches_init(struct branches *b, size_t max);
void branches_fini(struct branches *b);

/* So many are kept from now on, and of what there is. */
void branches_resize(struct branches *b, size_t max);

/* Nothing is known any more, and whoever reads on is told so. */
void branches_clear(struct branches *b);

/* From begin to last was executed; next is the address behind that, where the
 * program may or may not go on. 0: not known. */
void branches_put(struct branches *b, uint64_t begin, uint64_t last,
		  uint64_t next);

/* As target_branch_ops.read(), of a thread that is at pc. */
int64_t branches_read(struct branches *b, enum branch_read what, uint64_t pc,
		      struct branch **out);

/* A reader begins now; with whole it is told of what there is already. */
void branches_begin(struct branches *b, uint64_t pc, bool whole);

#endif
