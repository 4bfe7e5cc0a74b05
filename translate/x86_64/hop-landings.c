/*
 * Where calls and indirect branches land that are told of: see hops.c.
 *
 * What is on top of the ring where a call comes back is folded right here if it
 * is that call's record, by a hop that the code knows of, and both functions
 * are at their first level; else by a routine (fold.c), which comes back in
 * one of two ways:
 *
 *	movl	$hop, %gs:FOLD_BACK
 *	lea	1f(%rip), %rcx
 *	mov	%rcx, %gs:LANDING
 *	jmp	fold_routine
 *	jmp	a record			it cannot
 * 1:	...					it has
 */
#include <string.h>

#include "translate/layer.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

#define ON_SLOT(w, code, slot) hop_put_on_slot(w, code, sizeof(code) - 1, slot)

/* --- indirect branches ---------------------------------------------------- */

void hop_prepare_landing(struct writer *w, uint64_t pc, bool dead)
{
	unsigned how = REWIND_RCX | REWIND_TARGET;

	flow_prepare(w, pc);
	w->lands_at = stream_at(w->s);
	w->spends = dead;
	flow_put_spilled(w, &(struct flow_record){
				    .word = flow_word(HOP_PLAIN,
						      flow_hop(w->sp, HOP_LANDS,
							       0, pc, 0)),
				    .how = how,
				    .pc = pc,
				    .low = WIN_FROM,
				    .enters = hop_enters(w, pc),
			    });
	w->spends = false;
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

/* --- records of returns --------------------------------------------------- */

static uint32_t return_word(struct writer *w, uint64_t pc)
{
	return flow_word(HOP_PLAIN, flow_hop(w->sp, HOP_RETURNS, 0, pc, 0));
}

/* It may be in a function that nobody has seen called: mov %gs:depth, %ecx;
 * jrcxz 1f; jmp 2f; 1: movl $1, %gs:depth; 2: */
static void see_called(struct writer *w, uint64_t pc)
{
	uint32_t function = flow_function(w->sp, pc);
	uint32_t slot = TAB_DEPTHS + 4 * function;

	if (w->sp->shares_counts || !function || function >= DEPTHS_MAX)
		return;
	w_mark(w, w->rewind, 0);
	w_code(w, "\x65\x8b\x0c\x25");
	w_num(w, slot, 4);
	w_mark(w, w->rewind, 0);
	w_code(w, "\xe3\x02");
	w_mark(w, w->rewind, 0);
	w_code(w, "\xeb\x0c");
	w_mark(w, w->rewind, 0);
	w_code(w, "\x65\xc7\x04\x25");
	w_num(w, slot, 4);
	w_num(w, 1, 4);
}

/* From now on depths may be too large: what has been left was not looked at. */
static void land_return(struct writer *w, uint64_t pc)
{
	see_called(w, pc);
	hop_put_unsure(w, w->rewind, 0);
	flow_put_spilled(w, &(struct flow_record){
				    .word = return_word(w, pc),
				    .how = w->rewind,
				    .pc = pc,
			    });
	if (!w->sp->shares_counts)
		flow_see_patience(w);
}

/* Of a jump that is known later. */
static uint8_t *jump_on(struct writer *w, unsigned how)
{
	w_mark(w, how, 0);
	w_code(w, "\xe9\0\0\0\0");
	return w->s->e.code + w->s->e.len;
}

/* The record on top, of a call, becomes a leaf's. */
static void leaf_write(struct writer *w, uint64_t pc)
{
	const unsigned how = w->rewind;

	w_mark(w, how, 0);
	w_spill(w, RAX, WIN_RAX);
	hop_put_count(w, how | REWIND_RAX, 0);
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x2b\x41\xf0"); /* sub -16(%rcx), %eax */
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x48\xc1\xe0\x20"); /* shl $32, %rax */
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x48\x0d"); /* or $word, %rax */
	w_num(w, w->call + ((HOP_LEAF - HOP_PLAIN) << FLOW_KIND_SHIFT), 4);
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x48\x89\x41\xf8"); /* mov %rax, -8(%rcx) */
	w_at(w, pc);
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_fill(w, RAX, WIN_RAX);
}

/* --- folding -------------------------------------------------------------- */

/* What a call is that comes back. */
struct back {
	uint64_t pc;
	uint32_t caller, called; /* functions */
	uint32_t stub; /* that is called, and goes on to `called`; or 0 */
};

/* cmpl $depth, %gs:of the function; jne elsewhere */
static void test_depth(struct writer *w, uint32_t function, uint8_t depth,
		       uint32_t elsewhere)
{
	w_mark(w, w->rewind, 0);
	w_code(w, "\x65\x83\x3c\x25");
	w_num(w, TAB_DEPTHS + 4 * function, 4);
	w_num(w, depth, 1);
	w_mark(w, w->rewind, 0);
	w_jcc_at(w, COND_NE, elsewhere);
}

/* It is added up, and its record goes. */
static void add_up(struct writer *w, uint64_t pc)
{
	uint32_t slot = hops_fold(w->rg, w->call & FLOW_NUMBER, w->stub);
	const unsigned how = w->rewind;

	w_mark(w, how, 0);
	w_spill(w, RAX, WIN_RAX);
	hop_put_count(w, how | REWIND_RAX, 0);
	w_mark(w, how | REWIND_RAX, 0);
	w_code(w, "\x48\x2b\x41\xf0"); /* sub -16(%rcx), %rax */
	w_mark(w, how | REWIND_RAX, 0);
	ON_SLOT(w, "\x48\x01\x05", slot); /* add %rax, slot(%rip) */
	w_at(w, pc);
	w->flow = slot;
	w->phase = FLOW_FOLDS;
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	ON_SLOT(w, "\x48\xff\x05", slot + 8); /* incq */
	w->phase = FLOW_FOLDED;
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_fill(w, RAX, WIN_RAX);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x49\xf0"); /* lea -16(%rcx), %rcx */
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RCX, WIN_RING);
	w->flow = 0;
	w->phase = FLOW_BETWEEN;
}

