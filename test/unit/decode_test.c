/*
 * The decoder against rows whose lengths and kinds were taken from objdump,
 * capstone or the processor itself; then what must hold for every row.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "base/hex.h"
#include "base/mem.h"

enum { BAD = -EINVAL };

/* The bytes in hex, without what follows the instruction; length or error. */
struct row {
	const char *hex;
	int in64, in32;
	enum x86_kind kind;
};

static const struct row rows[] = {
	/* one-byte map */
	{ "90", 1, 1, X86_PLAIN },
	{ "f390", 2, 2, X86_PLAIN },
	{ "0500000080", 5, 5, X86_PLAIN },
	{ "66050080", 4, 4, X86_PLAIN },
	{ "66480500000080", 7, 2, X86_PLAIN },
	{ "b878563412", 5, 5, X86_PLAIN },
	{ "66b83412", 4, 4, X86_PLAIN },
	{ "48b8efcdab8967452301", 10, 1, X86_PLAIN },
	{ "a1efcdab8967452301", 9, 5, X86_PLAIN },
	{ "67a178563412", 6, 4, X86_PLAIN },
	{ "c8100000", 4, 4, X86_PLAIN },
	{ "6a01", 2, 2, X86_PLAIN },
	{ "6878563412", 5, 5, X86_PLAIN },
	{ "66683412", 4, 4, X86_PLAIN },
	{ "c7442408ffffffff", 8, 8, X86_PLAIN },
	{ "66c74424083412", 7, 7, X86_PLAIN },
	{ "f6c001", 3, 3, X86_PLAIN },
	{ "f6d0", 2, 2, X86_PLAIN },
	{ "f7c000000001", 6, 6, X86_PLAIN },
	{ "f7d0", 2, 2, X86_PLAIN },
	{ "8f00", 2, 2, X86_PLAIN },
	{ "06", BAD, 1, X86_PLAIN },
	{ "27", BAD, 1, X86_PLAIN },
	{ "60", BAD, 1, X86_PLAIN },
	{ "82c001", BAD, 3, X86_PLAIN },
	{ "d40a", BAD, 2, X86_PLAIN },
	{ "c400", -ENODATA, 2, X86_PLAIN },
	{ "6200", -ENODATA, 2, X86_PLAIN },
	{ "c7c801000000", BAD, BAD, X86_PLAIN },
	{ "8ef0", BAD, BAD, X86_PLAIN },
	{ "8dc0", BAD, BAD, X86_PLAIN },

	/* ModRM: both address sizes, and what counts from the pc */
	{ "8b05785634 12", 6, 6, X86_PLAIN },
	{ "678b0578563412", 7, 3, X86_PLAIN },
	{ "8b04250000 0000", 7, 7, X86_PLAIN },
	{ "8b042c", 3, 3, X86_PLAIN },
	{ "8b442408", 4, 4, X86_PLAIN },
	{ "8b842408000000", 7, 7, X86_PLAIN },
	{ "678b4608", 4, 4, X86_PLAIN },
	{ "678b060800", 3, 5, X86_PLAIN },
	{ "678b860800", -ENODATA, 5, X86_PLAIN },

	/* lock, and where it may stand */
	{ "f00118", 3, 3, X86_PLAIN },
	{ "f001d8", BAD, BAD, X86_PLAIN },
	{ "f08b18", BAD, BAD, X86_PLAIN },
	{ "f0833801", BAD, BAD, X86_PLAIN },
	{ "f0480fc708", 5, BAD, X86_PLAIN },
	{ "f0c5f858c0", BAD, BAD, X86_PLAIN },
	{ "f3a4", 2, 2, X86_PLAIN },

	/* 0F and the mandatory prefixes */
	{ "0f1f440000", 5, 5, X86_PLAIN },
	{ "662e0f1f840000000000", 10, 10, X86_PLAIN },
	{ "f30f1efa", 4, 4, X86_PLAIN },
	{ "0f58c1", 3, 3, X86_PLAIN },
	{ "f20f70c01b", 5, 5, X86_PLAIN },
	{ "f30f50c0", BAD, BAD, X86_PLAIN },
	{ "0fb8c0", BAD, BAD, X86_PLAIN },
	{ "f30fb8c0", 4, 4, X86_PLAIN },
	{ "f20f78c10203", 6, 6, X86_PLAIN },
	{ "660f78c00203", 6, 6, X86_PLAIN },
	{ "660f78c80203", BAD, BAD, X86_PLAIN },
	{ "0f78c0", 3, 3, X86_PLAIN },
	{ "f30f78c0", BAD, BAD, X86_PLAIN },
	{ "0f20c0", 3, 3, X86_PLAIN },
	{ "0f2000", 3, 3, X86_PLAIN },
	{ "0f2004", 3, 3, X86_PLAIN },
	{ "0f20c8", BAD, BAD, X86_PLAIN },
	{ "f30faed8", 4, BAD, X86_PLAIN },
	{ "0faee8", 3, 3, X86_PLAIN },
	{ "0f01f8", 3, BAD, X86_PLAIN },
	{ "0f01d0", 3, 3, X86_PLAIN },
	{ "0fa7c0", 3, 3, X86_PLAIN },
	{ "0f0fc1bf", 4, 4, X86_PLAIN },
	{ "0f0f4108bf", 5, 5, X86_PLAIN },
	{ "0f0fc1c0", BAD, BAD, X86_PLAIN },
	{ "660f3800c1", 5, 5, X86_PLAIN },
	{ "f2660f38f1c0", 6, 6, X86_PLAIN },
	{ "660f3a0fc108", 6, 6, X86_PLAIN },
	{ "0f3a14c008", BAD, BAD, X86_PLAIN },
	{ "0f04", BAD, BAD, X86_PLAIN },
	{ "d6", BAD, 1, X86_PLAIN },

	/* x87 */
	{ "d9e0", 2, 2, X86_PLAIN },
	{ "d9e2", BAD, BAD, X86_PLAIN },
	{ "d908", BAD, BAD, X86_PLAIN },
	{ "ddd8", 2, 2, X86_PLAIN },
	{ "dd4424 08", 4, 4, X86_PLAIN },
	{ "df6c2408", 4, 4, X86_PLAIN },

	/* VEX, EVEX, XOP */
	{ "c5f877", 3, 3, X86_PLAIN },
	{ "c5f058c2", 4, 4, X86_PLAIN },
	{ "c4e2f1b8c2", 5, 5, X86_PLAIN },
	{ "c4e371 0ac207", 6, 6, X86_PLAIN },
	{ "c4e1fb92c0", 5, 5, X86_PLAIN },
	{ "66c5f058c2", BAD, BAD, X86_PLAIN },
	{ "48c5f058c2", BAD, 1, X86_PLAIN },
	{ "c5f0 51c2", BAD, BAD, X86_PLAIN },
	{ "c4e27d92c0", BAD, BAD, X86_PLAIN },
	{ "c4e27d920c10", 6, 6, X86_PLAIN },
	{ "c4e07858c2", BAD, BAD, X86_PLAIN },
	{ "62f17fc96f00", 6, 6, X86_PLAIN },
	{ "62f276492600", 6, 6, X86_PLAIN },
	{ "62f27d4878c0", 6, 6, X86_PLAIN },
	{ "62f17c48584008", 7, 7, X86_PLAIN },
	{ "62f17c58584008", 7, 7, X86_PLAIN },
	{ "62f17c5858c0", 6, 6, X86_PLAIN },
	{ "62f17c4850c0", BAD, BAD, X86_PLAIN },
	{ "62f17cc858c0", BAD, BAD, X86_PLAIN },
	{ "62f17c6858c0", BAD, BAD, X86_PLAIN },
	{ "62f47c4858c0", BAD, BAD, X86_PLAIN },
	{ "62f5744858c2", 6, 6, X86_PLAIN },
	{ "62f27d49900408", 7, 7, X86_PLAIN },
	{ "62f27d48900408", BAD, BAD, X86_PLAIN },
	{ "8fe878c0c103", 6, 6, X86_PLAIN },
	{ "8fe97880c1", 5, 5, X86_PLAIN },
	{ "8fea7810c078563412", 9, 9, X86_PLAIN },
	{ "8feb7810c0", BAD, BAD, X86_PLAIN },
	{ "c4e27849c0", 5, BAD, X86_PLAIN },
	{ "c4e27b4b0408", 6, BAD, X86_PLAIN },
	{ "c4e27b4b00", BAD, BAD, X86_PLAIN },
	{ "d510", BAD, 2, X86_PLAIN },

	/* branches */
	{ "ebfe", 2, 2, X86_JMP },
	{ "e978563412", 5, 5, X86_JMP },
	{ "66e978563412", 6, 4, X86_JMP },
	{ "7405", 2, 2, X86_JCC },
	{ "0f8478563412", 6, 6, X86_JCC },
	{ "660f8478563412", 7, 5, X86_JCC },
	{ "f2 0f8478563412", 7, 7, X86_JCC },
	{ "e2fe", 2, 2, X86_LOOP },
	{ "e3fe", 2, 2, X86_LOOP },
	{ "67e3fe", 3, 3, X86_LOOP },
	{ "e878563412", 5, 5, X86_CALL },
	{ "666648e878563412", 8, 3, X86_CALL },
	{ "ffe0", 2, 2, X86_JMP_IND },
	{ "3effe0", 3, 3, X86_JMP_IND },
	{ "ff2578563412", 6, 6, X86_JMP_IND },
	{ "f2ff2578563412", 7, 7, X86_JMP_IND },
	{ "ffd0", 2, 2, X86_CALL_IND },
	{ "41ff55 08", 4, 1, X86_CALL_IND },
	{ "c3", 1, 1, X86_RET },
	{ "f3c3", 2, 2, X86_RET },
	{ "c20800", 3, 3, X86_RET },
	{ "cb", 1, 1, X86_RET_FAR },
	{ "ca0800", 3, 3, X86_RET_FAR },
	{ "cf", 1, 1, X86_IRET },
	{ "48cf", 2, 1, X86_IRET },
	{ "9a785634123300", BAD, 7, X86_CALL_FAR },
	{ "66ea34123300", BAD, 6, X86_JMP_FAR },
	{ "ff28", 2, 2, X86_JMP_FAR },
	{ "ff18", 2, 2, X86_CALL_FAR },
	{ "ffe8", BAD, BAD, X86_PLAIN },
	{ "fff8", BAD, BAD, X86_PLAIN },
	{ "0f05", 2, 2, X86_SYSCALL },
	{ "0f34", 2, 2, X86_SYSENTER },
	{ "cd80", 2, 2, X86_INT80 },
	{ "cd03", 2, 2, X86_INT },
	{ "cc", 1, 1, X86_INT3 },
	{ "f1", 1, 1, X86_INT },
	{ "ce", BAD, 1, X86_INT },
	{ "f4", 1, 1, X86_HLT },
	{ "0f0b", 2, 2, X86_UD },
	{ "0fb9c0", 3, 3, X86_UD },
	{ "0fffc0", 3, 3, X86_UD },
	{ "c7f878563412", 6, 6, X86_XBEGIN },
	{ "66c7f83412", 5, 5, X86_XBEGIN },
	{ "c6f801", 3, 3, X86_PLAIN },
	{ "c6f901", BAD, BAD, X86_PLAIN },

	/* as long as an instruction may be, and one longer */
	{ "666666666666662e0f1f840000000000", BAD, BAD, X86_PLAIN },
	{ "6666666666662e0f1f840000000000", 15, 15, X86_PLAIN },
	{ "666666666666666666666666666690", 15, 15, X86_PLAIN },
	{ "66666666666666666666666666666690", BAD, BAD, X86_PLAIN },
	{ "666666666666666666666666666666", BAD, BAD, X86_PLAIN },
	{ "6666666666666666666666666666", -ENODATA, -ENODATA, X86_PLAIN },
};

