/*
 * The relocator on any bytes. Input: a byte that picks mode and distance, the
 * low bits of pc and slot, then the instruction. What comes back is decoded
 * again: every instruction boundary has a point and the other way round, the
 * copied operand is the original's, and each branch leads where it should. The
 * same of slots for steps.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed {
	enum x86_mode mode;
	uint64_t pc, slot;
};

static struct seed take_seed(const uint8_t *data)
{
	static const uint64_t places[] = { 0x400000, 0x7ffff000, 0x7fff00000000,
					   0xffffffff80000000 };
	struct seed s = {
		.mode = data[0] & 1 ? X86_MODE_32 : X86_MODE_64,
		.pc = places[data[0] >> 1 & 3] + data[1],
		.slot = places[data[0] >> 3 & 3] + 0x10000 + data[2],
	};

	if (s.mode == X86_MODE_32) {
		s.pc = (uint32_t)s.pc;
		s.slot = (uint32_t)s.slot;
	}
	return s;
}

static bool is_point(const struct x86_slot *s, unsigned offset)
{
	return x86_slot_point(s, offset) != NULL;
}

/* jmp *(%rip), as the slot's way out, has its target behind it. */
static uint64_t exit_target(const struct x86_slot *s, unsigned at,
			    const struct x86_instr *in, uint64_t slot)
{
	uint64_t to;

	if (in->kind == X86_JMP)
		return x86_target(in, slot + at);
	assert(in->kind == X86_JMP_IND && in->rip_relative);
	assert(at + in->length + 8u <= s->len);
	memcpy(&to, s->code + at + in->length, 8);
	return to;
}

/* From a clean point behind the first the only way is to where it stands. */
static void check_exits(const struct x86_slot *s, const struct seed *seed)
{
	for (unsigned i = 1; i < s->n_points; i++) {
		const struct x86_point *p = &s->points[i];
		struct x86_instr in;

		assert(p->offset > p[-1].offset && p->offset < s->len);
		if (p->state != X86_POINT_CLEAN)
			continue;
		assert(x86_decode(s->code + p->offset, s->len - p->offset,
				  seed->mode, &in) > 0);
		assert(exit_target(s, p->offset, &in, seed->slot) == p->pc);
	}
}

/* Boundaries up to the last point's instruction; literals follow. */
static void check_boundaries(const struct x86_slot *s, enum x86_mode mode)
{
	unsigned last = s->points[s->n_points - 1].offset, seen = 0;
	struct x86_instr in;

	for (unsigned at = 0; at <= last;) {
		int n;

		assert(is_point(s, at));
		seen++;
		n = x86_decode(s->code + at, s->len - at, mode, &in);
		assert(n > 0 && at + n <= s->len);
		at += n;
		if (in.kind == X86_JMP_IND && in.rip_relative && at < last)
			at += 8;
	}
	assert(seen == s->n_points);
}

/* The first instruction of the slot has the operand of the original. */
static void check_operand(const struct x86_slot *s, const struct seed *seed,
			  const uint8_t *code, const struct x86_instr *in)
{
	struct x86_instr moved;

	assert(x86_decode(s->code, s->len, seed->mode, &moved) > 0);
	if (!in->rip_relative)
		return;
	assert(moved.rip_relative);
	assert(x86_rip_operand(&moved, s->code, seed->slot) ==
	       x86_rip_operand(in, code, seed->pc));
	if (in->kind == X86_CALL_IND)
		assert(moved.opcode == 0xff && (moved.modrm >> 3 & 7) == 6);
	else
		assert(moved.opcode == in->opcode && moved.map == in->map);
}

/* Each end is a breakpoint, and a jump there behind it. */
static void check_step(const uint8_t *code, size_t size,
		       const struct seed *seed, int len)
{
	struct x86_slot s;
	struct x86_instr in;
	int r = x86_step_slot(code, size, seed->pc, seed->slot, &s);

	assert(r == len || r == -ENOEXEC || r == -ERANGE);
	if (r < 0)
		return;
	assert(s.len <= X86_SLOT_MAX && s.n_points >= 3 && s.n_points % 2);
	assert(s.points[0].pc == seed->pc && !s.points[0].offset);
	for (unsigned i = 1; i < s.n_points; i += 2) {
		const struct x86_point *p = &s.points[i];

		assert(p[0].state == X86_POINT_CLEAN &&
		       p[1].state == X86_POINT_STEPPED);
		assert(s.code[p->offset] == 0xcc);
		assert(p[1].offset == p->offset + 1 && p[1].pc == p->pc);
		assert(x86_decode(s.code + p[1].offset, s.len - p[1].offset,
				  seed->mode, &in) > 0);
		assert(exit_target(&s, p[1].offset, &in, seed->slot) == p->pc);
	}
	check_boundaries(&s, seed->mode);
}

static void check(const uint8_t *data, size_t size)
{
	struct x86_slot s;
	struct x86_instr in;
	struct seed seed;
	int len, r;

	seed = take_seed(data);
	len = x86_decode(data + 3, size - 3, seed.mode, &in);
	r = x86_relocate(data + 3, size - 3, seed.mode, seed.pc, seed.slot, &s);
	if (len < 0) {
		assert(r == len);
		return;
	}
	assert(r == len || r == -ENOEXEC || (r == -ERANGE && in.rip_relative));
	if (r < 0)
		return;
	assert(s.len <= X86_SLOT_MAX && s.n_points);
	assert(s.points[0].pc == seed.pc && !s.points[0].offset);
	assert(s.points[0].state == X86_POINT_CLEAN);
	check_exits(&s, &seed);
	check_boundaries(&s, seed.mode);
	check_operand(&s, &seed, data + 3, &in);
	if (seed.mode == X86_MODE_64)
		check_step(data + 3, size - 3, &seed, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int vendor = X86_INTEL; size >= 4 && vendor <= X86_AMD; vendor++) {
		x86_vendor = vendor;
		check(data, size);
	}
	return 0;
}