/* decl %gs:depth: a stub is left by its jump, and is not called any more where
 * that returns. */
static void leave_stub(struct writer *w, const struct back *b)
{
	if (!b->stub)
		return;
	w_mark(w, w->rewind, 0);
	w_code(w, "\x65\xff\x0c\x25");
	w_num(w, TAB_DEPTHS + 4 * b->stub, 4);
}

/* cmpl $value, disp(%rcx); jne elsewhere */
static void test_word(struct writer *w, uint8_t disp, uint32_t value,
		      uint32_t elsewhere)
{
	w_mark(w, w->rewind, 0);
	w_code(w, "\x81\x79");
	w_num(w, disp, 1);
	w_num(w, value, 4);
	w_mark(w, w->rewind, 0);
	w_jcc_at(w, COND_NE, elsewhere);
}

/* The call's record is on top, or else. */
static void test_top(struct writer *w, uint32_t elsewhere)
{
	w_mark(w, w->rewind, 0);
	w_fill(w, RCX, WIN_RING);
	test_word(w, 0xf8, w->call, elsewhere);
	if (w->stub)
		test_word(w, 0xfc, flow_word(HOP_PLAIN, w->through), elsewhere);
}

/* movl $hop, %gs:FOLD_BACK; lea 1f(%rip), %rcx; mov %rcx, %gs:LANDING; jmp the
 * routine; jmp, of which it returns the end; 1: */
static uint8_t *call_routine(struct writer *w, uint64_t pc)
{
	w_mark(w, w->rewind, 0);
	w_code(w, "\x65\xc7\x04\x25");
	w_num(w, WIN_FOLD_BACK, 4);
	w_num(w, return_word(w, pc) & FLOW_NUMBER, 4);
	w_mark(w, w->rewind, 0);
	w_code(w, "\x48\x8d\x0d");
	w_num(w, 9 + 5 + 5, 4);
	w_mark(w, w->rewind, 0);
	w_spill(w, RCX, WIN_LANDING);
	w_mark(w, w->rewind, 0);
	w_jmp_at(w, w->rg->fold);
	return jump_on(w, w->rewind);
}

/* A record of the return, apart; it goes on where *back is filled in. */
static uint32_t record_apart(const struct writer *w, uint64_t pc,
			     uint8_t **back)
{
	struct writer cold = w_cold(w);
	uint32_t at = stream_at(cold.s);

	land_return(&cold, pc);
	*back = jump_on(&cold, REWIND_RCX);
	return at;
}

