/* The transcripts' file format and the matching of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "test/transcript.h"

static int load_text(struct transcript *t, const char *text, struct err *e)
{
	char path[] = "/tmp/transcript-test-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = transcript_load(t, path, e);
	unlink(path);
	return err;
}

static void lines_are_read(void **state)
{
	struct transcript t;
	struct err e = { "" };

	(void)state;
	assert_int_equal(load_text(&t,
				   "# comment\n\n> X10,2:\\x00\\\\\n"
				   "< OK\n<\n! stop 1.1 step\n= halt",
				   &e),
			 0);
	assert_int_equal(t.n, 5);
	assert_int_equal(t.lines[0].kind, '>');
	assert_int_equal(t.lines[0].len, 8);
	assert_memory_equal(t.lines[0].text, "X10,2:\0\\", 8);
	assert_int_equal(t.lines[0].number, 3);
	assert_string_equal(t.lines[1].text, "OK");
	assert_int_equal(t.lines[2].len, 0);
	assert_int_equal(t.lines[2].kind, '<');
	assert_string_equal(t.lines[3].text, "stop 1.1 step");
	assert_string_equal(t.lines[4].text, "halt");
	transcript_fini(&t);
}

static void mistakes_are_named(void **state)
{
	static const char *const bad[] = { "> ok\nqC\n", "> a\n>b\n",
					   "> a\n> \\x4\n", "> a\n> \\q\n" };
	struct transcript t;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(load_text(&t, bad[i], &e), -EINVAL);
		assert_non_null(strstr(e.text, ":2: malformed"));
		assert_int_equal(t.n, 0);
	}
	assert_int_equal(transcript_load(&t, "/no/such/file", &e), -ENOENT);
}

static void answers_match(void **state)
{
	static const struct {
		const char *pattern, *answer;
		bool hit;
	} rows[] = {
		{ "OK", "OK", true },
		{ "OK", "OKx", false },
		{ "OK", "", false },
		{ "", "", true },
		{ "", "x", false },
		{ "...", "", true },
		{ "...", "anything", true },
		{ "T05...", "T05thread:1;", true },
		{ "T05...", "T0", false },
		{ "...;swbreak+;...", "a;swbreak+;b", true },
		{ "...;swbreak+;...", "a;swbreak-;b", false },
		{ "a...b", "ab", true },
		{ "a...b", "a", false },
		{ "ab...b", "ab", false },
		{ "a...b...c", "a-b-b-c", true },
		{ "a...b...c", "a-c-b", false },
		{ "l\\x41\\\\", "lA\\", true },
		{ "/E[0-9]{2}/", "E01", true },
		{ "/E[0-9]{2}/", "E012", false },
		{ "/a|b/", "b", true },
		{ "/a|b/", "bc", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct transcript_line line = {
			.kind = '<',
			.text = xstrdup(rows[i].pattern),
			.len = strlen(rows[i].pattern),
		};

		if (transcript_match(&line, rows[i].answer,
				     strlen(rows[i].answer)) != rows[i].hit)
			fail_msg("%s on %s", rows[i].pattern, rows[i].answer);
		free(line.text);
	}
}

static void zero_bytes_count(void **state)
{
	struct transcript_line line = { '<', (char[]){ "a...\\x00" }, 8, 1 };

	(void)state;
	assert_true(transcript_match(&line, "a\0\0", 3));
	assert_false(transcript_match(&line, "a\0b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(answers_match),
		cmocka_unit_test(zero_bytes_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
