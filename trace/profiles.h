/* What profile.c and profile-hops.c share. */
#ifndef TRACE_PROFILES_H
#define TRACE_PROFILES_H

#include "trace/profile.h"

struct thread_profile {
	struct profile *p;
	struct calls calls;
	uint32_t *depth; /* by function: how often it is being called */
	uint32_t cap_depth;
	uint8_t level;
	uint32_t node;
	uint64_t told;	/* calls.now when the node's cost, or the function's
			 * own, was added last */
	bool stale;	/* depths were changed by no regular call */
	uint32_t *edge; /* of the piece that is begun, or of the hop */
};

struct thread_profile *profile_of(struct profile *p, struct story_thread *th);
/* The call from that block, at its level, to the function at that level. */
uint32_t profile_call_of(struct thread_profile *t, uint32_t site,
			 unsigned site_level, uint32_t function,
			 unsigned level);
uint32_t *profile_depth(struct thread_profile *t, uint32_t function);
void profile_count_part(struct profile *p, const struct profile_part *part);
/* An array with zeroes behind what it had. */
void *profile_grown(void *array, uint32_t from, uint32_t to, size_t size);

/* profile-hops.c: its sinks, and what was not added up yet. */
void profile_take_hop(void *user, uint32_t id, const struct story_hop *h);
void profile_take_events(void *user, struct story_thread *th,
			 const struct story_events *e);
void profile_take_arrival(void *user, struct story_thread *th,
			  const struct flow_arrival *a);
void profile_take_count(void *user, uint32_t block, uint64_t times);
void profile_take_folded(void *user, const struct flow_fold *f);
void profile_take_depths(void *user, struct story_thread *th, uint32_t *depths,
			 uint32_t n, bool known);
size_t profile_take_open(void *user, struct story_thread *th,
			 struct flow_open *out, size_t n);
void profile_take_part(void *user, struct story_thread *th, uint32_t block,
		       uint32_t instructions);
void profile_take_whole(struct thread_profile *t, const struct call *call);

#endif
