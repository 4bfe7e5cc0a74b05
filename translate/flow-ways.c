/*
 * Ways that are known: their numbers by the records at both ends, and what they
 * stand for.
 *
 * There are hundreds of millions of records in a second. So numbers are looked
 * up in a table with one place for each pair; those that share a place are
 * found in a map.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/flows.h"
#include "translate/history.h"

#define KNOWN_BITS 18
#define ALL_MOST   (1u << 22) /* pairs: a program may write any to its ring */

struct flow_ways {
	struct known {
		uint64_t key; /* from, and to in the upper half; 0: none */
		uint32_t way, unused;
	} known[1 << KNOWN_BITS];
	struct map all;	   /* key -> way */
	uint32_t *singles; /* by block: the way of it alone; 0: none yet */
	uint32_t cap_singles;
	uint32_t listener; /* whose numbers they are */
	/* Their blocks. Of who is told blocks, ways are numbered here; else
	 * here[way] is the number here. */
	struct {
		uint32_t at, n;
	} * list;
	uint32_t n_list, cap_list;
	uint32_t *here;
	uint32_t cap_here;
	uint32_t *ids;
	uint32_t n_ids, cap_ids;
};

static struct known *known_at(struct flow_ways *ways, uint64_t key)
{
	return &ways->known[key * 0x9e3779b97f4a7c15u >> (64 - KNOWN_BITS)];
}

static uint64_t key_of(uint32_t from, uint32_t to)
{
	return (uint64_t)to << 32 | from;
}

/* An empty place is found by no key: 0 would be, if the program put that into
 * its ring. What is there has its own place elsewhere. */
static void guard(struct flow_ways *ways)
{
	ways->known[0].key = UINT64_MAX;
}

static void forget(struct flow_ways *ways)
{
	map_fini(&ways->all);
	memset(ways->known, 0, sizeof(ways->known));
	guard(ways);
	if (ways->cap_singles)
		memset(ways->singles, 0,
		       ways->cap_singles * sizeof(*ways->singles));
	ways->n_list = ways->n_ids = 0;
}

/* Numbers are the listener's: another one has others. */
static struct flow_ways *ways_of(struct flow_reader *r)
{
	struct flow_ways **at = flow_ways_of(r->code);

	if (!*at) {
		*at = huge_alloc(sizeof(**at));
		(*at)->listener = *r->listener;
		guard(*at);
	}
	if ((*at)->listener != *r->listener) {
		(*at)->listener = *r->listener;
		forget(*at);
		flow_untell_blocks(r->code);
	}
	return *at;
}

void flow_ways_free(struct flow_ways *ways)
{
	if (!ways)
		return;
	map_fini(&ways->all);
	free(ways->singles);
	free(ways->list);
	free(ways->here);
	free(ways->ids);
	huge_free(ways, sizeof(*ways));
}

/* --- numbers -------------------------------------------------------------- */

static uint32_t number_here(struct flow_ways *ways, const uint32_t *ids,
			    uint32_t n)
{
	GROW(ways->list, ways->n_list, ways->cap_list, 1024);
	if (ways->n_ids + n > ways->cap_ids) {
		ways->cap_ids = 2 * ways->cap_ids + n + 4096;
		ways->ids =
			xrealloc(ways->ids, ways->cap_ids * sizeof(*ways->ids));
	}
	ways->list[ways->n_list].at = ways->n_ids;
	ways->list[ways->n_list].n = n;
	memcpy(ways->ids + ways->n_ids, ids, n * sizeof(*ids));
	ways->n_ids += n;
	return ++ways->n_list;
}

static void note_number(struct flow_ways *ways, uint32_t way, uint32_t here)
{
	if (way >= ways->cap_here) {
		ways->cap_here = 2 * way + 1024;
		ways->here = xrealloc(ways->here,
				      ways->cap_here * sizeof(*ways->here));
	}
	ways->here[way] = here;
}

