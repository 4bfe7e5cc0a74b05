/* What memory instructions touch: arch/x86_64/access.h, a row each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x86_64/access.h"
#include "base/mem.h"

/* Encodings that an assembler has made; how many bytes are read and written,
 * and where first. */
struct row {
	const char *text;
	uint8_t code[15];
	struct {
		int where;
		unsigned reads, writes; /* bytes */
		bool sure;
	} is[X86_ACCESS_MAX];
};

static const struct row rows[] = {
	{ "mov %rax, (%rsi)",
	  { 0x48, 0x89, 0x06 },
	  { { X86_AT_OPERAND, 0, 8, true } } },
	{ "lea (%rsi), %rax", { 0x48, 0x8d, 0x06 }, { { 0 } } },
	{ "call *(%rbx)",
	  { 0xff, 0x13 },
	  { { X86_AT_OPERAND, 8, 0, true }, { X86_AT_PUSH, 0, 8, true } } },
	{ "data16 call *(%rbx)",
	  { 0x66, 0xff, 0x13 },
	  { { X86_AT_OPERAND, 8, 0, true }, { X86_AT_PUSH, 0, 8, true } } },
	{ "data16 ret", { 0x66, 0xc3 }, { { X86_AT_POP, 8, 0, true } } },
	{ "movsxd (%rdi), %ax",
	  { 0x66, 0x63, 0x07 },
	  { { X86_AT_OPERAND, 2, 0, true } } },
	{ "data16 movsxd (%rdi), %rax",
	  { 0x66, 0x48, 0x63, 0x07 },
	  { { X86_AT_OPERAND, 4, 0, true } } },
	{ "push %ax", { 0x66, 0x50 }, { { X86_AT_PUSH, 0, 2, true } } },
	{ "data16 rex.W push %rax",
	  { 0x66, 0x48, 0x50 },
	  { { X86_AT_PUSH, 0, 8, true } } },
	{ "pushw %fs", { 0x66, 0x0f, 0xa0 }, { { X86_AT_PUSH, 0, 2, true } } },
	{ "enter $16, $0",
	  { 0xc8, 0x10, 0x00, 0x00 },
	  { { X86_AT_PUSH, 0, 8, true } } },
	{ "enter $16, $3",
	  { 0xc8, 0x10, 0x00, 0x03 },
	  { { X86_AT_PUSH, 0, 32, true },
	    { X86_AT_BELOW_FRAME, 16, 0, true } } },
	{ "clzero", { 0x0f, 0x01, 0xfc }, { { X86_AT_LINE, 0, 64, true } } },
	{ "xlat", { 0xd7 }, { { X86_AT_TABLE, 1, 0, true } } },
	{ "fxsave (%rbx)",
	  { 0x0f, 0xae, 0x03 },
	  { { X86_AT_OPERAND, 0, 512, false } } },
	{ "xsave (%rbx)",
	  { 0x0f, 0xae, 0x23 },
	  { { X86_AT_OPERAND, 0, 4096, false } } },
	{ "movdir64b (%rsi), %rdi",
	  { 0x66, 0x0f, 0x38, 0xf8, 0x3e },
	  { { X86_AT_OPERAND, 64, 0, true },
	    { X86_AT_REGISTER, 0, 64, true } } },
	{ "vpgatherdd %ymm2, (%rdi,%ymm1,4), %ymm0",
	  { 0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x8f },
	  { { X86_AT_ELEMENTS, 4, 0, true } } },
	{ "vpscatterqq %zmm30, 8(%rdi,%zmm30,2){%k2}",
	  { 0x62, 0x22, 0xfd, 0x42, 0xa1, 0x74, 0x77, 0x01 },
	  { { X86_AT_ELEMENTS, 0, 8, true } } },
	{ "vgatherpf0dps (%rdi,%zmm1,4){%k1}",
	  { 0x62, 0xf2, 0x7d, 0x49, 0xc6, 0x0c, 0x8f },
	  { { 0 } } },
	{ "tileloadd (%rdi,%rsi,1), %tmm0",
	  { 0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x37 },
	  { { X86_AT_ROWS, 64, 0, false } } },
	{ "tilestored %tmm0, (%rdi,%rsi,1)",
	  { 0xc4, 0xe2, 0x7a, 0x4b, 0x04, 0x37 },
	  { { X86_AT_ROWS, 0, 64, false } } },
};

