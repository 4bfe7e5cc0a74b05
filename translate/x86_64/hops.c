/*
 * Calls alone, as translated code tells of them (FLOW_CALLS). At the begin of a
 * block
 *
 *	addq	$instructions, %gs:COUNT
 *	incq	slot(%rip)
 *
 * or with flags that live the same through rcx; where several threads count it
 * is locked. A hop's record is as flow.c has it, but
 *
 *	mov	%rax, %gs:RAX
 *	mov	%gs:COUNT, %eax
 *	mov	%eax, (%rcx)
 *	mov	%gs:RAX, %rax
 *	movl	$word, 4(%rcx)
 *
 * Where an indirect branch lands it is told only if that is another function
 * than the branch's, which the window says.
 *
 * A call that returns when its record is still the last was one of a leaf. It
 * is made that one's record, by one store, so that no other is written:
 *
 *	mov	%gs:RING, %rcx
 *	cmpl	$word, -4(%rcx)
 *	jne	1f			in the cold stream
 *	mov	%rax, %gs:RAX
 *	mov	%gs:COUNT, %eax
 *	sub	-8(%rcx), %eax
 *	or	leaf(%rip), %rax	the word of it, in the upper half
 *	mov	%rax, -8(%rcx)
 *	mov	%gs:RAX, %rax
 * 2:
 *
 * It is a return's landing that does so, as it stands directly behind its call.
 */
#include <string.h>

#include "translate/layer.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

/* --- counting ------------------------------------------------------------- */

/* An instruction on a counter of data; size: of what comes behind its operand.
 */
static void put_on_slot(struct writer *w, const char *code, size_t n,
			uint32_t slot)
{
	w_bytes(w, code, n);
	w_num(w, slot - (stream_at(w->s) + 4), 4);
}

#define ON_SLOT(w, code, slot) put_on_slot(w, code, sizeof(code) - 1, slot)

static void count_plainly(struct writer *w, uint32_t slot, uint32_t n)
{
	bool small = n < 128;

	w_mark(w, 0, 0);
	w_bytes(w, small ? "\x65\x48\x83\x04\x25" : "\x65\x48\x81\x04\x25", 5);
	w_num(w, WIN_COUNT, 4);
	w_num(w, n, small ? 1 : 4);
	w->phase = FLOW_HALF;
	w_mark(w, 0, 0);
	if (w->sp->shares_counts)
		w_code(w, "\xf0");
	ON_SLOT(w, "\x48\xff\x05", slot);
	w->phase = FLOW_WITHIN;
}

/* mov from, %rcx; lea n(%rcx), %rcx */
static void count_instructions(struct writer *w, uint32_t n)
{
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_COUNT);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x89");
	w_num(w, n, 4);
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RCX, WIN_COUNT);
	w->phase = FLOW_HALF;
}

static void count_quietly(struct writer *w, uint32_t slot, uint32_t n)
{
	count_instructions(w, n);
	w_mark(w, REWIND_RCX, 0);
	ON_SLOT(w, "\x48\x8b\x0d", slot);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x49\x01"); /* lea 1(%rcx), %rcx */
	w_mark(w, REWIND_RCX, 0);
	ON_SLOT(w, "\x48\x89\x0d", slot);
	w->phase = FLOW_WITHIN;
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* Nothing that is locked leaves all flags alone: they go through rax, as in
 * routine.c. */
static void count_locked(struct writer *w, uint32_t slot, uint32_t n)
{
	const unsigned saved = REWIND_RCX | REWIND_RAX | REWIND_FLAGS;

	count_instructions(w, n);
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RAX, WIN_RAX);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x9f"); /* lahf */
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_code(w, "\x0f\x90\xc0"); /* seto %al */
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_spill(w, RAX, WIN_FLAGS);
	w_mark(w, saved, 0);
	ON_SLOT(w, "\xf0\x48\xff\x05", slot);
	w->phase = FLOW_WITHIN;
	w_mark(w, saved, 0);
	w_code(w, "\x04\x7f"); /* add $0x7f, %al */
	w_mark(w, saved, 0);
	w_code(w, "\x9e"); /* sahf */
	w_mark(w, saved, 0);
	w_fill(w, RAX, WIN_RAX);
	w_mark(w, saved, 0);
	w_fill(w, RCX, WIN_RCX);
}

void hop_count_block(struct compiler *c, uint32_t slot)
{
	struct writer *w = &c->w;

	memset(w->rg->map + slot, 0, 8);
	if (code_flags_dead(&c->reader, w->pc))
		count_plainly(w, slot, c->n_insns);
	else if (w->sp->shares_counts)
		count_locked(w, slot, c->n_insns);
	else
		count_quietly(w, slot, c->n_insns);
}

/* --- hops ----------------------------------------------------------------- */

static bool is_call(const struct writer *w)
{
	unsigned end = flow_block(w->sp->flow, w->flow)->end;

	return end == FLOW_CALL || end == FLOW_INDIRECT_CALL;
}

bool hop_is_told(const struct writer *w, uint64_t to)
{
	return is_call(w) || flow_function(w->sp, to) != w->function;
}

uint32_t hop_word_to(struct writer *w, uint64_t to)
{
	bool calls = is_call(w);
	uint32_t word = flow_word(
		HOP_PLAIN,
		flow_hop(w->sp, calls ? HOP_CALLS : HOP_JUMPS, w->flow, to));

	w->call = calls ? word : 0;
	return word;
}

