/* translate/hints-file.h: what was run before, in files; base/note.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "translate/hints-file.h"

static char dir[] = "/tmp/hints-test.XXXXXX";

static struct hints *hints_of(const char *id, const uint32_t *rows, size_t n)
{
	struct hints *h = xcalloc(1, sizeof(*h));

	strcpy(h->id, id);
	assert_int_equal(hints_add(h, HINTS_RUN, rows, n), n);
	return h;
}

static void drop(struct hints *h)
{
	hints_clear(h);
	free(h);
}

static void holds(const struct hints *h, enum hints_kind kind,
		  const uint32_t *rows, size_t n)
{
	assert_int_equal(h->known[kind].n, n);
	assert_memory_equal(h->known[kind].all, rows,
			    n * PLACES_WIDTH * sizeof(*rows));
}

static void put_file(const char *name, const void *data, size_t n)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
	free(path);
}

static void are_sets(void **state)
{
	const uint32_t a[] = { 7, 1, 1, 3, 1, 2, 9, 1, 1, 3, 4, 8, 7, 1, 1 };
	const uint32_t b[] = { 8, 1, 1, 9, 8, 1, 1, 1, 1, 3, 4, 8, 7, 1, 4 };
	struct hints h = { .id = "" };

	(void)state;
	/* Who is new tells as much as a place. */
	assert_int_equal(hints_add(&h, HINTS_RUN, a, 5), 4);
	holds(&h, HINTS_RUN, (uint32_t[]){ 3, 5, 10, 7, 1, 1, 9, 1, 1 }, 3);
	assert_int_equal(h.ran[BY_PROGRAM], 5);
	assert_int_equal(h.ran[BY_COMMAND], 11);
	assert_int_equal(hints_add(&h, HINTS_RUN, b, 5), 4);
	holds(&h, HINTS_RUN,
	      (uint32_t[]){ 1, 1, 1, 3, 5, 10, 7, 1, 5, 8, 1, 1, 9, 9, 1 }, 5);
	assert_int_equal(h.ran[BY_PROGRAM], 13);
	assert_int_equal(h.ran[BY_COMMAND], 15);
	assert_int_equal(hints_add(&h, HINTS_MET, NULL, 0), 0);
	hints_clear(&h);
}

static void go_where_they_went_first(void **state)
{
	const uint32_t a[] = { 7, 1, 2, 3, 1, 5 }, b[] = { 3, 1, 6, 4, 0, 0 };
	struct hints h = { .id = "" };

	(void)state;
	assert_int_equal(hints_add(&h, HINTS_GOES, a, 2), 2);
	assert_int_equal(hints_add(&h, HINTS_GOES, b, 2), 1);
	holds(&h, HINTS_GOES, (uint32_t[]){ 3, 1, 5, 4, 0, 0, 7, 1, 2 }, 3);
	assert_int_equal(h.ran[BY_PROGRAM], 0);
	hints_clear(&h);
}

static void have_an_end(void **state)
{
	uint32_t *many = xcalloc(HINTS_MAX, 12);
	const uint32_t more[] = { 1, 1, 1, 2, 1, 1 };
	struct hints h = { .id = "" };

	(void)state;
	for (uint32_t i = 0; i < HINTS_MAX - 1; i++)
		many[PLACES_WIDTH * i] = 10 + i;
	assert_int_equal(hints_add(&h, HINTS_RUN, many, HINTS_MAX - 1),
			 HINTS_MAX - 1);
	assert_int_equal(hints_add(&h, HINTS_RUN, more, 2), 1);
	assert_int_equal(hints_add(&h, HINTS_RUN, more + 3, 1), 0);
	assert_int_equal(h.known[HINTS_RUN].n, HINTS_MAX);
	hints_clear(&h);
	free(many);
}

