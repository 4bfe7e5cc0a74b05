/*
 * The code cache of an address space: private to translate/.
 *
 * A region is a single memfd that the debuggee made: code, which it may execute
 * and we write, and data, which both may write. Code comes in three streams
 * that only grow: hot, in the order in which it falls through; cold, for what
 * is rarely run; and stubs, each a trap that brings the thread to the server.
 * Code that lies together is a cluster, and is served by the regions that lie
 * within reach of it: one is being filled, the others are full. A block that
 * goes is marked by a trap at its entry; its memory is used again when its
 * whole region is evicted (evict.h).
 *
 * What lies in memory that the debuggee can write is never trusted here:
 * records are ours, and indices come from addresses that were checked.
 */
#ifndef TRANSLATE_CACHE_H
#define TRANSLATE_CACHE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/encode.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "translate/flow.h"
#include "translate/hints.h"
#include "translate/index.h"
#include "translate/maps.h"
#include "translate/record.h"
#include "translate/saved.h"
#include "translate/trail.h"
#include "translate/transform.h"
#include "translate/translate.h"

struct code_page;
struct flow_code;
struct gates;
struct module_hints;
struct target;
struct thread;
struct translator;

struct stream {
	struct x86_emit e;
	uint32_t start;	    /* offset of its first byte in the region */
	struct mark *marks; /* ascending; the trail's, as is their number */
	uint32_t *n_marks, max_marks;
	size_t code_ready, marks_ready; /* pages_ahead() */
};

#define CLUSTERS_MAX 64

/*
 * Records of a region have numbers from 1 on; with the region's index a number
 * is a reference to one in the space, of which 0 is none.
 */
#define REF_SHIFT 24
#define REF_MAX	  (UINT32_C(1) << REF_SHIFT)

/* What is called where a thread meets a callout, and where it goes on. */
struct callout {
	callout_fn *fn;
	void *user;
	uint32_t at; /* offset into the region */
};

/* Of a rule: two counters in data, of 8 bytes each, and what was told of
 * them. */
struct counter {
	int id;
	uint32_t slot;
	uint64_t told[2];
};

/* Of a call: two counters, how long it took and how often it was. */
struct fold {
	uint32_t hop, slot;
	bool through; /* ... and of the jump of its stub */
};

#define FOLD_STEPS 17u /* of a region's routine: folds.h */

/* A load that may fault, and where its thread goes on then: offsets. */
struct fault {
	uint32_t at, to;
};

struct region {
	struct translate_stats *stats;
	unsigned index, cluster;
	uint64_t born; /* ascending as they are begun; 0: it is empty */
	uint64_t addr; /* in the debuggee */
	uint8_t *map;  /* here */
	struct stream hot, cold;
	struct trail *trail;
	struct map exits; /* pc -> index of its first STUB_EXIT, + 1 */
	uint32_t data_used;
	bool worn; /* it has no stubs left for what is dropped */
	struct block *blocks;
	uint32_t n_blocks, cap_blocks, n_published;
	/* pages_ahead() */
	size_t blocks_ready, sites_ready, stubs_ready, stub_code_ready;
	struct site *sites;
	uint32_t n_sites, cap_sites;
	uint32_t n_aims; /* of the space's, whose sites are in it */
	struct chain *chains; /* saved.h */
	uint32_t n_chains, cap_chains;
	uint32_t *relocs; /* ... of them: enum reloc_kind << RELOC_SHIFT | at */
	uint32_t n_relocs, cap_relocs;
	struct branch_cache *caches;
	uint32_t n_caches, cap_caches;
	struct event_site *events;
	uint32_t n_events, cap_events;
	struct callout *callouts;
	uint32_t n_callouts, cap_callouts;
	/* Of both streams, and of stubs: whose code it is. See flows.h. */
	struct flow_owners {
		struct flow_owner *all; /* ascending */
		uint32_t n, cap;
	} owners[2];
	uint32_t *stub_blocks;
	uint32_t n_stub_blocks, cap_stub_blocks;
	struct counter *counters;
	uint32_t n_counters, cap_counters;
	struct fold *folds; /* FLOW_CALLS; [0] is not used */
	uint32_t n_folds, cap_folds;
	struct fault *faults; /* ascending */
	uint32_t n_faults, cap_faults;
	/* Shared routines: offsets. See x86_64/routine.c. */
	uint32_t return_fix, indirect_fix, excluded_return;
	uint32_t check, check_end; /* check_routine() */
	uint32_t turn, turn_on, turned; /* turn_routine(): what it does with
					 * another chunk, and where it ends */
	uint32_t fold; /* fold_routine() */
	/* ... from each of these on, ascending, what has been done. */
	struct fold_step {
		uint32_t at;
		uint8_t phase; /* enum fold_phase */
	} fold_steps[FOLD_STEPS];
	unsigned n_fold_steps;
};

