/*
 * A ring of bytes: records lie one behind the other, without the values that
 * they have not, and over its end.
 */
#include "trace/collected.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST 4096u

void collected_clear(struct collected *c)
{
	free(c->ring);
	*c = (struct collected){ .most = c->most, .stops = c->stops };
}

static size_t size_of(const struct values *v)
{
	return offsetof(struct values, all) + v->n * sizeof(v->all[0]);
}

static size_t copy_in(struct collected *c, size_t at, const void *data,
		      size_t n)
{
	size_t before = n < c->cap - at ? n : c->cap - at;

	memcpy(c->ring + at, data, before);
	memcpy(c->ring, (const uint8_t *)data + before, n - before);
	return (at + n) % c->cap;
}

static size_t copy_out(const struct collected *c, size_t at, void *data,
		       size_t n)
{
	size_t before = n < c->cap - at ? n : c->cap - at;

	memcpy(data, c->ring + at, before);
	memcpy((uint8_t *)data + before, c->ring, n - before);
	return (at + n) % c->cap;
}

static size_t take(const struct collected *c, size_t at, struct values *v)
{
	const size_t head = offsetof(struct values, all);

	at = copy_out(c, at, v, head);
	return copy_out(c, at, v->all, v->n * sizeof(v->all[0]));
}

/* It has not wrapped yet, or is laid straight. */
static bool grow(struct collected *c)
{
	size_t cap = c->cap ? 2 * c->cap : FIRST, left = c->cap - c->first;
	uint8_t *ring;

	if (cap > c->most)
		cap = c->most;
	if (cap <= c->cap)
		return false;
	ring = xmalloc(cap);
	if (c->n) {
		if (left > c->n)
			left = c->n;
		memcpy(ring, c->ring + c->first, left);
		memcpy(ring + left, c->ring, c->n - left);
	}
	free(c->ring);
	c->ring = ring;
	c->cap = cap;
	c->first = 0;
	c->next = c->n % cap;
	return true;
}

static void drop_oldest(struct collected *c)
{
	struct values v;

	c->first = take(c, c->first, &v);
	c->n -= size_of(&v);
	c->lost++;
}

void collected_put(struct collected *c, const struct values *v)
{
	size_t size = size_of(v);

	while (c->cap - c->n < size && grow(c))
		;
	if (size > c->cap || (c->stops && c->cap - c->n < size)) {
		c->lost++;
		return;
	}
	while (c->cap - c->n < size)
		drop_oldest(c);
	c->next = copy_in(c, c->next, v, size);
	c->n += size;
}

void collected_each(const struct collected *c, collected_fn *fn, void *user)
{
	size_t at = c->first, left = c->n;
	struct values v;

	while (left) {
		at = take(c, at, &v);
		left -= size_of(&v);
		fn(user, &v);
	}
}
