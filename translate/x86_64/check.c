/*
 * Code that looks whether an instruction touches what is watched:
 *
 *		mov	%rcx, %gs:RCX
 *		lea	operand, %rcx
 *		rorx	$3, %rcx, %rcx
 *		movzwl	%cx, %ecx
 *		movzbl	%gs:TABLE(%rcx), %ecx
 *		jrcxz	1f
 *		jmp	cold
 * 1:		mov	%gs:RCX, %rcx
 *
 *	cold:	mov	%gs:RCX, %rcx
 *		mov	%rax, %gs:RAX
 *		lea	operand, %rcx
 *		pc, size - 1, what was put before and is done, and the place
 *		behind this to the window
 *		jmp	the region's routine	rcx: 0, or it is watched
 *		jrcxz	2f
 *		mov	%gs:RCX, %rcx
 *		jmp	stub
 * 2:		jmp	1b
 *
 * No flag is changed. Processors without rorx shift by flags that are saved.
 */
#include <string.h>

#include "arch/x86_64/access.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/expression.h"
#include "translate/x86_64/touch.h"
#include "translate/x86_64/window.h"

#define LARGEST	   64u /* bytes of one access that is looked up */

#define LO_AT	   (TAB_RANGES + 32)
#define LEN_AT	   (TAB_RANGES + 40)
#define COUNT_AT   TAB_RANGES
#define HULL_LO_AT (TAB_RANGES + 8)
#define HULL_HI_AT (TAB_RANGES + 16)

/* --- tables --------------------------------------------------------------- */

static uint64_t *word_at(const struct space *sp, uint32_t at)
{
	return (uint64_t *)(void *)(sp->tables + at - WIN_PAGE);
}

static void mark(struct space *sp, uint32_t table, const struct watched *w)
{
	uint64_t before = w->lo < LARGEST - 1 ? w->lo : LARGEST - 1;
	uint64_t first = (w->lo - before) >> 3, last = (w->hi - 1) >> 3;

	if (last - first >= TAB_DIRECT)
		last = first + TAB_DIRECT - 1;
	for (uint64_t n = first; n <= last; n++)
		sp->tables[table - WIN_PAGE + (n & (TAB_DIRECT - 1))] = 1;
}

void check_tables(struct space *sp)
{
	memset(sp->tables + TAB_WRITTEN - WIN_PAGE, 0, 2 * TAB_DIRECT);
	*word_at(sp, COUNT_AT) = 16 * (uint64_t)sp->n_watched;
	*word_at(sp, HULL_LO_AT) = UINT64_MAX;
	*word_at(sp, HULL_HI_AT) = 0;
	for (unsigned i = 0; i < sp->n_watched; i++) {
		const struct watched *w = &sp->watched[i];

		if (w->kind != POINT_READ)
			mark(sp, TAB_WRITTEN, w);
		if (w->kind != POINT_WRITE)
			mark(sp, TAB_READ, w);
		*word_at(sp, LO_AT + 16 * i) = w->lo;
		*word_at(sp, LEN_AT + 16 * i) = w->hi - w->lo;
		if (w->lo < *word_at(sp, HULL_LO_AT))
			*word_at(sp, HULL_LO_AT) = w->lo;
		if (w->hi > *word_at(sp, HULL_HI_AT))
			*word_at(sp, HULL_HI_AT) = w->hi;
	}
}

static bool is_watched(const struct space *sp, uint64_t lo, unsigned size)
{
	for (unsigned i = 0; i < sp->n_watched; i++) {
		if (lo < sp->watched[i].hi && lo + size > sp->watched[i].lo)
			return true;
	}
	return false;
}

static bool any_of(const struct space *sp, bool reads)
{
	for (unsigned i = 0; i < sp->n_watched; i++) {
		if (sp->watched[i].kind != (reads ? POINT_WRITE : POINT_READ))
			return true;
	}
	return false;
}

/* --- the routine ---------------------------------------------------------- */

#define ROUTINE (REWIND_TARGET | SAVED)

/* Behind text comes the place in the window. */
#define IN(w, text, slot) (STEP(w, ROUTINE, text), w_num(w, slot, 4))

static uint8_t *jump_short(struct writer *w, uint8_t opcode)
{
	w_mark(w, ROUTINE, 0);
	return w_short(w, opcode);
}

