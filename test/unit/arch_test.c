/* The register tables against themselves, and against images made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>

#include <cmocka.h>

#include "base/mem.h"
#include "test/arch-find.h"

#define AREA_MAX 12000
#define REGS_MAX 4096
#define BV_AT	 512

/* Everything up to PKRU, and AMX behind it, where Intel has them. */
static const struct xsave_layout full = {
	.features = 0x602ff,
	.size = 11008,
	.offset = { [2] = 576,
		    [3] = 960,
		    [4] = 1024,
		    [5] = 1088,
		    [6] = 1152,
		    [7] = 1664,
		    [9] = 2688,
		    [17] = 2752,
		    [18] = 2816 },
};

/* AMD has no MPX, and PKRU next to AVX. */
static const struct xsave_layout amd = {
	.features = 0x2e7,
	.size = 2440,
	.offset = { [2] = 576, [5] = 832, [6] = 896, [7] = 1408, [9] = 2432 },
};

static const struct xsave_layout avx = {
	.features = 7,
	.size = 832,
	.offset = { [2] = 576 },
};

static const struct xsave_layout sse = { .features = 3, .size = 576 };
static const struct xsave_layout fxsave = { .features = 0, .size = 512 };

static const struct xsave_layout *const layouts[] = { &full, &amd, &avx, &sse,
						      &fxsave };

typedef struct arch *arch_new_fn(const struct xsave_layout *l);
static arch_new_fn *const makers[] = { arch_x86_64_new, arch_i386_new };

/* Runs check for both instruction sets on every layout. */
static void each_arch(void (*check)(const struct arch *,
				    const struct xsave_layout *))
{
	for (size_t m = 0; m < ARRAY_SIZE(makers); m++) {
		for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
			struct arch *a = makers[m](layouts[i]);

			check(a, layouts[i]);
			arch_free(a);
		}
	}
}

static void fill_random(uint8_t *p, size_t n)
{
	while (n--)
		*p++ = (uint8_t)(rand() >> 8);
}

/* --- the tables --- */

static bool is_predefined(const char *type)
{
	static const char *const known[] = {
		"bool",	     "int8",	    "int16",	"int32",
		"int64",     "uint32",	    "uint64",	"uint128",
		"code_ptr",  "data_ptr",    "i387_ext", "bfloat16",
		"ieee_half", "ieee_single", "int",	"ieee_double",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i], type))
			return true;
	return false;
}

/* gdb looks for types in the feature itself, among those read so far. */
static bool is_declared(const struct arch *a, const char *type,
			const char *feature, size_t n_types)
{
	for (size_t i = 0; i < n_types; i++)
		if (!strcmp(a->types[i].id, type) &&
		    !strcmp(a->types[i].feature, feature))
			return true;
	return is_predefined(type);
}

static void check_types(const struct arch *a, const struct xsave_layout *l)
{
	(void)l;
	for (size_t i = 0; i < a->n_types; i++) {
		const struct regtype *t = &a->types[i];

		assert_non_null(t->id);
		if (t->kind == REGTYPE_VECTOR)
			assert_true(is_declared(a, t->elem, t->feature, i));
		for (unsigned k = 0; k < t->n_fields; k++) {
			const struct regfield *f = &t->fields[k];

			if (f->type)
				assert_true(
					is_declared(a, f->type, t->feature, i));
			assert_true(f->bit <= f->end);
			assert_true(!f->end || f->end < 8 * t->count);
		}
	}
}

static void check_regs(const struct arch *a, const struct xsave_layout *l)
{
	const size_t limit[] = { sizeof(struct user_regs_struct), l->size };
	size_t packed = 0;

	for (size_t i = 0; i < a->n_regs; i++) {
		const struct regdesc *d = &a->regs[i];

		assert_true(d->regset < N_REGSETS);
		assert_int_equal(d->bits % 8, 0);
		assert_true(d->offset + d->bits / 8u <= limit[d->regset]);
		assert_int_equal(d->packed_at, packed);
		assert_true(is_declared(a, d->type, d->feature, a->n_types));
		assert_int_equal(arch_reg_find(a, d->name), i);
		packed += d->bits / 8;
	}
	assert_int_equal(a->regs_size, packed);
	assert_int_equal(arch_reg_find(a, "rubbish"), -1);
}

