/*
 * What is mapped in a debuggee: /proc/PID/maps, as far as a translator asks.
 */
#ifndef TRANSLATE_MAPS_H
#define TRANSLATE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target;
struct thread;

enum {
	RANGE_R = 1 << 0,
	RANGE_W = 1 << 1,
	RANGE_X = 1 << 2,
	RANGE_FILE = 1 << 3, /* of a file's pages */
	RANGE_SHARE = 1 << 4,
};

struct map_range {
	uint64_t lo, hi;
	unsigned flags;
	uint64_t offset, dev, inode;
	char *name;	 /* owned; "" when there is none */
	uint32_t module; /* of whom reads the maps; 0 at first */
};

/* Ascending. Zero-initialised is empty. */
struct maps {
	struct map_range *all;
	size_t n, cap;
};

/* Reads them anew. 0, or a negative errno and what was there before. */
int maps_read(struct maps *m, struct target *t, struct thread *th);
void maps_fini(struct maps *m);

/* Is what the thread maps to be read executable, too? See personality(2). */
bool maps_imply_exec(struct target *t, struct thread *th);

/* The range that holds addr, or NULL. Borrowed until the next maps_read(). */
const struct map_range *maps_find(const struct maps *m, uint64_t addr);

/* Is it memory that a server of ours had made there, be that dead? By its name
 * alone, which the program may have given to its own. NULL: no. */
bool maps_is_ours(const struct map_range *r);

/* Is there anything of these RANGE_* in lo..hi? */
bool maps_have(const struct maps *m, uint64_t lo, uint64_t hi, unsigned flags);

/*
 * An unmapped place of len bytes for what has to be within reach of pc: below
 * it if there is room, since heaps grow upwards. No byte of it is farther away
 * than MAPS_REACH. 0: there is none, as for all that is no user address.
 */
#define MAPS_REACH (UINT64_C(1792) << 20)
uint64_t maps_place(const struct maps *m, uint64_t pc, uint64_t len);

/* Do two executable ranges share the low 32 bits of some address? */
bool maps_share_low_bits(const struct maps *m);

#endif
