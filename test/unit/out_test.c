/* Files that an option names: what is said of those that cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "trace/out.h"

static void one_that_is_full_is_told(void **state)
{
	FILE *f = out_open("/dev/full");

	(void)state;
	assert_non_null(f);
	fputs("text", f);
	errno = 0;
	assert_false(out_close(f));
	assert_int_equal(errno, ENOSPC);
}

/* Nobody knows any more what it was that time. */
static void one_that_was_full_is_told(void **state)
{
	FILE *f = out_open("/dev/full");
	int null = open("/dev/null", O_WRONLY);

	(void)state;
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	assert_int_equal(fputs("text", f), EOF);
	assert_true(dup2(null, fileno(f)) >= 0);
	close(null);
	errno = ENOENT;
	assert_false(out_close(f));
	assert_int_equal(errno, EIO);
}

static void one_that_is_written_is_not(void **state)
{
	(void)state;
	assert_true(out_close(out_open("/dev/null")));
	assert_ptr_equal(out_open("-"), stderr);
	assert_true(out_close(stderr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_full_is_told),
		cmocka_unit_test(one_that_was_full_is_told),
		cmocka_unit_test(one_that_is_written_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