static size_t row_bytes(const struct row *r, uint8_t *out)
{
	char digits[64];
	size_t n = 0;

	for (const char *p = r->hex; *p; p++)
		if (*p != ' ')
			digits[n++] = *p;
	assert_true(hex_decode(out, digits, n / 2));
	return n / 2;
}

static bool row_holds(const struct row *r, enum x86_mode mode)
{
	int want = mode == X86_MODE_64 ? r->in64 : r->in32, got;
	struct x86_instr in;
	uint8_t code[32];
	size_t n = row_bytes(r, code);

	got = x86_decode(code, n, mode, &in);
	if (got == want && (got < 0 || in.length == got) &&
	    (got != (int)n || in.kind == r->kind))
		return true;
	print_error("%s in %d-bit mode: %d, kind %d; not %d, %d\n", r->hex,
		    mode == X86_MODE_64 ? 64 : 32, got, in.kind, want, r->kind);
	return false;
}

static void test_rows(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		good &= row_holds(&rows[i], X86_MODE_64);
		good &= row_holds(&rows[i], X86_MODE_32);
	}
	assert_true(good);
}

/* Fewer bytes than the instruction has: asks for more, reads none beyond. */
static void test_truncation(void **state)
{
	uint8_t code[32];
	struct x86_instr in;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int mode = X86_MODE_64; mode <= X86_MODE_32; mode++) {
			size_t n = row_bytes(&rows[i], code);
			int len = x86_decode(code, n, mode, &in);

			for (int k = 0; k < len; k++) {
				uint8_t *part = xmalloc(k + 1);

				memcpy(part + 1, code, k);
				assert_int_equal(
					x86_decode(part + 1, k, mode, &in),
					-ENODATA);
				free(part);
			}
		}
}

