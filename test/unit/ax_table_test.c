/*
 * Bytecode that gdb compiled, evaluated against the memory and registers that
 * gdb saw, has to come to the values and texts that gdb printed. The table is
 * written by test/ax-table.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "agent/ax.h"
#include "base/buf.h"
#include "base/hex.h"
#include "base/mem.h"

#define TV_NUMBER 2 /* what gdb calls $tv */
#define TV_VALUE  7

static const uint64_t registers[] = {
#define REGISTER(number, value) [number] = value,
#define REGION(name, addr, hex)
#define VALUE(text, hex, value)
#define PRINT(text, hex, out)
#define TRACE(text, hex, ...)
#include "ax_table.inc"
#undef REGISTER
#undef REGION
};

static const struct region {
	uint64_t addr;
	const char *hex;
} regions[] = {
#define REGISTER(number, value)
#define REGION(name, addr, hex) { addr, hex },
#include "ax_table.inc"
#undef REGION
#undef VALUE
};
#define REGION(name, addr, hex)

static const struct value {
	const char *text, *hex;
	int64_t value;
} values[] = {
#define VALUE(text, hex, value) { text, hex, value },
#include "ax_table.inc"
#undef VALUE
#undef PRINT
};
#define VALUE(text, hex, value)

static const struct print {
	const char *text, *hex, *out;
} prints[] = {
#define PRINT(text, hex, out) { text, hex, out },
#include "ax_table.inc"
#undef PRINT
#undef TRACE
};
#define PRINT(text, hex, out)

struct range {
	uint64_t addr, len;
};

static const struct trace {
	const char *text, *hex;
	struct range ranges[4];
} traces[] = {
#define TRACE(text, hex, ...) { text, hex, { __VA_ARGS__ } },
#include "ax_table.inc"
#undef TRACE
};

struct world {
	struct buf out;
	struct range traced[16];
	size_t n_traced, n_vars;
};

static int get_reg(void *user, unsigned regnum, uint64_t *value)
{
	(void)user;
	if (regnum >= ARRAY_SIZE(registers))
		return -EINVAL;
	*value = registers[regnum];
	return 0;
}

static int get_byte(uint64_t addr, uint8_t *byte)
{
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
		uint64_t at = addr - regions[i].addr;

		if (at < strlen(regions[i].hex) / 2)
			return hex_decode(byte, regions[i].hex + 2 * at, 1)
				       ? 0
				       : -EINVAL;
	}
	return -EFAULT;
}

static int get_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	uint8_t *p = buf;
	int rc = 0;

	(void)user;
	memset(buf, 0, len);
	/* %s reads on to the end of its chunk; what gdb saw ends before */
	for (size_t i = 0; i < len && !rc; i++)
		rc = get_byte(addr + i, &p[i]);
	return len > 8 ? 0 : rc;
}

static int get_var(void *user, unsigned number, int64_t *value)
{
	(void)user;
	*value = TV_VALUE;
	return number == TV_NUMBER ? 0 : -ENOENT;
}

static int trace_var(void *user, unsigned number)
{
	struct world *w = user;

	w->n_vars++;
	return number == TV_NUMBER ? 0 : -ENOENT;
}

/* As many bytes as a server would record: a string ends at its zero. */
static int trace_mem(void *user, uint64_t addr, uint64_t len, bool to_nul)
{
	struct world *w = user;
	uint8_t byte = 1;
	uint64_t n = 0;

	while (n < len && byte) {
		if (get_byte(addr + n, &byte))
			return -EFAULT;
		n++;
		byte |= !to_nul;
	}
	assert_true(w->n_traced < ARRAY_SIZE(w->traced));
	w->traced[w->n_traced++] = (struct range){ addr, n };
	return 0;
}

static int print(void *user, const char *text, size_t len)
{
	struct world *w = user;

	buf_put(&w->out, text, len);
	return 0;
}

static int eval(const char *text, const char *hex, struct world *w,
		int64_t *result)
{
	const struct ax_env env = {
		.reg = get_reg, .mem = get_mem, .getv = get_var,
		.tracev = trace_var, .trace = trace_mem, .print = print,
		.user = w,
	};
	uint8_t code[1024];
	size_t len = strlen(hex) / 2;
	struct ax_program *p;
	struct err e = { "" };
	int rc;

	assert_true(len <= sizeof(code) && hex_decode(code, hex, len));
	rc = ax_load(&p, code, len, &e);
	if (rc)
		fail_msg("%s: %s", text, e.text);
	rc = ax_eval(p, &env, result);
	ax_free(p);
	return rc;
}

static void test_values(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(values) > 60);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const struct value *v = &values[i];
		struct world w = { 0 };
		int64_t got = 0;

		if (eval(v->text, v->hex, &w, &got) || got != v->value)
			fail_msg("%s: %lld, gdb has %lld", v->text,
				 (long long)got, (long long)v->value);
	}
}

static void test_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prints); i++) {
		const struct print *p = &prints[i];
		struct world w = { 0 };

		assert_int_equal(eval(p->text, p->hex, &w, NULL), 0);
		assert_string_equal(buf_str(&w.out), p->out);
		buf_fini(&w.out);
	}
}

static bool is_traced(const struct world *w, const struct range *r)
{
	for (size_t i = 0; i < w->n_traced; i++)
		if (w->traced[i].addr == r->addr && w->traced[i].len == r->len)
			return true;
	return false;
}

static void test_traces(void **state)
{
	size_t n_vars = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(traces); i++) {
		const struct trace *t = &traces[i];
		struct world w = { 0 };
		size_t n = 0;

		assert_int_equal(eval(t->text, t->hex, &w, NULL), 0);
		for (; n < ARRAY_SIZE(t->ranges) && t->ranges[n].len; n++)
			if (!is_traced(&w, &t->ranges[n]))
				fail_msg("%s: %llx is not traced", t->text,
					 (unsigned long long)t->ranges[n].addr);
		assert_int_equal(w.n_traced, n);
		n_vars += w.n_vars;
	}
	assert_int_equal(n_vars, 2);
}

/* A variable that is traced twice in one sum must leave the sum right. */
static void test_tracev_pushes_nothing(void **state)
{
	struct world w = { 0 };
	int64_t v = 0;

	(void)state;
	assert_int_equal(eval("$tv + $tv", "2c00022e00022c00022e00020227", &w,
			      &v), 0);
	assert_int_equal(v, 2 * TV_VALUE);
	assert_int_equal(w.n_vars, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_prints),
		cmocka_unit_test(test_traces),
		cmocka_unit_test(test_tracev_pushes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
