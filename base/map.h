/*
 * A hash map from a nonzero 64-bit key to a pointer: thread ids to threads,
 * addresses to points. Open addressing, grows by doubling, iteration in no
 * order. Zero-initialised is empty. It owns nothing that it points at.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
	struct map_slot {
		uint64_t key; /* 0: free */
		void *value;
	} *slots;
	size_t count, mask; /* mask + 1 slots; none when slots is NULL */
};

void map_fini(struct map *m);

/* NULL when there is none. */
void *map_find(const struct map *m, uint64_t key);

/* Adds or replaces. key is not 0. */
void map_set(struct map *m, uint64_t key, void *value);

/* Returns what was there, or NULL. */
void *map_drop(struct map *m, uint64_t key);

#endif
