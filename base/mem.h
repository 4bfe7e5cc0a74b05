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

/* Zeroed memory for tables of which most will be used: in huge pages, where the
 * kernel has them for who asks (madvise(2)). Freed by huge_free(). */
void *huge_alloc(size_t n) __attribute__((malloc, alloc_size(1)));
void huge_free(void *p, size_t n);

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
