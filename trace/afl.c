/*
 * AFL's edge map: 65,536 bytes, one for each pair of blocks, modulo that: its
 * technical details have it that a block's number is random; here, as in its
 * QEMU mode, it comes of the address, that in the module, so that runs can be
 * compared. A counter that overflows goes on at 1, as AFL++ has it.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "trace/format.h"

#define MAP_SIZE 65536u

struct afl {
	struct story *story;
	const struct globs *globs;
	unsigned slot;
	uint32_t *numbers; /* by block; MAP_SIZE: it is not wanted */
	uint32_t cap;
	uint8_t map[MAP_SIZE];
};

static uint32_t number_of(const struct afl *a, uint32_t block)
{
	uint64_t place = a->story->blocks[block].begin;
	const char *path = a->story->objects[place_object(place)].path;
	uint64_t at = place_offset(place);

	if (a->globs && !globs_want(a->globs, path))
		return MAP_SIZE;
	return (uint32_t)(at >> 4 ^ at << 8) & (MAP_SIZE - 1);
}

static void take_block(void *user, uint32_t block)
{
	struct afl *a = user;

	if (block >= a->cap) {
		a->cap = 2 * block + 1024;
		a->numbers = xrealloc(a->numbers, a->cap * sizeof(*a->numbers));
	}
	a->numbers[block] = number_of(a, block);
}

/* What a thread has of its own is where it was: a number, not a pointer. */
static void take_path(void *user, struct story_thread *th,
		      const uint32_t *blocks, size_t n)
{
	struct afl *a = user;
	uintptr_t last = (uintptr_t)th->of[a->slot];

	for (size_t i = 0; i < n; i++) {
		uint32_t number = a->numbers[blocks[i]];
		uint8_t *count;

		if (number == MAP_SIZE)
			continue;
		count = &a->map[number ^ last];
		*count = *count == 255 ? 1 : *count + 1;
		last = number >> 1;
	}
	th->of[a->slot] = (void *)last;
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct afl *a = xcalloc(1, sizeof(*a));

	(void)e;
	a->story = s;
	a->globs = args->globs;
	a->slot = story_add_sink(s, &(struct story_sink){
					    .block = take_block,
					    .path = take_path,
					    .user = a,
				    });
	return a;
}

static void write_afl(void *state, FILE *out)
{
	const struct afl *a = state;

	fwrite(a->map, 1, MAP_SIZE, out);
}

static void free_afl(void *state)
{
	struct afl *a = state;

	free(a->numbers);
	free(a);
}

const struct format format_afl = {
	.name = "afl-map",
	.help = "which block followed which, as AFL's map of 64 KiB",
	.begin = begin,
	.write = write_afl,
	.free = free_afl,
};
