/*
 * Linear probing with backward-shift deletion: no tombstones, so a map that
 * lives through a million threads stays as quick as a new one. Invariant: at
 * most 3/4 of the slots are in use, so that every probe ends at a free one.
 */
#include "base/map.h"

#include <stdbool.h>

#include "base/mem.h"

static size_t bytes_of(const struct map *m)
{
	return m->slots ? (m->mask + 1) * sizeof(*m->slots) : 0;
}

void map_fini(struct map *m)
{
	table_free(m->slots, bytes_of(m));
	*m = (struct map){ 0 };
}

static void grow(struct map *m, size_t n)
{
	struct map old = *m;

	m->slots = table_alloc(n * sizeof(*m->slots));
	m->mask = n - 1;
	for (size_t i = 0; old.slots && i <= old.mask; i++) {
		if (old.slots[i].key)
			*map_probe(m, old.slots[i].key) = old.slots[i];
	}
	table_free(old.slots, bytes_of(&old));
}

static bool is_room(size_t slots, size_t n)
{
	return 4 * n <= 3 * slots;
}

void map_reserve(struct map *m, size_t n)
{
	size_t slots = m->slots ? m->mask + 1 : 0, wanted = slots ? slots : 16;

	while (!is_room(wanted, n))
		wanted *= 2;
	if (wanted > slots)
		grow(m, wanted);
}

void map_set(struct map *m, uint64_t key, void *value)
{
	struct map_slot *s;

	if (!m->slots || !is_room(m->mask + 1, m->count + 1))
		map_reserve(m, m->count + 1);
	s = map_probe(m, key);
	m->count += !s->key;
	*s = (struct map_slot){ key, value };
}

void *map_drop(struct map *m, uint64_t key)
{
	struct map_slot *s = m->slots ? map_probe(m, key) : NULL;
	void *value;
	size_t hole, i;

	if (!s || !s->key)
		return NULL;
	value = s->value;
	m->count--;
	hole = i = (size_t)(s - m->slots);
	for (;;) {
		size_t h;

		i = (i + 1) & m->mask;
		if (!m->slots[i].key)
			break;
		/* Move an element back unless its home lies past the hole. */
		h = map_home(m, m->slots[i].key);
		if (((i - h) & m->mask) >= ((i - hole) & m->mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){ 0 };
	return value;
}