/* Much to read behind the instruction changes nothing. */
static void test_long_input(void **state)
{
	struct x86_instr in, again;
	uint8_t code[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int mode = X86_MODE_64; mode <= X86_MODE_32; mode++) {
			size_t n = row_bytes(&rows[i], code);
			int len = x86_decode(code, n, mode, &in);

			if (len < 0)
				continue;
			memset(code + n, 0xf3, sizeof(code) - n);
			assert_int_equal(
				x86_decode(code, sizeof(code), mode, &again),
				len);
			assert_memory_equal(&in, &again, sizeof(in));
		}
}

static void decode_all(const char *hex, enum x86_mode mode, uint8_t *code,
		       struct x86_instr *in)
{
	struct row r = { .hex = hex };
	size_t n = row_bytes(&r, code);

	assert_int_equal(x86_decode(code, n, mode, in), n);
}

static void test_parts(void **state)
{
	struct x86_instr in;
	uint8_t code[32];

	(void)state;
	/* mov %fs:0x8(%r13,%r12,4),%r9 */
	decode_all("644f8b4ca508", X86_MODE_64, code, &in);
	assert_int_equal(in.prefixes, X86_PFX_FS | X86_PFX_REX);
	assert_int_equal(in.rex, 15);
	assert_int_equal(in.map, X86_MAP_MAIN);
	assert_int_equal(in.opcode, 0x8b);
	assert_int_equal(in.opcode_at, 2);
	assert_int_equal(in.modrm_at, 3);
	assert_int_equal(in.modrm, 0x4c);
	assert_int_equal(in.sib, 0xa5);
	assert_int_equal(in.disp_at, 5);
	assert_int_equal(in.disp_size, 1);
	assert_int_equal(in.imm_size, 0);
	assert_false(in.rip_relative);

	/* cmpl $0x1,-0x10(%rip) */
	decode_all("833df0ffffff01", X86_MODE_64, code, &in);
	assert_true(in.rip_relative);
	assert_int_equal(in.disp_at, 2);
	assert_int_equal(in.disp_size, 4);
	assert_int_equal(in.imm_at, 6);
	assert_int_equal(in.imm_size, 1);
	assert_true(x86_rip_operand(&in, code, 0x1000) == 0xff7);

	/* the same bytes are an absolute address in 32-bit mode */
	decode_all("833df0ffffff01", X86_MODE_32, code, &in);
	assert_false(in.rip_relative);

	/* vaddps (%rip),%zmm1,%zmm16: R2 and the map */
	decode_all("62e174485805000000 00", X86_MODE_64, code, &in);
	assert_int_equal(in.map, X86_MAP_EVEX);
	assert_int_equal(in.vex_map, 1);
	assert_int_equal(in.vvvv, 1);
	assert_int_equal(in.rex, X86_REX_R2);
	assert_true(in.rip_relative);

	/* a REX that does not stand before the opcode does not count */
	decode_all("4866b83412", X86_MODE_64, code, &in);
	assert_int_equal(in.rex, 0);
	assert_int_equal(in.imm_size, 2);
}

