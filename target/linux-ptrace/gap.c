#include "target/linux-ptrace/gap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE 0x1000u
#define AWAY 0x40000000u /* from what is mapped, in a gap twice as wide */

struct gap {
	uint64_t addr, size;	/* what is asked for */
	uint64_t close, remote; /* the best of each kind so far; 0: none */
};

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void take_nearer(uint64_t *best, uint64_t at, uint64_t addr)
{
	if (!*best || distance(at, addr) < distance(*best, addr))
		*best = at;
}

/* From end, where a mapping ends, to lo, where the next one begins. 32 bits
 * are too few to divide the widest of their gaps. */
static void look_at(struct gap *g, uint64_t end, uint64_t lo)
{
	uint64_t wide = lo > end ? lo - end : 0;

	if (wide > g->size + PAGE)
		take_nearer(&g->close, lo - g->size - PAGE, g->addr);
	if (wide > 2 * (uint64_t)AWAY && lo > UINT32_MAX)
		take_nearer(&g->remote, lo - AWAY, g->addr);
}

uint64_t gap_find(pid_t pid, uint64_t addr, uint64_t size, uint64_t reach)
{
	struct gap g = { .addr = addr, .size = size };
	uint64_t lo, hi, end = 0x10000;
	char path[32], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &lo, &hi) != 2)
			continue;
		if (!strstr(line, "[stack]"))
			look_at(&g, end, lo);
		end = hi;
	}
	fclose(f);
	if (g.remote && distance(g.remote, addr) < reach)
		return g.remote;
	return distance(g.close, addr) < reach ? g.close : 0;
}
