/*
 * Each reason to refuse an agent expression, the limits of one, and what it
 * is decoded to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test/unit/ax_hex.h"

static const struct refusal {
	const char *text, *reason;
} refusals[] = {
	{ "", "it is empty" },
	{ "00 27", "byte 0: unknown bytecode 0x00" },
	{ "31 27", "byte 0: unknown bytecode 0x31" },
	{ "35 27", "byte 0: unknown bytecode 0x35" },
	{ "2201 ff 27", "byte 2: unknown bytecode 0xff" },
	{ "2201 27 31", "byte 3: unknown bytecode 0x31" },
	{ "22", "byte 0: const8 is cut short" },
	{ "2312", "const16 is cut short" },
	{ "24123456", "const32 is cut short" },
	{ "25 00000000000000", "const64 is cut short" },
	{ "2201 2000", "byte 2: if_goto is cut short" },
	{ "21", "goto is cut short" },
	{ "2600", "reg is cut short" },
	{ "2201 16", "byte 2: ext is cut short" },
	{ "2201 2a", "zero_ext is cut short" },
	{ "2201 0d", "trace_quick is cut short" },
	{ "2201 3001", "trace16 is cut short" },
	{ "2201 32", "pick is cut short" },
	{ "2c00", "getv is cut short" },
	{ "2201 2d00", "setv is cut short" },
	{ "2e00", "tracev is cut short" },
	{ "2200 2200 34", "byte 4: printf is cut short" },
	{ "2200 2200 340000", "printf is cut short" },
	{ "2200 2200 34000003 6100", "printf is cut short" },
	{ "2200 2200 34000000 27", "the format has no zero at its end" },
	{ "2200 2200 34000002 6161 27", "the format has no zero at its end" },
	{ "2200 2200 34000002 2500 27", "byte 4: the format ends inside" },
	{ "2201 01", "byte 2: float with nothing behind it" },
	{ "2201 28 010f 27", "bytecode 0x0f has no float form" },
	{ "2201 28 0131 27", "bytecode 0x31 has no float form" },
	{ "2201 28 01ff 27", "bytecode 0xff has no float form" },
	{ "210004 27", "byte 0: goto to 4, where no bytecode begins" },
	{ "21ffff 27", "goto to 65535, where no bytecode begins" },
	{ "2201 200001 27", "byte 2: if_goto to 1, where no bytecode begins" },
	{ "2201 28 0113 210004 27", "goto to 4, where no bytecode begins" },
	{ "2201 27 210005", "byte 3: goto to 5, where no bytecode begins" },
	{ "2201 02 27", "byte 2: add needs 2 values, the stack holds 1" },
	{ "2201 0102 27", "byte 2: add needs 2 values, the stack holds 1" },
	{ "2201 3201 27", "byte 2: pick needs 2 values, the stack holds 1" },
	{ "2200 2200 34010003 256400 27",
	  "printf needs 3 values, the stack holds 2" },
	{ "2201 210000", "byte 0: 0 or 1 values on the stack" },
	{ "2201 200007 2205 27", "byte 7: " },
	{ "2201", "byte 0: nothing follows, an end is missing" },
	{ "2201 200000", "byte 2: nothing follows, an end is missing" },
	{ "210000", "it cannot reach an end" },
	{ "210000 27", "it cannot reach an end" },
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *t = &refusals[i];
		struct ax_program *p = NULL;
		struct err e = { "" };

		assert_int_equal(ax_load_hex(t->text, &p, &e), -EINVAL);
		assert_null(p);
		if (!strstr(e.text, t->reason))
			fail_msg("\"%s\": %s", t->text, e.text);
		assert_int_equal(ax_load_hex(t->text, &p, NULL), -EINVAL);
	}
	ax_free(NULL);
}

/* With one value too few below it every bytecode is refused. */
static void test_underflow(void **state)
{
	static const struct {
		uint8_t code, operand, pops;
	} ops[] = {
#define AX_OP(id, name, code, operand, pops, pushes) { code, operand, pops },
#include "agent/ops.def"
#undef AX_OP
	};
	size_t tried = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		uint8_t code[32] = { 0 };
		struct ax_program *p;
		struct err e = { "" };
		size_t n = 0;

		if (!ops[i].pops)
			continue;
		for (int k = 1; k < ops[i].pops; k++, n++)
			code[n++] = AX_CONST8;
		code[n++] = ops[i].code;
		n += ops[i].operand;
		if (ops[i].code == AX_PRINTF)
			code[++n] = 1, n += 2;
		code[n++] = AX_END;
		assert_int_equal(ax_load(&p, code, n, &e), -EINVAL);
		assert_non_null(strstr(e.text, "the stack holds"));
		tried++;
	}
	assert_int_equal(tried, 40);
}

