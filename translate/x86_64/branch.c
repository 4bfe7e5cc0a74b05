/*
 * The branches that end a block. A call leaves the original return address on
 * the stack, so a return finds the code for it by address:
 *
 *	call T:		push	$low(R)
 *			movl	$high(R), 4(%rsp)	if R is not an imm32
 *			prefetcht0 %gs:RETURNS + 8 * (R & 0xffff)
 *			jmp	T'
 *	landing of R:	cmpl	$low(R), -8(%rsp)
 *			jne	return_fix
 *			mov	%gs:RCX, %rcx
 *	R':		...
 *	ret:		mov	%rcx, %gs:RCX
 *			movzwl	(%rsp), %ecx
 *			lea	8(%rsp), %rsp
 *			jmp	*%gs:RETURNS(,%rcx,8)
 *
 * The table is indexed by 16 bits of the address alone and so may lead to the
 * landing of another return: that notices, and return_fix finds the right one.
 *
 * Indirect branches are in indirect.c.
 */
#include "arch/x86_64/effects.h"
#include "translate/layer.h"
#include "translate/ring.h"
#include "translate/x86_64/callee.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

enum slow_kind branch_slow(const struct insn *i)
{
	bool is_reg = i->in.modrm >= 0xc0;

	switch ((int)i->in.kind) {
	case X86_JMP:
		return SLOW_JMP_IMM;
	case X86_JCC:
		return SLOW_JMP_COND;
	case X86_LOOP:
		return SLOW_JMP_COND_JCXZ;
	case X86_CALL:
		return SLOW_CALL_IMM;
	case X86_CALL_IND:
		return is_reg ? SLOW_CALL_REG : SLOW_CALL_MEM;
	case X86_JMP_IND:
		return is_reg ? SLOW_JMP_REG : SLOW_JMP_MEM;
	case X86_RET:
		return SLOW_RET;
	default:
		return SLOW_CONTINUATION;
	}
}

void slow_write(struct writer *w)
{
	if (!w->sp->tr->observed)
		return;
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\xc6\x04\x25"); /* movb $slow, %gs:SLOW */
	w_num(w, WIN_SLOW, 4);
	w_num(w, w->slow, 1);
}

/* --- branches ------------------------------------------------------------ */

typedef uint64_t branch_fn(struct compiler *c, const struct insn *i);

static uint64_t write_native(struct compiler *c, const struct insn *i)
{
	(void)i;
	native_write(&c->w);
	return 0;
}

static uint64_t write_jmp(struct compiler *c, const struct insn *i)
{
	uint64_t to = x86_target(&i->in, i->pc);

	c->w.spends = flow_tells_branch(&c->w, to) && hop_spends(c, to);
	flow_write_jump(c, 0);
	c->w.spends = false;
	return to;
}

bool always_branches(struct compiler *c, uint64_t to, uint64_t next)
{
	return compiler_ask(c, next) == HINT_NEW &&
	       hint_is_known(compiler_ask(c, to));
}

/* What it jumps to comes next, and the opposite condition leads to what is
 * behind it. */
static bool is_turned(struct compiler *c, uint64_t to, uint64_t next)
{
	if (flow_is_on(&c->w))
		return flow_block(c->sp->flow, c->w.flow)->turned;
	return always_branches(c, to, next) && !block_find(c->sp, to);
}

static uint64_t write_jcc(struct compiler *c, const struct insn *i)
{
	uint64_t to = x86_target(&i->in, i->pc), next = insn_next(i), other;
	unsigned cond = i->in.opcode & 15;

	if (is_turned(c, to, next)) {
		cond ^= 1;
		other = to;
		to = next;
		next = other;
	}
	w_mark(&c->w, 0, 0);
	if (flow_tells_branch(&c->w, to))
		w_jcc_at(&c->w, cond, way_write(&c->w, to));
	else
		w_jcc_pc(&c->w, cond, to);
	compiler_queue(c, to);
	return next;
}

/* loop and jrcxz have a short form only: they jump over a jump. */
static uint64_t write_loop(struct compiler *c, const struct insn *i)
{
	uint64_t to = x86_target(&i->in, i->pc);
	struct writer *w = &c->w;

	w_mark(w, 0, 0);
	if (i->in.prefixes & X86_PFX_67)
		w_code(w, "\x67");
	w_bytes(w, &i->in.opcode, 1);
	w_code(w, "\x02");
	w_at(w, insn_next(i));
	w_mark(w, 0, 0);
	w_code(w, "\xeb\x05");
	w_at(w, to);
	flow_is_over(w);
	w_mark(w, 0, 0);
	w_jmp_at(w, way_write(w, to));
	compiler_queue(c, to);
	return insn_next(i);
}