void hop_write_falls(struct writer *w, uint64_t to)
{
	uint32_t word;

	if (!w->flow || w->sp->keep != FLOW_CALLS || !hop_is_told(w, to))
		return;
	word = hop_word_to(w, to);
	w_at(w, to);
	flow_is_over(w);
	flow_put(w, &(struct flow_record){ .word = word, .pc = to });
}

/* movl $value, %gs:slot */
static void put_slot(struct writer *w, uint32_t slot, uint32_t value)
{
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\xc7\x04\x25");
	w_num(w, slot, 4);
	w_num(w, value, 4);
}

void hop_write_from(struct writer *w, bool within)
{
	if (!w->flow || w->sp->keep != FLOW_CALLS)
		return;
	put_slot(w, WIN_FROM, w->flow);
	put_slot(w, WIN_FROM_FUNCTION, within ? w->function : 0);
}

/* --- landings ------------------------------------------------------------- */

void hop_prepare_landing(struct writer *w, uint64_t pc)
{
	unsigned how = REWIND_RCX | REWIND_TARGET;

	flow_prepare(w, pc);
	w->lands_at = stream_at(w->s);
	flow_put_spilled(w, &(struct flow_record){
				    .word = flow_word(HOP_FROM, 0),
				    .how = how,
				    .pc = pc,
				    .low = WIN_FROM,
			    });
	flow_put_spilled(
		w, &(struct flow_record){
			   .word = flow_word(HOP_PLAIN,
					     flow_hop(w->sp, HOP_LANDS, 0, pc)),
			   .pc = pc,
		   });
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe9\0\0\0\0");
	w->lands_back = w->s->e.code + w->s->e.len;
}

/* What was written with that displacement leads to here. */
static void comes_here(struct writer *w, uint8_t *back)
{
	uint32_t disp = stream_at(w->s) - (uint32_t)(back - w->rg->map);

	memcpy(back - 4, &disp, 4);
}

/*
 * mov %gs:FROM_FUNCTION, %ecx; lea -function(%rcx), %ecx; jrcxz 1f; jmp the
 * records; 1:
 */
static void land(struct writer *w, uint64_t pc)
{
	uint32_t function = flow_function(w->sp, pc);

	w_mark(w, w->rewind, 0);
	w_code(w, "\x65\x8b\x0c\x25");
	w_num(w, WIN_FROM_FUNCTION, 4);
	w_mark(w, w->rewind, 0);
	w_code(w, "\x8d\x89");
	w_num(w, -function, 4);
	w_mark(w, w->rewind, 0);
	w_code(w, "\xe3\x05");
	w_mark(w, w->rewind, 0);
	w_jmp_at(w, w->lands_at);
	comes_here(w, w->lands_back);
}

static void land_return(struct writer *w, uint64_t pc, unsigned how)
{
	flow_put_spilled(
		w,
		&(struct flow_record){
			.word = flow_word(HOP_PLAIN,
					  flow_hop(w->sp, HOP_RETURNS, 0, pc)),
			.how = how,
			.pc = pc,
		});
}

/* The way of calls that were none of leaves; it goes on at an offset. */
static uint8_t *land_apart(const struct writer *w, uint64_t pc, unsigned how,
			   uint32_t *at)
{
	struct writer cold = w_cold(w);

	*at = stream_at(cold.s);
	land_return(&cold, pc, how);
	w_mark(&cold, REWIND_RCX, 0);
	w_code(&cold, "\xe9\0\0\0\0");
	return cold.s->e.code + cold.s->e.len;
}

static void leaf_write(struct writer *w, uint32_t literal, unsigned how)
{
	w_mark(w, how, 0);
	w_spill(w, RAX, WIN_RAX);
	w_mark(w, how, 0);
	w_code(w, "\x65\x8b\x04\x25"); /* mov %gs:COUNT, %eax */
	w_num(w, WIN_COUNT, 4);
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x2b\x41\xf8"); /* sub -8(%rcx), %eax */
	w_mark(w, how | REWIND_RAX, 0);
	ON_SLOT(w, "\x48\x0b\x05", literal); /* or literal, %rax */
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x48\x89\x41\xf8"); /* mov %rax, -8(%rcx) */
}

static void land_leaf(struct writer *w, uint64_t pc)
{
	uint32_t word = w->call, literal = region_data(w->rg, 8), at;
	uint64_t leaf =
		(uint64_t)(word + ((HOP_LEAF - HOP_PLAIN) << FLOW_KIND_SHIFT))
		<< 32;
	unsigned how = w->rewind;
	uint8_t *back;

	memcpy(w->rg->map + literal, &leaf, sizeof(leaf));
	back = land_apart(w, pc, how, &at);
	w_mark(w, how, 0);
	w_fill(w, RCX, WIN_RING);
	w_mark(w, how, 0);
	w_code(w, "\x81\x79\xfc"); /* cmpl $word, -4(%rcx) */
	w_num(w, word, 4);
	w_mark(w, how, 0);
	w_jcc_at(w, COND_NE, at);
	leaf_write(w, literal, how);
	w_at(w, pc);
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_fill(w, RAX, WIN_RAX);
	comes_here(w, back);
	w->turn_back = NULL;
}

void hop_write_landing(struct writer *w, uint64_t pc, bool plain)
{
	if (!(w->rewind & REWIND_RETURN))
		land(w, pc);
	else if (plain && w->call)
		land_leaf(w, pc);
	else
		land_return(w, pc, w->rewind);
	w->call = 0;
	w->rewind = REWIND_RCX;
	w_at(w, pc);
}
