#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/args.h"

static struct args of(const char *s)
{
	return args_of(s, strlen(s));
}

static void assert_left(const struct args *a, const char *s)
{
	assert_int_equal(args_left(a), strlen(s));
	assert_memory_equal(a->p, s, strlen(s));
}

static void test_char_and_name(void **state)
{
	struct args a = of("read:x");

	(void)state;
	assert_false(take_char(&a, ':'));
	assert_false(take_name(&a, "write"));
	assert_false(take_name(&a, "read:xy"));
	assert_true(take_name(&a, "read"));
	assert_true(take_char(&a, ':'));
	assert_left(&a, "x");
	assert_true(take_name(&a, ""));
	assert_false(take_end(&a));
	assert_true(take_char(&a, 'x'));
	assert_true(take_end(&a));
	assert_false(take_char(&a, 'x'));
	/* not beyond the end, though there is more in memory */
	a = args_of("abc", 2);
	assert_false(take_name(&a, "abc"));
}

static void test_hex(void **state)
{
	static const struct {
		const char *text, *left;
		bool ok;
		uint64_t v;
	} rows[] = {
		{ "0", "", true, 0 },
		{ "7fFf,8", ",8", true, 0x7fff },
		{ "ffffffffffffffff;", ";", true, UINT64_MAX },
		{ "0000000000000001", "", true, 1 },
		{ "00000000000000001", "00000000000000001", false, 0 },
		{ "10000000000000000", "10000000000000000", false, 0 },
		{ "", "", false, 0 },
		{ ",1", ",1", false, 0 },
		{ "-1", "-1", false, 0 },
		{ " 1", " 1", false, 0 },
		{ "0x1", "x1", true, 0 },
		{ "g", "g", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct args a = of(rows[i].text);
		uint64_t v = 99;

		assert_int_equal(take_hex(&a, &v), rows[i].ok);
		assert_left(&a, rows[i].left);
		assert_true(v == (rows[i].ok ? rows[i].v : 99));
	}
}

/* Against printf, at every width. */
static void test_hex_widths(void **state)
{
	char text[40];

	(void)state;
	for (unsigned bits = 1; bits <= 64; bits++) {
		uint64_t want = 0x9e3779b97f4a7c15u >> (64 - bits), v;
		struct args a;

		snprintf(text, sizeof(text), "%" PRIx64 ":", want);
		a = of(text);
		assert_true(take_hex(&a, &v));
		assert_true(v == want);
		assert_left(&a, ":");
		a = of(text);
		assert_true(take_hex_max(&a, want, &v));
		a = of(text);
		assert_false(want && take_hex_max(&a, want - 1, &v));
	}
}

static void test_bytes(void **state)
{
	struct args a = of("00fFA55"), word;
	uint8_t b[3];

	(void)state;
	assert_true(take_bytes(&a, b, 3));
	assert_memory_equal(b, "\x00\xff\xa5", 3);
	assert_left(&a, "5");
	assert_false(take_bytes(&a, b, 1));
	assert_true(take_bytes(&a, b, 0));
	assert_false(take_bytes(&a, b, SIZE_MAX));
	assert_false(take_bytes(&a, b, SIZE_MAX / 2 + 1));
	a = of("0g00");
	assert_false(take_bytes(&a, b, 2));
	assert_left(&a, "0g00");
	word = take_rest(&a);
	assert_left(&word, "0g00");
	assert_true(take_end(&a));
}

static void test_words(void **state)
{
	static const char text[] = "one;;three\0,x:";
	struct args a = args_of(text, sizeof(text) - 1), word;
	size_t n = 0;

	(void)state;
	while (take_word(&a, ";:", &word)) {
		static const size_t sizes[] = { 3, 0, 8 };

		assert_int_equal(args_left(&word), sizes[n++]);
		take_char(&a, ';');
		take_char(&a, ':');
	}
	assert_int_equal(n, 3);
	a = of("");
	word = args_of("left", 4);
	assert_false(take_word(&a, ";", &word));
	assert_true(take_end(&word));
	a = of("abc");
	assert_true(take_word(&a, "", &word));
	assert_left(&word, "abc");
}

static void test_ptid(void **state)
{
	static const struct {
		const char *text, *left;
		bool ok;
		struct ptid id;
	} rows[] = {
		{ "p10.1f;", ";", true, { 0x10, 0x1f } },
		{ "p10.-1", "", true, { 0x10, -1 } },
		{ "p10.0", "", true, { 0x10, 0 } },
		{ "p10", "", true, { 0x10, -1 } },
		{ "p10;", ";", true, { 0x10, -1 } },
		{ "p0.0", "", true, { 0, 0 } },
		{ "p-1.-1", "", true, { -1, -1 } },
		{ "p-1.0", "", true, { -1, 0 } },
		{ "p-1", "", true, { -1, -1 } },
		{ "p-1.5", "p-1.5", false, { 9, 9 } },
		{ "p0.5", "", true, { 0, 5 } },
		{ "-1", "", true, { -1, -1 } },
		{ "0", "", true, { 0, 0 } },
		{ "1f.2", ".2", true, { 0, 0x1f } },
		{ "7fffffff", "", true, { 0, INT_MAX } },
		{ "80000000", "80000000", false, { 9, 9 } },
		{ "ffffffff", "ffffffff", false, { 9, 9 } },
		{ "p100000001.1", "p100000001.1", false, { 9, 9 } },
		{ "p1.", "p1.", false, { 9, 9 } },
		{ "p1.x", "p1.x", false, { 9, 9 } },
		{ "p.1", "p.1", false, { 9, 9 } },
		{ "p", "p", false, { 9, 9 } },
		{ "-2", "-2", false, { 9, 9 } },
		{ "-", "-", false, { 9, 9 } },
		{ "", "", false, { 9, 9 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct args a = of(rows[i].text);
		struct ptid id = { 9, 9 };

		assert_int_equal(take_ptid(&a, &id), rows[i].ok);
		assert_left(&a, rows[i].left);
		assert_int_equal(id.pid, rows[i].id.pid);
		assert_int_equal(id.tid, rows[i].id.tid);
	}
}

static void test_hex_string(void **state)
{
	struct args a = of("2f746D70,0");
	char *s = NULL;

	(void)state;
	assert_false(take_hex_string(&a, 3, &s));
	assert_true(take_hex_string(&a, 4, &s));
	assert_string_equal(s, "/tmp");
	assert_left(&a, ",0");
	free(s);
	assert_true(take_hex_string(&a, 4, &s));
	assert_string_equal(s, "");
	free(s);
	a = of("616");
	assert_false(take_hex_string(&a, 4, &s));
	a = of("610061");
	assert_false(take_hex_string(&a, 4, &s));
	assert_left(&a, "610061");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_char_and_name),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_hex_widths),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_ptid),
		cmocka_unit_test(test_hex_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
