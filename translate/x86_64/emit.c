#include "translate/x86_64/emit.h"

#include <cpuid.h>
#include <string.h>

#include "translate/flows.h"
#include "translate/x86_64/window.h"

/* As if it had a mark: that is all, where it belongs to a run. */
static void note_mark(struct writer *w, unsigned rewind, int undo)
{
	w->rewind = rewind;
	w->undo = undo;
	if (w->sp && w->sp->flow)
		flow_own(w->rg, w->s, w->flow, w->phase);
}

void w_mark(struct writer *w, unsigned rewind, int undo)
{
	stream_mark(w->s, (struct mark){
				  .pc = w->pc,
				  .rewind = rewind & (2u * REWIND_SET - 1),
				  .undo = undo,
				  .puts = w->puts,
			  });
	note_mark(w, rewind, undo);
}

/* What was written last is a run, and this is of it. */
static bool goes_on(const struct writer *w)
{
	uint32_t at = stream_at(w->s);
	const struct mark *last;

	if (!w->run_to || w->run_to != at)
		return false;
	last = &w->s->marks[*w->s->n_marks - 1];
	return last->run && w->pc - last->pc == at - last->at;
}

void w_mark_run(struct writer *w, unsigned length)
{
	bool runs = !w->puts;

	if (!runs || !goes_on(w))
		stream_mark(w->s, (struct mark){
					  .pc = w->pc,
					  .run = runs,
					  .puts = w->puts,
				  });
	w->run_to = runs ? stream_at(w->s) + length : 0;
	note_mark(w, 0, 0);
}

void w_num(struct writer *w, uint64_t v, unsigned size)
{
	x86_emit_num(&w->s->e, v, size);
}

void w_nop(struct writer *w)
{
	w_code(w, "\x90");
}

bool w_crosses(const struct writer *w, unsigned skip)
{
	return (stream_at(w->s) + skip) % 64 > 60;
}

void w_align(struct writer *w, unsigned skip)
{
	unsigned at = (stream_at(w->s) + skip) % 64;

	if (!w_crosses(w, skip))
		return;
	/* nopw 0(%rax,%rax) and its shorter kin */
	w_bytes(w,
		at == 61   ? "\x0f\x1f\x00"
		: at == 62 ? "\x66\x90"
			   : "\x90",
		64 - at);
	w_mark(w, w->rewind, w->undo);
}

/* The byte behind REX and opcode of an access to %gs:slot by reg. */
static void gs_operand(struct writer *w, unsigned reg, uint32_t slot)
{
	uint8_t modrm[2] = { (uint8_t)((reg & 7) << 3 | 4), 0x25 };

	w_bytes(w, modrm, 2);
	w_num(w, slot, 4);
}

static void gs_move(struct writer *w, uint8_t opcode, unsigned reg,
		    uint32_t slot)
{
	uint8_t head[3] = { 0x65, (uint8_t)(0x48 | (reg & 8) >> 1), opcode };

	w_bytes(w, head, 3);
	gs_operand(w, reg, slot);
}

void w_spill(struct writer *w, unsigned reg, uint32_t slot)
{
	gs_move(w, 0x89, reg, slot);
}

void w_fill(struct writer *w, unsigned reg, uint32_t slot)
{
	gs_move(w, 0x8b, reg, slot);
}

void w_spill_as(struct writer *w, unsigned rewind, unsigned reg, uint32_t slot)
{
	w_mark(w, rewind, 0);
	w_spill(w, reg, slot);
}

void w_fill_as(struct writer *w, unsigned rewind, unsigned reg, uint32_t slot)
{
	w_mark(w, rewind, 0);
	w_fill(w, reg, slot);
}

void w_spill_flags(struct writer *w, unsigned rewind)
{
	w_mark(w, rewind, 0);
	w_code(w, "\x9f"); /* lahf */
	w_mark(w, rewind | REWIND_RAX, 0);
	w_code(w, "\x0f\x90\xc0"); /* seto %al */
	w_spill_as(w, rewind | REWIND_RAX, RAX, WIN_FLAGS);
}

void w_fill_flags(struct writer *w, unsigned rewind)
{
	w_fill_as(w, rewind, RAX, WIN_FLAGS);
	w_set_flags(w, rewind | REWIND_RAX);
}

void w_set_flags(struct writer *w, unsigned rewind)
{
	w_mark(w, rewind, 0);
	w_code(w, "\x04\x7f"); /* add $0x7f, %al: overflow, if it was */
	w_mark(w, rewind, 0);
	w_code(w, "\x9e"); /* sahf */
}

void w_pop(struct writer *w, uint32_t slot)
{
	w_code(w, "\x65\x8f");
	gs_operand(w, 0, slot);
}

