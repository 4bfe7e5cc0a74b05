/* From an instruction set's rows and the CPU's layout to a struct arch. */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "arch/x86.h"
#include "arch/x87.h"
#include "base/mem.h"

/* The state components without which a feature is left out. */
static const struct {
	const char *feature;
	uint64_t needs;
} requirements[] = {
	{ X86_AVX_REGS, X86_BIT(X86_AVX) },
	{ X86_MPX, X86_BIT(X86_BNDREGS) | X86_BIT(X86_BNDCSR) },
	{ X86_AVX512, X86_BIT(X86_OPMASK) | X86_BIT(X86_ZMM_HI256) |
			      X86_BIT(X86_HI16_ZMM) },
	{ X86_PKEYS, X86_BIT(X86_PKRU) },
};

/* 0: every CPU has it. */
static uint64_t feature_needs(const char *feature)
{
	for (size_t i = 0; i < ARRAY_SIZE(requirements); i++)
		if (!strcmp(requirements[i].feature, feature))
			return requirements[i].needs;
	return 0;
}

static bool feature_present(const char *feature, const struct xsave_layout *l)
{
	return !(feature_needs(feature) & ~l->features);
}

/* A general set that is not whole is none: zeros are read, nothing written. */
static void unpack(const struct arch *a, enum regset set, const void *raw,
		   size_t len, uint8_t *regs)
{
	static const uint8_t none[X86_GENERAL_SIZE];
	const struct x86_arch *x = (const struct x86_arch *)a;

	if (set == REGSET_GENERAL)
		x86_general_unpack(x, len < X86_GENERAL_SIZE ? none : raw,
				   regs);
	else
		x86_extended_unpack(x, raw, len, regs);
}

static void pack(const struct arch *a, enum regset set, const uint8_t *regs,
		 void *raw, size_t len)
{
	const struct x86_arch *x = (const struct x86_arch *)a;

	if (set == REGSET_EXTENDED)
		x86_extended_pack(x, regs, raw, len);
	else if (len >= X86_GENERAL_SIZE)
		x->isa->general_pack(a, regs, raw);
}

static unsigned row_offset(const struct x86_row *row,
			   const struct xsave_layout *l)
{
	/* The legacy region's rows count from the start of the area. */
	if (row->component < X86_AVX || row->component >= X86_GENERAL)
		return row->offset;
	return l->offset[row->component] + row->offset;
}

static void plan_row(struct x86_arch *x, const struct x86_row *row,
		     const struct regdesc *d)
{
	unsigned size = d->bits / 8;

	if (row->component == X86_GENERAL)
		x86_plan_add(&x->general, row->component, d->offset,
			     d->packed_at, size);
	else if (row->component < N_X86_COMPONENTS)
		x86_plan_add(&x->extended, row->component, d->offset,
			     d->packed_at, size);
}

static void reg_add(struct x86_arch *x, const struct x86_row *row)
{
	struct arch *a = &x->arch;
	struct regdesc *d = &x->regs[a->n_regs];

	assert(a->n_regs < ARRAY_SIZE(x->regs));
	*d = (struct regdesc){
		.name = row->name,
		.type = row->type,
		.group = row->group,
		.feature = row->feature,
		.bits = row->bits,
		.regset = row->component == X86_GENERAL ? REGSET_GENERAL
							: REGSET_EXTENDED,
		.offset = (uint16_t)row_offset(row, &x->layout),
		.packed_at = (uint16_t)a->regs_size,
	};
	plan_row(x, row, d);
	a->n_regs++;
	a->regs_size += row->bits / 8;
	if (!feature_needs(row->feature))
		a->basic_size = a->regs_size;
}

static void types_add(struct x86_arch *x)
{
	const struct x86_isa *isa = x->isa;

	for (size_t i = 0; i < isa->n_types; i++) {
		if (!feature_present(isa->types[i].feature, &x->layout))
			continue;
		assert(x->arch.n_types < ARRAY_SIZE(x->types));
		x->types[x->arch.n_types++] = isa->types[i];
	}
}

struct arch *x86_arch_new(const struct x86_isa *isa,
			  const struct xsave_layout *l)
{
	struct x86_arch *x = xcalloc(1, sizeof(*x));

	x->isa = isa;
	x->layout = *l;
	x->arch = (struct arch){
		.name = isa->name,
		.osabi = "GNU/Linux",
		.word = isa->word,
		.types = x->types,
		.regs = x->regs,
		.pc = isa->pc,
		.sp = isa->sp,
		.fp = isa->fp,
		.trap = { 0xcc },
		.trap_len = 1,
		.trap_pc_adjust = -1,
		.unpack = unpack,
		.pack = pack,
	};
	for (size_t i = 0; i < isa->n_rows; i++)
		if (feature_present(isa->rows[i].feature, l))
			reg_add(x, &isa->rows[i]);
	types_add(x);
	x->control_at = x->regs[isa->fctrl].packed_at;
	x->mxcsr_at = x->regs[isa->mxcsr].packed_at;
	return &x->arch;
}
