/* Allocation that cannot fail: out of memory ends the server (see err.h). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *xmalloc(size_t n) __attribute__((malloc, alloc_size(1)));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *xrealloc(void *p, size_t n) __attribute__((alloc_size(2)));
char *xstrdup(const char *s) __attribute__((malloc));
char *xstrndup(const char *s, size_t n) __attribute__((malloc));
char *xasprintf(const char *fmt, ...)
	__attribute__((malloc, format(printf, 1, 2)));

/* Room for element `at` of an array of *cap elements of that size, of which new
 * ones are zero. */
void *grow_zeroed(void *p, uint32_t *cap, uint32_t at, size_t size);

/* The same for the element behind the last one, which is not set: the array is
 * doubled where it is full; `first` elements are its least. */
#define GROW(array, at, cap, first)                                            \
	do {                                                                   \
		if ((at) >= (cap)) {                                           \
			(cap) = (cap) ? 2 * (cap) : (first);                   \
			(array) = xrealloc((array), (cap) * sizeof(*(array))); \
		}                                                              \
	} while (0)

/* Zeroed memory for tables of which most will be used: in huge pages, where the
 * kernel has them for who asks (madvise(2)). Freed by huge_free(). */
void *huge_alloc(size_t n) __attribute__((malloc, alloc_size(1)));
void huge_free(void *p, size_t n);

/* Zeroed memory all of which is about to be used: what is large is in huge
 * pages. Freed by table_free(), which wants the size again. */
void *table_alloc(size_t n) __attribute__((malloc, alloc_size(1)));
void table_free(void *p, size_t n);
/* An array in such memory, or NULL, gets n bytes for `old`; what is new is not
 * set. */
void *table_grow(void *p, size_t old, size_t n);

/* GROW() for an array that may become large: for `least` elements or more. */
#define GROW_TABLE(array, at, cap, least)                                  \
	do {                                                               \
		if ((at) >= (cap)) {                                       \
			size_t was_ = (cap) * sizeof(*(array));            \
			(cap) = 2 * (cap) > (least) ? 2 * (cap) : (least); \
			(array) = table_grow((array), was_,                \
					     (cap) * sizeof(*(array)));    \
		}                                                          \
	} while (0)

/* All pages of that memory are about to be written: those that are not there
 * yet come at once, where the kernel can do so (Linux 5.14). A fault for each
 * takes three times as long, and twenty times where a hypervisor keeps the
 * tables. */
void pages_touch(void *p, size_t n);

/* Memory of `size` bytes that is written from its beginning on, of which `used`
 * are: pages come ahead of that, in pieces that grow with it. *ready is the
 * caller's, of this memory alone, 0 at first. */
void pages_bring(void *p, size_t size, size_t used, size_t *ready);
#define PAGES_AHEAD ((size_t)8 << 10)
static inline void pages_ahead(void *p, size_t size, size_t used, size_t *ready)
{
	if (used + PAGES_AHEAD > *ready && *ready < size)
		pages_bring(p, size, used, ready);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