/* A place in translated code that leads to the code for some pc. */
enum site_kind {
	SITE_REL32,   /* 4 bytes of displacement, in one cache line */
	SITE_LITERAL, /* 8 bytes of data: an address */
};

struct site {
	uint32_t at;   /* offset into its region */
	uint32_t next; /* a reference */
	uint8_t kind;
	uint8_t slow; /* of what comes by it */
};

/* A site whose pc had no block when it was written. */
struct aim {
	uint64_t pc;
	uint32_t site; /* a reference */
};

enum {
	BLOCK_DEAD = 1 << 0,	/* dropped; its entry traps */
	BLOCK_CHECKED = 1 << 1, /* compares its bytes at each entry */
	BLOCK_STEPPED = 1 << 2, /* begins behind a breakpoint: no entry */
	BLOCK_KNOWN = 1 << 3,	/* hints said that it would run */
	BLOCK_HINTED = 1 << 4,	/* ... or that it had, somewhere */
	BLOCK_SAVED = 1 << 5,	/* it was translated in an earlier run */
};

struct block {
	uint64_t pc;
	uint32_t length; /* bytes of original code */
	uint32_t entry;	 /* offsets into the region */
	/* 0: none yet; they may lie in another region of the cluster: 32 bits
	 * of what landing_cpc() tells. */
	uint32_t return_landing, indirect_landing;
	uint32_t sites; /* that lead here */
	uint32_t slot;	/* of data: counter or coverage; 0: none */
	uint32_t flow;	/* its number in the log; 0: none */
	/* Of code that may change: it looks at a byte of data, by
	 * displacement, and jumps away if that is set. Fields of 4 bytes. 0:
	 * it has no such entry. */
	uint32_t flag_at, away_at;
	uint32_t page_next[2]; /* of the blocks on its first and last page */
	uint16_t instructions;
	uint8_t region, flags;
	uint32_t module; /* its number in the space; 0: of no file */
};

/* An indirect branch that compares its operand with one target first. */
struct branch_cache {
	uint64_t pc, target; /* ... that is known, once it has learned */
	uint32_t module;     /* of the pc, as in struct block */
	uint32_t value_at; /* of the immediate that it is compared with */
	uint32_t else_at, then_at; /* of the displacements of its two jumps */
	uint32_t generic;	   /* the way that is always right */
	uint32_t miss; /* ... and where a comparison that fails goes on */
	bool quiet;    /* the comparison goes through rcx, not flags */
	uint8_t slow;
	bool learned;
};

/* Of a slot of the returns: see landing.c. The high bits of pcs whose landings
 * change flags; 0: none; the first SLOT_KEEPS: flags may be wanted that come
 * by. */
struct slot_use {
	uint32_t plain[2];
};

#define SLOT_KEEPS UINT32_MAX

struct waiting;
struct watched;
struct event_site;
struct probe;