static uint32_t number(struct flow_reader *r, struct flow_ways *ways,
		       const uint32_t *ids, uint32_t n)
{
	const struct flow_sink *sink = r->sink;
	uint32_t here = number_here(ways, ids, n), way;

	flow_tell_blocks(r->code, sink, &r->who);
	if (!sink->way)
		return here;
	way = sink->way(sink->user, r->who.image, ids, n);
	note_number(ways, way, here);
	return way;
}

uint32_t flow_way_add(struct flow_reader *r, uint32_t from, uint32_t to,
		      const uint32_t *ids, uint32_t n)
{
	struct flow_ways *ways = ways_of(r);
	uint64_t key = key_of(from, to);
	struct known *k = known_at(ways, key);
	uint32_t way;

	if (ways->all.count >= ALL_MOST) {
		flow_read_done(r);
		forget(ways);
	}
	way = number(r, ways, ids, n);
	map_set(&ways->all, key, (void *)(uintptr_t)way);
	*k = (struct known){ .key = key, .way = way };
	return way;
}

uint32_t flow_way_single(struct flow_reader *r, uint32_t id)
{
	struct flow_ways *ways = ways_of(r);
	uint32_t cap = ways->cap_singles;

	if (id >= cap) {
		ways->cap_singles = 2 * id + 1024;
		ways->singles =
			xrealloc(ways->singles,
				 ways->cap_singles * sizeof(*ways->singles));
		memset(ways->singles + cap, 0,
		       (ways->cap_singles - cap) * sizeof(*ways->singles));
	}
	if (!ways->singles[id])
		ways->singles[id] = number(r, ways, &id, 1);
	return ways->singles[id];
}

/* --- reading -------------------------------------------------------------- */

/* The way was known, and another one has taken its place. */
static bool remember(struct flow_ways *ways, struct known *k, uint64_t key)
{
	uintptr_t way = key ? (uintptr_t)map_find(&ways->all, key) : 0;

	if (way)
		*k = (struct known){ .key = key, .way = (uint32_t)way };
	return way;
}

/* What is at words[-1] is the record before the first. */
static uint32_t read_quick(struct flow_ways *ways, const uint32_t *words,
			   uint32_t n, uint32_t *restrict out)
{
	uint64_t key;
	uint32_t i;

#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		const struct known *k;

		memcpy(&key, words + i - 1, sizeof(key)); /* both at once */
		k = known_at(ways, key);
		if (k->key != key)
			break;
		out[i] = k->way;
	}
	return i;
}

uint32_t flow_ways_read(struct flow_reader *r, const uint32_t *restrict words,
			uint32_t n, uint32_t *restrict out)
{
	struct flow_ways *ways = ways_of(r);
	uint32_t i = 0, word;

	while (i < n) {
		uint64_t key;
		struct known *k;

		word = __atomic_load_n(words + i, __ATOMIC_RELAXED);
		key = key_of(r->last, word);
		k = known_at(ways, key);
		if (k->key != key && !remember(ways, k, key))
			return i;
		out[i++] = k->way;
		r->last = word;
		i += read_quick(ways, words + i, n - i, out + i);
		r->last = words[i - 1];
	}
	return i;
}

/* --- who wants blocks ----------------------------------------------------- */

#define AT_ONCE 4096u

static void tell_blocks(struct flow_reader *r, const uint32_t *ids, uint32_t n)
{
	const struct flow_sink *sink = r->sink;

	if (sink->path && !sink->ways)
		sink->path(sink->user, &r->who, ids, n);
	if (r->history)
		history_path(r->history, r->code, ids, n);
}

void flow_ways_expand(struct flow_reader *r, const uint32_t *all, uint32_t n)
{
	const struct flow_ways *ways = ways_of(r);
	const uint32_t *here = r->sink->way ? ways->here : NULL;
	uint32_t ids[AT_ONCE], n_ids = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t way = here ? here[all[i]] : all[i];
		uint32_t at = ways->list[way - 1].at;
		uint32_t more = ways->list[way - 1].n;

		if (n_ids + more > AT_ONCE) {
			tell_blocks(r, ids, n_ids);
			n_ids = 0;
		}
		memcpy(ids + n_ids, ways->ids + at, more * sizeof(*ids));
		n_ids += more;
	}
	if (n_ids)
		tell_blocks(r, ids, n_ids);
}
