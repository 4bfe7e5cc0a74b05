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
 * It changes no flags. Where nothing may be lost it looks whether the chunk is
 * full, before the last of these:
 *
 *	movzwl	%cx, %ecx
 *	jrcxz	1b
 * 2:
 *
 * In front of it, where no control comes by, or else in the cold stream:
 *
 * 1:	movl	$low(pc), %gs:TARGET
 *	movl	$high(pc), %gs:TARGET + 4
 *	lea	2f(%rip), %rcx
 *	mov	%rcx, %gs:LANDING
 *	jmp	turn_routine			see routine.c
 */
#include <string.h>

#include "base/mem.h"
#include "translate/callback.h"
#include "translate/flows.h"
#include "translate/layer.h"
#include "translate/redirects.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

static bool hops(const struct writer *w)
{
	return w->sp->keep == FLOW_CALLS;
}

/* --- what blocks are ------------------------------------------------------ */

static enum flow_end end_of(const struct insn *i)
{
	if (!i->ok || i->in.near16)
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
	if (b->end != FLOW_OTHER && x86_is_direct(&i->in))
		b->target = x86_target(&i->in, i->pc);
}

/* As far as is known it always branches, and not back: falling through takes the
 * record. That holds for good, like all that tells where control goes. */
static bool is_turned(struct compiler *c, const struct flow_block *b)
{
	return !hops(&c->w) && c->insns[c->n_insns - 1].in.kind == X86_JCC &&
	       b->target > b->last &&
	       always_branches(c, b->target, b->begin + b->bytes);
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
	b.turned = is_turned(c, &b);
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

uint64_t flow_instruction(const struct flow_block *b, uint32_t n)
{
	struct x86_instr in;
	uint32_t at = 0;

	for (; n && at < b->bytes; n--) {
		int length = x86_decode(b->code + at, b->bytes - at,
					X86_MODE_64, &in);

		at += length > 0 ? (uint32_t)length : 1;
	}
	return b->begin + at;
}

/* --- writing -------------------------------------------------------------- */

/* movl $value, %gs:slot */
static void put_slot(struct writer *w, uint32_t slot, uint64_t value)
{
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\xc7\x04\x25");
	w_num(w, slot, 4);
	w_num(w, value, 4);
}

/* The chunk is full: it goes to the region's routine, with a place in the
 * window to come back to, which *back is the displacement of. */
static uint32_t turn_write(struct writer *w, uint8_t **back)
{
	struct writer cold = w_cold(w);
	uint32_t at = stream_at(cold.s);

	put_slot(&cold, WIN_TARGET, w->pc);
	put_slot(&cold, WIN_TARGET + 4, w->pc >> 32);
	w_mark(&cold, REWIND_RCX, 0);
	w_code(&cold, "\x48\x8d\x0d\0\0\0\0"); /* lea back(%rip), %rcx */
	*back = cold.s->e.code + cold.s->e.len;
	w_mark(&cold, REWIND_RCX, 0);
	w_spill(&cold, RCX, WIN_LANDING);
	w_mark(&cold, REWIND_RCX, 0);
	w_jmp_at(&cold, w->rg->turn);
	return at;
}

/* What was written with that displacement leads to here. */
static void comes_back(struct writer *w, uint8_t *back)
{
	uint32_t from = (uint32_t)(back - w->rg->map);
	uint32_t disp = stream_at(w->s) - from;

	memcpy(back - 4, &disp, 4);
}

void flow_prepare(struct writer *w, uint64_t pc)
{
	uint32_t at;

	w->turn_back = NULL;
	if (!w->sp->flow || w->sp->keep == FLOW_RECENT)
		return;
	w_at(w, pc);
	w->phase = FLOW_BETWEEN;
	at = turn_write(w, &w->turn_back);
	if (w->s == &w->rg->hot) {
		w->turn_at = stream_at(w->s);
		w_mark(w, REWIND_RCX, 0);
		w_jmp_at(w, at);
	} else {
		w->turn_at = at;
	}
}

/* The same in the stream where it lies: it is jumped over. */
static void see_end_within(struct writer *w)
{
	uint8_t *back, *over;
	uint32_t disp;

	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x05"); /* jrcxz */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe9\0\0\0\0");
	over = w->s->e.code + w->s->e.len;
	turn_write(w, &back);
	disp = stream_at(w->s) - (uint32_t)(over - w->rg->map);
	memcpy(over - 4, &disp, 4);
	comes_back(w, back);
}

/* Nothing is before it that could be jumped to. */
static void see_end_here(struct writer *w)
{
	uint8_t *back;
	uint32_t at;

	if (w->s == &w->rg->cold) {
		see_end_within(w);
		return;
	}
	at = turn_write(w, &back);

	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x02"); /* jrcxz */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xeb\x05"); /* jmp */
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, at);
	comes_back(w, back);
}