/* rdx and flags to the window; rcx and rax are there. */
static void routine_save(struct writer *w)
{
	const unsigned how = REWIND_TARGET | REWIND_RCX | REWIND_RAX;

	w_spill_flags(w, how);
	w_spill_as(w, how | REWIND_FLAGS, RDX, WIN_RDX);
	STEP(w, ROUTINE, "\x31\xd2"); /* xor %edx, %edx */
}

/*
 *	an access begins at rcx; for each range
 * 1:	mov	%rcx, %rax
 *	sub	%gs:LO(%rdx), %rax
 *	add	%gs:SIZE, %rax		of the access, less 1
 *	sub	%gs:LEN(%rdx), %rax
 *	jb	hit
 *	cmp	%gs:SIZE, %rax
 *	jb	hit
 *	add	$16, %rdx
 *	cmp	%gs:COUNT, %rdx
 *	jb	1b
 *	xor	%ecx, %ecx
 * hit:
 */
void check_routine(struct region *rg)
{
	struct writer w = { .rg = rg, .s = &rg->cold };
	uint8_t *hit, *also, *again, *back;

	rg->check = stream_at(w.s);
	routine_save(&w);
	again = w.s->e.code + w.s->e.len;
	STEP(&w, ROUTINE, "\x48\x89\xc8");
	IN(&w, "\x65\x48\x2b\x82", LO_AT);
	IN(&w, "\x65\x48\x03\x04\x25", WIN_CHECK_SIZE);
	IN(&w, "\x65\x48\x2b\x82", LEN_AT);
	hit = jump_short(&w, 0x72);
	IN(&w, "\x65\x48\x3b\x04\x25", WIN_CHECK_SIZE);
	also = jump_short(&w, 0x72);
	STEP(&w, ROUTINE, "\x48\x83\xc2\x10");
	IN(&w, "\x65\x48\x3b\x14\x25", COUNT_AT);
	back = jump_short(&w, 0x72);
	back[-1] = (uint8_t)(again - back);
	STEP(&w, ROUTINE, "\x31\xc9");
	/* A hit at address 0 would be none; nothing is mapped there. */
	w_lands(&w, hit);
	w_lands(&w, also);
	w_fill_as(&w, ROUTINE, RDX, WIN_RDX);
	w_fill_flags(&w, ROUTINE);
	w_fill_as(&w, ROUTINE, RAX, WIN_RAX);
	w_mark(&w, ROUTINE, 0);
	w_jmp_slot(&w, WIN_CHECK_BACK);
	rg->check_end = stream_at(w.s);
}

/* --- the address ---------------------------------------------------------- */

static void lea_operand(struct writer *w, const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	bool is_sib = (in->modrm & 7) == 4;
	uint8_t code[16];
	unsigned n = 0;

	if (in->prefixes & X86_PFX_67)
		code[n++] = 0x67;
	code[n++] = (uint8_t)(0x48 | (in->rex & (X86_REX_B | X86_REX_X)));
	code[n++] = 0x8d;
	code[n++] = (uint8_t)((in->modrm & 0xc7) | RCX << 3);
	if (is_sib)
		code[n++] = in->sib;
	memcpy(code + n, i->bytes + in->disp_at, in->disp_size);
	n += in->disp_size;
	if (touch_disp_beyond(i)) {
		int32_t disp = (int32_t)((int64_t)touch_disp_beyond(i) +
					 (int8_t)i->bytes[in->disp_at]);

		code[n - 2u - is_sib] ^= 0xc0; /* mod: 1 to 2 */
		memcpy(code + n - 1, &disp, sizeof(disp));
		n += 3;
	}
	w_bytes(w, code, n);
}

/* To rcx, which is in the window; rax is too if saved says so. */
static void address(struct writer *w, const struct insn *i,
		    const struct x86_access *a, unsigned saved)
{
	uint8_t push[5] = { 0x48, 0x8d, 0x4c, 0x24, (uint8_t)-a->size };
	unsigned how = REWIND_RCX | saved;

	w_mark(w, how, 0);
	switch (a->where) {
	case X86_AT_PUSH:
		w_bytes(w, push, sizeof(push));
		return;
	case X86_AT_POP:
		w_code(w, "\x48\x8d\x0c\x24");
		return;
	case X86_AT_FRAME:
		w_code(w, "\x48\x8d\x4d\x00");
		return;
	case X86_AT_RSI:
		w_code(w, "\x48\x89\xf1");
		return;
	case X86_AT_RDI:
		w_code(w, "\x48\x89\xf9");
		return;
	}
	lea_operand(w, i);
	if (!(i->in.prefixes & (X86_PFX_FS | X86_PFX_GS)))
		return;
	if (!saved) {
		w_mark(w, how, 0);
		w_spill(w, RAX, WIN_RAX);
	}
	how |= REWIND_RAX;
	w_mark(w, how, 0);
	if (i->in.prefixes & X86_PFX_GS)
		w_fill(w, RAX, WIN_GS);
	else
		w_code(w, "\xf3\x48\x0f\xae\xc0"); /* rdfsbase %rax */
	STEP(w, how, "\x48\x8d\x0c\x01");	   /* lea (%rcx,%rax), %rcx */
	w_mark(w, how, 0);
	w_fill(w, RAX, WIN_RAX);
}

