/*
 * Calls alone, as translated code tells of them (FLOW_CALLS). At the begin of a
 * block
 *
 *	addq	$instructions, %gs:COUNTS	one of several
 *	incq	slot(%rip)
 *
 * or with flags that live the same through rcx; where several threads count it
 * is locked. A hop's record is as flow.c has it, but
 *
 *	mov	%rax, %gs:RAX
 *	the sum of COUNTS to rax
 *	mov	%rax, (%rcx)
 *	movq	$word, 8(%rcx)
 *	incl	%gs:depth		of the function that it leads into
 *	mov	%gs:RAX, %rax
 *	lea	16(%rcx), %cx
 *
 * Where an indirect branch lands it is told only if that is another function
 * than the branch's, which the window says.
 *
 * A call that returns when its record is still the last one in the chunk is
 * folded: what it took is added up, and the record goes. So the ring is a stack
 * of calls as long as nothing else happens.
 *
 *	mov	%gs:RING, %rcx
 *	cmpl	$word, -8(%rcx)
 *	jne	1f			in the cold stream: fold.c's routine, or
 *	cmpl	$1, %gs:caller's depth	a record of the return
 *	jne	1f
 *	cmpl	$0, %gs:called one's
 *	jne	1f
 *	mov	%rax, %gs:RAX
 *	the sum of COUNTS to rax
 *	sub	-16(%rcx), %rax
 *	add	%rax, took(%rip)
 *	incq	times(%rip)
 *	mov	%gs:RAX, %rax
 *	lea	-16(%rcx), %rcx
 *	mov	%rcx, %gs:RING
 *
 * Depths tell how often functions are being called: here it is only those that
 * are not for a second time. Calls, and other hops that lead into a function,
 * add to its depth; its return takes that back. One that was not seen called
 * is so from a return into it on. A function that is left otherwise, as by
 * longjmp, has a depth that is too large, until the server puts that right: it
 * is folded less, and nothing is wrong. If the routine
 * cannot do it the record becomes a leaf's, by one store:
 *
 *	the sum of COUNTS to eax
 *	sub	-16(%rcx), %eax
 *	shl	$32, %rax
 *	or	$word, %rax
 *	mov	%rax, -8(%rcx)
 *
 * A stub of the PLT that jumps through a pointer which stays is called with its
 * block in the last word of the record, and puts its jump there:
 *
 *	mov	%gs:RING, %rcx
 *	cmpl	$block, -4(%rcx)
 *	jne	a record of its own
 *	movl	$word, -4(%rcx)
 *	incl	%gs:depth		of what it jumps to
 *
 * No return takes its own depth back: where its call comes back that is done.
 *
 * It is a return's landing that does so, as it stands directly behind its call.
 */
#include <string.h>

#include "translate/folds.h"
#include "translate/layer.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/constant.h"
#include "translate/x86_64/window.h"

/* --- counting ------------------------------------------------------------- */

/* An instruction on a counter of data; size: of what comes behind its operand.
 */
void hop_put_on_slot(struct writer *w, const char *code, size_t n,
		     uint32_t slot)
{
	w_bytes(w, code, n);
	w_num(w, slot - (stream_at(w->s) + 4), 4);
}

#define ON_SLOT(w, code, slot) hop_put_on_slot(w, code, sizeof(code) - 1, slot)

/* Which of the thread's counts the block adds to. */
static uint32_t count_slot(const struct writer *w)
{
	return WIN_COUNTS + 8 * (w->flow % WIN_COUNTS_MAX);
}

void hop_put_count(struct writer *w, unsigned how, int undo)
{
	w_mark(w, how, undo);
	w_fill(w, RAX, WIN_COUNTS);
	for (unsigned n = 1; n < WIN_COUNTS_MAX; n++) {
		w_mark(w, how, undo);
		w_code(w, "\x65\x48\x03\x04\x25"); /* add %gs:, %rax */
		w_num(w, WIN_COUNTS + 8 * n, 4);
	}
}

void hop_put_count_quietly(struct writer *w, unsigned how, int undo)
{
	w_mark(w, how, undo);
	w_spill(w, RDX, WIN_RDX);
	how |= REWIND_RDX;
	w_mark(w, how, undo);
	w_fill(w, RAX, WIN_COUNTS);
	for (unsigned n = 1; n < WIN_COUNTS_MAX; n++) {
		w_mark(w, how, undo);
		w_fill(w, RDX, WIN_COUNTS + 8 * n);
		w_mark(w, how, undo);
		w_code(w, "\x48\x8d\x04\x10"); /* lea (%rax,%rdx), %rax */
	}
	w_mark(w, how, undo);
	w_fill(w, RDX, WIN_RDX);
}

