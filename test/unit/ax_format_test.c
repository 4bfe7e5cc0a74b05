/*
 * Formats of the printf bytecode: every allowed combination against the C
 * library's printf, every other one refused, and strings from memory that
 * ends, faults or never has a zero.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/format.h"
#include "base/mem.h"

#define PAGE   0x10000 /* where LENGTH bytes are readable */
#define LENGTH 0x3000

/* Memory full of x, but for a string at its end. */
struct world {
	char page[LENGTH];
	size_t highest; /* offset of the last byte read */
};

static int get_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	struct world *w = user;

	if (addr < PAGE || addr - PAGE > LENGTH - len)
		return -EFAULT;
	if (addr - PAGE + len > w->highest + 1)
		w->highest = addr - PAGE + len - 1;
	memcpy(buf, w->page + addr - PAGE, len);
	return 0;
}

static void world_init(struct world *w, const char *tail)
{
	size_t n = strlen(tail) + 1;

	memset(w, 'x', sizeof(*w));
	w->highest = 0;
	memcpy(w->page + LENGTH - n, tail, n);
}

/* With one value. */
static int put(const char *fmt, uint64_t v, struct world *w, size_t max,
	       struct buf *out)
{
	const struct ax_env env = { .mem = get_mem, .user = w };
	struct err e = { "" };
	struct ax_format *f = format_new(fmt, strlen(fmt), 1, &e);
	int rc;

	if (!f)
		fail_msg("%s: %s", fmt, e.text);
	rc = format_put(f, &v, &env, max, out);
	format_free(f);
	return rc;
}

static void expect(const char *fmt, uint64_t v, const char *want)
{
	struct buf out = { 0 };

	assert_int_equal(put(fmt, v, NULL, 4096, &out), 0);
	if (strcmp(buf_str(&out), want))
		fail_msg("%s: \"%s\" instead of \"%s\"", fmt, out.data, want);
	buf_fini(&out);
}

static void compare_integer(const char *flags, const char *field,
			    const char *size, char letter)
{
	static const uint64_t samples[] = {
		0, 1, 42, 127, 128, 0xffff8000, INT64_MAX, 1ull << 63, -1ull,
	};
	char fmt[64], want[256];
	bool narrow = !*size || *size == 'h';

	snprintf(fmt, sizeof(fmt), "<%%%s%s%s%c>", flags, field, size, letter);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (narrow)
			snprintf(want, sizeof(want), fmt, (int)samples[i]);
		else
			snprintf(want, sizeof(want), fmt, samples[i]);
		expect(fmt, samples[i], want);
	}
}

/* All subsets of the flags that go with the letter. */
static void compare_flags(const char *allowed, const char *size, char letter)
{
	static const char *const fields[] = { "", "1", "12", ".0", ".7",
					      "9.4", ".", "1.0" };

	for (unsigned set = 0; set < 1u << strlen(allowed); set++) {
		char flags[8];
		size_t n = 0;

		for (unsigned i = 0; allowed[i]; i++)
			if (set >> i & 1)
				flags[n++] = allowed[i];
		flags[n] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			compare_integer(flags, fields[i], size, letter);
	}
}

static void test_integers(void **state)
{
	static const char *const sizes[] = { "", "h", "hh", "l", "ll", "z",
					     "j", "t" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		compare_flags("-+ 0", sizes[i], 'd');
		compare_flags("-+ 0", sizes[i], 'i');
		compare_flags("-0", sizes[i], 'u');
		compare_flags("-#0", sizes[i], 'o');
		compare_flags("-#0", sizes[i], 'x');
		compare_flags("-#0", sizes[i], 'X');
	}
}

static void test_characters(void **state)
{
	struct buf out = { 0 };

	(void)state;
	expect("%c", 'a', "a");
	expect("%c", 0x1161, "a");
	expect("%4c|", 'a', "   a|");
	expect("%-4c|", 'a', "a   |");
	assert_int_equal(put("<%c>", 0, NULL, 10, &out), 0);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.data, "<\0>", 3);
	buf_fini(&out);
}

static void test_pointers(void **state)
{
	char want[64];
	void *p = (void *)(uintptr_t)0x7fff12345678;

	(void)state;
	snprintf(want, sizeof(want), "%p|%20p|%-20p|%p", p, p, p, NULL);
	assert_string_equal(want, "0x7fff12345678|      0x7fff12345678|"
				  "0x7fff12345678      |(nil)");
	expect("%p", (uintptr_t)p, "0x7fff12345678");
	expect("%20p", (uintptr_t)p, "      0x7fff12345678");
	expect("%-20p", (uintptr_t)p, "0x7fff12345678      ");
	expect("%p", 0, "(nil)");
	expect("%p", UINT64_MAX, "0xffffffffffffffff");
}

static void test_text(void **state)
{
	(void)state;
	expect("\\a\\b\\e\\f\\n\\r\\t\\v\\\\\\\"%u", 1,
	       "\a\b\033\f\n\r\t\v\\\"1");
	expect("100%%%u%%", 1, "100%1%");
	expect("%%d%u%%s", 1, "%d1%s");
	/* what an escape leaves is not read again */
	expect("\\\\n%u", 1, "\\n1");
}

