/* base/stash.h: files that are kept in a directory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/stash.h"

static char above[] = "/tmp/stash-test.XXXXXX";
static char *dir;

static bool put_text(FILE *f, const void *what)
{
	return fputs(what, f) >= 0;
}

static bool put_half(FILE *f, const void *what)
{
	putc(*(const char *)what, f);
	return false;
}

static void put(const char *name, const char *text)
{
	assert_int_equal(stash_write(dir, name, 0600, put_text, text), 0);
}

static void make_old(const char *name, time_t when)
{
	const struct timespec old[2] = { { .tv_sec = when },
					 { .tv_sec = when } };
	char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	free(path);
}

/* The file's size; -1: there is none. */
static long size_of(const char *name)
{
	struct stat st;
	int fd = stash_open(dir, name, true, &st);

	if (fd < 0)
		return -1;
	close(fd);
	return st.st_size;
}

static void is_replaced(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	put("it", "one");
	assert_int_equal(stash_write(dir, "it", 0600, put_half, "x"), -EIO);
	assert_int_equal(size_of("it"), 3);
	put("it", "three");
	assert_int_equal(size_of("it"), 5);
	umask(0);
	assert_int_equal(stash_write(dir, "it", 0666, put_text, ""), 0);
	fd = stash_open(dir, "it", false, &st);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_int_equal(stash_open(dir, "it", true, &st), -EPERM);
	/* What did not come to be renamed is gone. */
	assert_true(stash_drop_oldest(dir, &(struct stash_limit){ 0 }));
	assert_false(stash_drop_oldest(dir, &(struct stash_limit){ 0 }));
}

static void only_of_our_own(void **state)
{
	char *link = xasprintf("%s/link", dir);
	struct stat st;

	(void)state;
	put("it", "one");
	assert_int_equal(symlink("it", link), 0);
	assert_int_equal(size_of("link"), -1);
	assert_int_equal(size_of("it"), 3);
	assert_true(stash_is_own(dir));
	assert_int_equal(chmod(dir, 0720), 0);
	assert_false(stash_is_own(dir));
	assert_int_equal(size_of("it"), -1);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(stash_open(above, "made", false, &st), -EINVAL);
	assert_int_equal(unlink(link), 0);
	free(link);
}

static bool has_digits(const char *name)
{
	return name[strspn(name, "0123456789")] == '\0';
}

static void oldest_goes(void **state)
{
	const struct stash_limit bytes = { .files = 9, .bytes = 7 };
	const struct stash_limit files = { .counts = has_digits,
					   .files = 1,
					   .bytes = 99 };

	(void)state;
	put("it", "four");
	put("1", "one");
	put("2", "two");
	make_old("it", 1000);
	make_old("1", 3000);
	make_old("2", 2000);
	assert_true(stash_drop_oldest(dir, &files));
	assert_false(stash_drop_oldest(dir, &files));
	assert_int_equal(size_of("it"), 4);
	assert_int_equal(size_of("1"), 3);
	assert_int_equal(size_of("2"), -1);
	assert_false(stash_drop_oldest(dir, &bytes));
	put("2", "2");
	assert_true(stash_drop_oldest(dir, &bytes));
	assert_false(stash_drop_oldest(dir, &bytes));
	assert_int_equal(size_of("it"), -1);
	assert_int_equal(size_of("2"), 1);
}

static void is_used(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	put("1", "one");
	put("2", "two");
	make_old("1", 1000);
	make_old("2", 2000);
	fd = stash_open(dir, "1", true, &st);
	assert_true(fd >= 0);
	stash_touch(fd, &st);
	close(fd);
	assert_true(stash_drop_oldest(
		dir, &(struct stash_limit){ .files = 1, .bytes = 99 }));
	assert_int_equal(size_of("1"), 3);
}

static int begin(void **state)
{
	struct stat st;

	(void)state;
	if (!mkdtemp(above))
		return -1;
	dir = xasprintf("%s/made", above);
	if (stash_is_own(dir) || stash_make(dir, 0) < 0 ||
	    stash_make(dir, 0) < 0 || stat(dir, &st) < 0)
		return -1;
	return (st.st_mode & 0777) == 0700 ? 0 : -1;
}

static int clean(void **state)
{
	(void)state;
	while (stash_drop_oldest(dir, &(struct stash_limit){ 0 }))
		;
	return 0;
}

static int end(void **state)
{
	(void)state;
	rmdir(dir);
	free(dir);
	return rmdir(above);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(is_replaced, clean),
		cmocka_unit_test_teardown(only_of_our_own, clean),
		cmocka_unit_test_teardown(oldest_goes, clean),
		cmocka_unit_test_teardown(is_used, clean),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