static void count_plainly(struct writer *w, uint32_t slot, uint32_t n)
{
	bool small = n < 128;

	w_mark(w, 0, 0);
	w_bytes(w, small ? "\x65\x48\x83\x04\x25" : "\x65\x48\x81\x04\x25", 5);
	w_num(w, count_slot(w), 4);
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
	w_fill(w, RCX, count_slot(w));
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x89");
	w_num(w, n, 4);
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RCX, count_slot(w));
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

/* Nothing that is locked leaves all flags alone. */
static void count_locked(struct writer *w, uint32_t slot, uint32_t n)
{
	count_instructions(w, n);
	hop_save_flags(w);
	w_mark(w, w->rewind, 0);
	ON_SLOT(w, "\xf0\x48\xff\x05", slot);
	w->phase = FLOW_WITHIN;
	hop_restore_flags(w);
	w_mark(w, w->rewind, 0);
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
	uint32_t word = flow_word(HOP_PLAIN,
				  flow_hop(w->sp, calls ? HOP_CALLS : HOP_JUMPS,
					   w->flow, to, w->through));

	w->call = calls ? word : 0;
	return word;
}

uint32_t hop_enters(struct writer *w, uint64_t to)
{
	uint32_t function = flow_function(w->sp, to);

	if (w->sp->shares_counts || function >= DEPTHS_MAX)
		function = 0;
	w->called = function;
	return function;
}

/* movb $1, %gs:UNSURE */
void hop_put_unsure(struct writer *w, unsigned how, int undo)
{
	if (w->sp->shares_counts)
		return;
	w_mark(w, how, undo);
	w_code(w, "\x65\xc6\x04\x25");
	w_num(w, WIN_UNSURE, 4);
	w_code(w, "\x01");
}

void hop_write_unsure(struct writer *w, uint32_t word, unsigned how, int undo)
{
	uint32_t hop = word & FLOW_NUMBER;

	if (!flow_hop_is_regular(w->sp, hop, false) &&
	    !flow_hop_may_be(w->sp, hop))
		hop_put_unsure(w, how, undo);
}

/* movl $block, 12(of the pointer); movb $1, %gs:UNSURE: MAY_BE_BYTES */
#define MAY_BE_BYTES 16

static void put_may_be(struct writer *w, const char *code, unsigned how,
		       int undo)
{
	w_mark(w, how, undo);
	w_bytes(w, code, 3);
	w_num(w, w->flow, 4);
	hop_put_unsure(w, how, undo);
}

/* cmpl $0, %gs:depth; je 1f; movl $block, 12(%rcx); movb $1, %gs:UNSURE; 1: */
static void may_be_plainly(struct writer *w, uint32_t depth, unsigned how,
			   int undo)
{
	w_mark(w, how, undo);
	w_code(w, "\x65\x83\x3c\x25");
	w_num(w, depth, 4);
	w_code(w, "\0");
	w_mark(w, how, undo);
	w_code(w, "\x74");
	w_num(w, MAY_BE_BYTES, 1);
	put_may_be(w, "\xc7\x41\x0c", how, undo);
}

/* mov %rcx, %rax; mov %gs:depth, %ecx; jrcxz 1f; movl $block, 12(%rax); movb $1,
 * %gs:UNSURE; 1: mov %rax, %rcx */
static void may_be_quietly(struct writer *w, uint32_t depth, unsigned how,
			   int undo)
{
	w_mark(w, how, undo);
	w_code(w, "\x48\x89\xc8");
	w_mark(w, how, undo);
	w_code(w, "\x65\x8b\x0c\x25");
	w_num(w, depth, 4);
	w_mark(w, how, undo);
	w_code(w, "\xe3");
	w_num(w, MAY_BE_BYTES, 1);
	put_may_be(w, "\xc7\x40\x0c", how, undo);
	w_mark(w, how, undo);
	w_code(w, "\x48\x89\xc1");
}

void hop_write_may_be(struct writer *w, uint32_t word, unsigned how, int undo)
{
	uint64_t to = flow_hop_pc(w->sp, word & FLOW_NUMBER);

	if (w->sp->shares_counts ||
	    !flow_hop_may_be(w->sp, word & FLOW_NUMBER))
		return;
	(w->spends ? may_be_plainly : may_be_quietly)(
		w, TAB_DEPTHS + 4 * flow_function(w->sp, to), how, undo);
}