/* A feature's name is an ID in the description: one run of registers each. */
static void check_features(const struct arch *a, const struct xsave_layout *l)
{
	(void)l;
	for (size_t i = 1; i < a->n_regs; i++) {
		const char *name = a->regs[i].feature;

		if (!strcmp(a->regs[i - 1].feature, name))
			continue;
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(a->regs[k].feature, name);
	}
}

static void check_names(const struct arch *a, const struct xsave_layout *l)
{
	bool wide = a->word == 8;

	(void)l;
	assert_string_equal(a->regs[a->pc].name, wide ? "rip" : "eip");
	assert_string_equal(a->regs[a->sp].name, wide ? "rsp" : "esp");
	assert_string_equal(a->regs[a->fp].name, wide ? "rbp" : "ebp");
	assert_int_equal(a->regs[a->pc].bits, 8 * a->word);
	assert_int_equal(a->trap[0], 0xcc);
	assert_int_equal(a->trap_len, 1);
	assert_int_equal(a->trap_pc_adjust, -1);
}

static void test_tables(void **state)
{
	(void)state;
	each_arch(check_types);
	each_arch(check_regs);
	each_arch(check_features);
	each_arch(check_names);
}

/* As gdbserver 13.1 numbers them, with what Intel's server CPUs have. */
static void test_numbers(void **state)
{
	static const struct {
		const char *name;
		int number[2];
	} rows[] = {
		{ "rip", { 16, -1 } },	     { "eip", { -1, 8 } },
		{ "eflags", { 17, 9 } },     { "gs", { 23, 15 } },
		{ "st0", { 24, 16 } },	     { "fctrl", { 32, 24 } },
		{ "fop", { 39, 31 } },	     { "xmm0", { 40, 32 } },
		{ "mxcsr", { 56, 40 } },     { "orig_rax", { 57, -1 } },
		{ "orig_eax", { -1, 41 } },  { "fs_base", { 58, -1 } },
		{ "ymm0h", { 60, 42 } },     { "bnd0raw", { 76, 50 } },
		{ "bndstatus", { 81, 55 } }, { "xmm16", { 82, -1 } },
		{ "ymm16h", { 98, -1 } },    { "k0", { 114, 56 } },
		{ "zmm0h", { 122, 64 } },    { "zmm31h", { 153, -1 } },
		{ "pkru", { 154, 72 } },     { "ymm8h", { 68, -1 } },
	};
	static const size_t size[] = { 2500, 844 }, n_regs[] = { 155, 73 };

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(makers); m++) {
		struct arch *a = makers[m](&full);

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			assert_int_equal(arch_reg_find(a, rows[i].name),
					 rows[i].number[m]);
		assert_int_equal(a->regs_size, size[m]);
		assert_int_equal(a->n_regs, n_regs[m]);
		arch_free(a);
	}
}

/* --- the general set --- */

static uint64_t reg_get(const struct arch *a, const uint8_t *regs,
			const char *name)
{
	int i = arch_reg_find(a, name);
	uint64_t v = 0;

	assert_true(i >= 0);
	memcpy(&v, regs + a->regs[i].packed_at, a->regs[i].bits / 8 & 15);
	return v;
}

static void reg_set(const struct arch *a, uint8_t *regs, const char *name,
		    uint64_t v)
{
	int i = arch_reg_find(a, name);

	assert_true(i >= 0);
	memcpy(regs + a->regs[i].packed_at, &v, a->regs[i].bits / 8 & 15);
}

