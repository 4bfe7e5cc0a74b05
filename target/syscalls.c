#include "target/syscalls.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

struct syscall_set *syscall_set_new(const uint32_t *numbers, size_t n)
{
	struct syscall_set *s = xcalloc(1, sizeof(*s));

	s->refs = 1;
	s->all = !numbers;
	if (!numbers || !n)
		return s;
	s->n = n;
	s->numbers = xcalloc(n, sizeof(*numbers));
	memcpy(s->numbers, numbers, n * sizeof(*numbers));
	qsort(s->numbers, n, sizeof(*numbers), compare);
	return s;
}

struct syscall_set *syscall_set_ref(struct syscall_set *s)
{
	if (s)
		s->refs++;
	return s;
}

void syscall_set_unref(struct syscall_set *s)
{
	if (!s || --s->refs)
		return;
	free(s->numbers);
	free(s);
}

bool syscall_set_has(const struct syscall_set *s, uint32_t number)
{
	if (!s || s->all || !s->n)
		return s && s->all;
	return bsearch(&number, s->numbers, s->n, sizeof(number), compare);
}