/* Those of which AMD's processors take another size with 66. */
static const struct row amd_rows[] = {
	{ "callw *(%rbx)",
	  { 0x66, 0xff, 0x13 },
	  { { X86_AT_OPERAND, 2, 0, true }, { X86_AT_PUSH, 0, 2, true } } },
	{ "jmpw *(%rbx)",
	  { 0x66, 0xff, 0x23 },
	  { { X86_AT_OPERAND, 2, 0, true } } },
	{ "callw", { 0x66, 0xe8 }, { { X86_AT_PUSH, 0, 2, true } } },
	{ "movsxd (%rdi), %ax",
	  { 0x66, 0x63, 0x07 },
	  { { X86_AT_OPERAND, 4, 0, true } } },
	{ "retw", { 0x66, 0xc3 }, { { X86_AT_POP, 2, 0, true } } },
	{ "data16 rex.W ret",
	  { 0x66, 0x48, 0xc3 },
	  { { X86_AT_POP, 8, 0, true } } },
};

static void rows_hold(const struct row *all_rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		const struct row *r = &all_rows[i];
		struct x86_access all[X86_ACCESS_MAX];
		struct x86_instr in;
		unsigned n, want = 0;

		assert_true(x86_decode(r->code, sizeof(r->code), X86_MODE_64,
				       &in) > 0);
		n = x86_accesses(&in, r->code, all);
		while (want < X86_ACCESS_MAX &&
		       (r->is[want].reads || r->is[want].writes))
			want++;
		if (n != want)
			fail_msg("%s: %u accesses", r->text, n);
		for (unsigned k = 0; k < n; k++) {
			if (all[k].where != r->is[k].where ||
			    all[k].reads * all[k].size != r->is[k].reads ||
			    all[k].writes * all[k].size != r->is[k].writes ||
			    all[k].exact != r->is[k].sure)
				fail_msg("%s: access %u", r->text, k);
		}
	}
}

static void each_row(void **state)
{
	(void)state;
	rows_hold(rows, ARRAY_SIZE(rows));
	x86_vendor = X86_AMD;
	rows_hold(amd_rows, ARRAY_SIZE(amd_rows));
	x86_vendor = X86_INTEL;
}

static void elements(void **state)
{
	static const uint8_t gather[] = { 0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x8f };
	static const uint8_t scatter[] = { 0x62, 0x22, 0xfd, 0x42,
					   0xa1, 0x74, 0x77, 0x01 };
	struct x86_elements e;
	struct x86_instr in;

	(void)state;
	assert_int_equal(x86_decode(gather, sizeof(gather), X86_MODE_64, &in),
			 6);
	x86_elements(&in, gather, &e);
	assert_int_equal(e.n, 8);
	assert_int_equal(e.index, 1);
	assert_int_equal(e.index_size, 4);
	assert_int_equal(e.mask, 2);
	assert_false(e.mask_is_opmask);
	assert_int_equal(e.scale, 2);
	assert_int_equal(x86_decode(scatter, sizeof(scatter), X86_MODE_64, &in),
			 8);
	x86_elements(&in, scatter, &e);
	assert_int_equal(e.n, 8);
	assert_int_equal(e.index, 30);
	assert_int_equal(e.index_size, 8);
	assert_int_equal(e.mask, 2);
	assert_true(e.mask_is_opmask);
	assert_int_equal(e.scale, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row),
		cmocka_unit_test(elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
