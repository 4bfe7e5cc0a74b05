/* Which marks come up to an offset, against looking at one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "translate/trail.h"

#define MOST 4096u

static size_t one_by_one(const struct mark *marks, size_t n, uint32_t at)
{
	size_t i = 0;

	while (i < n && marks[i].at <= at)
		i++;
	return i;
}

static void same_everywhere(const struct mark *marks, size_t n)
{
	assert_int_equal(marks_up_to(marks, n, 0), one_by_one(marks, n, 0));
	assert_int_equal(marks_up_to(marks, n, INT32_MAX), n);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t at = marks[i].at - !!marks[i].at;
		     at <= marks[i].at + 1u; at++)
			assert_int_equal(marks_up_to(marks, n, at),
					 one_by_one(marks, n, at));
	}
}

/* Each is up to `most` bytes behind the one before; none at all is not
 * excluded. */
static uint32_t fill(struct mark *marks, size_t n, uint32_t from, uint32_t most)
{
	for (size_t i = 0; i < n; i++) {
		from += (uint32_t)rand() % (most + 1);
		marks[i].at = from & 0x7fffffff;
	}
	return from;
}

static void few(void **state)
{
	struct mark marks[3] = { { .at = 7 }, { .at = 7 }, { .at = 900 } };

	(void)state;
	assert_int_equal(marks_up_to(NULL, 0, 5), 0);
	for (size_t n = 1; n <= 3; n++)
		same_everywhere(marks, n);
	same_everywhere(marks + 1, 2);
}

static void random_ones(void **state)
{
	static struct mark marks[MOST];

	(void)state;
	srand(1);
	for (unsigned k = 0; k < 64; k++) {
		size_t n = (size_t)rand() % (k < 60 ? 200 : MOST);

		fill(marks, n, (uint32_t)rand() % 5000, 1 + k * k);
		same_everywhere(marks, n);
	}
}

/* What guesses are worst at. */
static void bunched(void **state)
{
	static struct mark marks[MOST];
	uint32_t end;

	(void)state;
	fill(marks, MOST - 1, 0, 3);
	marks[MOST - 1].at = INT32_MAX;
	same_everywhere(marks, MOST);
	marks[0].at = 0;
	fill(marks + 1, MOST - 1, INT32_MAX - 4 * MOST, 3);
	same_everywhere(marks, MOST);
	end = fill(marks, MOST / 2, 0, 3);
	fill(marks + MOST / 2, MOST / 2, end + (1u << 30), 3);
	same_everywhere(marks, MOST);
	for (unsigned i = 0; i < 31; i++)
		marks[i].at = (1u << i) & 0x7fffffff;
	same_everywhere(marks, 31);
	for (unsigned i = 0; i < 31; i++)
		marks[i].at = 0x7fffffff - (0x7fffffffu >> i);
	same_everywhere(marks, 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few),
		cmocka_unit_test(random_ones),
		cmocka_unit_test(bunched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
