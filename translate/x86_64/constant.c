#include "translate/x86_64/constant.h"

#include <stdlib.h>

#include "base/mem.h"

#define PAGE 4096u

/* A page of pointers: all code that relies on it is in lo..hi. */
struct constant {
	uint64_t lo, hi;
};

void constant_use(struct space *sp, uint64_t at, uint64_t pc)
{
	struct constant *k = map_find(&sp->constants, at / PAGE + 1);

	if (!k) {
		k = xcalloc(1, sizeof(*k));
		*k = (struct constant){ pc, pc + 1 };
		map_set(&sp->constants, at / PAGE + 1, k);
	}
	k->lo = pc < k->lo ? pc : k->lo;
	k->hi = pc < k->hi ? k->hi : pc + 1;
}

bool constants_in(const struct space *sp, uint64_t lo, uint64_t hi, bool gone)
{
	const struct map *all = &sp->constants;

	for (size_t i = 0; all->slots && i <= all->mask; i++) {
		uint64_t at = (all->slots[i].key - 1) * PAGE;
		const struct constant *k = all->slots[i].value;

		if (!all->slots[i].key || at + PAGE <= lo || at >= hi)
			continue;
		if (!gone || k->lo < lo || k->hi > hi)
			return true;
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
