#include <stddef.h>
#include <sys/user.h>

#include "arch/x86.h"
#include "arch/x86-rows.h"
#include "arch/x86-types.h"
#include "base/mem.h"

/* The first of these are always there, and so have constant numbers. */
enum {
#define REG(name, bits, type, group, feature, component, offset) NR_##name,
#include "arch/x86_64-regs.def"
	N_ROWS
};

static const struct x86_row rows[] = {
#define REG(name, ...) { #name, __VA_ARGS__ },
#include "arch/x86_64-regs.def"
};

_Static_assert(N_ROWS <= X86_REGS_MAX, "struct x86_arch has no room");
_Static_assert(sizeof(struct user_regs_struct) == X86_GENERAL_SIZE, "ptrace");

static const struct x86_isa x86_64 = {
	.name = "i386:x86-64",
	.word = 8,
	.pc = NR_rip,
	.sp = NR_rsp,
	.fp = NR_rbp,
	.fctrl = NR_fctrl,
	.mxcsr = NR_mxcsr,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.types = x86_64_types,
	.n_types = X86_64_N_TYPES,
	.general_pack = x86_general_pack,
};

struct arch *arch_x86_64_new(const struct xsave_layout *l)
{
	return x86_arch_new(&x86_64, l);
}