static void test_overflow(void **state)
{
	uint8_t code[2 * (AX_DEPTH_MAX + 1) + 1];
	struct ax_program *p;
	struct err e = { "" };

	(void)state;
	memset(code, AX_CONST8, sizeof(code));
	code[2 * AX_DEPTH_MAX] = AX_END;
	assert_int_equal(ax_load(&p, code, 2 * AX_DEPTH_MAX + 1, &e), 0);
	ax_free(p);
	code[2 * AX_DEPTH_MAX] = AX_CONST8;
	code[2 * AX_DEPTH_MAX + 2] = AX_END;
	assert_int_equal(ax_load(&p, code, sizeof(code), &e), -EINVAL);
	assert_non_null(strstr(e.text, "byte 512: over 256 values"));
}

static void test_longest(void **state)
{
	uint8_t *code = xmalloc(AX_CODE_MAX + 1);
	struct ax_program *p;
	const struct ax_insn *in;
	struct err e = { "" };

	(void)state;
	memset(code, AX_DUP, AX_CODE_MAX + 1);
	code[0] = AX_GOTO;
	code[1] = code[2] = 0xff;
	code[AX_CODE_MAX - 1] = AX_END;
	assert_int_equal(ax_load(&p, code, AX_CODE_MAX, &e), 0);
	assert_int_equal(p->n_insns, AX_CODE_MAX - 2);
	in = p->insns;
	assert_int_equal(in[0].target, AX_CODE_MAX - 3);
	assert_int_equal(in[1].depth, AX_DEAD);
	ax_free(p);
	assert_int_equal(ax_load(&p, code, AX_CODE_MAX + 1, &e), -E2BIG);
	assert_non_null(strstr(e.text, "65537 bytes"));
	free(code);
}

static void test_insns(void **state)
{
	static const struct ax_insn want[] = {
		{ .op = AX_REG, .depth = 0, .imm = 6 },
		{ .op = AX_EXT, .depth = 1, .imm = 64 },
		{ .op = AX_IF_GOTO, .depth = 1, .target = 6, .imm = 13 },
		{ .op = AX_CONST16, .depth = 0, .imm = 0x102 },
		{ .op = AX_END, .depth = 1 },
		{ .op = AX_POP, .depth = AX_DEAD },
		{ .op = AX_CONST8, .depth = 0, .imm = 3 },
		{ .op = AX_DUP, .depth = 1 },
		{ .op = AX_FLOAT_OP | AX_ADD, .depth = 2 },
		{ .op = AX_END, .depth = 1 },
	};
	struct ax_program *p;
	const struct ax_insn *in;

	(void)state;
	assert_int_equal(ax_load_hex("260006 16c8 20000d 230102 27 29 2203 28 "
				     "0102 27", &p, NULL), 0);
	assert_int_equal(p->n_insns, ARRAY_SIZE(want));
	in = p->insns;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(in[i].op, want[i].op);
		assert_int_equal(in[i].depth, want[i].depth);
		assert_int_equal(in[i].target, want[i].target);
		assert_int_equal(in[i].imm, want[i].imm);
	}
	ax_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_underflow),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_insns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
