#include "arch/x86_64/step.h"

#include <errno.h>

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
	if (in->opcode >= 0xd8 && in->opcode <= 0xdf)
		return false; /* x87 */
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
		return true;
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

/* Something is executed in any case: a signal that waits comes before. */
static void make_jmp(uint64_t pc, uint64_t to, struct x86_slot *out)
{
	out->n_points = 0;
	out->code[0] = NOP;
	out->code[1] = INT3;
	out->len = 2;
	add_point(out, pc, 0, X86_POINT_CLEAN);
	add_point(out, to, 1, X86_POINT_CLEAN);
	add_point(out, to, 2, X86_POINT_STEPPED);
}

/* Breakpoints in place of the jumps back: all points but the first. */
static void end_in_traps(struct x86_slot *s)
{
	unsigned n = s->n_points;
	struct x86_point exits[X86_POINTS_MAX];

	for (unsigned i = 1; i < n; i++)
		exits[i] = s->points[i];
	s->n_points = 1;
	for (unsigned i = 1; i < n; i++) {
		s->code[exits[i].offset] = INT3;
		add_point(s, exits[i].pc, exits[i].offset, X86_POINT_CLEAN);
		add_point(s, exits[i].pc, exits[i].offset + 1u,
			  X86_POINT_STEPPED);
	}
}

int x86_step_slot(const uint8_t *code, size_t avail, uint64_t pc, uint64_t slot,
		  struct x86_slot *out)
{
	struct x86_instr in;
	int n = x86_decode(code, avail, X86_MODE_64, &in);

	if (n < 0)
		return n;
	if (!steps(&in))
		return -ENOEXEC;
	if (in.kind == X86_JMP) {
		make_jmp(pc, x86_target(&in, pc), out);
		return n;
	}
	n = x86_relocate(code, avail, X86_MODE_64, pc, slot, out);
	if (n >= 0)
		end_in_traps(out);
	return n;
}
