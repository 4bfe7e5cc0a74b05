#include "translate/x86_64/constant.h"

#include <stdlib.h>

#include "base/mem.h"
#include "translate/saved.h"

#define PAGE 4096u

/* A page of pointers: all code that relies on it is in lo..hi. */
struct constant {
	uint64_t lo, hi;
};

void constant_use(struct space *sp, uint64_t at, uint64_t pc)
{
	struct constant *k = map_find(&sp->constants, at / PAGE + 1);

	chain_spoil(sp);
	if (!k) {
		k = xcalloc(1, sizeof(*k));
		*k = (struct constant){ pc, pc + 1 };
		map_set(&sp->constants, at / PAGE + 1, k);
	}
	k->lo = pc < k->lo ? pc : k->lo;
	k->hi = pc < k->hi ? k->hi : pc + 1;
}

/* One in a page of lo..hi, or NULL; *key is its key. all: not those alone whose
 * code is elsewhere. */
static struct constant *find(const struct map *m, uint64_t lo, uint64_t hi,
			     bool all, uint64_t *key)
{
	for (size_t i = 0; m->slots && i <= m->mask; i++) {
		uint64_t at = (m->slots[i].key - 1) * PAGE;
		struct constant *k = m->slots[i].value;

		*key = m->slots[i].key;
		if (*key && at + PAGE > lo && at < hi &&
		    (all || k->lo < lo || k->hi > hi))
			return k;
	}
	return NULL;
}

bool constants_in(const struct space *sp, uint64_t lo, uint64_t hi)
{
	uint64_t key;

	return find(&sp->constants, lo, hi, true, &key);
}

bool constants_go(struct space *sp, uint64_t lo, uint64_t hi)
{
	struct constant *k;
	uint64_t key;

	if (find(&sp->constants, lo, hi, false, &key))
		return true;
	while ((k = find(&sp->constants, lo, hi, true, &key))) {
		map_drop(&sp->constants, key);
		free(k);
	}
	return false;
}

void constants_fini(struct space *sp)
{
	struct map *all = &sp->constants;

	for (size_t i = 0; all->slots && i <= all->mask; i++)
		free(all->slots[i].value);
	map_fini(all);
}
