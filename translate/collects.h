/*
 * What collecting takes: private to translate/.
 *
 * A ring is COLLECT_RING bytes, and as many more behind them, of which a record
 * that begins before its end may take some. The window counts bytes: head, what
 * was written, and limit, which head may not pass; both only grow. Only the
 * thread moves head on, when a record is complete, and only the server limit.
 */
#ifndef TRANSLATE_COLLECTS_H
#define TRANSLATE_COLLECTS_H

#include "base/list.h"
#include "translate/cache.h"
#include "translate/collect.h"

struct follow;

#define COLLECT_STRING                                           \
	128u /* bytes of one that is printed: a longer one takes \
	      * a stop */
#define COLLECT_RING   0x20000u
#define COLLECT_STRIDE (2 * COLLECT_RING) /* a thread's */
#define COLLECT_SPACE  ((uint64_t)WINDOWS_MAX * COLLECT_STRIDE)

/* Before the parts. A part whose bit is in neither was passed by. */
struct collect_record {
	uint32_t number, size; /* the collector's; bytes, with this */
	uint64_t time;
	uint32_t done, failed; /* a bit for each part */
};

/* Where a part is in the record; memory has its address before the data. */
struct collect_place {
	uint8_t item;
	bool has_address;
	uint16_t insn; /* of an expression: which one traces it */
	uint32_t at, length;
};

struct collector;

/* Of a collector of our own, in place of the layer above: what it tells, and
 * what is done where a thread stops for it. */
struct collector_user {
	void (*told)(struct translator *tr, const struct collector *c,
		     const struct collect_hit *hit);
	void (*met)(struct translator *tr, const struct collector *c,
		    struct thread *th);
};

struct collector {
	struct list node; /* in struct space's collectors, or dropped */
	struct space *space;
	int number;
	bool dropped;
	struct collect_spec spec;	   /* its items are owned */
	const struct collector_user *user; /* NULL: the layer above's */
	/* transform_collect(): what it was made of. It is at no address of its
	 * own. */
	const struct collect_spec *rule;
	bool compiled;
	uint32_t size; /* of a record */
	struct collect_place places[COLLECT_PARTS];
	unsigned n_places;
};

/* The window is a new thread's. */
void collect_begin(struct space *sp, int window);

/* Is there any at pc? Then a block begins there. */
bool collector_is_at(const struct space *sp, uint64_t pc);
/* Those at pc, in their order: the one behind that (NULL: the first). */
struct collector *collector_next(const struct space *sp, uint64_t pc,
				 const struct collector *after);

/* A new one, which is added to its space (all is stopped), and dropped: then
 * code that has it may be executed once more. */
struct collector *collector_new(struct space *sp,
				const struct collect_spec *spec);
void collector_add(struct space *sp, struct collector *c);
void collector_drop(struct space *sp, struct collector *c);

/* The one of that rule; it is made for the space if there is none. */
struct collector *collector_of_rule(struct space *sp,
				    const struct collect_spec *rule);
/* No code has any of those any more; what they have collected is told. */
void collectors_end_rules(struct space *sp);

/* The callout of what is not compiled; user is the collector. */
void collector_met(void *user, struct target *t, struct thread *th);

/* Tells what the thread has written since the last time. */
void collect_drain(struct translator *tr, struct thread *th);

void collectors_free(struct space *sp);

/* The layer above's, whose process is followed anew: from one space (all was
 * told, and nobody else uses it) to the next; NULL: there is none, and they are
 * freed. */
void collectors_take(struct space *sp, struct list *out);
void collectors_put(struct space *sp, struct list *from);

/* Reads all rings, now and then. Returns in how many ms it wants to be called
 * again; -1: there are none. */
int collect_tick(struct translator *tr);

/* --- x86_64/collect.c ----------------------------------------------------- */

/* Of all that is at one place, in bytes: HOT_ROOM has so many. */
#define COLLECT_CODE_MOST 4096u

/* Can all of it be written; and how long the code is at most. */
bool collect_fits(const struct collector *c);
size_t collect_code_size(const struct collector *c);
/* How many bytes its code takes at most. */
size_t collect_size(const struct collector *c);
/* The processor's counter. */
uint64_t collect_time(void);

#endif
