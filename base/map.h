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

static inline size_t map_home(const struct map *m, uint64_t key)
{
	return (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & m->mask;
}

/* The key's slot, or the free one that it would have; there are slots. */
static inline struct map_slot *map_probe(const struct map *m, uint64_t key)
{
	size_t i = map_home(m, key);

	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & m->mask;
	return &m->slots[i];
}

/* NULL when there is none. */
static inline void *map_find(const struct map *m, uint64_t key)
{
	return m->slots ? map_probe(m, key)->value : NULL;
}

/* There is room for n in all, so that it does not grow before. */
void map_reserve(struct map *m, size_t n);

/* Adds or replaces. key is not 0. */
void map_set(struct map *m, uint64_t key, void *value);

/* Returns what was there, or NULL. */
void *map_drop(struct map *m, uint64_t key);

#endif
