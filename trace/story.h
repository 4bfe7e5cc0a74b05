/*
 * What ran, for whoever makes a file of it: objects (files that code was of),
 * functions, blocks, and the blocks that each thread executed, in order, by
 * ways: some blocks that it executes together again and again. It
 * comes from a program that is followed (trace/feed.h) or from a trace file
 * (trace/reader.h), and goes to sinks.
 *
 * A place is an object's number in the upper 16 bits and an offset from where
 * the object is mapped in the lower 48, so that processes and runs can be
 * merged: the same code of the same file is the same block wherever it lies.
 * Object 0 is code of no file; its offsets are addresses, and blocks of it are
 * only the same within an image: a process until it executes another program.
 *
 * All calls come from one thread at a time. Numbers are dense, from 1; 0 is
 * none. Pointers into the arrays hold until something is added.
 */
#ifndef TRACE_STORY_H
#define TRACE_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "base/ptid.h"

struct flow_arrival;
struct flow_fold;
struct flow_open;
struct flow_event;

#define PLACE_SHIFT  48
#define PLACE_OFFSET ((UINT64_C(1) << PLACE_SHIFT) - 1)

static inline uint32_t place_object(uint64_t place)
{
	return (uint32_t)(place >> PLACE_SHIFT);
}

static inline uint64_t place_offset(uint64_t place)
{
	return place & PLACE_OFFSET;
}

/* How control leaves a block. */
enum story_end {
	END_FALLS, /* into the next block, or by a branch to where it is known
		    */
	END_CALL,
	END_CALL_IND,
	END_RET,
	END_JUMP_IND,
	END_SYSCALL,
	N_ENDS
};

struct story_object {
	char *path;
	uint64_t base, size, offset; /* as it was mapped first; in the file */
	struct symbols *symbols;     /* NULL: not looked at yet */
	struct lines *lines;	     /* the same */
	uint32_t *functions;	     /* by symbol; 0: it has none yet */
	uint32_t other;		     /* function of what has no symbol, or 0 */
};

enum {
	FUNCTION_PLT = 1 << 0,	/* a stub that jumps to where it is linked to */
	FUNCTION_LINK = 1 << 1, /* the dynamic linker's, behind such a stub */
};

struct story_function {
	const char *name;
	uint32_t object;
	uint64_t begin; /* its place */
	uint8_t flags;	/* FUNCTION_* */
};

#define STORY_BLOCK_BYTES_MAX UINT16_MAX /* and instructions of one */

struct story_block {
	uint64_t begin, last; /* places: first instruction, last one itself */
	uint32_t bytes;
	uint32_t instructions; /* 0: not known, nor is the last one */
	uint32_t function;     /* 0: see story_functions() */
	uint32_t image;	       /* of object 0: which one's */
	uint32_t same;	       /* another one that begins there */
	uint8_t end;	       /* enum story_end */
	uint8_t *code;	       /* of object 0: its bytes, or NULL */
};

/* What who goes through all blocks that ran wants of each, together. */
struct story_step {
	uint64_t begin, behind; /* places: its first byte; behind its last */
	uint32_t function;
	uint16_t instructions;
	uint8_t end;
	uint8_t flags; /* its function's */
};

/* Blocks that were executed one after the other. */
struct story_way {
	size_t at; /* in way_blocks */
	uint32_t n;
	uint32_t same; /* another one with the same hash */
};

#define STORY_WAY_MOST 256 /* blocks of one */

/* An object is mapped from base on in that image. */
struct story_mapping {
	uint32_t object;
	uint64_t base, size;
};

struct story_image {
	pid_t pid;
	struct jit *jit; /* trace/jit.h */
	struct story_mapping
		*mappings; /* the latest first where they overlap */
	uint32_t n_mappings, cap_mappings;
	uint32_t *blocks; /* by the feed's numbers */
	uint32_t cap_blocks;
};

/*
 * Of a program that counts its blocks itself, what is told is not which were
 * executed, but how often each was, and where threads came from one function to
 * another: hops (translate/flow.h, FLOW_CALLS). Sinks that have `events` can do
 * with that; nothing else is told to them then.
 */