static void test_general_64(void **state)
{
	struct arch *a = arch_x86_64_new(&sse);
	struct user_regs_struct u, back;
	uint8_t regs[REGS_MAX];

	(void)state;
	fill_random((uint8_t *)&u, sizeof(u));
	a->unpack(a, REGSET_GENERAL, &u, sizeof(u), regs);
#define SAME(r) assert_int_equal(reg_get(a, regs, #r), u.r)
	SAME(rax), SAME(rbx), SAME(rcx), SAME(rdx), SAME(rsi), SAME(rdi);
	SAME(rbp), SAME(rsp), SAME(r8), SAME(r9), SAME(r10), SAME(r11);
	SAME(r12), SAME(r13), SAME(r14), SAME(r15), SAME(rip);
	SAME(orig_rax), SAME(fs_base), SAME(gs_base);
#undef SAME
#define SAME(r) assert_int_equal(reg_get(a, regs, #r), (uint32_t)u.r)
	SAME(eflags), SAME(cs), SAME(ss), SAME(ds), SAME(es), SAME(fs);
	SAME(gs);
#undef SAME
	back = u;
	a->pack(a, REGSET_GENERAL, regs, &back, sizeof(back));
	assert_memory_equal(&back, &u, sizeof(u));
	reg_set(a, regs, "r12", 12);
	reg_set(a, regs, "gs_base", 13);
	u.r12 = 12;
	u.gs_base = 13;
	a->pack(a, REGSET_GENERAL, regs, &back, sizeof(back));
	assert_memory_equal(&back, &u, sizeof(u));
	arch_free(a);
}

static void test_general_32(void **state)
{
	struct arch *a = arch_i386_new(&sse);
	struct user_regs_struct u, back;
	uint8_t regs[REGS_MAX];

	(void)state;
	fill_random((uint8_t *)&u, sizeof(u));
	a->unpack(a, REGSET_GENERAL, &u, sizeof(u), regs);
#define SAME(r, r64) assert_int_equal(reg_get(a, regs, #r), (uint32_t)u.r64)
	SAME(eax, rax), SAME(ebx, rbx), SAME(ecx, rcx), SAME(edx, rdx);
	SAME(esi, rsi), SAME(edi, rdi), SAME(ebp, rbp), SAME(esp, rsp);
	SAME(eip, rip), SAME(eflags, eflags), SAME(cs, cs), SAME(ss, ss);
	SAME(ds, ds), SAME(es, es), SAME(fs, fs), SAME(gs, gs);
	SAME(orig_eax, orig_rax);
#undef SAME
	back = u;
	a->pack(a, REGSET_GENERAL, regs, &back, sizeof(back));
	assert_memory_equal(&back, &u, sizeof(u));
	arch_free(a);
}

static void test_general_32_sign(void **state)
{
	struct arch *a = arch_i386_new(&sse);
	struct user_regs_struct u = { .rbx = 1 };
	uint8_t regs[REGS_MAX];

	(void)state;
	a->unpack(a, REGSET_GENERAL, &u, sizeof(u), regs);
	reg_set(a, regs, "eax", (uint32_t)-512);
	reg_set(a, regs, "orig_eax", (uint32_t)-1);
	reg_set(a, regs, "ebx", 0xfffffffe);
	reg_set(a, regs, "esp", 0xffffd000);
	a->pack(a, REGSET_GENERAL, regs, &u, sizeof(u));
	assert_int_equal(u.rax, -512);
	assert_int_equal(u.orig_rax, -1);
	assert_int_equal(u.rbx, 0xfffffffe);
	assert_int_equal(u.rsp, 0xffffd000);
	arch_free(a);
}

/* --- the extended set --- */

static void area_random(uint8_t *raw, const struct xsave_layout *l, uint64_t bv)
{
	const uint32_t mask = 0xffff, mxcsr = 0x5555;

	fill_random(raw, l->size);
	memcpy(raw + 24, &mxcsr, 4);
	memcpy(raw + 28, &mask, 4);
	if (l->size > BV_AT)
		memcpy(raw + BV_AT, &bv, sizeof(bv));
}

static uint64_t bv_random(const struct xsave_layout *l)
{
	return (uint64_t)(rand() >> 4) & l->features;
}

/* What was not changed is stored as it was, stale bytes included. */
static void check_identity(const struct arch *a, const struct xsave_layout *l)
{
	uint8_t raw[AREA_MAX], was[AREA_MAX], regs[REGS_MAX];

	for (unsigned i = 0; i < 200; i++) {
		area_random(raw, l, bv_random(l));
		memcpy(was, raw, l->size);
		a->unpack(a, REGSET_EXTENDED, raw, l->size, regs);
		a->pack(a, REGSET_EXTENDED, regs, raw, l->size);
		assert_memory_equal(raw, was, l->size);
	}
}

