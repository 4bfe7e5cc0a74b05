/*
 * What instructions read and write, row by row, after the manuals; what the
 * processor says of all of them is test/effects-hw.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "arch/x86_64/effects.h"
#include "base/hex.h"
#include "base/mem.h"

/* Flags by their letters: c p a z s o. Registers by their numbers in hex. */
struct row {
	const char *hex, *flags_read, *flags_written;
	const char *regs_read, *regs_written;
};

#define ALL_FLAGS "cpazso"
#define ALL_REGS  "0123456789abcdef"

static const struct row rows[] = {
	/* registers in all their encodings */
	{ "01c8", "", ALL_FLAGS, "01", "0" },
	{ "4501c8", "", ALL_FLAGS, "89", "8" },
	{ "6601c8", "", ALL_FLAGS, "01", "" },
	{ "664801c8", "", ALL_FLAGS, "01", "0" },
	{ "00e5", "", ALL_FLAGS, "01", "" }, /* add %ah,%ch */
	{ "4000e5", "", ALL_FLAGS, "45", "" },
	{ "88e0", "", "", "0", "" }, /* mov %ah,%al */
	{ "b401", "", "", "0", "" },
	{ "40b401", "", "", "4", "" },
	{ "41b401", "", "", "c", "" },
	{ "b878563412", "", "", "", "0" },
	{ "66b83412", "", "", "0", "" },
	{ "0fb6c4", "", "", "0", "0" },
	{ "400fb6c4", "", "", "4", "0" },
	{ "660fb6c1", "", "", "01", "" },
	/* addresses */
	{ "8b00", "", "", "0", "0" },
	{ "8b0458", "", "", "03", "0" },
	{ "428b0460", "", "", "0c", "0" },
	{ "8b042500000000", "", "", "", "0" },
	{ "8b049d00000000", "", "", "3", "0" },
	{ "8b0500000000", "", "", "", "0" },
	{ "678b4500", "", "", "5", "0" },
	{ "488d441908", "", "", "13", "0" },
	{ "a10000000000000000", "", "", "", "0" },
	{ "a00000000000000000", "", "", "0", "" },
	{ "a30000000000000000", "", "", "0", "" },
	{ "c4e26d90040f", "", "", "7", "" }, /* vpgatherdd: rdi + ymm1 */
	{ "c4e26d900445e8030000", "", "", "", "" },
	/* of the register nothing is read */
	{ "31c0", "", ALL_FLAGS, "", "0" },
	{ "4431c0", "", ALL_FLAGS, "08", "0" },
	{ "4d31c8", "", ALL_FLAGS, "89", "8" },
	{ "4d31c9", "", ALL_FLAGS, "", "9" },
	{ "6631c0", "", ALL_FLAGS, "0", "" },
	{ "29db", "", ALL_FLAGS, "", "3" },
	{ "19c0", "c", ALL_FLAGS, "", "0" },
	{ "21c0", "", ALL_FLAGS, "0", "0" },
	/* flags */
	{ "ffc0", "", "pazso", "0", "0" },
	{ "11c8", "c", ALL_FLAGS, "01", "0" },
	{ "7e00", "zso", "", "", "" },
	{ "0f8200000000", "c", "", "", "" },
	{ "0f9bc4", "p", "", "0", "" },
	{ "0f47c1", "cz", "", "01", "0" },
	{ "f5", "c", "c", "", "" },
	{ "f9", "", "c", "", "" },
	{ "fd", "", "", "", "" },
	{ "9f", "cpazs", "", "0", "" },
	{ "9e", "", "cpazs", "0", "" },
	{ "9c", ALL_FLAGS, "", "4", "4" },
	{ "9d", "", ALL_FLAGS, "4", "4" },
	{ "d3e0", "", "", "01", "0" },
	{ "c1e003", "", ALL_FLAGS, "0", "0" },
	{ "c1e020", "", "", "0", "0" },
	{ "48c1e020", "", ALL_FLAGS, "0", "0" },
	{ "48c0e020", "", "", "0", "" },
	{ "d1d0", "c", "co", "0", "0" },
	{ "c1c003", "", "c", "0", "0" },
	{ "0fa4c803", "", "cpazs", "01", "0" },
	{ "0fa5c8", "", "", "01", "0" },
	{ "0fa3c8", "", "c", "01", "" },
	{ "0fbcc1", "", "z", "01", "" },
	{ "f30fbcc1", "", "z", "01", "" }, /* tzcnt */
	{ "f30fbdc1", "", "z", "01", "" },
	{ "0fafc1", "", "co", "01", "0" },
	{ "6bc107", "", "co", "1", "0" },
	{ "69c107000000", "", "co", "1", "0" },
	{ "c4e270f2c2", "", "czo", "12", "0" }, /* andn */
	{ "c4e278f3ca", "", "czo", "2", "0" },	/* blsr */
	{ "f30fb8c1", "", ALL_FLAGS, "1", "0" },
	{ "660f38f6c1", "c", "c", "01", "0" },
	{ "f30f38f6c1", "o", "o", "01", "0" },
	{ "0f2ec1", "", ALL_FLAGS, "", "" },
	{ "dbf1", "", "cpz", "", "" },
	{ "dac1", "c", "", "", "" },
	{ "dfe0", "", "", "0", "" },
	{ "660f3817c1", "", ALL_FLAGS, "", "" },
	{ "c5f898c1", "", ALL_FLAGS, "", "" },
	{ "0f01d6", "", ALL_FLAGS, "", "" },
	/* fixed registers */
	{ "f7e1", "", "co", "01", "02" },
	{ "f6e1", "", "co", "01", "" },
	{ "f7f1", "", "", "012", "02" },
	{ "99", "", "", "0", "2" },
	{ "6699", "", "", "02", "" },
	{ "c4e2f3f6c6", "", "", "26", "01" }, /* mulx */
	{ "0fb1d1", "", ALL_FLAGS, "012", "" },
	{ "480fc70f", "", "z", "01237", "" },
	{ "0fa2", "", "", "01", "0123" },
	{ "0f31", "", "", "", "02" },
	{ "d7", "", "", "03", "" },
	{ "e200", "", "", "1", "1" },
	{ "e100", "z", "", "1", "1" },
	{ "e300", "", "", "1", "" },
	{ "a4", "", "", "67", "67" },
	{ "f3a4", "", "", "167", "167" },
	{ "a6", "", ALL_FLAGS, "67", "67" },
	{ "f3a6", "", "", "167", "167" },
	{ "48ad", "", "", "6", "06" },
	{ "f348ad", "", "", "016", "016" },
	{ "660f3a61c100", "", ALL_FLAGS, "02", "1" },
	{ "660f3a63c100", "", ALL_FLAGS, "", "1" },
	/* the stack */
	{ "50", "", "", "04", "4" },
	{ "415f", "", "", "4", "4f" },
	{ "c9", "", "", "5", "45" },
	{ "e800000000", "", "", "4", "4" },
	{ "c3", "", "", "4", "4" },
	{ "ff14c8", "", "", "014", "4" },
	{ "ffe0", "", "", "0", "" },
	/* between general registers and others */
	{ "660fd7c1", "", "", "", "0" },
	{ "660f3a16c100", "", "", "", "1" },
	{ "f2480f2ac1", "", "", "1", "" },
	{ "f20f2cc1", "", "", "", "0" },
	{ "c5fb92c8", "", "", "0", "" },
	{ "c5fb93c1", "", "", "", "0" },
	{ "62f27d487cc1", "", "", "1", "" },
	/* nothing */
	{ "90", "", "", "", "" },
	{ "6690", "", "", "", "" },
	{ "4190", "", "", "08", "08" },
	{ "660f1f440000", "", "", "", "" },
	{ "f30f1efa", "", "", "", "" },
	{ "0faef0", "", "", "", "" },
	/* whatever it is, all */
	{ "0f05", ALL_FLAGS, "", ALL_REGS, "1b" },
	{ "cd80", ALL_FLAGS, "", ALL_REGS, "" },
	{ "cc", ALL_FLAGS, "", ALL_REGS, "" },
	{ "f4", ALL_FLAGS, "", ALL_REGS, "" },
	{ "0f0b", ALL_FLAGS, "", ALL_REGS, "" },
	{ "ec", ALL_FLAGS, "", ALL_REGS, "" },
	{ "c7f800000000", ALL_FLAGS, "", ALL_REGS, "" },
};

