/* What memory an instruction touches, by the registers that a thread has. */
#include "translate/x86_64/touch.h"

#include <stdio.h>
#include <string.h>

#include "translate/layer.h"
#include "translate/trap.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/emit.h"
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

/* What one instruction is looked at with. */
struct toucher {
	struct space *sp;
	const struct insn *i;
	uint8_t *image;
	uint64_t segment; /* of an operand with a prefix: its base */
	bool whole;
	touch_fn *fn;
	void *user;
};

static bool has_short_addresses(const struct insn *i)
{
	return i->in.prefixes & X86_PFX_67;
}

static uint64_t shortened(const struct insn *i, uint64_t at)
{
	return has_short_addresses(i) ? (uint32_t)at : at;
}

/* pop addresses its operand by the stack pointer that it leaves. */
static unsigned popped_before(const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	bool by_stack = (in->modrm & 7) == 4 && (in->sib & 7) == RSP &&
			!(in->rex & X86_REX_B);

	if (in->map != X86_MAP_MAIN || in->opcode != 0x8f || !by_stack)
		return 0;
	return in->prefixes & X86_PFX_66 && !(in->rex & X86_REX_W) ? 2 : 8;
}

bool touch_pops_before(const struct insn *i)
{
	return popped_before(i);
}

static uint64_t operand_of(const struct toucher *t)
{
	return operand_address(t->i, t->image, 0) + touch_disp_beyond(t->i) +
	       popped_before(t->i) + t->segment;
}

/* Where it begins. */
static uint64_t place_of(const struct toucher *t, const struct x86_access *a)
{
	const struct insn *i = t->i;
	uint8_t *image = t->image;
	unsigned reg = (i->in.modrm >> 3 & 7) | (i->in.rex & X86_REX_R ? 8 : 0);

	switch (a->where) {
	case X86_AT_BITS:
		return operand_of(t) + bits_away(i, image, a->size);
	case X86_AT_MOFFS:
		return touch_moffs(i) + t->segment;
	case X86_AT_PUSH:
		return *image_reg(image, IMAGE_RSP) - a->size;
	case X86_AT_POP:
		return *image_reg(image, IMAGE_RSP);
	case X86_AT_FRAME:
		return *image_reg(image, IMAGE_RBP);
	case X86_AT_BELOW_FRAME:
		return *image_reg(image, IMAGE_RBP) - a->size;
	case X86_AT_RSI:
		return shortened(i, *image_reg(image, IMAGE_RSI)) + t->segment;
	case X86_AT_RDI:
		return shortened(i, *image_reg(image, IMAGE_RDI));
	case X86_AT_TABLE:
		return shortened(i, *image_gpr(image, RBX) +
					    (uint8_t)*image_gpr(image, RAX)) +
		       t->segment;
	case X86_AT_LINE:
		return (shortened(i, *image_gpr(image, RAX)) + t->segment) &
		       -64ull;
	case X86_AT_REGISTER:
		return shortened(i, *image_gpr(image, reg));
	default:
		return operand_of(t);
	}
}

static void tell(const struct toucher *t, const struct x86_access *a,
		 uint64_t at, bool exact)
{
	const struct touch one = {
		.lo = at,
		.hi = at + a->size < at ? UINT64_MAX : at + a->size,
		.reads = a->reads,
		.writes = a->writes,
		.exact = exact,
	};

	t->fn(t->user, &one);
}

/* --- strings -------------------------------------------------------------- */

#define FLAG_DOWN 0x400u

/* cmps and scas end where what they look for is. */
static bool is_scan(const struct insn *i)
{
	unsigned opcode = i->in.opcode & ~1u;

	return opcode == 0xa6 || opcode == 0xae;
}

static void tell_string(const struct toucher *t, const struct x86_access *a)
{
	uint64_t first = place_of(t, a), n = *image_reg(t->image, IMAGE_RCX);
	uint64_t before = first, beyond;
	int reg = a->where == X86_AT_RSI ? RSI : RDI;
	struct touch all = { .reads = a->reads,
			     .writes = a->writes,
			     .exact = a->exact };

	n = shortened(t->i, n);
	if (!n)
		return;
	if (!t->whole)
		n = 1;
	if (__builtin_mul_overflow(n - 1, a->size, &beyond))
		beyond = UINT64_MAX;
	if (*image_flags(t->image) & FLAG_DOWN) {
		before = first > beyond ? first - beyond : 0;
		beyond = 0;
	}
	all.lo = before;
	if (__builtin_add_overflow(first, beyond, &all.hi) ||
	    __builtin_add_overflow(all.hi, a->size, &all.hi))
		all.hi = UINT64_MAX;
	if (is_scan(t->i))
		all.scan = (struct scan){
			.reg = reg,
			.from = *image_gpr(t->image, (unsigned)reg),
			.first = first,
			.size = a->size,
		};
	t->fn(t->user, &all);
}

