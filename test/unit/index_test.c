/* Where blocks are found by their pc: against an array that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "translate/block.h"
#include "translate/index.h"

#define BLOCKS 4000

static struct block blocks[BLOCKS + 1];
static bool there[BLOCKS + 1];
static struct region rg = { .blocks = blocks };
static struct space sp = { .regions[0] = &rg, .n_regions = 1 };

/* Close to each other, far apart, and with low halves in common. */
static uint64_t some_pc(uint32_t n)
{
	uint64_t near = UINT64_C(0x7f1234560000) + 5 * (n / 4);

	switch (n % 4) {
	case 0:
		return near;
	case 1:
		return near ^ UINT64_C(1) << 44;
	case 2:
		return UINT64_C(0xfffffffff000) - 128 * n;
	default:
		return n;
	}
}

static void expect_all(void)
{
	for (uint32_t n = 1; n <= BLOCKS; n++)
		assert_int_equal(index_find(&sp, blocks[n].pc),
				 there[n] ? n : 0);
}

static void turn(uint32_t n)
{
	if (there[n])
		index_drop(&sp.index, blocks[n].pc, n);
	else
		index_add(&sp.index, blocks[n].pc, n);
	there[n] = !there[n];
}

static void test_index(void **state)
{
	size_t count = 0;

	(void)state;
	for (uint32_t n = 1; n <= BLOCKS; n++)
		blocks[n].pc = some_pc(n);
	expect_all();
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 2000; i++)
			turn(1 + (uint32_t)rand() % BLOCKS);
		expect_all();
	}
	for (uint32_t n = 1; n <= BLOCKS; n++)
		count += there[n];
	assert_int_equal(sp.index.count, count);
	for (uint32_t n = 1; n <= BLOCKS; n++) {
		if (there[n])
			turn(n);
	}
	expect_all();
	assert_int_equal(sp.index.count, 0);
	index_fini(&sp.index);
}

static void test_reserve(void **state)
{
	size_t bytes;

	(void)state;
	index_reserve(&sp.index, BLOCKS);
	bytes = index_bytes(&sp.index);
	for (uint32_t n = 1; n <= BLOCKS; n++)
		turn(n);
	assert_int_equal(index_bytes(&sp.index), bytes);
	expect_all();
	index_reserve(&sp.index, 4 * BLOCKS);
	expect_all();
	index_fini(&sp.index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