static void are_kept(void **state)
{
	const uint32_t a[] = { 0, 1, 1, 16, 1, 1, UINT32_MAX, 1, 1 };
	const uint32_t b[] = { 16, 2, 4, 32, 2, 4 }, goes[] = { 5, 6, 7 };
	const uint32_t all[] = {
		0, 1, 1, 16, 3, 5, 32, 2, 4, UINT32_MAX, 1, 1
	};
	struct hints *h = hints_of("ab01", a, 3), *other, *back;

	(void)state;
	assert_int_equal(hints_add(h, HINTS_GOES, goes, 1), 1);
	assert_int_equal(hints_write(dir, h), 0);
	/* One that has read nothing adds to what is there. */
	other = hints_of("ab01", b, 2);
	other->varied[BY_PROGRAM] = 2;
	other->varied[BY_COMMAND] = 4;
	other->plain = 0x123456789abcdef0;
	assert_int_equal(hints_write(dir, other), 0);
	holds(other, HINTS_RUN, all, 4);
	back = hints_of("ab01", NULL, 0);
	assert_int_equal(hints_read(dir, back), 0);
	holds(back, HINTS_RUN, all, 4);
	holds(back, HINTS_MET, NULL, 0);
	holds(back, HINTS_GOES, goes, 1);
	assert_int_equal(back->ran[BY_PROGRAM], 3);
	assert_int_equal(back->ran[BY_COMMAND], 5);
	assert_int_equal(back->varied[BY_PROGRAM], 2);
	assert_int_equal(back->varied[BY_COMMAND], 4);
	assert_int_equal(back->plain, 0x123456789abcdef0);
	drop(h);
	drop(other);
	drop(back);
}

#define HEAD(version, run, met, goes)                                 \
	"tshints" version "\0\0\0\0\0\0\0\0" run "\0\0\0" met "\0\0\0" goes \
	"\0\0\0" "\0\0\0\0\0\0\0\0"
#define ROWS(a, b) \
	a "\0\0\0\1\0\0\0\1\0\0\0" b "\0\0\0\1\0\0\0\1\0\0\0"

static void nonsense_is_nothing(void **state)
{
	static const struct {
		const char *data;
		size_t n;
	} files[] = {
		{ "", 0 },
		{ "tshints", 7 },
		{ "tshints1\1\0\0\0", 12 },
		{ HEAD("3", "\0", "\0", "\0") "\0", 37 },
		/* Another kind of file; more than there is; behind the end. */
		{ HEAD("2", "\0", "\0", "\0"), 36 },
		{ HEAD("3", "\1", "\0", "\0"), 36 },
		{ HEAD("3", "\0", "\0", "\xff"), 36 },
		{ HEAD("3", "\0", "\0", "\0") "\0\0\0\0", 40 },
		{ HEAD("3", "\0", "\0", "\0"), 32 },
		/* Not ascending. */
		{ HEAD("3", "\2", "\0", "\0") ROWS("\2", "\1"), 60 },
		{ HEAD("3", "\0", "\2", "\0") ROWS("\1", "\1"), 60 },
	};
	const uint32_t place[] = { 5, 1, 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct hints *h = hints_of("cd", NULL, 0);

		put_file("cd", files[i].data, files[i].n);
		assert_int_equal(hints_read(dir, h), -EINVAL);
		holds(h, HINTS_RUN, NULL, 0);
		holds(h, HINTS_MET, NULL, 0);
		/* ... and is written anew. */
		assert_int_equal(hints_add(h, HINTS_RUN, place, 1), 1);
		assert_int_equal(hints_write(dir, h), 0);
		drop(h);
		h = hints_of("cd", NULL, 0);
		assert_int_equal(hints_read(dir, h), 0);
		holds(h, HINTS_RUN, place, 1);
		drop(h);
	}
}

