/*
 * A run added up: how often each block was executed, which followed which, who
 * called whom and what that cost, in which contexts. Costs are instructions;
 * those of a call include what it calls in turn. A call that never returned is
 * over when its thread ends.
 *
 * A function that is being called already has a second level, at which blocks
 * and calls are counted apart: so the cost of the first level's calls is that
 * of the function, with all that it calls, itself included, counted once.
 */
#ifndef TRACE_PROFILE_H
#define TRACE_PROFILE_H

#include "trace/calls.h"
#include "trace/story.h"

enum {
	PROFILE_CALLS = 1 << 0, /* calls: edges between functions */
	PROFILE_TREE = 1 << 1,	/* ... and contexts */
	PROFILE_FLOWS = 1 << 2, /* which block followed which in a frame */
};

#define LEVELS 2

/* Calls from one block, at its level, to one function. */
struct profile_call {
	uint32_t site, function;
	uint8_t site_level, level;
	uint32_t next; /* of that site; 0: the last */
	uint64_t count, cost;
};

/* A function in one context: what its callers were. 0 is the root. */
struct profile_node {
	uint32_t parent, function;
	uint32_t recent; /* the child that was entered last; 0: none was */
	uint64_t cost;	 /* its own alone */
};

/* A block that was left before its end: count times after so many. */
struct profile_part {
	uint32_t block, instructions;
	uint8_t level;
	uint64_t count;
};

/* from -> to within a frame; from is 0 where a call begins. */
struct profile_flow {
	uint32_t from, to;
	uint32_t next; /* of that `to` */
	uint64_t count;
};

/*
 * A piece of a way: blocks of one function that lead into each other, so that
 * calls are looked at where it begins only. What is executed of it is counted,
 * and what that makes of blocks is seen once.
 */
struct profile_piece {
	uint64_t counts[LEVELS];
	uint32_t first, last, function; /* blocks, and theirs */
	uint32_t instructions;
	uint32_t edge;	     /* the call that led to it last; 0: none did yet */
	bool straight;	     /* the last block leads into its function too */
	bool more;	     /* the next one is of the same way */
	uint32_t way, at, n; /* blocks of that way, from there on */
};

struct profile {
	struct story *run;
	unsigned wants; /* PROFILE_* */
	unsigned slot;
	struct profile_piece *pieces;
	uint32_t n_pieces, cap_pieces;
	uint32_t *pieces_of; /* by way: its first; those of the next follow */
	uint32_t cap_ways;
	uint64_t *counts[LEVELS]; /* by block: how often it was begun, once that
				   * is settled */
	uint32_t *first_call;	  /* by block: of its calls; 0: none */
	uint32_t *first_flow;	  /* by block: of those to it */
	uint32_t cap_blocks;
	struct profile_call *calls; /* [0] is not used */
	uint32_t n_calls, cap_calls;
	struct profile_node *nodes;
	uint32_t n_nodes, cap_nodes;
	struct map node_of; /* parent and function -> node */
	struct profile_part *parts;
	uint32_t n_parts, cap_parts;
	struct profile_flow *flows; /* [0] is not used */
	uint32_t n_flows, cap_flows;
	uint64_t lost; /* how often something is missing */
	/* Of a program that counts its blocks itself; NULL: it was told by
	 * paths. Counts are all of the first level then. By function: */
	struct profile_own {
		uint64_t cost[LEVELS]; /* of calls that nothing has made */
		uint32_t end; /* a block that returns from it; 0: not known */
	} * own;
	uint32_t cap_own;
	struct profile_hop *hops; /* profile-hops.c */
	uint32_t cap_hops;
};

/* A sink of the run; nothing was told yet. */
struct profile *profile_new(struct story *r, unsigned wants);
void profile_free(struct profile *p);

/* What was told is added up: before anybody looks at counts, calls, nodes and
 * flows. Calls that are not over have their costs so far, too. */
void profile_settle(struct profile *p);

/* Where p->own is: what each function has cost at each level, without what it
 * called. The caller frees it. */
uint64_t (*profile_own_costs(const struct profile *p))[LEVELS];

static inline uint64_t profile_count(const struct profile *p, uint32_t block)
{
	return p->counts[0][block] + p->counts[1][block];
}

/* What each block cost, in all: the caller frees it. */
uint64_t *profile_costs(const struct profile *p);

#endif
