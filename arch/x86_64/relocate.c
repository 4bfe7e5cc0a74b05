#include "arch/x86_64/relocate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/encode.h"

struct job {
	struct x86_instr in;
	const uint8_t *code;
	uint64_t pc, next; /* the original's, and what follows it */
	struct x86_emit e;
	struct x86_slot *out;
};

/* A pc of that mode. */
static uint64_t wrap(enum x86_mode mode, uint64_t pc)
{
	return mode == X86_MODE_64 ? pc : (uint32_t)pc;
}

/* The code that comes next is at this point. */
static void add_point(struct job *j, enum x86_point_state state, uint64_t pc,
		      unsigned undo)
{
	struct x86_slot *s = j->out;

	assert(s->n_points < X86_POINTS_MAX);
	s->points[s->n_points++] = (struct x86_point){
		.pc = wrap(j->in.mode, pc),
		.offset = j->e.len,
		.undo = undo,
		.state = state,
	};
}

static void emit_jmp(struct job *j, uint64_t to)
{
	add_point(j, X86_POINT_CLEAN, to, 0);
	x86_emit_jmp(&j->e, to);
}

/*
 * A displacement that counted from the end of the original now counts from the
 * end of its copy, which begins at offset `at` and is `length` long. With 67
 * the address is cut to 32 bits, so that it is in reach from everywhere.
 */
static int fix_disp(struct job *j, size_t at, unsigned length, unsigned disp_at)
{
	uint64_t from = j->e.base + at + length;
	uint64_t to = x86_rip_operand(&j->in, j->code, j->pc);
	uint32_t disp = to - from;

	if (!(j->in.prefixes & X86_PFX_67) &&
	    !x86_reaches(j->in.mode, from, to))
		return -ERANGE;
	for (int i = 0; i < 4; i++)
		j->e.code[at + disp_at + i] = disp >> 8 * i;
	return 0;
}

static int copy(struct job *j)
{
	size_t at = j->e.len;

	add_point(j, X86_POINT_CLEAN, j->pc, 0);
	x86_emit(&j->e, j->code, j->in.length);
	if (j->in.rip_relative)
		return fix_disp(j, at, j->in.length, j->in.disp_at);
	return 0;
}

static int move_plain(struct job *j)
{
	int r = copy(j);

	if (!r)
		emit_jmp(j, j->next);
	return r;
}

static int move_jmp(struct job *j)
{
	add_point(j, X86_POINT_CLEAN, j->pc, 0);
	x86_emit_jmp(&j->e, x86_target(&j->in, j->pc));
	return 0;
}

/*
 * jcc rel8 and loop, over the way to the next instruction. Of the prefixes
 * only loop's 67 means anything: it selects ecx.
 */
static int move_conditional(struct job *j)
{
	uint8_t op = j->in.kind == X86_JCC ? 0x70 | (j->in.opcode & 15)
					   : j->in.opcode;
	size_t rel;

	add_point(j, X86_POINT_CLEAN, j->pc, 0);
	if (j->in.prefixes & X86_PFX_67)
		x86_emit_byte(&j->e, 0x67);
	x86_emit_byte(&j->e, op);
	rel = j->e.len;
	x86_emit_byte(&j->e, 0);
	emit_jmp(j, j->next);
	j->e.code[rel] = j->e.len - (rel + 1);
	emit_jmp(j, x86_target(&j->in, j->pc));
	return 0;
}

/* One push does all that a call does but go there. */
static int move_call(struct job *j)
{
	size_t literal;

	add_point(j, X86_POINT_CLEAN, j->pc, 0);
	literal = x86_emit_push(&j->e, j->next);
	emit_jmp(j, x86_target(&j->in, j->pc));
	x86_emit_literal(&j->e, literal, j->next);
	return 0;
}

/* bnd, notrack and 66 go: none changes the call, 66 would change the push. So
 * does a REX that does not stand right before the opcode: it would now. */
static bool drops(const struct job *j, unsigned i)
{
	switch (j->code[i]) {
	case 0x3e:
	case 0x66:
	case 0xf2:
	case 0xf3:
		return true;
	}
	return j->in.mode == X86_MODE_64 && (j->code[i] & 0xf0) == 0x40 &&
	       i + 1 != j->in.opcode_at;
}

/* push r/m instead of call r/m: FF /6 for FF /2. */
static int push_operand(struct job *j)
{
	size_t at = j->e.len, shift = 0;

	for (unsigned i = 0; i < j->in.length; i++) {
		uint8_t byte = j->code[i];

		if (i < j->in.opcode_at && drops(j, i)) {
			shift++;
			continue;
		}
		if (i == j->in.modrm_at)
			byte = (byte & ~0x38) | 6 << 3;
		x86_emit_byte(&j->e, byte);
	}
	if (j->in.rip_relative)
		return fix_disp(j, at, j->in.length - shift,
				j->in.disp_at - shift);
	return 0;
}

