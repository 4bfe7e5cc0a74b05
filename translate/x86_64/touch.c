/* What memory an instruction touches, by the registers that a thread has. */
#include "translate/x86_64/touch.h"

#include <string.h>

#include "translate/watchpoints.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/rewind.h"

uint64_t touch_disp_beyond(const struct insn *i)
{
	if (i->in.map != X86_MAP_EVEX || i->in.disp_size != 1)
		return 0;
	return (uint64_t)(int8_t)i->bytes[i->in.disp_at] *
	       (x86_disp_scale(&i->in, i->bytes) - 1);
}

uint64_t touch_moffs(const struct insn *i)
{
	uint64_t at = 0;

	memcpy(&at, i->bytes + i->in.imm_at, i->in.imm_size);
	return at;
}

/* The bits that are so far away, of a signed register. */
static uint64_t bits_away(const struct insn *i, uint8_t *image, unsigned size)
{
	unsigned reg = (i->in.modrm >> 3 & 7) | (i->in.rex & X86_REX_R ? 8 : 0);
	uint64_t v = *image_gpr(image, reg);
	int64_t bit = size == 8	  ? (int64_t)v
		      : size == 4 ? (int32_t)v
				  : (int16_t)v;

	return (uint64_t)((bit >> (size == 8   ? 6
				   : size == 4 ? 5
					       : 4)) *
			  (int64_t)size);
}

/* Where it begins; false: nobody can tell. */
static bool place_of(const struct insn *i, const struct x86_access *a,
		     uint8_t *image, uint64_t fs_base, uint64_t *at)
{
	uint64_t fs = i->in.prefixes & X86_PFX_FS ? fs_base : 0;

	switch (a->where) {
	case X86_AT_BITS:
		*at = operand_address(i, image, fs_base) +
		      bits_away(i, image, a->size);
		return true;
	case X86_AT_OPERAND:
		*at = operand_address(i, image, fs_base) + touch_disp_beyond(i);
		return true;
	case X86_AT_MOFFS:
		*at = touch_moffs(i) + fs;
		return true;
	case X86_AT_PUSH:
		*at = *image_reg(image, IMAGE_RSP) - a->size;
		return true;
	case X86_AT_POP:
		*at = *image_reg(image, IMAGE_RSP);
		return true;
	case X86_AT_FRAME:
		*at = *image_reg(image, IMAGE_RBP);
		return true;
	case X86_AT_RSI:
		*at = *image_reg(image, IMAGE_RSI) + fs;
		return true;
	case X86_AT_RDI:
		*at = *image_reg(image, IMAGE_RDI);
		return true;
	default:
		return false;
	}
}

#define FLAG_DOWN 0x400u

static void touch(const struct insn *i, const struct x86_access *a,
		  uint8_t *image, uint64_t fs_base, bool whole, touch_fn *fn,
		  void *user)
{
	uint64_t lo, n = 1;

	if (!place_of(i, a, image, fs_base, &lo)) {
		fn(user, 0, UINT64_MAX, false, a->writes, false);
		return;
	}
	if (insn_repeats(&i->in)) {
		n = *image_reg(image, IMAGE_RCX);
		if (!whole && n)
			n = 1;
		if (*image_flags(image) & FLAG_DOWN && n)
			lo -= (n - 1) * a->size;
	}
	if (n)
		fn(user, lo, lo + n * a->size, a->reads, a->writes,
		   a->exact || a->where == X86_AT_BITS);
}

void check_touches(struct space *sp, uint8_t *image, uint64_t fs_base,
		   bool whole, touch_fn *fn, void *user)
{
	struct x86_access all[X86_ACCESS_MAX];
	struct code_reader reader;
	struct insn i;
	unsigned n;

	code_init(&reader, sp);
	if (!code_read(&reader, *image_reg(image, IMAGE_RIP), &i))
		return;
	n = x86_accesses(&i.in, i.bytes, all);
	for (unsigned k = 0; k < n; k++)
		touch(&i, &all[k], image, fs_base, whole, fn, user);
}

bool check_repeats(struct space *sp, uint64_t pc)
{
	struct code_reader reader;
	struct insn i;

	code_init(&reader, sp);
	return code_read(&reader, pc, &i) && insn_repeats(&i.in);
}