void w_push(struct writer *w, uint64_t value, unsigned rewind, int undo)
{
	w_mark(w, rewind, undo);
	w_code(w, "\x68");
	w_num(w, value, 4);
	if ((uint64_t)(int32_t)value == value)
		return;
	w_mark(w, rewind, undo + 8);
	w_code(w, "\xc7\x44\x24\x04"); /* movl, 4(%rsp) */
	w_num(w, value >> 32, 4);
}

void w_push_return(struct writer *w, uint64_t pc, unsigned rewind)
{
	bool wide = (uint64_t)(int32_t)pc != pc;

	chain_reloc(w, wide ? RELOC_RETURN_WIDE : RELOC_RETURN,
		   stream_at(w->s) + 1);
	w_push(w, pc, rewind, 0);
	w_mark(w, rewind, 8);
	w_code(w, "\x65\x0f\x18\x0c\x25"); /* prefetcht0 %gs:slot */
	w_num(w, TAB_RETURNS + 8 * (pc & (TAB_DIRECT - 1)), 4);
}

void w_jmp_slot(struct writer *w, uint32_t slot)
{
	w_code(w, "\x65\xff");
	gs_operand(w, 4, slot);
}

void w_jmp_table(struct writer *w, uint32_t table)
{
	w_code(w, "\x65\xff\x24\xcd");
	w_num(w, table, 4);
}

/* --- branches ------------------------------------------------------------ */

bool w_is_near(const struct writer *w, uint64_t pc)
{
	return space_cluster(w->sp, pc) == w->rg->cluster;
}

/* Of a code that is far away: there is no telling where it will be. */
static void jmp_literal(struct writer *w, uint64_t pc)
{
	uint32_t literal = region_data(w->rg, 8);
	uint32_t next = stream_at(w->s) + 6;

	chain_spoil(w->sp);
	w_code(w, "\xff\x25");
	w_num(w, literal - next, 4);
	site_aim_new(w->sp, w->rg, literal, SITE_LITERAL, pc, w->slow);
}

void w_jmp_pc(struct writer *w, uint64_t pc)
{
	if (!w_is_near(w, pc)) {
		jmp_literal(w, pc);
		return;
	}
	w_align(w, 1);
	w_code(w, "\xe9");
	w_num(w, 0, 4);
	site_aim_new(w->sp, w->rg, stream_at(w->s) - 4, SITE_REL32, pc,
		     w->slow);
}

void w_jcc_pc(struct writer *w, unsigned condition, uint64_t pc)
{
	uint8_t op[2] = { 0x0f, (uint8_t)(0x80 | condition) };
	struct writer cold;

	if (!w_is_near(w, pc)) {
		cold = w_cold(w);
		w_jcc_at(w, condition, stream_at(cold.s));
		w_at(&cold, pc);
		cold.phase = FLOW_OVER;
		w_mark(&cold, 0, 0);
		jmp_literal(&cold, pc);
		return;
	}
	w_align(w, 2);
	w_bytes(w, op, 2);
	w_num(w, 0, 4);
	site_aim_new(w->sp, w->rg, stream_at(w->s) - 4, SITE_REL32, pc,
		     w->slow);
}

void w_jmp_at(struct writer *w, uint32_t at)
{
	uint32_t next = stream_at(w->s) + 5;

	w_code(w, "\xe9");
	w_num(w, at - next, 4);
	chain_reloc(w, RELOC_JUMP, next - 4);
}

void w_jcc_at(struct writer *w, unsigned condition, uint32_t at)
{
	uint8_t op[2] = { 0x0f, (uint8_t)(0x80 | condition) };
	uint32_t next = stream_at(w->s) + 6;

	w_bytes(w, op, 2);
	w_num(w, at - next, 4);
	chain_reloc(w, RELOC_JUMP, next - 4);
}

uint8_t *w_short(struct writer *w, uint8_t opcode)
{
	uint8_t code[2] = { opcode, 0 };

	w_bytes(w, code, 2);
	return w->s->e.code + w->s->e.len;
}

void w_lands(const struct writer *w, uint8_t *jump)
{
	jump[-1] = (uint8_t)(w->s->e.code + w->s->e.len - jump);
}

bool emit_has_bmi2(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_BMI2;
}

uint32_t w_stub(struct writer *w, const struct stub *stub)
{
	struct stub own = *stub;

	if (w->sp && stub->kind != STUB_LEARN)
		chain_spoil(w->sp);
	own.puts = w->puts;
	if (w->flow && w->phase != FLOW_BETWEEN)
		flow_own_stub(w->rg, w->rg->trail->n_stubs, w->flow);
	return region_stub(w->rg, &own);
}

struct writer w_cold(const struct writer *w)
{
	struct writer cold = *w;

	cold.s = &w->rg->cold;
	return cold;
}