static void test_identity(void **state)
{
	(void)state;
	each_arch(check_identity);
}

/* The bits of a register that the area has room for. */
static void value_random(const struct regdesc *d, uint8_t *v)
{
	static const struct {
		const char *name;
		uint32_t mask;
	} narrow[] = {
		{ "fctrl", 0xffff }, { "fstat", 0xc7ff }, { "fiseg", 0xffff },
		{ "foseg", 0xffff }, { "fop", 0x7ff },	  { "mxcsr", 0xffff },
	};
	uint32_t word;

	fill_random(v, d->bits / 8);
	for (size_t i = 0; i < ARRAY_SIZE(narrow); i++) {
		if (strcmp(narrow[i].name, d->name) != 0)
			continue;
		memcpy(&word, v, 4);
		word &= narrow[i].mask;
		memcpy(v, &word, 4);
	}
}

/* ftag is worked out of the others, and st decides it. */
static bool tag_involved(const char *name)
{
	return !strcmp(name, "ftag") || !strncmp(name, "st", 2) ||
	       !strcmp(name, "fstat");
}

static void tags_same(const struct arch *a, const uint8_t *from, uint8_t *to)
{
	reg_set(a, to, "ftag", reg_get(a, from, "ftag"));
}

/* One register changes: it reads back, and nothing else has changed. */
static void check_change(const struct arch *a, const struct xsave_layout *l,
			 size_t i)
{
	const struct regdesc *d = &a->regs[i];
	uint8_t raw[AREA_MAX], was[AREA_MAX], want[REGS_MAX], got[REGS_MAX];

	memset(want, 0, sizeof(want));
	memset(got, 0, sizeof(got));
	area_random(raw, l, bv_random(l));
	memcpy(was, raw, l->size);
	a->unpack(a, REGSET_EXTENDED, raw, l->size, want);
	value_random(d, want + d->packed_at);
	a->pack(a, REGSET_EXTENDED, want, raw, l->size);
	a->unpack(a, REGSET_EXTENDED, raw, l->size, got);
	if (tag_involved(d->name))
		tags_same(a, got, want);
	assert_memory_equal(got, want, a->regs_size);
	assert_memory_equal(raw + 416, was + 416, BV_AT - 416);
	if (l->size > BV_AT)
		assert_memory_equal(raw + BV_AT + 8, was + BV_AT + 8, 56);
	if (l->size > 2752)
		assert_memory_equal(raw + 2752, was + 2752, l->size - 2752);
}

static void check_changes(const struct arch *a, const struct xsave_layout *l)
{
	for (size_t i = 0; i < a->n_regs; i++)
		if (a->regs[i].regset == REGSET_EXTENDED &&
		    strcmp(a->regs[i].name, "ftag") != 0)
			for (unsigned n = 0; n < 20; n++)
				check_change(a, l, i);
}

static void test_changes(void **state)
{
	(void)state;
	each_arch(check_changes);
}

/* All bits clear: the processor's initial state, whatever the bytes are. */
static void check_initial(const struct arch *a, const struct xsave_layout *l)
{
	uint8_t raw[AREA_MAX], regs[REGS_MAX], zero[REGS_MAX] = { 0 };

	if (l->size <= BV_AT)
		return;
	area_random(raw, l, 0);
	memset(regs, 0, sizeof(regs));
	a->unpack(a, REGSET_EXTENDED, raw, l->size, regs);
	assert_int_equal(reg_get(a, regs, "fctrl"), 0x37f);
	assert_int_equal(reg_get(a, regs, "ftag"), 0xffff);
	assert_int_equal(reg_get(a, regs, "mxcsr"), 0x1f80);
	reg_set(a, regs, "fctrl", 0);
	reg_set(a, regs, "ftag", 0);
	reg_set(a, regs, "mxcsr", 0);
	assert_memory_equal(regs, zero, sizeof(regs));
}