static void test_strings(void **state)
{
	struct world w;
	struct buf out = { 0 };
	uint64_t hello = PAGE + LENGTH - 6;

	(void)state;
	world_init(&w, "hello");
	assert_int_equal(put("%s|", hello, &w, 4096, &out), 0);
	assert_int_equal(put("%8s|", hello, &w, 4096, &out), 0);
	assert_int_equal(put("%-8.3s|", hello, &w, 4096, &out), 0);
	assert_int_equal(put("%s|", 0, &w, 4096, &out), 0);
	assert_int_equal(put("%.0s|", 1, &w, 4096, &out), 0);
	assert_string_equal(buf_str(&out), "hello|   hello|hel     |(null)||");
	buf_fini(&out);
}

/* A precision bounds what is read, as the string need not have an end. */
static void test_string_bounds(void **state)
{
	struct world w;
	struct buf out = { 0 };

	(void)state;
	world_init(&w, "");
	assert_int_equal(put("%.1000s", PAGE + 1, &w, 4096, &out), 0);
	assert_int_equal(out.len, 1000);
	assert_int_equal(w.highest, 1000);
	buf_reset(&out);
	assert_int_equal(put("%s", PAGE + 1, &w, AX_PRINT_MAX, &out), 0);
	assert_int_equal(out.len, FORMAT_STRING_MAX + 3);
	assert_string_equal(buf_str(&out) + FORMAT_STRING_MAX - 1, "x...");
	assert_int_equal(w.highest, FORMAT_STRING_MAX);
	buf_fini(&out);
}

static void test_string_faults(void **state)
{
	struct world w;
	struct buf out = { 0 };

	(void)state;
	world_init(&w, "ends");
	w.page[LENGTH - 1] = 's';
	assert_int_equal(put("%s", PAGE + LENGTH - 5, &w, 4096, &out),
			 -EFAULT);
	assert_int_equal(put("%s", 1, &w, 4096, &out), -EFAULT);
	assert_int_equal(put("%s", UINT64_MAX, &w, 4096, &out), -EFAULT);
	buf_fini(&out);
}

static void test_too_much(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(put("%9d", 1, NULL, 9, &out), 0);
	assert_int_equal(put("%1d", 1, NULL, 9, &out), -EFBIG);
	buf_fini(&out);
}

static void test_order(void **state)
{
	/* as on the stack: the first argument is the highest */
	const uint64_t stack[] = { 3, 2, 1 };
	const struct ax_env env = { .mem = get_mem };
	struct err e = { "" };
	struct ax_format *f = format_new("%d %d %d", 8, 3, &e);
	struct buf out = { 0 };

	(void)state;
	assert_non_null(f);
	assert_int_equal(format_args(f), 3);
	assert_int_equal(format_put(f, &stack[2], &env, 100, &out), 0);
	assert_string_equal(buf_str(&out), "1 2 3");
	buf_fini(&out);
	format_free(f);
}

static const struct refusal {
	const char *fmt, *reason;
} refusals[] = {
	{ "%n", "conversion 0x6e" },
	{ "%*d", "conversion 0x2a" },
	{ "%.*d", "conversion 0x2a" },
	{ "%1$d", "conversion 0x24" },
	{ "%f", "conversion 0x66" },
	{ "%Lf", "conversion 0x4c" },
	{ "%a", "conversion 0x61" },
	{ "%lld%Z", "conversion 0x5a" },
	{ "%llld", "conversion 0x6c" },
	{ "%hhhd", "conversion 0x68" },
	{ "%5%d", "conversion 0x25" },
	{ "%'d", "conversion 0x27" },
	{ "%-", "ends inside" },
	{ "%", "ends inside" },
	{ "%12.3ll", "ends inside" },
	{ "%1024d", "over 1023" },
	{ "%99999999999999999999d", "over 1023" },
	{ "%.1024s", "over 1023" },
	{ "%#d", "%d does not take" },
	{ "%+u", "%u does not take" },
	{ "% x", "%x does not take" },
	{ "%0s", "%s does not take" },
	{ "%ls", "%s does not take" },
	{ "%lc", "%c does not take" },
	{ "%.1c", "%c does not take" },
	{ "%0c", "%c does not take" },
	{ "%lp", "%p does not take" },
	{ "%.3p", "%p does not take" },
	{ "%#p", "%p does not take" },
	{ "%d\\", "ends in a backslash" },
	{ "%d\\q", "escape 0x71" },
	{ "%d\\0", "escape 0x30" },
	{ "none", "takes 0 values and is given 1" },
	{ "%d %d", "takes 2 values and is given 1" },
};

static void test_refusals(void **state)
{
	struct err e = { "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *t = &refusals[i];

		assert_null(format_new(t->fmt, strlen(t->fmt), 1, &e));
		if (!strstr(e.text, t->reason))
			fail_msg("%s: %s", t->fmt, e.text);
	}
	assert_null(format_new("%d\0%d", 5, 2, &e));
	assert_non_null(strstr(e.text, "zero byte"));
	assert_null(format_new("%d\\\0", 4, 1, &e));
	assert_null(format_new("%\0d", 3, 1, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_string_bounds),
		cmocka_unit_test(test_string_faults),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
