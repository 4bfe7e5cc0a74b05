/* What the translator asks of a map, of maps made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/target.h"
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

/* --- reading ------------------------------------------------------------- */

static const char text[] =
	"5590a1b2c000-5590a1b2d000 r-xp 0001e000 fe:0a 247417                   "
	"  /usr/bin/a name\n"
	"7f0000000000-7f0000001000 rw-s 00000000 00:01 18446744073709551615 "
	"/memfd:x (deleted)\n"
	"this is none\n"
	"7f0000002000-7f0000003000 rw 00000000 00:00 0\n"
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 \n"
	"7ffd00000000-7ffd00021000 ---p 00000000 00:00 0\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0           "
	"[vsyscall]\n";

static ssize_t read_object(struct target *t, struct thread *th,
			   enum object what, uint64_t off, void *buf,
			   size_t len)
{
	size_t left = strlen(text) - off;

	(void)t, (void)th;
	assert_int_equal(what, OBJ_MAPS);
	memcpy(buf, text + off, left < len ? left : len);
	return (ssize_t)(left < len ? left : len);
}

static const struct map_range lines[] = {
	{ 0x5590a1b2c000, 0x5590a1b2d000, RANGE_R | RANGE_X | RANGE_FILE,
	  0x1e000, 0xfe0a, 247417, NULL, 0 },
	{ 0x7f0000000000, 0x7f0000001000,
	  RANGE_R | RANGE_W | RANGE_SHARE | RANGE_FILE, 0, 1,
	  UINT64_MAX, NULL, 0 },
	{ 0x7ffc00000000, 0x7ffc00021000, RANGE_R | RANGE_W, 0, 0, 0, NULL, 0 },
	{ 0x7ffd00000000, 0x7ffd00021000, 0, 0, 0, 0, NULL, 0 },
	{ 0xffffffffff600000, 0xffffffffff601000, RANGE_X, 0, 0, 0, NULL, 0 },
};

static const char *const names[ARRAY_SIZE(lines)] = {
	"/usr/bin/a name", "/memfd:x (deleted)", "", "", "[vsyscall]",
};

static void test_lines(void **state)
{
	const struct target_object_ops object = { .read = read_object };
	const struct target_ops ops = { .object = &object };
	struct target t = { .ops = &ops };
	struct maps m = { 0 };

	(void)state;
	assert_int_equal(maps_read(&m, &t, NULL), 0);
	assert_int_equal(m.n, ARRAY_SIZE(lines));
	for (size_t i = 0; i < m.n; i++) {
		assert_int_equal(m.all[i].lo, lines[i].lo);
		assert_int_equal(m.all[i].hi, lines[i].hi);
		assert_int_equal(m.all[i].flags, lines[i].flags);
		assert_int_equal(m.all[i].offset, lines[i].offset);
		assert_int_equal(m.all[i].dev, lines[i].dev);
		assert_int_equal(m.all[i].inode, lines[i].inode);
		assert_string_equal(m.all[i].name, names[i]);
	}
	maps_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apart),	cmocka_unit_test(test_shared),
		cmocka_unit_test(test_wrapped), cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_random),	cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