static uint64_t write_call(struct compiler *c, const struct insn *i)
{
	uint64_t to = x86_target(&i->in, i->pc);

	event_write(&c->w, EVENT_CALL, to);
	w_push_return(&c->w, insn_next(i), 0);
	callee_note(c->sp, to);
	c->w.spends = hop_spends(c, to);
	hop_see_stub(c, to);
	w_mark(&c->w, 0, flow_write_jump(c, 8) ? 0 : 8);
	c->w.spends = false;
	w_jmp_pc(&c->w, to);
	c->w.slow = SLOW_CONTINUATION;
	compiler_queue(c, to);
	c->return_next = true;
	return insn_next(i);
}

/* To what was pushed or written there: not by a call. */
static bool puts_at_stack(const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	bool is_main = in->map == X86_MAP_MAIN, is_load;

	is_load = is_main && (in->opcode == 0x8b || in->opcode == 0x8d);
	if (in->modrm_at && (in->modrm & 0xc7) == 4 && in->sib == 0x24)
		return !is_load;
	return is_main && ((in->opcode & 0xf8) == 0x50 || in->opcode == 0x68 ||
			   in->opcode == 0x6a ||
			   (in->opcode == 0xff && (in->modrm & 0x38) == 0x30));
}

/* A return that is a jump: it may go anywhere, with flags for who is there, and
 * so not by landings that change them (landing.c). */
static bool is_jump(const struct compiler *c)
{
	struct x86_effects e;

	for (unsigned n = c->n_insns - 1; n-- > 0;) {
		const struct insn *i = &c->insns[n];

		if (puts_at_stack(i))
			return true;
		x86_effects(&i->in, i->bytes, &e);
		if (e.regs_written & 1u << RSP)
			return false;
	}
	return false;
}

static uint64_t write_ret_as_jump(struct writer *w, const struct insn *i)
{
	unsigned pops = 8;

	if (i->in.imm_size)
		pops += i->bytes[i->in.imm_at] |
			(unsigned)i->bytes[i->in.imm_at + 1] << 8;

	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8b\x0c\x24"); /* mov (%rsp), %rcx */
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RCX, WIN_TARGET);
	hop_write_from(w, false);
	slow_write(w);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\xc9"); /* movzwl %cx, %ecx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\xa4\x24"); /* lea pops(%rsp), %rsp */
	w_num(w, pops, 4);
	w_mark(w, REWIND_RCX | REWIND_TARGET, 0);
	w_jmp_table(w, TAB_INDIRECT);
	return 0;
}

static void ret_begin(struct writer *w)
{
	event_write_ret(w);
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	hop_write_leaves(w);
}

static void ret_end(struct writer *w)
{
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\x0c\x24"); /* movzwl (%rsp), %ecx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x64\x24\x08"); /* lea 8(%rsp), %rsp */
	w_mark(w, REWIND_RCX | REWIND_RETURN, 0);
	w_jmp_table(w, TAB_RETURNS);
}

void return_write(struct compiler *c)
{
	ret_begin(&c->w);
	ret_end(&c->w);
}

static uint64_t write_ret(struct compiler *c, const struct insn *i)
{
	ret_begin(&c->w);
	if (i->in.imm_size || is_jump(c))
		return write_ret_as_jump(&c->w, i);
	ret_end(&c->w);
	return 0;
}

/* The transaction's way out is code like any; see SDM vol. 1, 16.3. */
static uint64_t write_xbegin(struct compiler *c, const struct insn *i)
{
	uint64_t to = x86_target(&i->in, i->pc);
	struct writer *w = &c->w;
	uint32_t next = way_write(w, to);

	compiler_queue(c, to);
	w_mark(w, 0, 0);
	w_code(w, "\xc7\xf8");
	w_num(w, next - (stream_at(w->s) + 4), 4);
	chain_reloc(w, RELOC_JUMP, stream_at(w->s) - 4);
	return insn_next(i);
}

/* int1 traps behind itself, with a signal that a step would swallow. */
static uint64_t write_int(struct compiler *c, const struct insn *i)
{
	if (i->in.map != X86_MAP_MAIN || i->in.opcode != 0xf1)
		return write_native(c, i);
	w_mark(&c->w, 0, 0);
	w_bytes(&c->w, i->bytes, i->in.length);
	return insn_next(i);
}

void native_write(struct writer *w)
{
	struct stub stub = { .pc = w->pc, .kind = STUB_NATIVE };

	w_mark(w, 0, 0);
	w_jmp_at(w, w_stub(w, &stub));
}

static branch_fn *const branches[N_X86_KINDS] = {
	[X86_JMP] = write_jmp,		[X86_JCC] = write_jcc,
	[X86_LOOP] = write_loop,	[X86_CALL] = write_call,
	[X86_JMP_IND] = indirect_write, [X86_CALL_IND] = indirect_write,
	[X86_RET] = write_ret,		[X86_SYSCALL] = syscall_write,
	[X86_XBEGIN] = write_xbegin,	[X86_INT] = write_int,
};

/* Near branches of 16 bits lead to where hardly a program has anything. */
uint64_t branch_write(struct compiler *c, const struct insn *i)
{
	branch_fn *fn = i->ok && !i->in.near16 ? branches[i->in.kind] : NULL;

	return fn ? fn(c, i) : write_native(c, i);
}
