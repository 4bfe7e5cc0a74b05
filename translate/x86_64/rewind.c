/*
 * Marks undone: registers alone, of a thread that is stopped or of a frame. Who
 * does it, and when, is not known here: the guardian does too.
 */
#include "translate/x86_64/rewind.h"

#include <errno.h>
#include <string.h>

#include "target/target.h"
#include "translate/layer.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/emit.h"
#include "translate/x86_64/window.h"

#define FLAG_OVERFLOW 0x800u
#define FLAG_SIGN     0x80u

uint64_t *image_gpr(uint8_t *image, unsigned n)
{
	static const uint8_t order[8] = {
		IMAGE_RAX, IMAGE_RCX, IMAGE_RDX, IMAGE_RBX,
		IMAGE_RSP, IMAGE_RBP, IMAGE_RSI, IMAGE_RDI,
	};

	return image_reg(image, n < 8 ? order[n] : n);
}

static uint64_t slot(const uint8_t *window, unsigned at)
{
	uint64_t v;

	memcpy(&v, window + at, sizeof(v));
	return v;
}

static void restore_flags(uint8_t *image, uint64_t saved)
{
	uint32_t flags;

	memcpy(&flags, image + 8 * IMAGE_FLAGS, sizeof(flags));
	flags &= ~(0xd5u | FLAG_OVERFLOW);
	flags |= (uint32_t)(saved >> 8) & 0xd5u;
	flags |= saved & 1 ? FLAG_OVERFLOW : 0;
	memcpy(image + 8 * IMAGE_FLAGS, &flags, sizeof(flags));
}

struct rule {
	uint64_t pc;
	unsigned rewind;
	int undo;
};

/* The word below the stack's top. */
static bool return_address(uint8_t *image, const struct orphan_memory *m,
			   uint64_t *pc)
{
	return m->read(m->user, *image_reg(image, IMAGE_RSP) - 8, pc, 8) == 8;
}

static int apply(const struct rule *r, const uint8_t *window, uint8_t *image,
		 const struct orphan_memory *m)
{
	uint64_t pc = r->pc;

	if (r->rewind & REWIND_TARGET)
		pc = slot(window, WIN_TARGET);
	if (r->rewind & REWIND_EXCLUDED)
		pc = slot(window, WIN_RETURNS);
	if (r->rewind & REWIND_RETURN && !return_address(image, m, &pc))
		return -EFAULT;
	if (r->rewind & REWIND_RCX)
		*image_reg(image, IMAGE_RCX) = slot(window, WIN_RCX);
	if (r->rewind & REWIND_RAX)
		*image_reg(image, IMAGE_RAX) = slot(window, WIN_RAX);
	if (r->rewind & REWIND_RDX)
		*image_reg(image, IMAGE_RDX) = slot(window, WIN_RDX);
	if (r->rewind & REWIND_FLAGS)
		restore_flags(image, slot(window, WIN_FLAGS));
	if (r->rewind & REWIND_CALLED)
		*image_reg(image, IMAGE_RCX) = pc;
	if (r->rewind & REWIND_SET)
		*image_reg(image, (unsigned)r->undo) = slot(window, WIN_TARGET);
	else
		*image_reg(image, IMAGE_RSP) += (uint64_t)r->undo;
	*image_reg(image, IMAGE_RIP) = pc;
	return 0;
}

static bool rule_of_mark(const struct trail *tl, uint32_t at, struct rule *r)
{
	struct mark m;

	if (!trail_mark(tl, at, &m))
		return false;
	*r = (struct rule){ m.pc, m.rewind, m.undo };
	return true;
}

static bool is_at_stop(const struct trail *tl, uint32_t at)
{
	return at - tl->layout.cold < STOP_BYTES;
}

/* The stub that a thread there has come to, or NULL. What it says of itself is
 * not trusted. */
static const struct stub *stub_at(const struct trail *tl, uint32_t at,
				  const uint8_t *window)
{
	uint32_t n;

	if (!is_at_stop(tl, at))
		return trail_stub(tl, at);
	memcpy(&n, window + WIN_STUB, sizeof(n));
	return n < tl->n_stubs ? &tl->stubs[n] : NULL;
}

bool trail_knows(const struct trail *tl, uint64_t cpc)
{
	uint32_t at = (uint32_t)(cpc - tl->addr);

	return is_at_stop(tl, at) || trail_stub(tl, at) ||
	       trail_has_mark(tl, at);
}

bool trail_is_stopped(const struct trail *tl, uint64_t pc)
{
	return pc == tl->addr + tl->layout.cold + STOPPED_AT;
}

int trail_rewind(const struct trail *tl, const uint8_t *window, uint8_t *image,
		 bool trapped, const struct orphan_memory *m,
		 const struct stub **stub)
{
	uint32_t at =
		(uint32_t)(*image_reg(image, IMAGE_RIP) - trapped - tl->addr);
	struct rule r;

	*stub = stub_at(tl, at, window);
	if (*stub) {
		r = (struct rule){ (*stub)->pc, (*stub)->rewind,
				   (*stub)->undo };
		if (is_at_stop(tl, at))
			stop_undo(window, image, at - tl->layout.cold);
	} else if (!rule_of_mark(tl, at, &r)) {
		return -ENOENT;
	}
	return apply(&r, window, image, m);
}

static ssize_t lower_read(void *user, uint64_t addr, void *buf, size_t len)
{
	struct space *sp = user;

	return target_read(sp->tr->lower, sp->by->proc, addr, buf, len);
}