struct space {
	struct translator *tr;
	pid_t pid; /* of the process that it was made for; 0: not yet */
	unsigned refs;
	enum trace_mode mode;
	/* Lower: a stopped thread that may be used, while one is at hand; else
	 * one that there is. NULL: all have ended. */
	struct thread *by;
	struct maps maps;
	bool maps_stale;       /* all of it */
	uint64_t stale_lo, stale_hi; /* ... that, of which no code is kept */
	bool maps_grown;       /* there may be more than it has */
	bool maps_met;	       /* its files with code are modules */
	unsigned batch;	       /* of translations: code.h */
	unsigned batch_mapped; /* the last before the map changed */
	struct code_page *pages_read, *pointers_read;
	struct map trusted; /* pc + 1 of code that is not looked at any more */
	struct map plain_stores, section_ends, signed_ranges; /* section.c */
	struct gates *gates; /* of code that may change; NULL: none yet */
	bool reads_execute; /* what threads map to be read is code, or may be */
	bool wide;     /* executable ranges share low address bits, or did */
	bool outdated; /* code was translated by what holds no more */
	struct map constants; /* page number + 1 -> struct constant */
	struct layout layout; /* of its regions */
	struct region *regions[REGIONS_MAX];
	unsigned n_regions, max_regions;
	unsigned n_evicted; /* so far */
	uint64_t last_born;
	struct cluster {
		uint64_t addr; /* where its regions begin */
		struct region *filling;
	} clusters[CLUSTERS_MAX];
	unsigned n_clusters;
	bool worn;		     /* a region of it is */
	bool sealed;		     /* the program can map no more */
	const struct region *ending; /* whose records go; NULL: all */
	struct block_index index;    /* by pc */
	struct map pages; /* page number + 1 -> ... to its first block */
	bool is_forked; /* a child that has executed nothing: it runs little */
	/* The chain that is being written, if it may be saved. */
	bool saving;
	struct chain chain;
	bool in_batch; /* code is being written that nobody can reach yet */
	struct aim *aims; /* ... in it */
	uint32_t n_aims, cap_aims;
	uint64_t *later;  /* code to be translated: batch.c */
	size_t n_later;
	struct excluded {
		uint64_t lo, hi;
		bool transparent;
	} * excluded; /* exclude.h */
	unsigned n_excluded;
	struct map returns; /* of excluded calls, + 1: a breakpoint is there */
	struct map anyway;  /* pc + 1 of excluded code that is translated */
	struct map callees; /* pc + 1 -> enum callee */
	struct translate_module *modules;
	struct module_hints *hints; /* of those */
	uint32_t ran_as[N_HINTS_BY]; /* ... a bit each; 0: not known */
	uint32_t program; /* a sum of its path; with ran_as */
	uint32_t n_modules, cap_modules;
	struct flow_code *flow; /* flows.h; NULL: no log */
	enum flow_keep keep;	/* ... of it */
	bool shares_counts;	/* several threads may count in the same slots */
	uint8_t *rings; /* ring.h, flows.h; NULL: no events and no log */
	uint64_t rings_addr;
	struct waiting *waiting; /* coverage.c */
	uint32_t n_waiting, cap_waiting;
	struct probe *probes; /* probe.c */
	unsigned n_probes;
	int last_probe;	   /* the number of the newest */
	struct map probed; /* pc + 1 of those */
	struct list prints; /* prints.c */
	struct list counts; /* counts.c */
	unsigned n_counts;
	struct watched *watched; /* watchpoints.h; as the code has them */
	unsigned n_watched;
	bool holds_breakpoints; /* ... that no debug register has */
	struct list collectors, dropped; /* collects.h */
	struct list ruled;	/* ... of rules */
	struct map collected;	/* pc + 1 -> the first collector there */
	struct map by_number;	/* ... collectors by their numbers */
	uint8_t *collect;	/* the rings; NULL: not mapped */
	uint64_t collect_addr;
	struct map redirects; /* pc + 1 -> where it goes, + 1 */
	/* activate.c: the program runs its original code; or is to, soon. */
	bool inactive, to_be_inactive;
	int reaching;	 /* the probe until which nothing is excluded; or 0 */
	unsigned n_joins; /* times that threads began to be followed */
	struct map sums; /* page number + 1 -> of what the page held */
	bool leaving;	  /* it is to be followed no more: callback.h */

	/* The common tables, and behind them the pool of threads' pages. */
	uint8_t *tables, *pool; /* here */
	uint64_t tables_addr;
	uint64_t low;			/* what else is mapped goes below it */
	/* Of indirect branches, and of returns: pairs in use; a bit for each
	 * slot, see block.c. */
	uint32_t n_pairs[2];
	uint64_t pairs_ready[2]; /* ... pieces of them that have memory */
	uint8_t *shared[2];
	struct slot_use *slots;
	/* ... the high bits of the pc whose landing came there last; 0: none. */
	uint32_t *landed;
	bool *windows_used;

	bool only_traps; /* stubs stop threads by no signal of ours */
	struct trails *trails;
	bool guarded; /* who outlives us can see them */
};

#define RINGS_SIZE  ((uint64_t)WINDOWS_MAX << 16)

/* Its regions will be so large that a number of them fits into the bytes. */
void space_lay_out(struct space *sp, uint64_t bytes);

/* by is a stopped thread of the lower target, of the space's process. NULL
 * and an error with a reason when nothing can be mapped. */
struct space *space_new(struct translator *tr, struct thread *by,
			struct err *e);
/* Takes the mappings out of the memory of by, a stopped thread. */
void space_unmap(struct space *sp, struct thread *by);
/* The record, and our side of the memory. */
void space_free(struct space *sp);

/* More memory in common, which both may write, at a multiple of align there:
 * until space_free(). NULL: an error with a reason. */
uint8_t *space_map(struct space *sp, const char *name, uint64_t size,
		   uint64_t align, uint64_t *addr, struct err *e);

/* The region that is being filled with code for pc's cluster; made if need be,
 * as far as there may be more. It may be full all the same. NULL: there is none
 * and can be none, unless another is evicted. */
struct region *space_region(struct space *sp, uint64_t pc, struct err *e);
/* The cluster that serves pc; CLUSTERS_MAX: it is still to be made. */
unsigned space_cluster(const struct space *sp, uint64_t pc);
/* Can there be any region near the pc? It may take an eviction. */
bool space_can_serve(struct space *sp, uint64_t pc);

