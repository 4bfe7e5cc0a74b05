/* Each bytecode by itself, and the limits of an evaluation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "test/unit/ax_hex.h"

#define MIN INT64_MIN
#define MAX INT64_MAX

#define MEM_AT 0x1000

/* What the ref bytecodes are tried on. */
static const uint8_t memory[] = {
	0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,	      /* 1000 */
	0x00, 0x00, 0xc0, 0xbf,				      /* -1.5f */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0xc0,	      /* -2.5 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe0, 0x00, 0x40, /* 3.5l */
};

static bool op_seen[256];

struct world {
	char log[256]; /* what was traced, set and printed */
};

__attribute__((format(printf, 2, 3)))
static void note(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->log + len, sizeof(w->log) - len, fmt, ap);
	va_end(ap);
}

static int get_reg(void *user, unsigned regnum, uint64_t *value)
{
	(void)user;
	*value = 0xff00000000000000 | regnum;
	return regnum < 0x1000 ? 0 : -EINVAL;
}

static int get_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	(void)user;
	if (addr < MEM_AT || addr + len > MEM_AT + sizeof(memory))
		return -EFAULT;
	memcpy(buf, memory + addr - MEM_AT, len);
	return 0;
}

static int get_var(void *user, unsigned number, int64_t *value)
{
	(void)user;
	*value = -(int64_t)number;
	return number != 9 ? 0 : -ENOENT;
}

static int set_var(void *user, unsigned number, int64_t value)
{
	note(user, "set %u=%lld ", number, (long long)value);
	return number != 9 ? 0 : -ENOENT;
}

static int trace_var(void *user, unsigned number)
{
	note(user, "var %u ", number);
	return number != 9 ? 0 : -ENOENT;
}

static int trace_mem(void *user, uint64_t addr, uint64_t len, bool to_nul)
{
	note(user, "%s %llx+%llx ", to_nul ? "str" : "mem",
	     (unsigned long long)addr, (unsigned long long)len);
	return addr ? 0 : -EFAULT;
}

static int print(void *user, const char *text, size_t len)
{
	note(user, "print %.*s ", (int)len, text);
	return len ? 0 : -EPIPE;
}

static struct ax_env env_of(struct world *w)
{
	return (struct ax_env){
		.reg = get_reg, .mem = get_mem, .getv = get_var,
		.setv = set_var, .tracev = trace_var, .trace = trace_mem,
		.print = print, .user = w,
	};
}

static struct ax_program *load_good(const char *text)
{
	struct err e = { "" };
	struct ax_program *p;

	if (ax_load_hex(text, &p, &e))
		fail_msg("%s: %s", text, e.text);
	for (size_t i = 0; i < p->n_insns; i++)
		op_seen[p->insns[i].op] = true;
	return p;
}

static int eval(const char *text, struct world *w, int64_t *result)
{
	struct ax_program *p = load_good(text);
	struct ax_env env = env_of(w);
	int rc = ax_eval(p, &env, result);

	ax_free(p);
	return rc;
}

/* text has to come to value. */
static void expect(const char *text, int64_t value)
{
	struct world w = { "" };
	int64_t v = ~value;
	int rc = eval(text, &w, &v);

	if (rc || v != value)
		fail_msg("%s: %d, %lld instead of %lld", text, rc,
			 (long long)v, (long long)value);
}

static void expect_error(const char *text, int error)
{
	struct world w = { "" };
	int64_t v = 1234;

	assert_int_equal(eval(text, &w, &v), error);
	assert_int_equal(v, 1234);
}