static void test_targets(void **state)
{
	struct x86_instr in;
	uint8_t code[32];

	(void)state;
	decode_all("e8fbffffff", X86_MODE_64, code, &in);
	assert_true(x86_is_direct(&in));
	assert_true(x86_target(&in, 0x7f0000001000) == 0x7f0000001000);
	decode_all("ebfe", X86_MODE_64, code, &in);
	assert_true(x86_target(&in, 0xffffffff80000000) == 0xffffffff80000000);
	decode_all("0f8480000000", X86_MODE_64, code, &in);
	assert_true(x86_target(&in, 0x1000) == 0x1086);
	decode_all("e900000080", X86_MODE_32, code, &in);
	assert_true(x86_target(&in, 0x8048000) == 0x88048005);
	decode_all("66e9f0ff", X86_MODE_32, code, &in);
	assert_true(x86_target(&in, 0x12345) == 0x2339);
	decode_all("ffe0", X86_MODE_64, code, &in);
	assert_false(x86_is_direct(&in));
}

/* From 0x7f0012345678, in 64-bit mode: of Intel's processors and of AMD's. */
static const struct near_row {
	const char *hex;
	enum x86_kind kind;
	int intel, amd;
	uint64_t intel_to, amd_to; /* 0: not direct */
	bool near16;		   /* for AMD's */
} near_rows[] = {
	{ "66e910feffff", X86_JMP, 6, 4, 0x7f001234548e, 0x548c, true },
	{ "66e810f0ffff", X86_CALL, 6, 4, 0x7f001234468e, 0x468c, true },
	{ "660f84108000", X86_JCC, -ENODATA, 5, 0, 0xd68d, true },
	{ "66eb10", X86_JMP, 3, 3, 0x7f001234568b, 0x568b, true },
	{ "667580", X86_JCC, 3, 3, 0x7f00123455fb, 0x55fb, true },
	{ "66e210", X86_LOOP, 3, 3, 0x7f001234568b, 0x568b, true },
	{ "6667e310", X86_LOOP, 4, 4, 0x7f001234568c, 0x568c, true },
	{ "66ffd0", X86_CALL_IND, 3, 3, 0, 0, true },
	{ "66ff2424", X86_JMP_IND, 4, 4, 0, 0, true },
	{ "66c3", X86_RET, 2, 2, 0, 0, true },
	{ "f366c20800", X86_RET, 5, 5, 0, 0, true },
	{ "4866eb10", X86_JMP, 4, 4, 0x7f001234568c, 0x568c, true },
	/* REX.W goes before it; other instructions know nothing of it */
	{ "666648e810000000", X86_CALL, 8, 8, 0x7f0012345690, 0x7f0012345690,
	  false },
	{ "6648e910000000", X86_JMP, 7, 7, 0x7f001234568f, 0x7f001234568f,
	  false },
	{ "66487510", X86_JCC, 4, 4, 0x7f001234568c, 0x7f001234568c, false },
	{ "6648ffd0", X86_CALL_IND, 4, 4, 0, 0, false },
	{ "6648c3", X86_RET, 3, 3, 0, 0, false },
	{ "eb10", X86_JMP, 2, 2, 0x7f001234568a, 0x7f001234568a, false },
	{ "66ff18", X86_CALL_FAR, 3, 3, 0, 0, false },
	{ "66cb", X86_RET_FAR, 2, 2, 0, 0, false },
	{ "6658", X86_PLAIN, 2, 2, 0, 0, false },
};

