#include "arch/x86-types.h"

#include "arch/x86.h"
#include "base/mem.h"

/* clang-format off */
#define FLAG(name, bit) { name, NULL, bit, bit }

static const struct regfield eflags[] = {
	FLAG("CF", 0), FLAG("", 1), FLAG("PF", 2), FLAG("AF", 4),
	FLAG("ZF", 6), FLAG("SF", 7), FLAG("TF", 8), FLAG("IF", 9),
	FLAG("DF", 10), FLAG("OF", 11), FLAG("NT", 14), FLAG("RF", 16),
	FLAG("VM", 17), FLAG("AC", 18), FLAG("VIF", 19), FLAG("VIP", 20),
	FLAG("ID", 21),
};

static const struct regfield mxcsr[] = {
	FLAG("IE", 0), FLAG("DE", 1), FLAG("ZE", 2), FLAG("OE", 3),
	FLAG("UE", 4), FLAG("PE", 5), FLAG("DAZ", 6), FLAG("IM", 7),
	FLAG("DM", 8), FLAG("ZM", 9), FLAG("OM", 10), FLAG("UM", 11),
	FLAG("PM", 12), FLAG("FZ", 15),
};

static const struct regfield vec128[] = {
	{ "v8_bfloat16", "v8bf16", 0, 0 }, { "v8_half", "v8h", 0, 0 },
	{ "v4_float", "v4f", 0, 0 },	   { "v2_double", "v2d", 0, 0 },
	{ "v16_int8", "v16i8", 0, 0 },	   { "v8_int16", "v8i16", 0, 0 },
	{ "v4_int32", "v4i32", 0, 0 },	   { "v2_int64", "v2i64", 0, 0 },
	{ "uint128", "uint128", 0, 0 },
};

static const struct regfield br128[] = {
	{ "lbound", "uint64", 0, 0 },
	{ "ubound_raw", "uint64", 0, 0 },
};

static const struct regfield status[] = {
	{ "raw", "data_ptr", 0, 0 },
	{ "status", "_bndstatus", 0, 0 },
};

static const struct regfield cfgu[] = {
	{ "raw", "data_ptr", 0, 0 },
	{ "config", "_bndcfgu", 0, 0 },
};

/* The bounds registers' addresses are as wide as the program's. */
#define BNDSTATUS(last)                    \
	{                                  \
		{ "bde", "uint64", 2, last },  \
		{ "error", "uint64", 0, 1 },   \
	}
#define BNDCFGU(last)                           \
	{                                       \
		{ "base", "uint64", 12, last },     \
		{ "reserved", "uint64", 2, 11 },    \
		{ "preserved", "uint64", 1, 1 },    \
		{ "enabled", "uint64", 0, 0 },      \
	}

static const struct regfield bndstatus_64[] = BNDSTATUS(63);
static const struct regfield bndstatus_32[] = BNDSTATUS(31);
static const struct regfield bndcfgu_64[] = BNDCFGU(63);
static const struct regfield bndcfgu_32[] = BNDCFGU(31);

#define VECTOR(id, feature, elem, count) \
	{ id, feature, REGTYPE_VECTOR, elem, count, NULL, 0 }
#define FIELDS(id, feature, kind, bytes, fields) \
	{ id, feature, kind, NULL, bytes, fields, ARRAY_SIZE(fields) }

#define EFLAGS_TYPE FIELDS("i386_eflags", X86_CORE, REGTYPE_FLAGS, 4, eflags)
#define MXCSR_TYPE FIELDS("i386_mxcsr", X86_SSE_REGS, REGTYPE_FLAGS, 4, mxcsr)

/* A feature does not see the types of another, and declares them again. */
#define VEC128_TYPES(feature)                    \
	VECTOR("v8bf16", feature, "bfloat16", 8),    \
	VECTOR("v8h", feature, "ieee_half", 8),      \
	VECTOR("v4f", feature, "ieee_single", 4),    \
	VECTOR("v2d", feature, "ieee_double", 2),    \
	VECTOR("v16i8", feature, "int8", 16),        \
	VECTOR("v8i16", feature, "int16", 8),        \
	VECTOR("v4i32", feature, "int32", 4),        \
	VECTOR("v2i64", feature, "int64", 2),        \
	FIELDS("vec128", feature, REGTYPE_UNION, 0, vec128)

#define MPX_TYPES(width)                                                   \
	FIELDS("br128", X86_MPX, REGTYPE_STRUCT, 0, br128),                    \
	FIELDS("_bndstatus", X86_MPX, REGTYPE_STRUCT, 8, bndstatus_##width),   \
	FIELDS("status", X86_MPX, REGTYPE_UNION, 0, status),                   \
	FIELDS("_bndcfgu", X86_MPX, REGTYPE_STRUCT, 8, bndcfgu_##width),       \
	FIELDS("cfgu", X86_MPX, REGTYPE_UNION, 0, cfgu)

const struct regtype x86_64_types[X86_64_N_TYPES] = {
	EFLAGS_TYPE,
	VEC128_TYPES(X86_SSE_REGS),
	MXCSR_TYPE,
	MPX_TYPES(64),
	VEC128_TYPES(X86_AVX512),
	VECTOR("v2ui128", X86_AVX512, "uint128", 2),
};

const struct regtype i386_types[I386_N_TYPES] = {
	EFLAGS_TYPE,
	VEC128_TYPES(X86_SSE_REGS),
	MXCSR_TYPE,
	MPX_TYPES(32),
	VECTOR("v2ui128", X86_AVX512, "uint128", 2),
};