/* rcx points behind the record. */
static void see_end(struct writer *w)
{
	uint32_t back = w->turn_at - (stream_at(w->s) + 5);
	uint8_t disp = (uint8_t)back;

	if (w->sp->keep == FLOW_RECENT)
		return;
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\xc9"); /* movzwl %cx, %ecx */
	if (!w->turn_back || (int32_t)back < -128) {
		see_end_here(w);
		return;
	}
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3"); /* jrcxz */
	w_bytes(w, &disp, 1);
	comes_back(w, w->turn_back);
	w->turn_back = NULL;
}

void flow_see_patience(struct writer *w)
{
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\x8b\x0c\x25"); /* mov %gs:PATIENCE, %ecx */
	w_num(w, WIN_PATIENCE, 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x8d\x49\xff"); /* lea -1(%rcx), %ecx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\x89\x0c\x25"); /* mov %ecx, %gs:PATIENCE */
	w_num(w, WIN_PATIENCE, 4);
	see_end_here(w);
}

/* One call more of the function. rax is spilled. */
static void write_enters(struct writer *w, const struct flow_record *r)
{
	const unsigned how = REWIND_RCX | REWIND_RAX | r->how;
	uint32_t slot = TAB_DEPTHS + 4 * r->enters;

	w_mark(w, how, r->undo);
	if (w->spends) {
		w_code(w, "\x65\xff\x04\x25"); /* incl %gs:slot */
		w_num(w, slot, 4);
		return;
	}
	w_code(w, "\x65\x8b\x04\x25"); /* mov %gs:slot, %eax */
	w_num(w, slot, 4);
	w_mark(w, how, r->undo);
	w_code(w, "\x8d\x40\x01"); /* lea 1(%rax), %eax */
	w_mark(w, how, r->undo);
	w_code(w, "\x65\x89\x04\x25"); /* mov %eax, %gs:slot */
	w_num(w, slot, 4);
}

/* The record of a hop, and behind it. rcx points there. */
static void write_hop(struct writer *w, const struct flow_record *r)
{
	const unsigned how = REWIND_RCX | r->how;

	hop_write_unsure(w, r->word, how, r->undo);
	w_mark(w, how, r->undo);
	w_spill(w, RAX, WIN_RAX);
	(w->spends ? hop_put_count : hop_put_count_quietly)(
		w, how | REWIND_RAX, r->undo);
	w_mark(w, how | REWIND_RAX, r->undo);
	w_code(w, "\x48\x89\x01"); /* mov %rax, (%rcx) */
	w_mark(w, how | REWIND_RAX, r->undo);
	w_code(w, "\x48\xc7\x41\x08"); /* movq $word, 8(%rcx) */
	w_num(w, r->word, 4);
	hop_write_may_be(w, r->word, how | REWIND_RAX, r->undo);
	if (r->enters)
		write_enters(w, r);
	if (r->low) {
		w_mark(w, how | REWIND_RAX, r->undo);
		w_code(w, "\x65\x8b\x04\x25"); /* mov %gs:slot, %eax */
		w_num(w, r->low, 4);
		w_mark(w, how | REWIND_RAX, r->undo);
		w_code(w, "\x89\x41\x0c"); /* mov %eax, 12(%rcx) */
	}
	w_mark(w, how | REWIND_RAX, r->undo);
	w_fill(w, RAX, WIN_RAX);
	if (r->stub) {
		w_mark(w, how, r->undo);
		w_code(w, "\xc7\x41\x0c"); /* movl $stub, 12(%rcx) */
		w_num(w, r->stub, 4);
	}
	w_mark(w, how, r->undo);
	w_code(w, "\x66\x8d\x49\x10"); /* lea 16(%rcx), %cx */
}

/* The record's word, and behind it. rcx points there. */
static void write_words(struct writer *w, const struct flow_record *r)
{
	const unsigned how = REWIND_RCX | r->how;

	if (hops(w)) {
		write_hop(w, r);
		return;
	}
	w_mark(w, how, r->undo);
	w_code(w, "\xc7\x01");
	w_num(w, r->word, 4);
	w_mark(w, how, r->undo);
	w_code(w, "\x66\x8d\x49\x04"); /* lea 4(%rcx), %cx */
}

/* rcx is spilled. */
void flow_put_spilled(struct writer *w, const struct flow_record *r)
{
	w_mark(w, REWIND_RCX | r->how, r->undo);
	w_fill(w, RCX, WIN_RING);
	write_words(w, r);
	w_mark(w, REWIND_RCX | r->how, r->undo);
	w_spill(w, RCX, WIN_RING);
	if (r->pc != w->pc)
		w_at(w, r->pc);
	w->phase = (uint8_t)r->phase;
	see_end(w);
}

