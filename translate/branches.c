#include "translate/branches.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

#define FIRST_SIZE 64

void branches_init(struct branches *b, size_t max)
{
	*b = (struct branches){ .max = max };
}

void branches_fini(struct branches *b)
{
	free(b->ring);
	b->ring = NULL;
}

void branches_clear(struct branches *b)
{
	b->n = 0;
	b->next = 0;
	b->moved = b->torn = true;
}

/* --- writing ------------------------------------------------------------- */

/* Until it goes round in a circle it grows. */
static void make_room(struct branches *b)
{
	if (b->size == b->max || b->total < b->size)
		return;
	b->size = b->size ? 2 * b->size : FIRST_SIZE;
	if (b->size > b->max)
		b->size = b->max;
	b->ring = xrealloc(b->ring, b->size * sizeof(*b->ring));
}

static struct branch *block_at(const struct branches *b, uint64_t i)
{
	return &b->ring[i % b->max];
}

void branches_put(struct branches *b, uint64_t begin, uint64_t last,
		  uint64_t next)
{
	if (!b->moved && begin != b->read_pc)
		b->torn = true;
	b->moved = true;
	if (b->n && b->next && b->next == begin) {
		block_at(b, b->total - 1)->end = last;
	} else {
		make_room(b);
		*block_at(b, b->total++) = (struct branch){ begin, last };
		b->n += b->n < b->max;
	}
	b->next = next;
}

void branches_resize(struct branches *b, size_t max)
{
	struct branches old = *b;
	uint64_t first = old.total - (old.n < max ? old.n : max);

	if (max == old.max)
		return;
	b->max = b->size = max;
	b->ring = xcalloc(max, sizeof(*b->ring));
	b->n = old.total - first;
	for (uint64_t i = first; i < old.total; i++)
		*block_at(b, i) = *block_at(&old, i);
	branches_fini(&old);
}

/* --- reading ------------------------------------------------------------- */

/* Does the pc belong to the newest block? */
static bool is_behind(const struct branches *b, uint64_t pc)
{
	return b->n && b->next && b->next == pc;
}

static void note_read(struct branches *b, uint64_t pc)
{
	b->read_pc = pc;
	b->read_at = b->total - is_behind(b, pc);
	b->moved = b->torn = false;
}

void branches_begin(struct branches *b, uint64_t pc, bool whole)
{
	bool torn = whole && b->n;

	note_read(b, pc);
	b->moved = b->torn = torn;
}

/* From the newest one down to number first. */
static size_t copy(const struct branches *b, uint64_t pc, uint64_t first,
		   struct branch **out)
{
	uint64_t i = b->total;
	size_t n = 0;

	*out = xcalloc(b->total - first + 1, sizeof(**out));
	if (is_behind(b, pc))
		(*out)[n++] = (struct branch){ block_at(b, --i)->begin, pc };
	else
		(*out)[n++] = (struct branch){ pc, pc };
	while (i > first)
		(*out)[n++] = *block_at(b, --i);
	return n;
}

static int64_t read_delta(struct branches *b, uint64_t pc, struct branch **out)
{
	size_t n;

	if (b->torn || (!b->moved && pc != b->read_pc) ||
	    b->read_at < b->total - b->n)
		return -EOVERFLOW;
	n = copy(b, pc, b->read_at, out);
	(*out)[n - 1].begin = 0;
	return (int64_t)n;
}

int64_t branches_read(struct branches *b, enum branch_read what, uint64_t pc,
		      struct branch **out)
{
	int64_t n = 0;

	*out = NULL;
	if (what == BRANCH_DELTA)
		n = read_delta(b, pc, out);
	else if (what == BRANCH_ALL || b->moved || pc != b->read_pc)
		n = (int64_t)copy(b, pc, b->total - b->n, out);
	if (n >= 0)
		note_read(b, pc);
	return n;
}