static void test_initial(void **state)
{
	(void)state;
	each_arch(check_initial);
}

/* The bits that a change sets, from all clear. */
static void test_bits(void **state)
{
	static const struct {
		const char *name;
		uint64_t bv;
	} rows[] = {
		{ "st3", 1 },	   { "fctrl", 1 },    { "xmm15", 2 },
		{ "mxcsr", 2 },	   { "ymm0h", 4 },    { "bnd3raw", 8 },
		{ "bndcfgu", 16 }, { "k7", 32 },      { "zmm15h", 64 },
		{ "xmm16", 128 },  { "ymm31h", 128 }, { "zmm20h", 128 },
		{ "pkru", 512 },
	};
	struct arch *a = arch_x86_64_new(&full);
	uint8_t raw[AREA_MAX], regs[REGS_MAX];
	uint64_t bv;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = arch_reg_find(a, rows[i].name);

		area_random(raw, &full, 0);
		a->unpack(a, REGSET_EXTENDED, raw, full.size, regs);
		regs[a->regs[r].packed_at] ^= 1;
		a->pack(a, REGSET_EXTENDED, regs, raw, full.size);
		memcpy(&bv, raw + BV_AT, sizeof(bv));
		assert_int_equal(bv, rows[i].bv);
	}
	arch_free(a);
}

/* AVX alone makes MXCSR count: a stale one must not come to life. */
static void test_mxcsr(void **state)
{
	struct arch *a = arch_x86_64_new(&full);
	uint8_t raw[AREA_MAX], regs[REGS_MAX];
	uint32_t mxcsr;

	(void)state;
	area_random(raw, &full, 0);
	a->unpack(a, REGSET_EXTENDED, raw, full.size, regs);
	regs[a->regs[arch_reg_find(a, "ymm3h")].packed_at] = 1;
	a->pack(a, REGSET_EXTENDED, regs, raw, full.size);
	memcpy(&mxcsr, raw + 24, 4);
	assert_int_equal(mxcsr, 0x1f80);
	reg_set(a, regs, "mxcsr", 0xffffffff);
	a->pack(a, REGSET_EXTENDED, regs, raw, full.size);
	memcpy(&mxcsr, raw + 24, 4);
	assert_int_equal(mxcsr, 0xffff);
	memset(raw + 28, 0, 4);
	a->pack(a, REGSET_EXTENDED, regs, raw, full.size);
	memcpy(&mxcsr, raw + 24, 4);
	assert_int_equal(mxcsr, 0xffbf);
	arch_free(a);
}

/* Tags that a debugger writes are what the image says afterwards. */
static void test_tags(void **state)
{
	struct arch *a = arch_x86_64_new(&sse);
	uint8_t raw[AREA_MAX], regs[REGS_MAX];

	(void)state;
	area_random(raw, &sse, 3);
	a->unpack(a, REGSET_EXTENDED, raw, sse.size, regs);
	reg_set(a, regs, "ftag", 0x3fc6); /* physical 3-6 are empty */
	a->pack(a, REGSET_EXTENDED, regs, raw, sse.size);
	assert_int_equal(raw[4], 0x87);
	arch_free(a);
}

/* Any length is survived: ASan watches the ends. */
static void check_lengths(const struct arch *a, const struct xsave_layout *l)
{
	uint8_t regs[REGS_MAX];

	memset(regs, 0x11, sizeof(regs));
	for (size_t len = 0; len <= l->size; len += len < 700 ? 1 : 97) {
		uint8_t *raw = xmalloc(len);

		memset(raw, 0xff, len);
		a->pack(a, REGSET_EXTENDED, regs, raw, len);
		a->unpack(a, REGSET_EXTENDED, raw, len, regs);
		a->pack(a, REGSET_GENERAL, regs, raw, len);
		a->unpack(a, REGSET_GENERAL, raw, len, regs);
		free(raw);
	}
}

static void test_lengths(void **state)
{
	(void)state;
	each_arch(check_lengths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_general_64),
		cmocka_unit_test(test_general_32),
		cmocka_unit_test(test_general_32_sign),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_initial),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_mxcsr),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_lengths),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