void flow_put(struct writer *w, const struct flow_record *r)
{
	w_mark(w, r->how, r->undo);
	w_spill(w, RCX, WIN_RCX);
	flow_put_spilled(w, r);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* ... whoever comes there, as often as that may be? */
static bool is_same_for_all(const struct space *sp)
{
	return !transforms(sp) && !redirects(sp) && !sp->n_probes &&
	       !sp->n_excluded && !sp->tr->n_rules;
}

/* Is the code there what it was, whenever it is executed? */
static bool is_fixed(struct compiler *c, uint64_t pc)
{
	const struct insn *last = &c->insns[c->n_insns - 1];

	return is_same_for_all(c->sp) &&
	       !code_changes(&c->reader, pc) &&
	       !code_changes(&c->reader, insn_next(last) - 1);
}

void flow_begin_block(struct compiler *c, uint64_t pc, bool own)
{
	struct writer *w = &c->w;

	flow_end_block(w);
	w->call = w->stub = w->through = 0;
	if (!c->sp->flow || c->excluded || w->silent)
		return;
	w->flow = number_block(c, pc);
	if (c->sp->keep == FLOW_CALLS) {
		w->function = flow_function(c->sp, pc);
		w->phase = FLOW_BETWEEN;
		return;
	}
	w->tells_entry = !w->flow || own || !is_fixed(c, pc) ||
			 !flow_make_static(c->sp, w->flow);
	w->phase = w->tells_entry ? FLOW_BETWEEN : FLOW_WITHIN;
}

void flow_end_block(struct writer *w)
{
	w->turn_back = NULL;
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
		flow_put(w, &(struct flow_record){
				       .word = flow_word(FLOW_ENTRY, w->flow),
				       .pc = w->pc,
				       .phase = FLOW_WITHIN,
			       });
}

void flow_write_skips(struct writer *w)
{
	if (w->sp->flow)
		flow_put(w,
			    &(struct flow_record){
				    .word = flow_word(FLOW_SKIPS,
						      flow_place(w->sp, w->pc)),
				    .pc = w->pc,
			    });
}

/* The block's branch goes where a record says. */
static void write_edge(struct writer *w, int undo)
{
	uint64_t to = flow_edge(flow_block(w->sp->flow, w->flow));

	flow_put(w, &(struct flow_record){
			       .word = hops(w) ? hop_word_to(w, to)
					       : flow_word(FLOW_EDGE, w->flow),
			       .enters = hops(w) ? hop_enters(w, to) : 0,
			       .stub = w->stub,
			       .undo = undo,
			       .pc = to,
		       });
}

void flow_write_edge(struct writer *w)
{
	if (w->flow &&
	    flow_tells_branch(w, flow_edge(flow_block(w->sp->flow, w->flow))))
		write_edge(w, 0);
}

/* Of a block that is not translated yet: what it will be, if its code stays as
 * it is. If it does not, its entry writes a record. */
static uint32_t foresee(void *user, uint64_t pc)
{
	struct compiler *c = user, *ahead = c->ahead;
	uint32_t id;

	if (!is_same_for_all(c->sp))
		return 0;
	if (!ahead) {
		ahead = c->ahead = xcalloc(1, sizeof(*ahead));
		ahead->sp = ahead->w.sp = c->sp;
		ahead->reader = c->reader;
		ahead->has_points = c->has_points;
	}
	block_read(ahead, pc, false);
	if (!ahead->n_insns || !ahead->insns[ahead->n_insns - 1].ok ||
	    !is_fixed(ahead, pc))
		return 0;
	id = number_block(ahead, pc);
	return flow_make_static(c->sp, id) ? id : 0;
}

bool flow_write_jump(struct compiler *c, int undo)
{
	struct writer *w = &c->w;
	uint64_t to;

	if (!w->flow)
		return false;
	to = flow_block(w->sp->flow, w->flow)->target;
	if (hops(w) ? !hop_is_told(w, to)
		    : !flow_has_edge(w->sp, w->flow, foresee, c))
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
	if (!w->flow || (hops(w) && !hop_is_told(w, target)))
		return false;
	if (hops(w) && w->spends && hop_write_through(w, target))
		return true;
	flow_put(w, &(struct flow_record){
			    .word = hops(w) ? hop_word_to(w, target)
					    : landing_word(w, target),
			    .enters = hops(w) ? hop_enters(w, target) : 0,
			    .undo = undo,
			    .pc = target,
		    });
	return true;
}

void flow_write_landing(struct writer *w, uint64_t pc, bool dead)
{
	if (!w->sp->flow)
		return;
	if (hops(w)) {
		hop_write_landing(w, pc, dead);
		return;
	}
	flow_put_spilled(w, &(struct flow_record){
				.word = landing_word(w, pc),
				.how = w->rewind,
				.pc = pc,
			});
	w->rewind = REWIND_RCX;
}

bool flow_tells_branch(const struct writer *w, uint64_t to)
{
	return w->flow && (!hops(w) || hop_is_told(w, to));
}

/* --- branches that were taken --------------------------------------------- */

uint32_t way_write(const struct writer *w, uint64_t to)
{
	struct writer cold = w_cold(w);
	uint32_t at;

	if (w->flow && flow_tells_branch(w, to))
		flow_prepare(&cold, to);
	at = stream_at(cold.s);
	w_at(&cold, to);
	flow_is_over(&cold);
	flow_write_edge(&cold);
	w_mark(&cold, 0, 0);
	w_jmp_pc(&cold, to);
	return at;
}