/* Nothing of it is used any more: it is as new. */
void region_reset(struct space *sp, struct region *rg);
/* It is empty, and serves that cluster from now on, at another place. */
int region_move(struct space *sp, struct region *rg, unsigned cluster);
void region_free(struct region *rg);

/* The region whose code holds the address, or NULL. */
struct region *space_region_at(const struct space *sp, uint64_t cpc);

/* The map, or read-only memory, may have changed. */
static inline void space_remapped(struct space *sp)
{
	sp->maps_stale = true;
	sp->batch_mapped = sp->batch;
}

/* The same there alone: what was read of other memory is good. */
void space_changed(struct space *sp, uint64_t lo, uint64_t hi);

/* The map is looked at anew; what was read of memory is good. */
void space_look(struct space *sp);

/* Only what is neither code nor a file's was mapped in other ways, or more was
 * mapped. */
static inline void space_grown(struct space *sp)
{
	sp->maps_grown = true;
}

/* What is mapped; read again if something changed. */
const struct map_range *space_find(struct space *sp, uint64_t addr);

/* The number of the module that has code at pc; 0: none. They stay for the life
 * of the space. */
uint32_t module_at(struct space *sp, uint64_t pc);
void modules_free(struct space *sp);
/* What the block has recorded; borrows of the space. */
void block_record(const struct space *sp, const struct block *b,
		  struct translate_block *out);
/* What its blocks have recorded is about to go. */
void records_end(struct space *sp);

/* A thread's window: its number; -1: there is none. That of a thread that has
 * ended stays mapped for the next. */
int window_new(struct space *sp, struct err *e);
static inline void window_free(struct space *sp, int number)
{
	sp->windows_used[number] = false;
}
/* Those that no thread uses are unmapped. */
void windows_collect(struct space *sp);
static inline uint64_t window_addr(const struct space *sp, int number)
{
	return sp->trails->windows[number];
}
static inline uint8_t *window_page(const struct space *sp, int number)
{
	return number ? sp->pool + (size_t)number * 0x1000
		      : sp->tables - 0x1000;
}

/* Threads can no longer be stopped but by traps. */
void space_use_traps(struct space *sp);

/* Maps now what threads and code may need later, as far as that can be known:
 * the process is about to filter its system calls, and ours with them. */
void space_provide(struct space *sp);

/* Is there room for a block in all streams, and for all that belongs to it? */
bool region_has_room(const struct region *rg);
/* ... for a little cold code with an exit, where no block is begun? */
#define COLD_LEAST 1024u
bool region_has_cold(const struct region *rg);

/* So many more records are about to be added. */
void region_expect(struct region *rg, uint32_t blocks, uint32_t sites);

/* A block is about to be written: pages for it come together. */
void region_prepare(struct region *rg);
/* ... of records of stubs alone. */
void region_prepare_stubs(struct region *rg);

/* Room for so many stubs? Blocks are begun only where there is room for all
 * that belongs to them (region_has_room()); who writes anything else asks. */
bool region_has_stubs(const struct region *rg, uint32_t n);
/* Offset of the stub, for which there is room. */
uint32_t region_stub(struct region *rg, const struct stub *stub);
/* That of STUB_EXIT for pc and what comes so; 0: there was none, and there is
 * no room. */
uint32_t region_exit(struct region *rg, uint64_t pc, enum slow_kind slow);

/* The offset of two zeroed counters. */
uint32_t region_counter(struct region *rg, int id);
/* Tells what they have counted since the last time. */
void region_tell_counters(struct translator *tr, const struct region *rg);

/* What is at that offset, which was written not long ago, may fault there. */
void region_fault(struct region *rg, uint32_t at, uint32_t to);
/* Where a thread that faults at the offset goes on; 0: that is no such load. */
uint32_t region_fault_at(const struct region *rg, uint32_t at);

/* Size bytes of data, aligned to 8, for which there is room: an offset into the
 * region. */
uint32_t region_data(struct region *rg, unsigned size);

static inline uint32_t stream_at(const struct stream *s)
{
	return s->start + (uint32_t)s->e.len;
}
/* The code that comes next in the stream is at this boundary; at is set. */
static inline void stream_mark(struct stream *s, struct mark m)
{
	assert(*s->n_marks < s->max_marks);
	m.at = stream_at(s) & 0x7fffffff;
	s->marks[*s->n_marks] = m;
	__atomic_store_n(s->n_marks, *s->n_marks + 1, __ATOMIC_RELEASE);
}

/* Of the common tables: nothing is known any more. */
void tables_reset(struct space *sp);

/* Drops all translated code, of which no thread may run any. */
void space_flush(struct space *sp);

#endif