static void near_holds(const struct near_row *row, enum x86_vendor vendor)
{
	struct row r = { .hex = row->hex };
	uint64_t to = vendor == X86_AMD ? row->amd_to : row->intel_to;
	int want = vendor == X86_AMD ? row->amd : row->intel;
	uint8_t code[32];
	size_t n = row_bytes(&r, code);
	struct x86_instr in;

	x86_vendor = vendor;
	if (x86_decode(code, n, X86_MODE_64, &in) != want)
		fail_msg("%s: not %d", row->hex, want);
	if (want < 0)
		return;
	assert_int_equal(in.kind, row->kind);
	assert_int_equal(in.near16, row->near16 && vendor == X86_AMD);
	assert_int_equal(x86_is_direct(&in), to != 0);
	if (to)
		assert_true(x86_target(&in, 0x7f0012345678) == to);
}

static void test_near_branches(void **state)
{
	struct x86_instr in;
	uint8_t code[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(near_rows); i++) {
		near_holds(&near_rows[i], X86_AMD);
		near_holds(&near_rows[i], X86_INTEL);
	}
	/* In 32-bit mode they are the same. */
	for (int vendor = X86_INTEL; vendor <= X86_AMD; vendor++) {
		x86_vendor = vendor;
		decode_all("66e910fe", X86_MODE_32, code, &in);
		assert_true(in.near16);
		assert_true(x86_target(&in, 0x8045678) == 0x548c);
	}
	x86_vendor = X86_INTEL;
}

/* lock mov %cr0, which is cr8; with an operand that could be memory. */
static void test_lock_cr8(void **state)
{
	static const struct row amd[] = {
		{ "f00f20c0", 4, 4, X86_PLAIN },
		{ "f00f2204", 4, 4, X86_PLAIN },
		{ "f0410f20c0", 5, BAD, X86_PLAIN },
		{ "f00f20d0", BAD, BAD, X86_PLAIN },
		{ "f0440f20c0", BAD, BAD, X86_PLAIN },
		{ "f00f21c0", BAD, BAD, X86_PLAIN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(amd); i++) {
		struct row intel = { amd[i].hex, BAD, BAD, X86_PLAIN };

		assert_true(row_holds(&intel, X86_MODE_64));
		assert_true(row_holds(&intel, X86_MODE_32));
		x86_vendor = X86_AMD;
		assert_true(row_holds(&amd[i], X86_MODE_64));
		assert_true(row_holds(&amd[i], X86_MODE_32));
		x86_vendor = X86_INTEL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_long_input),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_near_branches),
		cmocka_unit_test(test_lock_cr8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
