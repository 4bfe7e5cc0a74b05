#include "arch/x86_64/step.h"

#include <errno.h>

#include "arch/x86_64/encode.h"

#define INT3 0xcc
#define NOP  0x90

/* Those that a prefix repeats: each time is a step to the processor. */
static bool is_string(uint8_t opcode)
{
	return (opcode >= 0x6c && opcode <= 0x6f) ||
	       (opcode >= 0xa4 && opcode <= 0xa7) ||
	       (opcode >= 0xaa && opcode <= 0xaf);
}

static bool main_steps(const struct x86_instr *in)
{
	switch (in->opcode) {
	case 0x8e: /* mov to a segment: ss holds debug exceptions off */
	case 0x9c: /* pushf, */
	case 0x9d: /* popf: the trap flag's own */
		return false;
	case 0xc6:
	case 0xc7: /* xabort */
		return in->modrm != 0xf8;
	}
	return !is_string(in->opcode) ||
	       !(in->prefixes & (X86_PFX_F2 | X86_PFX_F3));
}

/* 0f 01: a group of the system's; 0f b2: lss. */
static bool second_steps(const struct x86_instr *in)
{
	return in->opcode != 0x01 && in->opcode != 0xb2;
}

static bool steps(const struct x86_instr *in)
{
	switch (in->kind) {
	case X86_JMP:
	case X86_JCC:
	case X86_LOOP:
		return !in->near16;
	case X86_PLAIN:
		break;
	default:
		return false;
	}
	switch (in->map) {
	case X86_MAP_MAIN:
		return main_steps(in);
	case X86_MAP_0F:
		return second_steps(in);
	default:
		return true;
	}
}

static void add_point(struct x86_slot *s, uint64_t pc, unsigned offset,
		      enum x86_point_state state)
{
	s->points[s->n_points++] = (struct x86_point){
		.pc = pc,
		.offset = (uint8_t)offset,
		.state = state,
	};
}

/* A breakpoint, and what a thread does that goes on from it by itself. */
static void put_exit(struct x86_emit *e, struct x86_slot *out, uint64_t to)
{
	add_point(out, to, e->len, X86_POINT_CLEAN);
	x86_emit_byte(e, INT3);
	add_point(out, to, e->len, X86_POINT_STEPPED);
	x86_emit_jmp(e, to);
}

/* Something is executed in any case: a signal that waits comes before. */
static void make_jmp(struct x86_emit *e, uint64_t pc, uint64_t to,
		     struct x86_slot *out)
{
	out->n_points = 0;
	add_point(out, pc, 0, X86_POINT_CLEAN);
	x86_emit_byte(e, NOP);
	put_exit(e, out, to);
}

/* All points but the first are at jumps back: to the next instruction, and
 * behind that to where a branch goes, which a byte before the first skips. */
static void replace_exits(struct x86_emit *e, struct x86_slot *out)
{
	struct x86_point next = out->points[1], taken = out->points[2];
	bool branches = out->n_points > 2;

	out->n_points = 1;
	e->len = next.offset;
	put_exit(e, out, next.pc);
	if (!branches)
		return;
	out->code[next.offset - 1] = (uint8_t)(e->len - next.offset);
	put_exit(e, out, taken.pc);
}

int x86_step_slot(const uint8_t *code, size_t avail, uint64_t pc, uint64_t slot,
		  struct x86_slot *out)
{
	struct x86_emit e = {
		.code = out->code,
		.max = X86_SLOT_MAX,
		.base = slot,
		.mode = X86_MODE_64,
	};
	struct x86_instr in;
	int n = x86_decode(code, avail, X86_MODE_64, &in);

	if (n < 0)
		return n;
	if (!steps(&in))
		return -ENOEXEC;
	if (in.kind == X86_JMP) {
		make_jmp(&e, pc, x86_target(&in, pc), out);
	} else {
		n = x86_relocate(code, avail, X86_MODE_64, pc, slot, out);
		if (n < 0)
			return n;
		replace_exits(&e, out);
	}
	out->len = e.len;
	return n;
}

bool x86_step_is_emulated(const uint8_t *code, size_t avail)
{
	const uint8_t cpuid = 0xa2;
	struct x86_instr in;

	return x86_decode(code, avail, X86_MODE_64, &in) > 0 &&
	       in.map == X86_MAP_0F && in.opcode == cpuid;
}