static const struct binary {
	uint8_t op;
	int64_t a, b, value;
} binaries[] = {
	{ AX_ADD, 3, 4, 7 },
	{ AX_ADD, MAX, 1, MIN },
	{ AX_SUB, 3, 4, -1 },
	{ AX_SUB, MIN, 1, MAX },
	{ AX_MUL, -3, 4, -12 },
	{ AX_MUL, MIN, -1, MIN },
	{ AX_DIV_SIGNED, -7, 2, -3 },
	{ AX_DIV_SIGNED, 7, -1, -7 },
	{ AX_DIV_SIGNED, MIN, -1, MIN },
	{ AX_DIV_UNSIGNED, -7, 2, MAX - 3 },
	{ AX_DIV_UNSIGNED, MIN, -1, 0 },
	{ AX_REM_SIGNED, -7, 2, -1 },
	{ AX_REM_SIGNED, 7, -2, 1 },
	{ AX_REM_SIGNED, MIN, -1, 0 },
	{ AX_REM_UNSIGNED, -7, 10, 9 },
	{ AX_LSH, 3, 4, 48 },
	{ AX_LSH, 1, 63, MIN },
	{ AX_LSH, 1, 64, 0 },
	{ AX_LSH, 1, -1, 0 },
	{ AX_RSH_SIGNED, -16, 2, -4 },
	{ AX_RSH_SIGNED, MIN, 63, -1 },
	{ AX_RSH_SIGNED, MIN, 64, -1 },
	{ AX_RSH_SIGNED, MAX, -1, 0 },
	{ AX_RSH_UNSIGNED, -16, 60, 15 },
	{ AX_RSH_UNSIGNED, -1, 63, 1 },
	{ AX_RSH_UNSIGNED, -1, 64, 0 },
	{ AX_RSH_UNSIGNED, -1, -1, 0 },
	{ AX_BIT_AND, 12, 10, 8 },
	{ AX_BIT_OR, 12, 10, 14 },
	{ AX_BIT_XOR, 12, 10, 6 },
	{ AX_EQUAL, 5, 5, 1 },
	{ AX_EQUAL, 5, -5, 0 },
	{ AX_LESS_SIGNED, -1, 1, 1 },
	{ AX_LESS_SIGNED, 1, -1, 0 },
	{ AX_LESS_SIGNED, 1, 1, 0 },
	{ AX_LESS_UNSIGNED, -1, 1, 0 },
	{ AX_LESS_UNSIGNED, 1, -1, 1 },
	{ AX_LESS_UNSIGNED, 1, 1, 0 },
};

static void test_binary(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(binaries); i++) {
		const struct binary *t = &binaries[i];

		snprintf(text, sizeof(text), "25%016llx 25%016llx %02x 27",
			 (unsigned long long)t->a, (unsigned long long)t->b,
			 t->op);
		expect(text, t->value);
	}
}

static void test_division_by_zero(void **state)
{
	(void)state;
	expect_error("2201 2200 05 27", -EDOM);
	expect_error("2201 2200 06 27", -EDOM);
	expect_error("2201 2200 07 27", -EDOM);
	expect_error("2201 2200 08 27", -EDOM);
}

static void test_unary(void **state)
{
	(void)state;
	expect("2200 0e 27", 1);
	expect("2205 0e 27", 0);
	expect("250000000100000000 0e 27", 0);
	expect("2205 12 27", ~5);
}

static void test_extension(void **state)
{
	(void)state;
	expect("2280 1608 27", -128);
	expect("237f80 1608 27", -128);
	expect("2303ff 1609 27", -1);
	expect("2201 1601 27", -1);
	expect("24ffffffff 1620 27", -1);
	expect("247fffffff 1620 27", 0x7fffffff);
	expect("25123456789abcdef0 1640 27", 0x123456789abcdef0);
	expect("25123456789abcdef0 1641 27", 0x123456789abcdef0);
	expect("25123456789abcdef0 16ff 27", 0x123456789abcdef0);
	expect("2205 1600 27", 0);
	expect("25ffffffffffffffff 2a20 27", 0xffffffff);
	expect("25ffffffffffffffff 2a01 27", 1);
	expect("25ffffffffffffffff 2a3f 27", MAX);
	expect("25ffffffffffffffff 2a40 27", -1);
	expect("25ffffffffffffffff 2aff 27", -1);
	expect("25ffffffffffffffff 2a00 27", 0);
}

