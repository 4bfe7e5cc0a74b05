/*
 * i386 programs on a 64-bit kernel, whose registers a 64-bit tracer sees in
 * the 64-bit form.
 */
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#include "arch/x86.h"
#include "arch/x86-rows.h"
#include "arch/x86-types.h"
#include "base/mem.h"

enum {
#define REG(name, bits, type, group, feature, component, offset) NR_##name,
#include "arch/i386-regs.def"
	N_ROWS
};

static const struct x86_row rows[] = {
#define REG(name, ...) { #name, __VA_ARGS__ },
#include "arch/i386-regs.def"
};

_Static_assert(N_ROWS <= X86_REGS_MAX, "struct x86_arch has no room");
_Static_assert(sizeof(struct user_regs_struct) == X86_GENERAL_SIZE, "ptrace");

/*
 * The kernel looks for -ERESTARTSYS in all of rax, and for -1 (not in a system
 * call) in orig_rax: both are negative numbers to it, the others are not.
 */
static uint64_t widen(unsigned reg, uint32_t v)
{
	if (reg == NR_eax || reg == NR_orig_eax)
		return (uint64_t)(int32_t)v;
	return v;
}

/* Upper halves change with the lower ones only. */
static void general_pack(const struct arch *a, const uint8_t *regs,
			 uint8_t *raw)
{
	for (unsigned i = 0; i < a->n_regs; i++) {
		const struct regdesc *d = &a->regs[i];
		uint32_t now, v;
		uint64_t wide;

		if (d->regset != REGSET_GENERAL)
			continue;
		memcpy(&v, regs + d->packed_at, sizeof(v));
		memcpy(&now, raw + d->offset, sizeof(now));
		wide = widen(i, v);
		if (v != now)
			memcpy(raw + d->offset, &wide, sizeof(wide));
	}
}

static const struct x86_isa i386 = {
	.name = "i386",
	.word = 4,
	.pc = NR_eip,
	.sp = NR_esp,
	.fp = NR_ebp,
	.fctrl = NR_fctrl,
	.mxcsr = NR_mxcsr,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.types = i386_types,
	.n_types = I386_N_TYPES,
	.general_pack = general_pack,
};

struct arch *arch_i386_new(const struct xsave_layout *l)
{
	return x86_arch_new(&i386, l);
}
