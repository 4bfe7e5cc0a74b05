/* Expressions as people write them: what they give, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/source.h"
#include "base/mem.h"

#define MEM_AT 0x1000

static const char memory[] = "\xfe\xff\xff\xff\x03\0\0\0"   /* 1000: -2, 3 */
			     "\x18\x10\0\0\0\0\0\0"	    /* 1008: 1018 */
			     "\x80\xff\0\0\0\0\0\0"	    /* 1010 */
			     "eight by\0nine bytes\0short"; /* 1018, 1021 */

static int get_reg(void *user, unsigned number, uint64_t *v)
{
	static const uint64_t regs[] = { MEM_AT, (uint64_t)-5,
					 0xffffffff80000000 };

	(void)user;
	*v = regs[number];
	return 0;
}

static int get_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	(void)user;
	if (addr < MEM_AT || addr + len > MEM_AT + sizeof(memory))
		return -EFAULT;
	memcpy(buf, memory + (addr - MEM_AT), len);
	return 0;
}

static int get_var(void *user, unsigned number, int64_t *v)
{
	(void)user;
	*v = 4711;
	return number == AX_VARIABLE_THREAD ? 0 : -EINVAL;
}

static bool find_reg(void *user, const char *name, size_t len, unsigned *number,
		     unsigned *bits)
{
	static const char *const names[] = { "base", "five", "wide", "half" };

	(void)user;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) != len || memcmp(name, names[i], len))
			continue;
		*number = i == 3 ? 2 : i;
		*bits = i == 3 ? 32 : 64;
		return true;
	}
	return false;
}

static const struct source_names all_names = { .reg = find_reg };

static int compile(const char **text, struct ax_program **out, struct err *e)
{
	struct buf code = { 0 };
	int r = source_compile(text, &all_names, &code, e);

	source_op(&code, AX_END);
	if (r == 0)
		r = ax_load(out, (const uint8_t *)code.data, code.len, e);
	buf_fini(&code);
	return r;
}

static int value_of(const char *text, int64_t *v)
{
	const struct ax_env env = { .reg = get_reg,
				    .mem = get_mem,
				    .getv = get_var };
	const char *at = text;
	struct ax_program *p;
	struct err e = { 0 };
	int r = compile(&at, &p, &e);

	if (r < 0)
		fail_msg("%s: %s", text, e.text);
	assert_string_equal(at, "");
	r = ax_eval(p, &env, v);
	ax_free(p);
	return r;
}

static const struct {
	const char *text;
	int64_t value;
} values[] = {
	{ "12", 12 },
	{ " 0x1f ", 31 },
	{ "017u", 15 },
	{ "'a'", 'a' },
	{ "'\\n' + '\\x41' + '\\0'", 10 + 65 },
	{ "0xffffffffffffffff", -1 },
	{ "$five", -5 },
	{ "five + 2 * 3 - 1", 0 },
	{ "(five + 2) * 3", -9 },
	{ "-7 / 2", -3 },
	{ "-7 % 4", -3 },
	{ "1 << 4 | 3 & 2 ^ 1", 16 | ((3 & 2) ^ 1) },
	{ "five >> 1", -3 },
	{ "(unsigned long)five >> 60", 15 },
	{ "five < 3", 1 },
	{ "five <= -5", 1 },
	{ "five >= -4", 0 },
	{ "3 > five", 1 },
	{ "(size_t)five < 3", 0 },
	{ "five < 3UL", 1 },
	{ "five != -5 || 0", 0 },
	{ "!five || !0 && 2", 1 },
	{ "0 && 1 / 0", 0 },
	{ "4 || *(int *)0", 1 },
	{ "1 && 2 && 0", 0 },
	{ "1 == 1 == 1", 1 },
	{ "~0", -1 },
	{ "- - +3", 3 },
	{ "half", INT32_MIN },
	{ "(int)wide == half", 1 },
	{ "(unsigned int)wide", 0x80000000 },
	{ "(short)0x18000", -0x8000 },
	{ "(unsigned char)-1", 255 },
	{ "*(int *)base", -2 },
	{ "*(unsigned *)base", 0xfffffffe },
	{ "*(const unsigned int *)base", 0xfffffffe },
	{ "*(int *)(base + 4)", 3 },
	{ "*((int *)base + 1)", 3 },
	{ "*(int *const)base", -2 },
	{ "*(int const *const)(base + 4)", 3 },
	{ "((int *const)base)[1]", 3 },
	{ "*((int)base) == ((int)base)[0]", 1 },
	{ "((char)8 + base)[0]", 0x1018 },
	{ "((int32_t *)base)[1]", 3 },
	{ "((short int *)base)[8]", -128 },
	{ "((unsigned short *)base)[8]", 0xff80 },
	{ "base[1]", 0x1018 },
	{ "*(base + 8)", 0x1018 },
	{ "**(char **)(base + 8)", 'e' },
	{ "(*(char **)(base + 8))[6]", 'b' },
	{ "*(long unsigned *)(base + 8)", 0x1018 },
	{ "(char *)base + 3 - (char *)base", 3 },
	{ "(char *)five - (char *)0 < 0", 1 },
	{ "(void *)five > (void *)5", 1 },
	{ "tid == 4711", 1 },
	{ "streq(base + 0x18, \"eight by\")", 1 },
	{ "streq(*(char **)(base + 8), \"eight by\")", 1 },
	{ "streq(base + 0x18, \"eight b\")", 0 },
	{ "streq(base + 0x18, \"eight bytes\")", 0 },
	{ "streq(base + 0x18, \"\")", 0 },
	{ "streq(base + 0x20, \"\")", 1 },
	{ "$_streq(base + 0x21, \"nine\\x20bytes\")", 1 },
	{ "streq(base + 0x2c, \"short\")", 1 },
	/* Nothing is read behind the end of one. */
	{ "streq(base + 0x30, \"t and much more\")", 0 },
	{ "2 * streq(base + 0x2c, \"short\") + 1", 3 },
	{ "streq(base + 0x2c, \"x\") || streq(base + 0x2c, \"short\")", 1 },
};