static void make(const char *hex, enum x86_mode mode, struct x86_effects *out)
{
	uint8_t code[X86_INSN_MAX];
	struct x86_instr in;
	int n = strlen(hex) / 2;

	assert_true(hex_decode(code, hex, n));
	if (x86_decode(code, n, mode, &in) != n)
		fail_msg("%s: not decoded", hex);
	x86_effects(&in, code, out);
}

static unsigned set_of(const char *members, const char *names)
{
	unsigned set = 0;

	for (; *members; members++)
		set |= 1u << (strchr(names, *members) - names);
	return set;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct x86_effects e;

		make(r->hex, X86_MODE_64, &e);
		if (e.flags_read != set_of(r->flags_read, ALL_FLAGS) ||
		    e.flags_written != set_of(r->flags_written, ALL_FLAGS) ||
		    e.regs_read != set_of(r->regs_read, ALL_REGS) ||
		    e.regs_written != set_of(r->regs_written, ALL_REGS))
			fail_msg("%s: flags %x %x regs %x %x", r->hex,
				 e.flags_read, e.flags_written, e.regs_read,
				 e.regs_written);
	}
}

static void test_32_bit_mode_is_unknown(void **state)
{
	struct x86_effects e;

	(void)state;
	make("01c8", X86_MODE_32, &e);
	assert_int_equal(e.flags_read, X86_F_ALL);
	assert_int_equal(e.flags_written, 0);
	assert_int_equal(e.regs_read, 0xffff);
	assert_int_equal(e.regs_written, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_32_bit_mode_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
