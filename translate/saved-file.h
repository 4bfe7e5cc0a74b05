/*
 * Files of saved code: a head, and tables, each of records of one kind. Places
 * are offsets from where a module begins. Offsets of code are of a chain: with
 * SAVED_COLD of its cold part. Numbers are the machine's own, and a file that
 * another server has made is none.
 *
 * Who can write such a file can execute code in what is traced. It is not read
 * unless it and its directory belong to the server's user, and nobody else may
 * write to them; a sum tells what was damaged. What it says is trusted then.
 * Private to translate/.
 */
#ifndef TRANSLATE_SAVED_FILE_H
#define TRANSLATE_SAVED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum saved_part {
	SAVED_CHAINS,
	SAVED_BLOCKS,
	SAVED_SITES,
	SAVED_RELOCS,
	SAVED_MARKS, /* of each chain the hot ones, then the cold ones */
	SAVED_CACHES,
	SAVED_LANDINGS,
	SAVED_CODE, /* bytes, the same */
	N_SAVED_PARTS,
};

#define SAVED_COLD    (UINT32_C(1) << 31)
#define SAVED_NOWHERE UINT32_MAX

/* How many of each are its, and how its parts lie in cache lines. */
struct saved_chain {
	uint32_t hot, cold; /* bytes */
	uint32_t hot_marks, cold_marks;
	uint32_t blocks, sites, relocs, caches, landings;
	uint8_t hot_line, cold_line;
	uint16_t unused;
};

enum { SAVED_RETURNS = 1, SAVED_MET = 2 };
struct saved_block {
	uint32_t place, entry;
	uint16_t length, instructions;
	uint32_t lands; /* SAVED_RETURNS, SAVED_MET: landings that lie elsewhere
			 */
};

struct saved_site {
	uint32_t at, place;
	uint32_t block; /* its number + 1; 0: it is not there */
	uint32_t slow;
};

enum saved_routine { SAVED_RETURN_FIX, SAVED_INDIRECT_FIX };
/* What a jump leads to is an offset, or a routine and SAVED_ROUTINE. Of the
 * others the field has what is added to where the module is. */
#define SAVED_ROUTINE (UINT32_C(1) << 30)
struct saved_reloc {
	uint32_t at : 28, kind : 3, cold : 1;
	uint32_t to;
};

struct saved_mark {
	uint32_t place, at; /* at has the bit for a run */
	uint16_t rewind;
	int16_t undo;
};

enum saved_learned { SAVED_TO_LEARN, SAVED_NEVER, SAVED_LEARNED };
struct saved_cache {
	uint32_t place, target;
	uint32_t value_at, else_at, then_at, generic, miss;
	uint8_t quiet, slow, is_call, learned;
};

struct saved_landing {
	uint32_t at, place;
	uint32_t block; /* as of a site */
	uint32_t plain;
};

struct saved_head {
	char magic[8];
	uint64_t sum;	    /* of all that is behind it */
	uint64_t server[4]; /* its build ID, or what of it is there */
	uint64_t machine;   /* what its processor and kernel can do */
	uint64_t file;	    /* of what it is code */
	uint64_t fixed;	    /* where that is mapped, below 4 GiB; 0: above */
	int64_t lo, hi;	    /* what operands reach, as places */
	uint32_t n[N_SAVED_PARTS];
	uint32_t refused; /* blocks that ran, about, and could not be saved */
	uint32_t unused;
};

/* A file, read. */
struct saved {
	const struct saved_head *head;
	const void *parts[N_SAVED_PARTS];
	size_t size;
};

/* One that is made. */
struct saved_new {
	struct saved_head head;
	struct buf parts[N_SAVED_PARTS];
};

extern const size_t saved_sizes[N_SAVED_PARTS];

/* False: there is none that makes sense and is of this server. */
bool saved_open(struct saved *k, const char *dir, const char *name);
void saved_close(struct saved *k);

/* All that the file has goes before what is new; that was empty. */
void saved_take(struct saved_new *to, const struct saved *from);
/* Makes the directory if need be, and room in it. 0, or a negative errno. */
int saved_write(struct saved_new *k, const char *dir, const char *name);
void saved_new_fini(struct saved_new *k);

#endif