bool rewind_excluded(const uint8_t *window, uint64_t *stack, uint64_t *pc)
{
	*stack = slot(window, WIN_EXCLUDED) - 8;
	*pc = slot(window, WIN_RETURNS);
	return slot(window, WIN_EXCLUDED);
}

int rewind_image(struct space *sp, const uint8_t *window, uint8_t *image,
		 bool trapped, const struct stub **stub)
{
	const struct orphan_memory m = { .read = lower_read, .user = sp };
	const struct trail *tl =
		trails_at(sp->trails, *image_reg(image, IMAGE_RIP) - trapped);

	if (!tl)
		return -ENOENT;
	return trail_rewind(tl, window, image, trapped, &m, stub);
}

bool insn_repeats(const struct x86_instr *in)
{
	return in->prefixes & (X86_PFX_F2 | X86_PFX_F3) &&
	       ((in->opcode >= 0xa4 && in->opcode <= 0xa7) ||
		(in->opcode >= 0xaa && in->opcode <= 0xaf));
}

/* The instruction whose copy ends so far behind the mark. */
static bool read_before(struct code_reader *r, const struct mark *before,
			uint32_t length, struct insn *i)
{
	bool ok = code_read(r, before->pc, i);

	while (ok && before->run && insn_next(i) < before->pc + length)
		ok = code_read(r, insn_next(i), i);
	return ok;
}

uint64_t rewind_behind(struct space *sp, const struct trail *tl, uint64_t cpc)
{
	uint32_t at = (uint32_t)(cpc - tl->addr);
	const struct mark *before = trail_before(tl, at);
	struct code_reader reader;
	struct insn i;
	struct mark m;

	if (!before || !trail_mark(tl, at, &m))
		return 0;
	/* What comes behind a branch that has been taken is elsewhere. */
	if (m.rewind & (REWIND_TARGET | REWIND_RETURN | REWIND_CALLED))
		return 0;
	code_init(&reader, sp);
	/* A string instruction stays where it is between its turns. */
	if (code_read(&reader, m.pc, &i) && insn_repeats(&i.in))
		return 0;
	if (!read_before(&reader, before, at - before->at, &i) ||
	    i.in.kind != X86_PLAIN)
		return 0;
	return insn_next(&i);
}

static unsigned mark_puts(const struct mark *m, uint8_t *image)
{
	unsigned puts = m->puts & ~PUTS_UNLESS_SIGN;

	if (m->puts & PUTS_UNLESS_SIGN && !(*image_flags(image) & FLAG_SIGN))
		puts++;
	return puts;
}

unsigned rewind_puts(struct space *sp, uint64_t cpc, const uint8_t *window,
		     uint8_t *image)
{
	const unsigned elsewhere = REWIND_TARGET | REWIND_RETURN;
	const struct trail *tl = trails_at(sp->trails, cpc);
	const struct region *rg = tl ? space_region_at(sp, cpc) : NULL;
	uint32_t at = tl ? (uint32_t)(cpc - tl->addr) : 0;
	const struct stub *stub = tl ? stub_at(tl, at, window) : NULL;
	struct mark m;

	if (rg && at >= rg->check && at < rg->check_end)
		return (uint16_t)slot(window, WIN_CHECK_PUTS);
	if (stub)
		return stub->rewind & elsewhere ? 0 : stub->puts;
	return tl && trail_mark(tl, at, &m) && !(m.rewind & elsewhere)
		       ? mark_puts(&m, image)
		       : 0;
}

/* --- operands ------------------------------------------------------------ */

static uint64_t displacement(const struct insn *i)
{
	const uint8_t *p = i->bytes + i->in.disp_at;
	int32_t wide;

	if (i->in.disp_size == 1)
		return (uint64_t)(int8_t)*p;
	if (i->in.disp_size != 4)
		return 0;
	memcpy(&wide, p, sizeof(wide));
	return (uint64_t)wide;
}

/* SDM vol. 2, 2.1.5 and 2.2.1. */
uint64_t operand_address(const struct insn *i, uint8_t *image, uint64_t fs_base)
{
	const struct x86_instr *in = &i->in;
	unsigned base = in->modrm & 7, index;
	bool is_sib = base == 4;
	uint64_t at = displacement(i);

	if (in->rip_relative)
		return x86_rip_operand(in, i->bytes, i->pc) +
		       (in->prefixes & X86_PFX_FS ? fs_base : 0);
	if (is_sib)
		base = in->sib & 7;
	if (!(is_sib && base == 5 && in->modrm < 0x40))
		at += *image_gpr(image, base | (in->rex & X86_REX_B ? 8 : 0));
	index = (in->sib >> 3 & 7) | (in->rex & X86_REX_X ? 8 : 0);
	if (is_sib && index != 4)
		at += *image_gpr(image, index) << (in->sib >> 6);
	if (in->prefixes & X86_PFX_67)
		at = (uint32_t)at;
	return at + (in->prefixes & X86_PFX_FS ? fs_base : 0);
}

int branch_target(struct space *sp, uint8_t *image, uint64_t fs_base,
		  uint64_t *target)
{
	struct code_reader reader;
	struct insn i;

	code_init(&reader, sp);
	if (!code_read(&reader, *image_reg(image, IMAGE_RIP), &i))
		return -EFAULT;
	if (i.in.modrm >= 0xc0) {
		*target = *image_gpr(image,
				     (i.in.modrm & 7) |
					     (i.in.rex & X86_REX_B ? 8 : 0));
		return 0;
	}
	return target_read_all(sp->tr->lower, sp->by->proc,
			       operand_address(&i, image, fs_base), target, 8);
}
