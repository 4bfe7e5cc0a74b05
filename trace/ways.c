/* Ways of a story, and the paths that they make. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/story.h"

/* Never 0, which is no key of a map. */
static uint64_t hash_of(const uint32_t *blocks, size_t n)
{
	uint64_t h = n;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ blocks[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	return h | 1;
}

static bool is_same(const struct story *r, uint32_t way, const uint32_t *blocks,
		    size_t n)
{
	return r->ways[way].n == n &&
	       !memcmp(story_blocks(r, way), blocks, n * sizeof(*blocks));
}

static uint32_t way_add(struct story *r, const uint32_t *blocks, size_t n,
			uint32_t same)
{
	uint32_t way = ++r->n_ways;

	if (way >= r->cap_ways) {
		r->cap_ways = 2 * way + 1024;
		r->ways = xrealloc(r->ways, r->cap_ways * sizeof(*r->ways));
	}
	if (r->n_way_blocks + n > r->cap_way_blocks) {
		r->cap_way_blocks = 2 * r->cap_way_blocks + n + 4096;
		r->way_blocks =
			xrealloc(r->way_blocks,
				 r->cap_way_blocks * sizeof(*r->way_blocks));
	}
	memcpy(r->way_blocks + r->n_way_blocks, blocks, n * sizeof(*blocks));
	r->ways[way] = (struct story_way){ r->n_way_blocks, (uint32_t)n, same };
	r->n_way_blocks += n;
	for (unsigned i = 0; i < r->n_sinks; i++) {
		if (r->sinks[i].way)
			r->sinks[i].way(r->sinks[i].user, way);
	}
	return way;
}

uint32_t story_way(struct story *r, const uint32_t *blocks, size_t n)
{
	uint64_t hash = hash_of(blocks, n);
	uint32_t first = (uint32_t)(uintptr_t)map_find(&r->way_of, hash), way;

	for (way = first; way; way = r->ways[way].same) {
		if (is_same(r, way, blocks, n))
			return way;
	}
	way = way_add(r, blocks, n, first);
	map_set(&r->way_of, hash, (void *)(uintptr_t)way);
	return way;
}

/* --- telling -------------------------------------------------------------- */

#define AT_ONCE 4096

static void tell_blocks(struct story *r, struct story_thread *th,
			const uint32_t *blocks, size_t n)
{
	for (unsigned i = 0; i < r->n_sinks; i++) {
		if (n && r->sinks[i].path)
			r->sinks[i].path(r->sinks[i].user, th, blocks, n);
	}
}

static void expand(struct story *r, struct story_thread *th,
		   const uint32_t *ways, size_t n)
{
	uint32_t blocks[AT_ONCE];
	size_t n_blocks = 0;

	for (size_t i = 0; i < n; i++) {
		const uint32_t *more = story_blocks(r, ways[i]);
		uint32_t n_more = r->ways[ways[i]].n;

		if (n_blocks + n_more > AT_ONCE) {
			tell_blocks(r, th, blocks, n_blocks);
			n_blocks = 0;
		}
		memcpy(blocks + n_blocks, more, n_more * sizeof(*more));
		n_blocks += n_more;
	}
	tell_blocks(r, th, blocks, n_blocks);
}

void story_path(struct story *r, struct story_thread *th, const uint32_t *ways,
		size_t n)
{
	bool wants_blocks = false;

	for (unsigned i = 0; i < r->n_sinks; i++) {
		if (r->sinks[i].ways)
			r->sinks[i].ways(r->sinks[i].user, th, ways, n);
		wants_blocks |= r->sinks[i].path != NULL;
	}
	if (wants_blocks)
		expand(r, th, ways, n);
}