static void test_constants(void **state)
{
	(void)state;
	expect("22ff 27", 0xff);
	expect("23fedc 27", 0xfedc);
	expect("24fedcba98 27", 0xfedcba98);
	expect("25fedcba9876543210 27", (int64_t)0xfedcba9876543210);
}

static void test_references(void **state)
{
	(void)state;
	expect("231000 17 27", 0xf1);
	expect("231001 18 27", 0xf3f2);
	expect("231001 19 27", 0xf5f4f3f2);
	expect("231000 1a 27", (int64_t)0xf8f7f6f5f4f3f2f1);
	expect_error("230fff 17 27", -EFAULT);
	expect_error("23101b 19 27", -EFAULT);
}

static void test_floats(void **state)
{
	(void)state;
	expect("231008 1b 1f 27", -1);
	expect("231008 1b 27", (int64_t)0xbff8000000000000);
	expect("23100c 1c 1f 27", -2);
	expect("23100c 1c 27", (int64_t)0xc004000000000000);
	expect("231014 1d 27", 0x400c000000000000);
	expect("231014 1d 1f 27", 3);
	expect_error("231016 1d 27", -EFAULT);
	expect_error("230fff 1b 27", -EFAULT);
	expect_error("230fff 1c 27", -EFAULT);
	expect("2205 1e 27", 0x4014000000000000);
	expect("25ffffffffffffffff 1e 27", (int64_t)0xbff0000000000000);
	/* 2^63, a NaN, -2^63, the greatest double below 2^63 */
	expect("2543e0000000000000 1f 27", MIN);
	expect("257ff8000000000000 1f 27", MIN);
	expect("25c3e0000000000000 1f 27", MIN);
	expect("2543dfffffffffffff 1f 27", 0x7ffffffffffffc00);
}

static void test_float_prefix(void **state)
{
	(void)state;
	/* -1.5 and 3.5 */
	expect("231008 1b 231014 1d 0102 1f 27", 2);
	expect("231008 1b 231014 1d 0103 1f 27", -5);
	expect("231008 1b 231014 1d 0104 27", (int64_t)0xc015000000000000);
	expect("231014 1d 2202 1e 0105 27", 0x3ffc000000000000);
	expect("2201 1e 2200 1e 0105 27", 0x7ff0000000000000);
	expect("231008 1b 231014 1d 0114 27", 1);
	expect("231014 1d 231008 1b 0114 27", 0);
	expect("231014 1d 28 0113 27", 1);
	expect("231014 1d 231008 1b 0113 27", 0);
	/* 0.0 == -0.0, and a NaN is not itself */
	expect("2200 258000000000000000 0113 27", 1);
	expect("257ff8000000000000 28 0113 27", 0);
	expect("258000000000000000 010e 27", 1);
	expect("231014 1d 010e 27", 0);
	/* what is below stays */
	expect("2207 231014 1d 010e 29 27", 7);
	expect("2207 231014 1d 28 0103 29 27", 7);
}

static void test_stack(void **state)
{
	(void)state;
	expect("2207 28 02 27", 14);
	expect("2207 2208 29 27", 7);
	expect("2207 2203 2b 03 27", -4);
	expect("2201 2202 2203 3200 27", 3);
	expect("2201 2202 2203 3202 27", 1);
	/* 1 2 3 -> 3 1 2: 3 * 10 + (1 - 2) */
	expect("2201 2202 2203 33 03 2b 220a 04 02 27", 29);
}

static void test_jumps(void **state)
{
	(void)state;
	/* 1 ? 5 : 6 and 0 ? 5 : 6 */
	expect("2201 20000a 2206 21000c 2205 27", 5);
	expect("2200 20000a 2206 21000c 2205 27", 6);
	expect("250000000100000000 20000f 2206 27 2205 27", 5);
	/* a way back: 10 + 9 + ... + 1 */
	expect("2200 220a 28 33 02 2b 2201 03 28 200004 29 27", 55);
	/* over a bytecode that nobody reaches */
	expect("2201 210006 02 27", 1);
	expect("2201 27 02 02", 1);
}

