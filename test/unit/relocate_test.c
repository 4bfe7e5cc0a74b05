/*
 * The relocator's answers: what it refuses, and where it says that a thread
 * is. That slots do what they should is test/relocate-run.c's to show.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86_64/step.h"
#include "base/hex.h"
#include "base/mem.h"

static unsigned row_bytes(const char *hex, uint8_t *code)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= X86_INSN_MAX && hex_decode(code, hex, n));
	return n;
}

static void expect_error(const char *hex, enum x86_mode mode, uint64_t slot,
			 int want)
{
	uint8_t code[X86_INSN_MAX];
	struct x86_slot out;
	unsigned len = row_bytes(hex, code);
	int got = x86_relocate(code, len, mode, 0x400000, slot, &out);

	if (got != want)
		fail_msg("%s: %d, not %d", hex, got, want);
}

static void test_refusals(void **state)
{
	(void)state;
	expect_error("0f04", X86_MODE_64, 0x500000, -EINVAL);
	expect_error("488b05", X86_MODE_64, 0x500000, -ENODATA);
	expect_error("c7f800000000", X86_MODE_64, 0x500000, -ENOEXEC);
	expect_error("ff18", X86_MODE_64, 0x500000, -ENOEXEC);
	expect_error("0f34", X86_MODE_64, 0x500000, -ENOEXEC);
	expect_error("0f34", X86_MODE_32, 0x500000, 2);
	expect_error("66e80000", X86_MODE_32, 0x500000, -ENOEXEC);
	expect_error("66c3", X86_MODE_32, 0x500000, -ENOEXEC);
	expect_error("9a000000003300", X86_MODE_32, 0x500000, -ENOEXEC);
	expect_error("488b0500000000", X86_MODE_64, 0x500000, 7);
	expect_error("488b0500000000", X86_MODE_64, 0x80500000, -ERANGE);
	expect_error("678b0500000000", X86_MODE_64, 0x7fff80500000, 7);
	expect_error("ff1500000000", X86_MODE_64, 0x80500000, -ERANGE);
	expect_error("ffd0", X86_MODE_64, 0x7fff80500000, 2);
}

/* Of AMD's processors. */
static void test_near16_stays(void **state)
{
	static const char *const rows[] = {
		"66eb10",     "667510", "66e210",   "66e91000", "66e81000",
		"660f851000", "66ffd0", "66ff2424", "66c3",	"66c20800",
	};

	(void)state;
	x86_vendor = X86_AMD;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_error(rows[i], X86_MODE_64, 0x500000, -ENOEXEC);
	expect_error("6648e810000000", X86_MODE_64, 0x500000, 7);
	expect_error("666648e810000000", X86_MODE_64, 0x500000, 8);
	expect_error("66c3", X86_MODE_32, 0x500000, -ENOEXEC);
	x86_vendor = X86_INTEL;
	expect_error("66c3", X86_MODE_64, 0x500000, 2);
	expect_error("66ffd0", X86_MODE_64, 0x500000, 3);
	expect_error("66eb10", X86_MODE_64, 0x500000, 3);
}

static void expect_step(const char *hex, int want)
{
	uint8_t code[X86_INSN_MAX];
	struct x86_slot out;
	unsigned len = row_bytes(hex, code);
	int got = x86_step_slot(code, len, 0x400000, 0x500000, &out);

	if (got != want)
		fail_msg("%s: %d, not %d", hex, got, want);
}