static void they_are_what_c_says(void **state)
{
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (value_of(values[i].text, &v) < 0 || v != values[i].value)
			fail_msg("%s is %ld, not %ld", values[i].text, (long)v,
				 (long)values[i].value);
	}
}

static void some_cannot_be_evaluated(void **state)
{
	int64_t v;

	(void)state;
	assert_int_equal(value_of("*(int *)0", &v), -EFAULT);
	assert_int_equal(value_of("1 / (five + 5)", &v), -EDOM);
	assert_int_equal(value_of("streq(0, \"x\")", &v), -EFAULT);
}

static const struct {
	const char *text, *why;
} refused[] = {
	{ "", "is missing at `the end'" },
	{ "rdi == 0", "no such register at `rdi == 0'" },
	{ "1 +", "is missing" },
	{ "(1", "a ) is missing" },
	{ "five[1", "a ] is missing" },
	{ "(int 5", "a ) is missing" },
	{ "(void)five", "nothing is void" },
	{ "*(void *)base", "points to nothing" },
	{ "five = 3", "nothing is assigned" },
	{ "1.5", "no whole number" },
	{ "08", "no whole number" },
	{ "0x10000000000000000", "64 bits at most" },
	{ "'ab'", "between two '" },
	{ "'\\q'", "between two '" },
	{ "streq base", "no ( is" },
	{ "streq(base)", "no , is" },
	{ "streq(base, base)", "has \" before it" },
	{ "streq(base, \"x)", "no \" at its end" },
	{ "streq(base, \"\\0\")", "no zero byte" },
	{ "streq(base, \"\\q\")", "no escape `\\q'" },
	{ "streq(base, \"\\x-1\")", "no escape `\\x'" },
	{ "$", "no such register" },
};

static void bad_ones_say_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const char *at = refused[i].text;
		struct ax_program *p = NULL;
		struct err e = { 0 };

		assert_int_equal(compile(&at, &p, &e), -EINVAL);
		if (!strstr(e.text, refused[i].why))
			fail_msg("%s: %s, not %s", refused[i].text, e.text,
				 refused[i].why);
	}
}

static void what_is_too_much_is_refused(void **state)
{
	char text[40000];
	const char *at = text;
	struct ax_program *p;
	struct err e = { 0 };

	(void)state;
	memset(text, '(', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(compile(&at, &p, &e), -EINVAL);
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "9%", 2);
	text[sizeof(text) - 2] = '9';
	at = text;
	assert_int_equal(compile(&at, &p, &e), -E2BIG);
	memset(text, '~', sizeof(text) - 1);
	at = text;
	assert_int_equal(compile(&at, &p, &e), -EINVAL);
}

/* Whoever asks goes on there. */
static void it_ends_where_it_ends(void **state)
{
	const char *at = "five + 2 thread 7";
	struct ax_program *p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(compile(&at, &p, &e), 0);
	assert_string_equal(at, "thread 7");
	ax_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_what_c_says),
		cmocka_unit_test(some_cannot_be_evaluated),
		cmocka_unit_test(bad_ones_say_why),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(it_ends_where_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