static void only_of_files(void **state)
{
	char *path = xasprintf("%s/%s", dir, "ef");
	struct hints *h = hints_of("ef", NULL, 0);

	(void)state;
	assert_int_equal(hints_read(dir, h), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(hints_read(dir, h), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(hints_read(dir, h), -EINVAL);
	assert_int_equal(hints_write(dir, h), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	assert_true(hints_write("/proc/none/of/it", h) < 0);
	free(path);
	drop(h);
}

static void not_in_a_users_home(void **state)
{
	char *home = xasprintf("%s/home", dir), *place;
	struct hints *h = hints_of("03", (uint32_t[]){ 1, 1, 1 }, 1);

	(void)state;
	if (geteuid())
		skip();
	place = xasprintf("%s/.cache/tracestub", home);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_int_equal(chown(home, 1000, 1000), 0);
	assert_int_equal(hints_write(place, h), -EPERM);
	assert_int_equal(rmdir(home), 0);
	free(place);
	free(home);
	drop(h);
}

/* Where there is no directory it is made, with the one above. */
static void make_a_place(void **state)
{
	char *above = xasprintf("%s/above", dir);
	char *place = xasprintf("%s/it", above), *path;
	struct hints *h = hints_of("01", (uint32_t[]){ 1, 1, 1 }, 1);

	(void)state;
	assert_int_equal(hints_write(place, h), 0);
	path = xasprintf("%s/01", place);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(place), 0);
	assert_int_equal(rmdir(above), 0);
	free(path);
	free(place);
	free(above);
	drop(h);
}

static void oldest_goes(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1000 },
					 { .tv_sec = 1000 } };
	struct hints *h = hints_of("02", (uint32_t[]){ 1, 1, 1 }, 1);
	char name[16], *path = xasprintf("%s/f0007", dir);
	char *other = xasprintf("%s/face.c", dir);

	(void)state;
	put_file("face.c", "", 0);
	assert_int_equal(utimensat(AT_FDCWD, other, old, 0), 0);
	for (unsigned i = 0; i < HINTS_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%04u", i);
		put_file(name, "", 0);
	}
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(hints_write(dir, h), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
	free(other);
	free(path);
	drop(h);
}

static void build_ids(void **state)
{
	/* Another note before it; then cut off at each length. */
	static const char notes[] = "\4\0\0\0\5\0\0\0\1\0\0\0GNU\0abcde\0\0\0"
				    "\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\xde\xad\1\2";
	static const char huge[] = "\xff\xff\xff\xff\4\0\0\0\3\0\0\0GNU\0abcd";
	static const char none[] = "\4\0\0\0\0\0\0\0\3\0\0\0GNU\0";
	static const char odd[] = "\4\0\0\0\3\0\0\0\3\0\0\0GNU\0abc";
	const size_t len = sizeof(notes) - 1;
	const uint8_t *id;
	size_t n = 0;

	(void)state;
	id = note_build_id((const uint8_t *)notes, len, &n);
	assert_non_null(id);
	assert_int_equal(n, 4);
	assert_memory_equal(id, "\xde\xad\1\2", 4);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = xmalloc(cut + 1);

		memcpy(copy, notes, cut);
		assert_null(note_build_id(copy, cut, &n));
		free(copy);
	}
	id = note_build_id((const uint8_t *)odd, sizeof(odd) - 1, &n);
	assert_non_null(id);
	assert_int_equal(n, 3);
	assert_null(note_build_id((const uint8_t *)huge, sizeof(huge), &n));
	assert_null(note_build_id((const uint8_t *)none, sizeof(none), &n));
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	char *command = xasprintf("rm -r %s", dir);
	int r = system(command);

	(void)state;
	free(command);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_sets),
		cmocka_unit_test(go_where_they_went_first),
		cmocka_unit_test(have_an_end),
		cmocka_unit_test(are_kept),
		cmocka_unit_test(nonsense_is_nothing),
		cmocka_unit_test(only_of_files),
		cmocka_unit_test(make_a_place),
		cmocka_unit_test(not_in_a_users_home),
		cmocka_unit_test(oldest_goes),
		cmocka_unit_test(build_ids),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
