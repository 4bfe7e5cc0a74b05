/*
 * The log of what is executed, as translated code writes it:
 *
 *	mov	%rcx, %gs:RCX
 *	mov	%gs:RING, %rcx
 *	movl	$word, (%rcx)
 *	lea	4(%rcx), %cx		round and round: 16 bits of it
 *	mov	%rcx, %gs:RING
 *	mov	%gs:RCX, %rcx
 *
 * It changes no flags. Where nothing may be lost a thread stops when it comes
 * round:
 *
 *	movzwl	%cx, %ecx
 *	jrcxz	1f
 *	jmp	2f
 * 1:	jmp	stub
 * 2:
 */
#include <string.h>

#include "translate/callback.h"
#include "translate/flows.h"
#include "translate/layer.h"
#include "translate/redirects.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

/* --- what blocks are ------------------------------------------------------ */

static enum flow_end end_of(const struct insn *i)
{
	if (!i->ok)
		return FLOW_OTHER;
	switch ((int)i->in.kind) {
	case X86_PLAIN:
		return FLOW_FALLS;
	case X86_JMP:
		return FLOW_JUMP;
	case X86_JCC:
	case X86_LOOP:
	case X86_XBEGIN:
		return FLOW_CONDITIONAL;
	case X86_CALL:
		return FLOW_CALL;
	case X86_RET:
		return FLOW_RETURN;
	case X86_JMP_IND:
		return FLOW_INDIRECT_JUMP;
	case X86_CALL_IND:
		return FLOW_INDIRECT_CALL;
	case X86_SYSCALL:
		return FLOW_SYSCALL;
	default:
		return FLOW_OTHER;
	}
}

static void describe_end(struct flow_block *b, const struct insn *i)
{
	b->last = i->pc;
	b->end = (uint8_t)end_of(i);
	if (i->ok && x86_is_direct(&i->in))
		b->target = x86_target(&i->in, i->pc);
}

static uint32_t number_block(struct compiler *c, uint64_t pc)
{
	uint8_t code[BLOCK_INSNS * X86_INSN_MAX];
	struct flow_block b = { .begin = pc, .instructions = c->n_insns };

	if (!c->n_insns)
		return 0;
	for (unsigned n = 0; n < c->n_insns; n++) {
		const struct insn *i = &c->insns[n];

		memcpy(code + b.bytes, i->bytes, i->in.length);
		b.bytes += i->in.length;
	}
	describe_end(&b, &c->insns[c->n_insns - 1]);
	b.code = code;
	return flow_number(c->sp, &b);
}

uint32_t flow_number_native(struct space *sp, uint64_t pc)
{
	struct flow_block b = { .begin = pc,
				.instructions = 1,
				.native = true };
	struct code_reader reader;
	struct insn i;

	code_init(&reader, sp);
	code_read(&reader, pc, &i);
	describe_end(&b, &i);
	b.bytes = i.in.length;
	b.code = i.bytes;
	return flow_number(sp, &b);
}

bool flow_repeats(struct space *sp, uint64_t pc)
{
	struct code_reader reader;
	struct insn i;

	code_init(&reader, sp);
	return code_read(&reader, pc, &i) && insn_repeats(&i.in);
}

uint32_t flow_index(const struct flow_block *b, uint64_t pc)
{
	struct x86_instr in;
	uint32_t at = 0, n = 0;

	while (b->begin + at < pc && n < b->instructions) {
		int length = x86_decode(b->code + at, b->bytes - at,
					X86_MODE_64, &in);

		at += length > 0 ? (uint32_t)length : 1;
		n++;
	}
	return n;
}

/* --- writing -------------------------------------------------------------- */

/* rcx points behind the record. */
static void see_end(struct writer *w)
{
	struct stub stub = {
		.pc = w->pc,
		.kind = STUB_DRAIN,
		.rewind = REWIND_RCX,
	};

	if (w->sp->keep == FLOW_RECENT)
		return;
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\xc9"); /* movzwl %cx, %ecx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x02");
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xeb\x05");
	w_mark(w, REWIND_RCX, 0);
	stub.arg = stream_at(w->s) + 5;
	w_jmp_at(w, w_stub(w, &stub));
}

/* A thread that has written it is at that pc; one that has not is at the
 * writer's, or where `how` says, with its stack so much too low. */
