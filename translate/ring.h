/*
 * Rings of events: private to translate/.
 *
 * A ring is RING_SIZE bytes at a multiple of RING_SIZE. The window's WIN_RING
 * says where the next record goes; the code that writes one moves it on, and
 * goes to a stub when its low 16 bits have become 0: then we read the ring and
 * move WIN_RING back. No record is ever written behind the end, and it takes
 * no fault to see the end: the kernel would reset the handler of a thread that
 * blocks SIGSEGV.
 *
 * A record is a reference to a struct event_site, 32 bits; where calls or
 * returns are told of it has 16 bytes, the last 8 of which are where an
 * indirect one goes. Both sizes divide that of the ring.
 */
#ifndef TRANSLATE_RING_H
#define TRANSLATE_RING_H

#include "translate/cache.h"
#include "translate/events.h"

struct follow;

#define CALLS	  (EVENT_CALL | EVENT_RET) /* of these comes the depth */
#define RING_SIZE 0x10000u		   /* what 16 bits count */

/* What a record stands for. */
struct event_site {
	uint64_t from, to;
	uint8_t kind;
	bool indirect; /* `to` is in the record */
	bool silent;   /* it is not told; its depth counts */
};

/* Kinds that translated code writes for the space: none unless it is traced. */
unsigned ring_kinds(const struct space *sp);
uint32_t ring_record_size(const struct space *sp);

/* A reference to the site, whose code is in the region. */
uint32_t ring_site(struct region *rg, const struct event_site *site);

/* Once for a space that is to be traced; see space_new() for how it fails. */
int rings_map(struct space *sp, struct err *e);

/* The window is a new thread's. */
void ring_begin(struct space *sp, int window);

/* Tells what the upper thread has written since the last time. reset: it is
 * stopped, and begins its ring anew. */
void ring_drain(struct translator *tr, struct thread *th, bool reset);

/* A block was translated. */
void ring_compiled(struct space *sp, uint64_t begin, uint64_t end);

#endif