/* What a step of the processor's does otherwise, or shows. */
static void test_steps_refused(void **state)
{
	static const char *const rows[] = {
		"f3a4", "f348ab", "f2ae",	"8ed0",	  "0fb200", "9c",
		"9d",	"d9e8",	  "dd00",	"0f05",	  "cd80",   "cc",
		"cd03", "f1",	  "c3",		"ffd0",	  "ff20",   "f4",
		"0f0b", "cf",	  "e800000000", "c6f800",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_step(rows[i], -ENOEXEC);
	expect_step("a4", 1);
	expect_step("c60000", 3);
	expect_step("0f04", -EINVAL);
	expect_step("488b05", -ENODATA);
	expect_step("66eb10", 3);
	x86_vendor = X86_AMD;
	expect_step("66eb10", -ENOEXEC);
	expect_step("667510", -ENOEXEC);
	expect_step("66487510", 4);
	x86_vendor = X86_INTEL;
}

static void expect_end(const char *hex, unsigned offset, uint64_t pc)
{
	uint8_t code[X86_INSN_MAX];
	struct x86_slot s;
	const struct x86_point *p;

	x86_step_slot(code, row_bytes(hex, code), 0x400000, 0x500000, &s);
	assert_int_equal(s.code[offset], 0xcc);
	p = x86_slot_point(&s, offset);
	assert_true(p && p->state == X86_POINT_CLEAN && p->pc == pc);
	p = x86_slot_point(&s, offset + 1);
	assert_true(p && p->state == X86_POINT_STEPPED && p->pc == pc);
	p = x86_slot_point(&s, 0);
	assert_true(p && p->state == X86_POINT_CLEAN && p->pc == 0x400000);
}

static void test_steps_end(void **state)
{
	(void)state;
	expect_end("01c8", 2, 0x400002);
	expect_end("eb10", 1, 0x400012);
	expect_end("7410", 2, 0x400002);
	expect_end("7410", 8, 0x400012);
	expect_end("e2f0", 8, 0x3ffff2);
}

static bool is_emulated(const char *hex)
{
	uint8_t code[X86_INSN_MAX];

	return x86_step_is_emulated(code, row_bytes(hex, code));
}

static void test_steps_emulated(void **state)
{
	(void)state;
	assert_true(is_emulated("0fa2"));
	assert_true(is_emulated("f3480fa290"));
	assert_false(is_emulated("0f"));
	assert_false(is_emulated("a2000fa20000000000"));
	assert_false(is_emulated("0f38a2"));
	assert_false(is_emulated("0f01f9"));
}

/*
 * From pc 0x400000 to slot: the code, and the points as offset:pc; offset-undo
 * where one is inside a sequence, offset* after a syscall.
 */
struct row {
	const char *hex;
	enum x86_mode mode;
	uint64_t slot;
	const char *code, *points;
};

#define NEAR   0x500000
#define REMOTE 0x7fff00500000

/* clang-format off */
static const struct row rows[] = {
	{ "89c8", X86_MODE_64, NEAR, "89c8" "e9fbffefff",
	  "0:400000 2:400002 " },
	{ "89c8", X86_MODE_64, REMOTE,
	  "89c8" "ff2500000000" "0200400000000000", "0:400000 2:400002 " },
	{ "488b0510000000", X86_MODE_64, NEAR, "488b051000f0ff" "e9fbffefff",
	  "0:400000 7:400007 " },
	{ "eb10", X86_MODE_64, NEAR, "e90d00f0ff", "0:400000 " },
	{ "eb10", X86_MODE_64, REMOTE, "ff2500000000" "1200400000000000",
	  "0:400000 " },
	{ "7510", X86_MODE_64, NEAR, "7505" "e9fbffefff" "e90600f0ff",
	  "0:400000 2:400002 7:400012 " },
	{ "67e310", X86_MODE_64, NEAR, "67e305" "e9fbffefff" "e90600f0ff",
	  "0:400000 3:400003 8:400013 " },
	{ "e810000000", X86_MODE_64, NEAR,
	  "ff3505000000" "e90a00f0ff" "0500400000000000",
	  "0:400000 6:400015 " },
	{ "e810000000", X86_MODE_32, NEAR, "6805004000" "e90b00f0ff",
	  "0:400000 5:400015 " },
	{ "41ff5308", X86_MODE_64, NEAR,
	  "41ff7308" "ff3424" "488d642410" "ff3504000000" "ff6424f8"
	  "0400400000000000",
	  "0:400000 4-8:400000 7-16:400000 12-0:400000 18-8:400000 " },
	{ "ffd0", X86_MODE_32, NEAR,
	  "fff0" "ff3424" "8d642408" "6802004000" "ff6424fc",
	  "0:400000 2-4:400000 5-8:400000 9-0:400000 14-4:400000 " },
	{ "0f05", X86_MODE_64, NEAR,
	  "0f05" "48b90200400000000000" "e9f1ffefff",
	  "0:400000 2*:400002 12:400002 " },
	{ "0f05", X86_MODE_32, NEAR, "0f05", "0:400000 " },
	{ "0f34", X86_MODE_32, NEAR, "0f34", "0:400000 " },
	{ "cd80", X86_MODE_32, NEAR, "cd80" "e9fbffefff", "0:400000 2:400002 " },
	{ "c3", X86_MODE_64, NEAR, "c3", "0:400000 " },
	{ "cc", X86_MODE_64, NEAR, "cc" "e9fbffefff", "0:400000 1:400001 " },
};
/* clang-format on */

static void print_points(const struct x86_slot *s, char *out, size_t size)
{
	for (unsigned i = 0; i < s->n_points; i++) {
		const struct x86_point *p = &s->points[i];
		int n = snprintf(out, size, "%d", p->offset);

		if (p->state == X86_POINT_INSIDE)
			n += snprintf(out + n, size - n, "-%d", p->undo);
		if (p->state == X86_POINT_SYSCALLED)
			n += snprintf(out + n, size - n, "*");
		n += snprintf(out + n, size - n, ":%llx ",
			      (unsigned long long)p->pc);
		out += n;
		size -= n;
		assert_ptr_equal(x86_slot_point(s, p->offset), p);
	}
	assert_null(x86_slot_point(s, s->len));
	assert_null(x86_slot_point(s, UINT64_MAX));
}

static void check_row(const struct row *r)
{
	char hex[2 * X86_SLOT_MAX + 1] = "", points[200] = "";
	uint8_t code[X86_INSN_MAX];
	unsigned len = row_bytes(r->hex, code);
	struct x86_slot s;

	assert_int_equal(
		x86_relocate(code, len, r->mode, 0x400000, r->slot, &s), len);
	hex_encode(hex, s.code, s.len);
	assert_string_equal(hex, r->code);
	print_points(&s, points, sizeof(points));
	assert_string_equal(points, r->points);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_steps_refused),
		cmocka_unit_test(test_steps_end),
		cmocka_unit_test(test_steps_emulated),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_near16_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
