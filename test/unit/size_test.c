/* Sizes as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/size.h"

static void good(const char *text, uint64_t want)
{
	uint64_t n = 1;

	assert_int_equal(size_parse(text, &n), 0);
	assert_int_equal(n, want);
}

static void bad(const char *text, int want)
{
	uint64_t n = 7;

	assert_int_equal(size_parse(text, &n), want);
	assert_int_equal(n, 7);
}

static void test_good(void **state)
{
	(void)state;
	good("0", 0);
	good("300", 300);
	good("64k", 65536);
	good("32M", UINT64_C(32) << 20);
	good("1G", UINT64_C(1) << 30);
	good("17179869183G", UINT64_C(17179869183) << 30);
}

static void test_bad(void **state)
{
	(void)state;
	bad("", -EINVAL);
	bad("k", -EINVAL);
	bad("-1", -EINVAL);
	bad(" 1", -EINVAL);
	bad("1 k", -EINVAL);
	bad("1K", -EINVAL);
	bad("1kk", -EINVAL);
	bad("0x10", -EINVAL);
	bad("17179869184G", -ERANGE);
	bad("99999999999999999999", -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