struct record {
	uint32_t word;
	unsigned how;
	int undo;
	uint64_t pc;
	enum flow_phase phase;
};

/* rcx is spilled. */
static void write_record(struct writer *w, const struct record *r)
{
	w_mark(w, REWIND_RCX | r->how, r->undo);
	w_fill(w, RCX, WIN_RING);
	w_mark(w, REWIND_RCX | r->how, r->undo);
	w_code(w, "\xc7\x01");
	w_num(w, r->word, 4);
	w_mark(w, REWIND_RCX | r->how, r->undo);
	w_code(w, "\x66\x8d\x49\x04"); /* lea 4(%rcx), %cx */
	w_mark(w, REWIND_RCX | r->how, r->undo);
	w_spill(w, RCX, WIN_RING);
	if (r->pc != w->pc)
		w_at(w, r->pc);
	w->phase = (uint8_t)r->phase;
	see_end(w);
}

static void write_whole(struct writer *w, const struct record *r)
{
	w_mark(w, r->how, r->undo);
	w_spill(w, RCX, WIN_RCX);
	write_record(w, r);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* Is the code there what it was, whenever it is executed? */
static bool is_fixed(struct compiler *c, uint64_t pc)
{
	const struct insn *last = &c->insns[c->n_insns - 1];

	return !transforms(c->sp) && !redirects(c->sp) && !c->sp->n_probes &&
	       !c->sp->n_excluded && !c->sp->tr->n_rules &&
	       !code_changes(&c->reader, pc) &&
	       !code_changes(&c->reader, insn_next(last) - 1);
}

void flow_begin_block(struct compiler *c, uint64_t pc, bool own)
{
	struct writer *w = &c->w;

	flow_end_block(w);
	if (!c->sp->flow || c->excluded || w->silent)
		return;
	w->flow = number_block(c, pc);
	w->tells_entry = !w->flow || own || !is_fixed(c, pc) ||
			 !flow_make_static(c->sp, w->flow);
	w->phase = w->tells_entry ? FLOW_BETWEEN : FLOW_WITHIN;
}

void flow_end_block(struct writer *w)
{
	w->phase = FLOW_BETWEEN;
	w->flow = 0;
}

bool flow_is_on(const struct writer *w)
{
	return w->flow;
}

void flow_is_over(struct writer *w)
{
	if (w->flow)
		w->phase = FLOW_OVER;
}

void flow_write_entry(struct writer *w)
{
	if (w->flow && w->tells_entry)
		write_whole(w, &(struct record){
				       .word = flow_word(FLOW_ENTRY, w->flow),
				       .pc = w->pc,
				       .phase = FLOW_WITHIN,
			       });
}

void flow_write_skips(struct writer *w)
{
	if (w->sp->flow)
		write_whole(w, &(struct record){
				       .word = flow_word(
					       FLOW_SKIPS,
					       flow_place(w->sp, w->pc)),
				       .pc = w->pc,
			       });
}

/* The block's branch goes to its target. */
static void write_edge(struct writer *w, int undo)
{
	const struct flow_block *b = flow_block(w->sp->flow, w->flow);

	write_whole(w, &(struct record){
			       .word = flow_word(FLOW_EDGE, w->flow),
			       .undo = undo,
			       .pc = b->target,
		       });
}

void flow_write_edge(struct writer *w)
{
	if (w->flow)
		write_edge(w, 0);
}

bool flow_write_jump(struct writer *w, int undo)
{
	if (!w->flow || !flow_has_edge(w->sp, w->flow))
		return false;
	write_edge(w, undo);
	return true;
}

static uint32_t landing_word(struct writer *w, uint64_t pc)
{
	return flow_word(FLOW_LANDS, flow_place(w->sp, pc));
}

bool flow_write_target(struct writer *w, uint64_t target, int undo)
{
	if (w->flow)
		write_whole(w, &(struct record){
				       .word = landing_word(w, target),
				       .undo = undo,
				       .pc = target,
			       });
	return w->flow;
}

void flow_write_landing(struct writer *w, uint64_t pc)
{
	if (!w->sp->flow)
		return;
	write_record(w, &(struct record){
				.word = landing_word(w, pc),
				.how = w->rewind,
				.pc = pc,
			});
	w->rewind = REWIND_RCX;
}