/*
 * The operand is read first and by an instruction that changes nothing when it
 * faults, as the processor does it. It waits below the return address:
 *
 *	push op			the target
 *	push (%rsp)		again, a word lower
 *	lea 16(%rsp), %rsp	as before
 *	push $next
 *	jmp *-8(%rsp)		through the lower one
 */
static int move_call_indirect(struct job *j)
{
	bool wide = j->in.mode == X86_MODE_64;
	unsigned word = wide ? 8 : 4;
	size_t literal;
	int r;

	add_point(j, X86_POINT_CLEAN, j->pc, 0);
	r = push_operand(j);
	if (r < 0)
		return r;
	add_point(j, X86_POINT_INSIDE, j->pc, word);
	x86_emit(&j->e, "\xff\x34\x24", 3);
	add_point(j, X86_POINT_INSIDE, j->pc, 2 * word);
	if (wide)
		x86_emit_byte(&j->e, 0x48);
	x86_emit(&j->e, "\x8d\x64\x24", 3);
	x86_emit_byte(&j->e, 2 * word);
	add_point(j, X86_POINT_INSIDE, j->pc, 0);
	literal = x86_emit_push(&j->e, j->next);
	add_point(j, X86_POINT_INSIDE, j->pc, word);
	x86_emit(&j->e, "\xff\x64\x24", 3);
	x86_emit_byte(&j->e, -word);
	x86_emit_literal(&j->e, literal, j->next);
	return 0;
}

/*
 * The kernel returns behind the syscall and leaves that address in rcx; in
 * 32-bit mode it returns to its own landing pad in the vdso.
 */
static int move_syscall(struct job *j)
{
	copy(j);
	if (j->in.mode == X86_MODE_32)
		return 0;
	add_point(j, X86_POINT_SYSCALLED, j->next, 0);
	x86_emit(&j->e, "\x48\xb9", 2);
	x86_emit_num(&j->e, j->next, 8);
	emit_jmp(j, j->next);
	return 0;
}

static int refuse(struct job *j)
{
	(void)j;
	return -ENOEXEC;
}

static int (*const movers[N_X86_KINDS])(struct job *) = {
	[X86_PLAIN] = move_plain,
	[X86_JMP] = move_jmp,
	[X86_JCC] = move_conditional,
	[X86_LOOP] = move_conditional,
	[X86_CALL] = move_call,
	[X86_CALL_IND] = move_call_indirect,
	[X86_SYSCALL] = move_syscall,
	[X86_INT80] = move_plain,
	[X86_INT] = move_plain,
	[X86_INT3] = move_plain,

	/* They come back nowhere, or as a fault at their own address. */
	[X86_JMP_IND] = copy,
	[X86_JMP_FAR] = copy,
	[X86_RET] = copy,
	[X86_RET_FAR] = copy,
	[X86_IRET] = copy,
	[X86_SYSENTER] = copy,
	[X86_HLT] = copy,
	[X86_UD] = copy,
	[X86_PRIV] = copy,

	[X86_CALL_FAR] = refuse,
	[X86_XBEGIN] = refuse,
};

/* The x87 keeps the address of its last; near branches whose pc has 16 bits;
 * sysenter's way back. */
static bool must_stay(const struct x86_instr *in)
{
	if (in->map == X86_MAP_MAIN && in->opcode >= 0xd8 && in->opcode <= 0xdf)
		return true;
	if (in->mode == X86_MODE_64 && in->kind == X86_SYSENTER)
		return true;
	return in->near16;
}

int x86_relocate(const uint8_t *code, size_t avail, enum x86_mode mode,
		 uint64_t pc, uint64_t slot, struct x86_slot *out)
{
	struct job j = {
		.code = code,
		.pc = pc,
		.e = { .code = out->code,
		       .max = X86_SLOT_MAX,
		       .base = slot,
		       .mode = mode },
		.out = out,
	};
	int length = x86_decode(code, avail, mode, &j.in), r;

	if (length < 0)
		return length;
	if (must_stay(&j.in))
		return -ENOEXEC;
	j.next = wrap(mode, pc + length);
	out->n_points = 0;
	r = movers[j.in.kind](&j);
	if (r < 0)
		return r;
	out->len = j.e.len;
	return length;
}

const struct x86_point *x86_slot_point(const struct x86_slot *s,
				       uint64_t offset)
{
	for (unsigned i = 0; i < s->n_points; i++)
		if (s->points[i].offset == offset)
			return &s->points[i];
	return NULL;
}
