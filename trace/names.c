#include "trace/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* FNV-1a; not 0. */
static uint64_t hash(const char *name, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	while (n--)
		h = (h ^ (uint8_t)*name++) * UINT64_C(0x100000001b3);
	return h | 1;
}

uint32_t names_find(const struct names *s, const char *name, size_t length)
{
	uint32_t i =
		(uint32_t)(uintptr_t)map_find(&s->by_hash, hash(name, length));

	for (; i; i = s->next[i]) {
		if (!strncmp(s->all[i], name, length) && !s->all[i][length])
			return i;
	}
	return 0;
}

uint32_t names_id(struct names *s, const char *name)
{
	size_t length = strlen(name);
	uint64_t key = hash(name, length);
	uint32_t i = names_find(s, name, length);

	if (i)
		return i;
	if (s->n + 1 >= s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->all = xrealloc(s->all, s->cap * sizeof(*s->all));
		s->next = xrealloc(s->next, s->cap * sizeof(*s->next));
	}
	i = ++s->n;
	s->all[i] = xstrdup(name);
	s->next[i] = (uint32_t)(uintptr_t)map_find(&s->by_hash, key);
	map_set(&s->by_hash, key, (void *)(uintptr_t)i);
	return i;
}

void names_fini(struct names *s)
{
	for (uint32_t i = 1; i <= s->n; i++)
		free(s->all[i]);
	free(s->all);
	free(s->next);
	map_fini(&s->by_hash);
}