/* The call's record becomes a leaf's, if it is on top. */
static uint32_t leaf_apart(const struct writer *w, const struct back *b,
			   uint32_t elsewhere, uint8_t **back)
{
	struct writer cold = w_cold(w);
	uint32_t at = stream_at(cold.s);

	test_top(&cold, elsewhere);
	leave_stub(&cold, b);
	leaf_write(&cold, b->pc);
	*back = jump_on(&cold, REWIND_RCX);
	return at;
}

/* What can be done by the routine alone: it goes elsewhere if that cannot. */
static uint32_t routine_apart(const struct writer *w, uint64_t pc,
			      uint32_t elsewhere, uint8_t **back)
{
	struct writer cold = w_cold(w);
	uint32_t at = stream_at(cold.s);
	uint8_t *none = call_routine(&cold, pc);

	elsewhere -= stream_at(cold.s);
	memcpy(none - 4, &elsewhere, 4);
	w_at(&cold, pc);
	*back = jump_on(&cold, REWIND_RCX);
	return at;
}

void hop_save_flags(struct writer *w)
{
	const unsigned how = w->rewind;

	w_spill_as(w, how, RAX, WIN_RAX);
	w_spill_flags(w, how);
	w_fill_as(w, how | REWIND_RAX, RAX, WIN_RAX);
	w->rewind = how | REWIND_FLAGS;
}

void hop_restore_flags(struct writer *w)
{
	const unsigned how = w->rewind;

	w_spill_as(w, how, RAX, WIN_RAX);
	w_fill_flags(w, how);
	w_fill_as(w, how | REWIND_RAX, RAX, WIN_RAX);
	w->rewind = how & ~REWIND_FLAGS;
}

/* Any return: the routine looks at it. keeps: somebody may want the flags. */
static void land_any(struct writer *w, uint64_t pc, bool keeps)
{
	struct writer record;
	uint8_t *none, *over = NULL;

	if (keeps)
		hop_save_flags(w);
	none = call_routine(w, pc);
	record = w_cold(w);
	w_at(w, pc);
	w->rewind &= ~(unsigned)REWIND_RETURN;
	if (keeps)
		hop_restore_flags(w);
	if (w->s == record.s)
		over = jump_on(w, w->rewind);
	comes_here(&record, none);
	if (keeps)
		hop_restore_flags(&record);
	land_return(&record, pc);
	if (!over)
		over = jump_on(&record, REWIND_RCX);
	comes_here(w, over);
}

/* Depths are of no use, as functions have no numbers, or there are several
 * threads. */
static void land_plainly(struct writer *w, uint64_t pc)
{
	uint8_t *back;

	test_top(w, record_apart(w, pc, &back));
	leaf_write(w, pc);
	comes_here(w, back);
}

static void land_call(struct writer *w, uint64_t pc)
{
	struct back b = {
		.pc = pc,
		.caller = flow_function(w->sp, pc),
		.called = w->called,
	};
	uint8_t *back[3];
	uint32_t at;

	if (!b.called || b.caller >= DEPTHS_MAX) {
		land_plainly(w, pc);
		return;
	}
	if (w->stub) {
		b.stub = b.called;
		b.called = flow_function(w->sp,
					 flow_hop_pc(w->sp, w->through));
	}
	at = record_apart(w, pc, &back[0]);
	at = leaf_apart(w, &b, at, &back[1]);
	at = routine_apart(w, pc, at, &back[2]);
	test_top(w, at);
	test_depth(w, b.caller, 1, at);
	test_depth(w, b.called, 0, at);
	if (b.stub)
		test_depth(w, b.stub, 1, at);
	leave_stub(w, &b);
	add_up(w, pc);
	for (unsigned i = 0; i < 3; i++)
		comes_here(w, back[i]);
}

void hop_write_landing(struct writer *w, uint64_t pc, bool dead)
{
	bool is_return = w->rewind & REWIND_RETURN;

	w->spends = dead;
	if (!is_return)
		land(w, pc);
	else if (dead && w->call)
		land_call(w, pc);
	else if (!w->sp->shares_counts)
		land_any(w, pc, !dead);
	else
		land_return(w, pc);
	if (is_return)
		w->turn_back = NULL;
	w->spends = false;
	w->call = 0;
	w->rewind = REWIND_RCX;
	w_at(w, pc);
}