struct story_hop {
	uint8_t kind;  /* enum flow_hop_kind */
	uint32_t site; /* the block that it leaves, if its kind says so */
	uint64_t begin; /* the place that it leads to */
	uint32_t function; /* ... which is this one's */
	uint32_t through, instructions; /* as struct flow_hop's */
};

/* numbers: here, of the hops and blocks that events have. */
struct story_events {
	const struct flow_event *all;
	size_t n;
	const uint32_t *hops, *blocks;
};

#define STORY_SINKS_MAX 16

struct story_thread {
	struct ptid id;
	uint32_t number; /* in the order of their first blocks */
	uint32_t image;
	/* When the blocks that are being told were executed, in ns of
	 * CLOCK_MONOTONIC. */
	int64_t from, until;
	void *of[STORY_SINKS_MAX]; /* the sinks', by slot */
};

/* A signal has ended a process. */
struct story_death {
	struct ptid who; /* the thread that took it, or (tid 0) some thread */
	int signal;
	bool known;  /* ... where */
	uint64_t pc; /* the address */
};

struct story;

/* Each may be NULL. */
struct story_sink {
	/* Before the first way with it. */
	void (*block)(void *user, uint32_t block);
	/* Before the first path with it; of who has `ways`. */
	void (*way)(void *user, uint32_t way);
	void (*mapping)(void *user, uint32_t image,
			const struct story_mapping *m);
	/* Executed by the thread one after the other: ways, or the blocks that
	 * they are, which takes longer. */
	void (*ways)(void *user, struct story_thread *th, const uint32_t *ways,
		     size_t n);
	void (*path)(void *user, struct story_thread *th,
		     const uint32_t *blocks, size_t n);
	/* The last block told was left after so many of its instructions: by
	 * a signal, a fault, a stop. */
	void (*cut)(void *user, struct story_thread *th, uint32_t instructions);
	/* Some of what the thread has executed is not told. */
	void (*lost)(void *user, struct story_thread *th);
	/* A new hop; and then (the numbers of an arrival are these here). */
	void (*hop)(void *user, uint32_t id, const struct story_hop *h);
	void (*events)(void *user, struct story_thread *th,
		       const struct story_events *e);
	void (*arrives)(void *user, struct story_thread *th,
			const struct flow_arrival *a);
	void (*count)(void *user, uint32_t block, uint64_t times);
	void (*folded)(void *user, const struct flow_fold *f);
	void (*depths)(void *user, struct story_thread *th, uint32_t *depths,
		       uint32_t n, bool known);
	/* Only if there is one sink that has this. */
	size_t (*open)(void *user, struct story_thread *th,
		       struct flow_open *out, size_t n);
	void (*part)(void *user, struct story_thread *th, uint32_t block,
		     uint32_t instructions);
	/* No more comes of the thread. Its of[slot] is the sink's to free. */
	void (*end)(void *user, struct story_thread *th);
	/* All threads of the process have ended, or are about to. */
	void (*killed)(void *user, const struct story_death *d);
	void *user;
};

struct story {
	struct story_object *objects; /* [0]: no file */
	uint32_t n_objects, cap_objects;
	struct story_function
		*functions; /* [0]: unused, as are the following */
	uint32_t n_functions, cap_functions;
	struct story_block *blocks;
	struct story_step *steps;
	uint32_t n_blocks, cap_blocks;
	struct story_way *ways;
	uint32_t n_ways, cap_ways;
	uint32_t *way_blocks;
	size_t n_way_blocks, cap_way_blocks;
	struct story_image *images;
	uint32_t n_images, cap_images;
	uint32_t n_threads;  /* ever */
	struct map threads;  /* tid -> struct story_thread */
	struct map image_of; /* pid -> number of its image */
	struct map block_at; /* place -> first block there */
	struct map way_of;   /* hash -> the newest way with it */
	struct story_sink sinks[STORY_SINKS_MAX];
	unsigned n_sinks;
	bool wants_functions;
	uint32_t n_hops;
	int64_t now;
	char *command; /* what was run; NULL: not known */
};

struct story *story_new(void);
/* All threads have ended (story_finish()). */
void story_free(struct story *r);

