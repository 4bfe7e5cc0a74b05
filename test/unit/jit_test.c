/* Names of generated code: trace/jit.h. The map is that of our own process. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "trace/jit.h"

struct map_file {
	struct jit *jit;
	char *path;
};

static int setup(void **state)
{
	struct map_file *m = xcalloc(1, sizeof(*m));

	m->path = xasprintf("/tmp/perf-%d.map", getpid());
	unlink(m->path);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct map_file *m = *state;

	unlink(m->path);
	jit_free(m->jit);
	free(m->path);
	free(m);
	return 0;
}

static void write_bytes(const struct map_file *m, const char *mode,
			const char *bytes, size_t n)
{
	FILE *f = fopen(m->path, mode);

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void put(const struct map_file *m, const char *text)
{
	write_bytes(m, "ae", text, strlen(text));
}

static void put_anew(const struct map_file *m, const char *text)
{
	write_bytes(m, "we", text, strlen(text));
}

static void expect(struct map_file *m, uint64_t addr, const char *name)
{
	const struct jit_symbol *s = jit_find(&m->jit, getpid(), addr);

	if (!name)
		assert_null(s);
	else
		assert_non_null(s);
	if (s && name)
		assert_string_equal(s->name, name);
}

static void lines_are_found_by_place(void **state)
{
	struct map_file *m = *state;

	expect(m, 0x1000, NULL);
	put(m, "2000 10 second one\n1000 20 first\n");
	expect(m, 0xfff, NULL);
	expect(m, 0x1000, "first");
	expect(m, 0x101f, "first");
	expect(m, 0x1020, NULL);
	expect(m, 0x200f, "second one");
}

static void what_comes_later_is_read_too(void **state)
{
	struct map_file *m = *state;

	put(m, "1000 10 first\n2000 10 sec");
	expect(m, 0x2000, NULL);
	expect(m, 0x1000, "first");
	put(m, "ond\n");
	expect(m, 0x2000, "second");
}

/* Its code is somebody else's by now. */
static void the_latest_counts(void **state)
{
	struct map_file *m = *state;

	put(m, "1000 10 a\n1010 10 b\n1020 10 c\n");
	expect(m, 0x1010, "b");
	put(m, "1008 10 d\n");
	expect(m, 0x1000, NULL);
	expect(m, 0x1008, "d");
	expect(m, 0x1018, NULL);
	expect(m, 0x1020, "c");
}

static void what_is_no_line_is_left_out(void **state)
{
	struct map_file *m = *state;

	put(m, "\nno line\n1000 0 none\n1000 10\n1000 10 \n"
	       "ffffffffffffffff 10 round\n3000 10 good\n");
	expect(m, 0x1000, NULL);
	expect(m, 0x3000, "good");
}

static void a_zero_ends_no_more_than_its_line(void **state)
{
	struct map_file *m = *state;
	static const char bytes[] = "1000 10 a\0b\n2000 10\0 none\n\0\0\n"
				    "3000 10 c\n\0\0\0"
				    "4000 10 d\n";

	write_bytes(m, "ae", bytes, sizeof(bytes) - 1);
	expect(m, 0x1000, "a");
	expect(m, 0x2000, NULL);
	expect(m, 0x3000, "c");
	expect(m, 0x4000, "d"); /* behind a hole */
	put(m, "5000 10 e\n");
	expect(m, 0x5000, "e");
}

/* Its rest is no line. */
static void a_long_name_is_cut(void **state)
{
	struct map_file *m = *state;
	char name[4096 - sizeof("1000 10 ")];

	memset(name, 'x', sizeof(name));
	put(m, "1000 10 ");
	write_bytes(m, "ae", name, sizeof(name));
	put(m, "2000 10 y\n3000 10 good\n");
	expect(m, 0x3000, "good");
	expect(m, 0x2000, NULL);
}

/* ... to be longer than it was, as long, and shorter. */
static void what_is_written_anew_is_read_from_its_start(void **state)
{
	struct map_file *m = *state;
	struct jit_symbol *s;

	put(m, "1000 10 a\n2000 10 b\n");
	expect(m, 0x1000, "a");
	s = jit_find(&m->jit, getpid(), 0x2000);
	s->function = 7;
	put_anew(m, "1000 10 longer\n2000 10 b\n3000 10 c\n");
	expect(m, 0x1000, "longer");
	expect(m, 0x3000, "c");
	s = jit_find(&m->jit, getpid(), 0x2000);
	assert_int_equal(s->function, 7);
	put_anew(m, "1000 10 short\n");
	expect(m, 0x1000, "short");
	unlink(m->path);
	expect(m, 0x1000, "short");
	put_anew(m, "1000 10 again\n");
	expect(m, 0x1000, "again");
}

/* Runs once, before the file is looked at in another way than line by line,
 * behind its first lines. */
static void (*meanwhile)(void);

ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
	void (*now)(void) = meanwhile;

	if (now && lseek(fd, 0, SEEK_CUR) > 0) {
		meanwhile = NULL;
		now();
	}
	return syscall(SYS_pread64, fd, buf, n, at);
}

static struct map_file *written;

static void write_anew(void)
{
	put_anew(written, "1000 10 b\n2000 10 later\n3000 10 c\n");
}

static void what_is_written_anew_as_soon_as_it_was_read_is_too(void **state)
{
	struct map_file *m = *state;

	put(m, "1000 10 a\n2000 10 later\n");
	written = m;
	meanwhile = write_anew;
	expect(m, 0x1000, "a");
	if (meanwhile)
		write_anew();
	meanwhile = NULL;
	expect(m, 0x3000, "c");
	expect(m, 0x1000, "b");
}

static void a_link_is_not_followed(void **state)
{
	struct map_file *m = *state;
	char *other = xasprintf("%s.other", m->path);
	FILE *f = fopen(other, "we");

	assert_non_null(f);
	fputs("1000 10 a\n", f);
	fclose(f);
	assert_int_equal(symlink(other, m->path), 0);
	expect(m, 0x1000, NULL);
	unlink(other);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(lines_are_found_by_place),
		TEST(what_comes_later_is_read_too),
		TEST(the_latest_counts),
		TEST(what_is_no_line_is_left_out),
		TEST(a_zero_ends_no_more_than_its_line),
		TEST(a_long_name_is_cut),
		TEST(what_is_written_anew_is_read_from_its_start),
		TEST(what_is_written_anew_as_soon_as_it_was_read_is_too),
		TEST(a_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
