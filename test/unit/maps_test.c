/* What the translator asks of a map, of maps made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "translate/maps.h"

#define PAGE UINT64_C(4096)
#define GIB  (UINT64_C(1) << 30)

static struct map_range ranges[64];

static bool share(size_t n)
{
	const struct maps m = { .all = ranges, .n = n };

	return maps_share_low_bits(&m);
}

static void put(size_t n, uint64_t lo, uint64_t pages, unsigned flags)
{
	ranges[n] = (struct map_range){ .lo = lo,
					.hi = lo + pages * PAGE,
					.flags = flags };
}

static void test_apart(void **state)
{
	(void)state;
	assert_false(share(0));
	put(0, 0x400000, 16, RANGE_X);
	assert_false(share(1));
	put(1, 0x410000, 16, RANGE_X);
	put(2, 4 * GIB + 0x420000, 16, RANGE_X);
	assert_false(share(3));
}

static void test_shared(void **state)
{
	(void)state;
	put(0, 0x400000, 16, RANGE_X);
	put(1, 4 * GIB + 0x40f000, 1, RANGE_X);
	assert_true(share(2));
	ranges[1].flags = RANGE_R | RANGE_W;
	assert_false(share(2));
	put(1, 4 * GIB + 0x3f1000, 15, RANGE_X);
	assert_false(share(2));
	put(1, 4 * GIB + 0x3f1000, 16, RANGE_X);
	assert_true(share(2));
}

/* What ends the low bits goes on at their beginning. */
static void test_wrapped(void **state)
{
	(void)state;
	put(0, 0x1000, 2, RANGE_X);
	put(1, 4 * GIB - PAGE, 2, RANGE_X);
	assert_false(share(2));
	put(1, 4 * GIB - PAGE, 3, RANGE_X);
	assert_true(share(2));
	put(0, GIB, (4 * GIB) / PAGE, RANGE_X);
	assert_false(share(1));
	put(0, GIB, (4 * GIB) / PAGE + 1, RANGE_X);
	assert_true(share(1));
}

/* The kernel's page, far above, is not translated near others. */
static void test_kernels(void **state)
{
	(void)state;
	put(0, 0x7f00ff600000, 1, RANGE_X);
	put(1, 0xffffffffff600000, 1, RANGE_X);
	assert_false(share(2));
}

static bool meet(const struct map_range *a, const struct map_range *b)
{
	for (uint64_t x = a->lo; x < a->hi; x += PAGE) {
		for (uint64_t y = b->lo; y < b->hi; y += PAGE) {
			if ((uint32_t)x == (uint32_t)y)
				return true;
		}
	}
	return false;
}

static bool share_by_page(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (meet(&ranges[i], &ranges[j]))
				return true;
		}
	}
	return false;
}

/* Against a look at each page. */
static void test_random(void **state)
{
	unsigned found = 0, rounds = 2000;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < 6; i++)
			put(i,
			    (uint64_t)(i + 1) * 4 * GIB -
				    (uint64_t)(rand() % 256) * PAGE,
			    1 + (uint64_t)rand() % 16, RANGE_X);
		assert_int_equal(share(6), share_by_page(6));
		found += share(6);
	}
	assert_in_range(found, 100, rounds - 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apart),	cmocka_unit_test(test_shared),
		cmocka_unit_test(test_wrapped), cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