/* Copied; returns its slot. All are added before anything is told. */
unsigned story_add_sink(struct story *r, const struct story_sink *s);

/* Blocks have functions from now on, and steps theirs. Those there are too. */
void story_functions(struct story *r);

/* --- what it is made of --------------------------------------------------- */

/* The object of that path, a new one if there is none. "": 0. */
uint32_t story_object(struct story *r, const char *path, uint64_t base,
		      uint64_t size, uint64_t offset);
/* A new image, whose process is that of its first thread. */
uint32_t story_image_add(struct story *r);
/* ... or that one, if it is known before. */
void story_image_pid(struct story *r, uint32_t image, pid_t pid);
void story_map(struct story *r, uint32_t image, const struct story_mapping *m);
/* Where an address of that image is. */
uint64_t story_place(const struct story *r, uint32_t image, uint64_t addr);
/* ... and back; 0: the object is not mapped there. */
uint64_t story_address(const struct story *r, uint32_t image, uint64_t place);
/* The block that this is; function, image and same are filled in by it, code is
 * copied. */
uint32_t story_block(struct story *r, uint32_t image,
		     const struct story_block *b);

/* The way of those blocks, one at least and STORY_WAY_MOST at most. */
uint32_t story_way(struct story *r, const uint32_t *blocks, size_t n);

static inline const uint32_t *story_blocks(const struct story *r, uint32_t way)
{
	return r->way_blocks + r->ways[way].at;
}

/* The function of a place of that image. */
uint32_t story_function(struct story *r, uint32_t image, uint64_t place);
/* A new hop: its number. */
uint32_t story_hop(struct story *r, const struct story_hop *h);

/* Of an object that is not 0. */
struct symbols *story_symbols(struct story *r, uint32_t object);
struct lines *story_lines(struct story *r, uint32_t object);

/* The block's bytes; NULL: nobody knows them, or they are others by now. */
const uint8_t *story_code(struct story *r, uint32_t block);
/* Fills in where its instructions begin, or but the first if that is all that
 * can be told; returns how many that are. */
#define STORY_PLACES_MAX 1024
size_t story_places(struct story *r, uint32_t block,
		    uint64_t places[STORY_PLACES_MAX]);
/* Its own address in its file, as the tools for those count. */
uint64_t story_vaddr(struct story *r, uint64_t place);

/* A name for who reads it; borrowed. */
const char *story_object_name(const struct story *r, uint32_t object);

/* --- what happens --------------------------------------------------------- */

/* The thread that is alive, or NULL. */
struct story_thread *story_thread_find(const struct story *r, struct ptid who);
/* There is none. */
struct story_thread *story_thread_add(struct story *r, uint32_t image,
				      struct ptid who);
/* What comes next was executed between the last such call for the thread and
 * this one; now is in ns. */
void story_time(struct story *r, struct story_thread *th, int64_t now);
void story_path(struct story *r, struct story_thread *th, const uint32_t *ways,
		size_t n);
void story_cut(struct story *r, struct story_thread *th, uint32_t instructions);
void story_lost(struct story *r, struct story_thread *th);
/* What sinks with `events` are told. */
void story_events(struct story *r, struct story_thread *th,
		  const struct story_events *e);
void story_arrives(struct story *r, struct story_thread *th,
		   const struct flow_arrival *a);
void story_count(struct story *r, uint32_t block, uint64_t times);
void story_folded(struct story *r, const struct flow_fold *f);
void story_depths(struct story *r, struct story_thread *th, uint32_t *depths,
		  uint32_t n, bool known);
size_t story_open(struct story *r, struct story_thread *th,
		  struct flow_open *out, size_t n);
void story_part(struct story *r, struct story_thread *th, uint32_t block,
		uint32_t instructions);
/* It is freed. */
void story_thread_end(struct story *r, struct story_thread *th);
/* So do all of its threads. */
void story_image_end(struct story *r, uint32_t image);
/* To be told behind all that its threads have executed. */
void story_killed(struct story *r, const struct story_death *d);
/* All that are left. */
void story_finish(struct story *r);

#endif