/* --- checks --------------------------------------------------------------- */

static void always(struct writer *w)
{
	struct stub stub = { .pc = w->pc, .kind = STUB_WATCH };

	w_mark(w, 0, 0);
	stub.arg = stream_at(w->s) + 5;
	w_jmp_at(w, w_stub(w, &stub));
}

/* rcx by 8. */
static void write_shift(struct writer *w)
{
	const unsigned how = REWIND_RCX | REWIND_RAX;

	if (emit_has_bmi2()) {
		STEP(w, REWIND_RCX, "\xc4\xe3\xfb\xf0\xc9\x03");
		return;
	}
	w_spill_as(w, REWIND_RCX, RAX, WIN_RAX);
	w_spill_flags(w, how);
	STEP(w, how | REWIND_FLAGS, "\x48\xc1\xe9\x03"); /* shr $3, %rcx */
	w_set_flags(w, how | REWIND_FLAGS);
	w_fill_as(w, how | REWIND_FLAGS, RAX, WIN_RAX);
}

static void write_cold(struct writer *w, const struct insn *i,
		       const struct x86_access *a, uint32_t back)
{
	const unsigned how = REWIND_RCX | REWIND_RAX;
	struct stub stub = { .pc = w->pc, .kind = STUB_WATCH, .arg = back };
	uint32_t lea;

	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RAX, WIN_RAX);
	address(w, i, a, REWIND_RAX);
	STEP(w, how, "\x48\xb8");
	w_num(w, w->pc, 8);
	w_mark(w, how, 0);
	w_spill(w, RAX, WIN_TARGET);
	STEP(w, how, "\x65\x48\xc7\x04\x25");
	w_num(w, WIN_CHECK_SIZE, 4);
	w_num(w, a->size - 1u, 4);
	STEP(w, how, "\x65\xc7\x04\x25"); /* movl */
	w_num(w, WIN_CHECK_PUTS, 4);
	w_num(w, w->puts, 4);
	STEP(w, how, "\x48\x8d\x05"); /* lea back(%rip), %rax */
	w_num(w, 0, 4);
	lea = stream_at(w->s);
	w_mark(w, how, 0);
	w_spill(w, RAX, WIN_CHECK_BACK);
	w_mark(w, how, 0);
	w_jmp_at(w, w->rg->check);
	w_patch(w, lea, stream_at(w->s));
	STEP(w, REWIND_RCX, "\xe3\x0e"); /* jrcxz, over 14 bytes */
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
	w_mark(w, 0, 0);
	w_jmp_at(w, w_stub(w, &stub));
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, back);
}

static void look_up(struct writer *w, const struct insn *i,
		    const struct x86_access *a, uint32_t table)
{
	struct writer cold = w_cold(w);

	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	address(w, i, a, 0);
	write_shift(w);
	STEP(w, REWIND_RCX, "\x0f\xb7\xc9");	 /* movzwl %cx, %ecx */
	STEP(w, REWIND_RCX, "\x65\x0f\xb6\x89"); /* movzbl, %ecx */
	w_num(w, table, 4);
	STEP(w, REWIND_RCX, "\xe3\x05");
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, stream_at(cold.s));
	write_cold(&cold, i, a, stream_at(w->s));
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* The end of its displacement. */
static uint32_t jump_if(struct writer *w, unsigned condition)
{
	uint8_t code[2] = { 0x0f, (uint8_t)(0x80 | condition) };

	w_mark(w, SAVED, 0);
	w_bytes(w, code, sizeof(code));
	w_num(w, 0, 4);
	return stream_at(w->s);
}

/* All is restored, and it jumps: the end of that displacement. */
static uint32_t leave(struct writer *w)
{
	expression_restore(w);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
	w_mark(w, 0, 0);
	w_code(w, "\xe9");
	w_num(w, 0, 4);
	return stream_at(w->s);
}