/* --- elements ------------------------------------------------------------- */

static void read_named(const struct toucher *t, const char *prefix, unsigned n,
		       const char *suffix, void *out)
{
	struct thread *low = t->sp->by;
	const struct arch *a = low->proc->arch;
	char name[16];

	snprintf(name, sizeof(name), "%s%u%s", prefix, n, suffix);
	for (unsigned r = 0; r < a->n_regs; r++) {
		if (!strcmp(a->regs[r].name, name)) {
			target_reg_read(t->sp->tr->lower, low, r, out);
			return;
		}
	}
}

static void read_vector(const struct toucher *t, unsigned n, uint8_t out[64])
{
	memset(out, 0, 64);
	read_named(t, "xmm", n, "", out);
	read_named(t, "ymm", n, "h", out + 16);
	read_named(t, "zmm", n, "h", out + 32);
}

static int64_t element_of(const uint8_t *vector, unsigned n, unsigned size)
{
	int64_t wide;
	int32_t narrow;

	if (size == 8) {
		memcpy(&wide, vector + 8 * n, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, vector + 4 * n, sizeof(narrow));
	return narrow;
}

/* The operand's address, as if its index were none. */
static uint64_t base_of(const struct toucher *t)
{
	const struct x86_instr *in = &t->i->in;
	unsigned index = (in->sib >> 3 & 7) | (in->rex & X86_REX_X ? 8 : 0);

	return operand_of(t) -
	       (index == RSP ? 0
			     : *image_gpr(t->image, index) << (in->sib >> 6));
}

static void tell_elements(const struct toucher *t, const struct x86_access *a)
{
	uint8_t index[64], mask[64];
	struct x86_elements e;
	uint64_t bits = 0;

	x86_elements(&t->i->in, t->i->bytes, &e);
	read_vector(t, e.index, index);
	if (e.mask_is_opmask)
		read_named(t, "k", e.mask, "", &bits);
	else
		read_vector(t, e.mask, mask);
	for (unsigned n = 0; n < e.n; n++) {
		int64_t at = element_of(index, n, e.index_size);

		if (e.mask_is_opmask ? bits >> n & 1
				     : element_of(mask, n, a->size) < 0)
			tell(t, a,
			     shortened(t->i,
				       base_of(t) + ((uint64_t)at << e.scale)),
			     true);
	}
}

/* How many there are, and how long, is in no register that could be read. */
static void tell_rows(const struct toucher *t, const struct x86_access *a)
{
	uint64_t base = base_of(t), stride = operand_of(t) - base;

	for (unsigned n = 0; n < 16; n++)
		tell(t, a, base + n * stride, false);
}

/* -------------------------------------------------------------------------- */

static void touch(const struct toucher *t, const struct x86_access *a)
{
	if (a->where == X86_AT_ELEMENTS)
		tell_elements(t, a);
	else if (a->where == X86_AT_ROWS)
		tell_rows(t, a);
	else if (insn_repeats(&t->i->in))
		tell_string(t, a);
	else
		tell(t, a, place_of(t, a), a->exact || a->where == X86_AT_BITS);
}

static uint64_t segment_of(const struct space *sp, const struct insn *i)
{
	const struct translator *tr = sp->tr;

	return i->in.prefixes & X86_PFX_GS
		       ? *follow_special(sp->by, tr->gs_base)
	       : i->in.prefixes & X86_PFX_FS
		       ? *follow_special(sp->by, tr->fs_base)
		       : 0;
}

void check_touches(struct space *sp, uint8_t *image, bool whole, touch_fn *fn,
		   void *user)
{
	struct toucher t = {
		.sp = sp, .image = image, .whole = whole, .fn = fn, .user = user
	};
	struct x86_access all[X86_ACCESS_MAX];
	struct code_reader reader;
	struct insn i;
	unsigned n;

	code_init(&reader, sp);
	if (!code_read(&reader, *image_reg(image, IMAGE_RIP), &i))
		return;
	t.i = &i;
	t.segment = segment_of(sp, &i);
	n = x86_accesses(&i.in, i.bytes, all);
	for (unsigned k = 0; k < n; k++)
		touch(&t, &all[k]);
}

bool check_repeats(struct space *sp, uint64_t pc)
{
	struct code_reader reader;
	struct insn i;

	code_init(&reader, sp);
	return code_read(&reader, pc, &i) && insn_repeats(&i.in);
}