static void test_environment(void **state)
{
	struct world w = { "" };
	int64_t v;

	(void)state;
	expect("260123 27", (int64_t)0xff00000000000123);
	expect_error("261000 27", -EINVAL);
	expect("2c0102 27", -0x102);
	expect_error("2c0009 27", -ENOENT);
	expect_error("2201 2d0009 27", -ENOENT);
	expect_error("2201 2e0009 27", -ENOENT);
	expect_error("2200 2210 0c 27", -EFAULT);
	assert_int_equal(eval("2205 2d0102 2e0304 27", &w, &v), 0);
	assert_int_equal(v, 5);
	assert_string_equal(w.log, "set 258=5 var 772 ");
}

static void test_tracing(void **state)
{
	struct world w = { "" };
	int64_t v;

	(void)state;
	assert_int_equal(eval("2207 230100 2210 0c 230200 2220 2f 230300 0dff "
			      "300102 29 27", &w, &v), 0);
	assert_int_equal(v, 7);
	assert_string_equal(w.log, "mem 100+10 str 200+20 mem 300+ff "
				   "mem 300+102 ");
}

static void test_printf(void **state)
{
	struct world w = { "" };
	int64_t v;

	(void)state;
	/* 9, then "%d:%d" with 1 and 2, the first one on top */
	assert_int_equal(eval("2209 2202 2201 2200 2200 34020006"
			      "25643a256400 27", &w, &v), 0);
	assert_int_equal(v, 9);
	assert_string_equal(w.log, "print 1:2 ");
	expect_error("2200 2200 34000001 00 27", -EPIPE);
}

static void test_missing_callbacks(void **state)
{
	static const char *const texts[] = {
		"2c0001 27", "2201 2d0001 27", "2e0001 27", "2201 2201 0c 27",
		"2201 2201 2f 27", "2201 0d01 27", "2201 300001 27",
		"2200 2200 34000001 00 27",
	};
	struct world w = { "" };
	const struct ax_env env = { .reg = get_reg, .mem = get_mem,
				    .user = &w };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct ax_program *p = load_good(texts[i]);

		assert_int_equal(ax_eval(p, &env, NULL), -ENOSYS);
		ax_free(p);
	}
}

static void test_no_result(void **state)
{
	struct world w = { "" };

	(void)state;
	expect_error("27", -ENODATA);
	expect_error("2201 29 27", -ENODATA);
	assert_int_equal(eval("27", &w, NULL), 0);
}

static void test_step_limit(void **state)
{
	(void)state;
	expect_error("2201 28 200002 27", -ETIMEDOUT);
	/* the loop has four bytecodes and jumps back once less than it runs */
	assert_int_equal(AX_STEPS_MAX / 4 + 1, 0x61a9);
	expect("24000061a9 2201 03 28 200005 27", 0);
	expect_error("24000061aa 2201 03 28 200005 27", -ETIMEDOUT);
}

/* Comes last: nothing in the table has gone untried. */
static void test_every_op(void **state)
{
	static const uint8_t codes[] = {
#define AX_OP(id, name, code, operand, pops, pushes) code,
#include "agent/ops.def"
#undef AX_OP
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(codes), 0x33);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i] != AX_FLOAT && !op_seen[codes[i]])
			fail_msg("bytecode %02x was not evaluated", codes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_division_by_zero),
		cmocka_unit_test(test_unary),
		cmocka_unit_test(test_extension),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_floats),
		cmocka_unit_test(test_float_prefix),
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_tracing),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_missing_callbacks),
		cmocka_unit_test(test_no_result),
		cmocka_unit_test(test_step_limit),
		cmocka_unit_test(test_every_op),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
