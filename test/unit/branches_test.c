/* The last branches of a thread, and what gdb reads of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "translate/branches.h"

static int setup(void **state)
{
	struct branches *b = malloc(sizeof(*b));

	branches_init(b, 4);
	branches_begin(b, 0x100, false);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	branches_fini(*state);
	free(*state);
	return 0;
}

/* n of those that are expected, newest first. */
static void assert_read(struct branches *b, enum branch_read what, uint64_t pc,
			int64_t n, const struct branch *expected)
{
	struct branch *all;
	int64_t got = branches_read(b, what, pc, &all);

	assert_int_equal(got, n);
	for (int64_t i = 0; i < n; i++) {
		assert_int_equal(all[i].begin, expected[i].begin);
		assert_int_equal(all[i].end, expected[i].end);
	}
	free(all);
}

#define assert_blocks(b, what, pc, ...)                                   \
	do {                                                              \
		const struct branch e_[] = { __VA_ARGS__ };               \
		assert_read(b, what, pc, sizeof(e_) / sizeof(e_[0]), e_); \
	} while (0)

static void nothing_yet(void **state)
{
	assert_blocks(*state, BRANCH_DELTA, 0x100, { 0, 0x100 });
	assert_read(*state, BRANCH_NEW, 0x100, 0, NULL);
	assert_blocks(*state, BRANCH_ALL, 0x100, { 0x100, 0x100 });
}

static void what_falls_through_is_one_block(void **state)
{
	struct branches *b = *state;

	branches_put(b, 0x100, 0x104, 0x106);
	branches_put(b, 0x106, 0x10a, 0x10c);
	assert_blocks(b, BRANCH_ALL, 0x10c, { 0x100, 0x10c });
	assert_blocks(b, BRANCH_ALL, 0x200, { 0x200, 0x200 }, { 0x100, 0x10a });
	branches_put(b, 0x200, 0x200, 0);
	branches_put(b, 0x201, 0x201, 0x202);
	assert_blocks(b, BRANCH_ALL, 0x202, { 0x201, 0x202 }, { 0x200, 0x200 },
		      { 0x100, 0x10a });
}

static void deltas_go_on_where_the_last_ended(void **state)
{
	struct branches *b = *state;

	branches_put(b, 0x100, 0x104, 0x106);
	assert_blocks(b, BRANCH_DELTA, 0x106, { 0, 0x106 });
	assert_blocks(b, BRANCH_DELTA, 0x106, { 0, 0x106 });
	branches_put(b, 0x106, 0x108, 0x10a);
	branches_put(b, 0x300, 0x304, 0x306);
	assert_blocks(b, BRANCH_DELTA, 0x100, { 0x100, 0x100 },
		      { 0x300, 0x304 }, { 0, 0x108 });
	branches_put(b, 0x100, 0x104, 0x106);
	assert_blocks(b, BRANCH_DELTA, 0x106, { 0, 0x106 });
}

static void the_oldest_go(void **state)
{
	struct branches *b = *state;

	for (uint64_t i = 1; i < 10; i++)
		branches_put(b, i << 8, (i << 8) + 4, (i << 8) + 6);
	assert_blocks(b, BRANCH_ALL, 0xa00, { 0xa00, 0xa00 }, { 0x900, 0x904 },
		      { 0x800, 0x804 }, { 0x700, 0x704 }, { 0x600, 0x604 });
	branches_resize(b, 2);
	assert_blocks(b, BRANCH_ALL, 0x906, { 0x900, 0x906 }, { 0x800, 0x804 });
	branches_put(b, 0x906, 0x908, 0x90a);
	branches_put(b, 0xb00, 0xb04, 0xb06);
	assert_blocks(b, BRANCH_DELTA, 0xb06, { 0xb00, 0xb06 }, { 0, 0x908 });
}

/* A delta that failed has not been read: what is new still is. */
static void what_is_lost_is_said(void **state)
{
	struct branches *b = *state;

	for (uint64_t i = 1; i < 10; i++)
		branches_put(b, i << 8, (i << 8) + 4, (i << 8) + 6);
	assert_read(b, BRANCH_DELTA, 0x906, -EOVERFLOW, NULL);
	assert_read(b, BRANCH_DELTA, 0x906, -EOVERFLOW, NULL);
	assert_blocks(b, BRANCH_NEW, 0x906, { 0x900, 0x906 }, { 0x800, 0x804 },
		      { 0x700, 0x704 }, { 0x600, 0x604 });
	assert_read(b, BRANCH_NEW, 0x906, 0, NULL);
	assert_blocks(b, BRANCH_DELTA, 0x906, { 0, 0x906 });
}

static void going_on_elsewhere_is_no_delta(void **state)
{
	struct branches *b = *state;

	branches_put(b, 0x100, 0x104, 0x106);
	assert_blocks(b, BRANCH_DELTA, 0x106, { 0, 0x106 });
	/* The pc was set; and a handler came first. */
	assert_read(b, BRANCH_DELTA, 0x500, -EOVERFLOW, NULL);
	branches_put(b, 0x500, 0x504, 0x506);
	assert_read(b, BRANCH_DELTA, 0x506, -EOVERFLOW, NULL);
	assert_blocks(b, BRANCH_NEW, 0x506, { 0x500, 0x506 }, { 0x100, 0x104 });
	branches_put(b, 0x506, 0x506, 0x508);
	assert_blocks(b, BRANCH_DELTA, 0x508, { 0, 0x508 });
}

static void who_comes_later_gets_all(void **state)
{
	struct branches *b = *state;

	branches_put(b, 0x100, 0x104, 0x106);
	branches_begin(b, 0x106, true);
	assert_read(b, BRANCH_DELTA, 0x106, -EOVERFLOW, NULL);
	assert_blocks(b, BRANCH_NEW, 0x106, { 0x100, 0x106 });
	branches_clear(b);
	assert_read(b, BRANCH_DELTA, 0x700, -EOVERFLOW, NULL);
	assert_blocks(b, BRANCH_NEW, 0x700, { 0x700, 0x700 });
}

/* A program that has jumped to 0 is there. */
static void zero_is_an_address(void **state)
{
	struct branches *b = *state;

	branches_put(b, 0x100, 0x104, 0x106);
	assert_blocks(b, BRANCH_DELTA, 0, { 0, 0 }, { 0, 0x104 });
	assert_blocks(b, BRANCH_ALL, 0, { 0, 0 }, { 0x100, 0x104 });
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(nothing_yet),
		test(what_falls_through_is_one_block),
		test(deltas_go_on_where_the_last_ended),
		test(the_oldest_go),
		test(what_is_lost_is_said),
		test(going_on_elsewhere_is_no_delta),
		test(who_comes_later_gets_all),
		test(zero_is_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