/* --- stubs ---------------------------------------------------------------- */

/* At most what a PLT has: endbr64, and the jump. */
#define STUB_INSNS 2

/* The block there, if it is one of a stub; where that jumps to. */
static uint32_t stub_at(struct compiler *c, uint64_t pc, uint64_t *target)
{
	uint8_t code[STUB_INSNS * X86_INSN_MAX];
	struct flow_block b = { .begin = pc, .end = FLOW_INDIRECT_JUMP };
	bool constant = false;
	struct insn i;

	for (b.last = pc; b.instructions < STUB_INSNS; b.last = insn_next(&i)) {
		if (!code_read(&c->reader, b.last, &i))
			return 0;
		memcpy(code + b.bytes, i.bytes, i.in.length);
		b.bytes += i.in.length;
		b.instructions++;
		if (i.in.kind != X86_PLAIN)
			break;
	}
	if (i.in.kind != X86_JMP_IND || code_changes(&c->reader, pc) ||
	    !insn_pointer(&c->reader, &i, target, &constant) || !constant)
		return 0;
	b.code = code;
	return flow_number(c->sp, &b);
}

bool hop_spends(struct compiler *c, uint64_t to)
{
	return c->w.flow && c->sp->keep == FLOW_CALLS &&
	       code_flags_dead(&c->reader, to);
}

void hop_see_stub(struct compiler *c, uint64_t to)
{
	struct writer *w = &c->w;
	uint32_t function;
	uint64_t target;

	if (!w->flow || w->sp->keep != FLOW_CALLS || w->sp->shares_counts)
		return;
	w->stub = stub_at(c, to, &target);
	if (!w->stub)
		return;
	function = flow_function(w->sp, target);
	if (function == flow_function(w->sp, to) || function >= DEPTHS_MAX)
		w->stub = 0;
	else
		w->through = flow_hop(w->sp, HOP_JUMPS, w->stub, target, 0);
}

bool hop_write_through(struct writer *w, uint64_t target)
{
	uint32_t function = hop_enters(w, target), word;
	struct writer cold;
	uint32_t at;

	if (!function || is_call(w))
		return false;
	word = hop_word_to(w, target);
	cold = w_cold(w);
	at = stream_at(cold.s);
	/* rcx is spilled there already: once more does no harm. */
	w_mark(&cold, REWIND_RCX, 0);
	w_fill(&cold, RCX, WIN_RCX);
	flow_put(&cold, &(struct flow_record){ .word = word,
					       .enters = function,
					       .pc = target });
	w_mark(&cold, 0, 0);
	w_jmp_pc(&cold, target);
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RING);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x81\x79\xfc"); /* cmpl $block, -4(%rcx) */
	w_num(w, w->flow, 4);
	w_mark(w, REWIND_RCX, 0);
	w_jcc_at(w, COND_NE, at);
	if (!flow_hop_is_regular(w->sp, word & FLOW_NUMBER, true))
		hop_put_unsure(w, REWIND_RCX, 0);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xc7\x41\xfc"); /* movl $word, -4(%rcx) */
	w_num(w, word, 4);
	w_at(w, target);
	w->phase = FLOW_BETWEEN;
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\xff\x04\x25"); /* incl %gs:the function's depth */
	w_num(w, TAB_DEPTHS + 4 * function, 4);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
	return true;
}

void hop_write_leaves(struct writer *w)
{
	uint32_t slot = TAB_DEPTHS + 4 * w->function;

	if (!w->flow || w->sp->keep != FLOW_CALLS || w->sp->shares_counts ||
	    w->function >= DEPTHS_MAX)
		return;
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\x8b\x0c\x25"); /* mov %gs:slot, %ecx */
	w_num(w, slot, 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x8d\x49\xff"); /* lea -1(%rcx), %ecx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\x89\x0c\x25"); /* mov %ecx, %gs:slot */
	w_num(w, slot, 4);
}

void hop_write_falls(struct compiler *c, uint64_t to)
{
	struct writer *w = &c->w;
	uint32_t word;

	if (!w->flow || w->sp->keep != FLOW_CALLS || !hop_is_told(w, to))
		return;
	word = hop_word_to(w, to);
	w_at(w, to);
	flow_is_over(w);
	w->spends = hop_spends(c, to);
	flow_put(w, &(struct flow_record){ .word = word,
					   .enters = hop_enters(w, to),
					   .pc = to });
	w->spends = false;
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
	if (!folds_site(w->sp, w->flow))
		hop_put_unsure(w, REWIND_RCX, 0);
}