/*
 * A string instruction with a prefix: anything that it may come to, in either
 * direction.
 *
 *	mov	%rcx, %rax
 *	shr	$47, %rax; jne hit	as far as there is memory
 *	lea	(,%rcx,size), %rax
 *	mov	%rdi, %rdx
 *	add	%rax, %rdx
 *	cmp	%gs:HULL_LO, %rdx; jbe miss
 *	sub	%rax, %rdx; sub	%rax, %rdx
 *	jb	hit
 *	cmp	%gs:HULL_HI, %rdx; jae miss
 * hit:	...; jmp stub
 * miss:
 */
static void look_far(struct writer *w, const struct x86_access *a)
{
	const uint8_t sib =
		(uint8_t)(__builtin_ctz(a->size) << 6 | RCX << 3 | 5);
	struct stub stub = { .pc = w->pc, .kind = STUB_WATCH };
	uint32_t misses[2], hit, far, to_stub;

	expression_save(w);
	OP(w, "\x48\x89\xc8");
	OP(w, "\x48\xc1\xe8\x2f");
	far = jump_if(w, COND_NE);
	OP(w, "\x48\x8d\x04");
	w_num(w, sib, 1);
	w_num(w, 0, 4);
	w_mark(w, SAVED, 0);
	w_bytes(w, a->where == X86_AT_RSI ? "\x48\x89\xf2" : "\x48\x89\xfa", 3);
	OP(w, "\x48\x01\xc2");
	OP(w, "\x65\x48\x3b\x14\x25");
	w_num(w, HULL_LO_AT, 4);
	misses[0] = jump_if(w, COND_BE);
	OP(w, "\x48\x29\xc2"); /* twice: as far before it */
	OP(w, "\x48\x29\xc2");
	hit = jump_if(w, COND_B);
	OP(w, "\x65\x48\x3b\x14\x25");
	w_num(w, HULL_HI_AT, 4);
	misses[1] = jump_if(w, COND_AE);
	w_patch(w, hit, stream_at(w->s));
	w_patch(w, far, stream_at(w->s));
	to_stub = leave(w);
	w_patch(w, misses[0], stream_at(w->s));
	w_patch(w, misses[1], stream_at(w->s));
	expression_restore(w);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
	stub.arg = stream_at(w->s);
	w_patch(w, to_stub, w_stub(w, &stub));
}

/* An operand at a place that is known now. */
static bool is_constant(const struct insn *i, const struct x86_access *a,
			uint64_t *at)
{
	if (i->in.prefixes & (X86_PFX_FS | X86_PFX_GS))
		return false;
	if (a->where == X86_AT_MOFFS)
		*at = touch_moffs(i);
	else if (a->where == X86_AT_OPERAND && i->in.rip_relative)
		*at = x86_rip_operand(&i->in, i->bytes, i->pc);
	else
		return false;
	return true;
}

/* Nothing quicker says where it is. */
static bool is_hard(const struct insn *i, const struct x86_access *a)
{
	const uint16_t pfx = i->in.prefixes, both = X86_PFX_FS | X86_PFX_GS;
	bool is_string = a->where == X86_AT_RSI || a->where == X86_AT_RDI;

	if (a->where >= X86_AT_BITS || a->where == X86_AT_MOFFS ||
	    a->size > LARGEST || touch_pops_before(i))
		return true;
	if (is_string)
		return pfx & (both | X86_PFX_67);
	if (a->where != X86_AT_OPERAND || !(pfx & both))
		return false;
	return i->in.rip_relative || (pfx & both) == both ||
	       (pfx & X86_PFX_FS && !has_fsgsbase());
}

static void check(struct compiler *c, const struct insn *i,
		  const struct x86_access *a, uint32_t table)
{
	uint64_t at;

	if (is_constant(i, a, &at)) {
		if (is_watched(c->sp, at, a->size))
			always(&c->w);
	} else if (is_hard(i, a)) {
		always(&c->w);
	} else if (insn_repeats(&i->in)) {
		look_far(&c->w, a);
	} else {
		look_up(&c->w, i, a, table);
	}
}

void checks_write(struct compiler *c, const struct insn *i)
{
	bool written = any_of(c->sp, false), read = any_of(c->sp, true);
	struct x86_access all[X86_ACCESS_MAX];
	unsigned n = x86_accesses(&i->in, i->bytes, all);

	for (unsigned k = 0; k < n; k++) {
		if (written && all[k].writes)
			check(c, i, &all[k], TAB_WRITTEN);
		if (read && all[k].reads)
			check(c, i, &all[k], TAB_READ);
	}
}
