#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

static void *checked(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return checked(s);
}

void *grow_zeroed(void *p, uint32_t *cap, uint32_t at, size_t size)
{
	uint32_t old = *cap;

	if (at < old)
		return p;
	*cap = at < UINT32_MAX / 2 - 64 ? 2 * at + 64 : UINT32_MAX;
	p = xrealloc(p, *cap * size);
	memset((uint8_t *)p + old * size, 0, (*cap - old) * size);
	return p;
}

#define PAGE ((uintptr_t)4096)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

void pages_touch(void *p, size_t n)
{
	uintptr_t lo = (uintptr_t)p & -PAGE;
	uintptr_t hi = ((uintptr_t)p + n + PAGE - 1) & -PAGE;

	madvise((void *)lo, hi - lo, MADV_POPULATE_WRITE);
}

#define PIECE_LEAST ((size_t)32 << 10)
#define PIECE_MOST  ((size_t)512 << 10)

void pages_bring(void *p, size_t size, size_t used, size_t *ready)
{
	size_t from = used > *ready ? used : *ready, piece = used / 2;

	if (piece < PIECE_LEAST)
		piece = PIECE_LEAST;
	if (piece > PIECE_MOST)
		piece = PIECE_MOST;
	if (piece > size - from)
		piece = size - from;
	pages_touch((uint8_t *)p + from, piece);
	*ready = from + piece;
}

#define TOUCHED	  ((size_t)16 << 10) /* all pages of it at once */
#define HUGE_PAGE ((size_t)2 << 20)

static size_t huge_size(size_t n)
{
	return (n + HUGE_PAGE - 1) & -HUGE_PAGE;
}

void *huge_alloc(size_t n)
{
	size_t size = huge_size(n), skip;
	uint8_t *p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("out of memory");
	skip = -(uintptr_t)p & (HUGE_PAGE - 1);
	if (skip)
		munmap(p, skip);
	munmap(p + skip + size, HUGE_PAGE - skip);
	madvise(p + skip, size, MADV_HUGEPAGE);
	return p + skip;
}

void huge_free(void *p, size_t n)
{
	munmap(p, huge_size(n));
}

/* --- tables --------------------------------------------------------------- */

/* As large as that it is worth a huge page, be that mostly empty. */
static bool is_large(size_t n)
{
	return n >= HUGE_PAGE / 8;
}

void *table_alloc(size_t n)
{
	void *p;

	if (is_large(n))
		return huge_alloc(n);
	p = xcalloc(1, n);
	if (n >= TOUCHED)
		pages_touch(p, n);
	return p;
}

void table_free(void *p, size_t n)
{
	if (is_large(n))
		huge_free(p, n);
	else
		free(p);
}

void *table_grow(void *p, size_t old, size_t n)
{
	void *new;

	if (!is_large(n))
		return xrealloc(p, n);
	new = huge_alloc(n);
	if (old)
		memcpy(new, p, old);
	table_free(p, old);
	return new;
}
