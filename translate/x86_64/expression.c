/*
 * The value on top of the expression's stack is in rax, the others are in the
 * window; rcx and rdx serve an operation. All three and the flags are saved
 * there to the end, so that one rule rewinds a thread from every boundary.
 */
#include "translate/x86_64/expression.h"

#include <string.h>

#include "agent/program.h"
#include "base/mem.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

/* --- operations ---------------------------------------------------------- */

static void spill(struct expression *e, unsigned reg, unsigned n)
{
	w_spill_as(e->w, SAVED, reg, WIN_VALUES + 8 * n);
}

static void fill(struct expression *e, unsigned reg, unsigned n)
{
	w_fill_as(e->w, SAVED, reg, WIN_VALUES + 8 * n);
}

/* Makes room on top of that many values. */
static void push(struct expression *e, unsigned depth)
{
	if (depth)
		spill(e, RAX, depth - 1);
}

static void number(struct expression *e, uint64_t v)
{
	OP(e->w, "\x48\xb8"); /* movabs $v, %rax */
	w_num(e->w, v, 8);
}

/* Their numbers are gdb's, which differ from the processor's. */
static unsigned own_number(unsigned n)
{
	static const uint8_t by_gdb[] = {
		RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP
	};

	return n < ARRAY_SIZE(by_gdb) ? by_gdb[n] : n;
}

/* Of those up to RDX. */
static const uint32_t saved[] = {
	[RAX] = WIN_RAX, [RCX] = WIN_RCX, [RDX] = WIN_RDX
};

void expression_register_set(struct writer *w, unsigned n)
{
	unsigned own = own_number(n);
	uint8_t code[3] = { (uint8_t)(0x48 | own >> 3), 0x89,
			    (uint8_t)(0xc0 | (own & 7)) };

	if (own <= RDX)
		w_spill(w, RAX, saved[own]);
	else
		w_bytes(w, code, sizeof(code)); /* mov %rax, %own */
}

void expression_register(struct writer *w, unsigned n)
{
	unsigned own = own_number(n);
	uint8_t code[3] = { (uint8_t)(0x48 | (own & 8) >> 1), 0x89,
			    (uint8_t)(0xc0 | (own & 7) << 3) };

	w_mark(w, SAVED, 0);
	if (own <= RDX)
		w_fill(w, RAX, saved[own]);
	else
		w_bytes(w, code, sizeof(code)); /* mov %own, %rax */
}

static void reg(struct expression *e, unsigned n)
{
	if (n == IMAGE_RIP)
		number(e, e->w->pc);
	else
		expression_register(e->w, n);
}

/* rax becomes 0 or 1, by setCC. */
static void compare(struct expression *e, uint8_t set)
{
	uint8_t code[3] = { 0x0f, set, 0xc0 };

	w_mark(e->w, SAVED, 0);
	w_bytes(e->w, code, sizeof(code));
	OP(e->w, "\x0f\xb6\xc0"); /* movzbl %al, %eax */
}

/* rcx by rax. Counts from 64 on shift everything out. */
static void shift(struct expression *e, uint8_t op)
{
	OP(e->w, "\x48\x91"); /* xchg %rax, %rcx */
	if (op == AX_RSH_SIGNED) {
		OP(e->w, "\xba\x3f\0\0\0");   /* mov $63, %edx */
		OP(e->w, "\x48\x39\xd1");     /* cmp %rdx, %rcx */
		OP(e->w, "\x48\x0f\x47\xca"); /* cmova %rdx, %rcx */
		OP(e->w, "\x48\xd3\xf8");     /* sar %cl, %rax */
		return;
	}
	if (op == AX_LSH)
		OP(e->w, "\x48\xd3\xe0"); /* shl %cl, %rax */
	else
		OP(e->w, "\x48\xd3\xe8"); /* shr %cl, %rax */
	OP(e->w, "\x48\x83\xf9\x40");	  /* cmp $64, %rcx */
	OP(e->w, "\x48\x19\xd2");	  /* sbb %rdx, %rdx */
	OP(e->w, "\x48\x21\xd0");	  /* and %rdx, %rax */
}

/* Where it cannot be gone on, by a jump under that condition. */
static void fail_if(struct expression *e, uint8_t condition)
{
	uint8_t code[2] = { 0x0f, (uint8_t)(0x80 | condition) };

	w_mark(e->w, SAVED, 0);
	w_bytes(e->w, code, sizeof(code));
	w_num(e->w, 0, 4);
	e->fails[e->n_fails++] = stream_at(e->w->s);
}

/*
 * rcx by rax. INT64_MIN / -1 would trap: by -1 it is negated, and nothing is
 * left.
 *
 *	cmp	$-1, %rax
 *	jne	1f
 *	neg	%rcx			or xor %ecx, %ecx
 *	mov	%rcx, %rax
 *	jmp	2f
 * 1:	xchg	%rax, %rcx
 *	cqto
 *	idiv	%rcx
 *	mov	%rdx, %rax		the remainder alone
 * 2:
 */
static void divide_signed(struct expression *e, bool remains)
{
	OP(e->w, "\x48\x83\xf8\xff");
	OP(e->w, "\x75\x08");
	if (remains)
		OP(e->w, "\x48\x31\xc9");
	else
		OP(e->w, "\x48\xf7\xd9");
	OP(e->w, "\x48\x89\xc8");
	w_mark(e->w, SAVED, 0);
	w_bytes(e->w, remains ? "\xeb\x0a" : "\xeb\x07", 2);
	OP(e->w, "\x48\x91");
	OP(e->w, "\x48\x99");
	OP(e->w, "\x48\xf7\xf9");
	if (remains)
		OP(e->w, "\x48\x89\xd0");
}

static void divide(struct expression *e, uint8_t op)
{
	OP(e->w, "\x48\x85\xc0"); /* test %rax, %rax */
	fail_if(e, COND_E);
	if (op == AX_DIV_SIGNED || op == AX_REM_SIGNED) {
		divide_signed(e, op == AX_REM_SIGNED);
		return;
	}
	OP(e->w, "\x48\x91");	  /* xchg %rax, %rcx */
	OP(e->w, "\x31\xd2");	  /* xor %edx, %edx */
	OP(e->w, "\x48\xf7\xf1"); /* div %rcx */
	if (op == AX_REM_UNSIGNED)
		OP(e->w, "\x48\x89\xd0"); /* mov %rdx, %rax */
}

/* The value below is in rcx. */
static void binary(struct expression *e, uint8_t op)
{
	switch (op) {
	case AX_ADD:
		OP(e->w, "\x48\x01\xc8"); /* add %rcx, %rax */
		break;
	case AX_SUB:
		OP(e->w, "\x48\x29\xc1"); /* sub %rax, %rcx */
		OP(e->w, "\x48\x89\xc8"); /* mov %rcx, %rax */
		break;
	case AX_MUL:
		OP(e->w, "\x48\x0f\xaf\xc1"); /* imul %rcx, %rax */
		break;
	case AX_DIV_SIGNED ... AX_REM_UNSIGNED:
		divide(e, op);
		break;
	case AX_BIT_AND:
		OP(e->w, "\x48\x21\xc8");
		break;
	case AX_BIT_OR:
		OP(e->w, "\x48\x09\xc8");
		break;
	case AX_BIT_XOR:
		OP(e->w, "\x48\x31\xc8");
		break;
	case AX_LSH:
	case AX_RSH_SIGNED:
	case AX_RSH_UNSIGNED:
		shift(e, op);
		break;
	default:
		OP(e->w, "\x48\x39\xc1"); /* cmp %rax, %rcx */
		compare(e, op == AX_EQUAL	  ? 0x94
			   : op == AX_LESS_SIGNED ? 0x9c
						  : 0x92);
	}
}

/* The low n bits, by two shifts; sar or shr. */
static void extend(struct expression *e, uint64_t n, uint8_t modrm)
{
	uint8_t code[8] = { 0x48, 0xc1, 0xe0,  (uint8_t)(64 - n),
			    0x48, 0xc1, modrm, (uint8_t)(64 - n) };

	if (n >= 64)
		return;
	if (!n) {
		OP(e->w, "\x31\xc0"); /* xor %eax, %eax */
		return;
	}
	w_mark(e->w, SAVED, 0);
	w_bytes(e->w, code, 4);
	w_mark(e->w, SAVED, 0);
	w_bytes(e->w, code + 4, 4);
}

static void load(struct expression *e, uint8_t op)
{
	e->faults[e->n_faults++] = stream_at(e->w->s);
	switch (op) {
	case AX_REF8:
		OP(e->w, "\x0f\xb6\x00"); /* movzbl (%rax), %eax */
		break;
	case AX_REF16:
		OP(e->w, "\x0f\xb7\x00");
		break;
	case AX_REF32:
		OP(e->w, "\x8b\x00");
		break;
	default:
		OP(e->w, "\x48\x8b\x00");
	}
}

/* a b c to c a b. */
static void rotate(struct expression *e, unsigned depth)
{
	fill(e, RCX, depth - 3);
	spill(e, RAX, depth - 3);
	fill(e, RAX, depth - 2);
	spill(e, RCX, depth - 2);
}

static void swap(struct expression *e, unsigned depth)
{
	fill(e, RCX, depth - 2);
	spill(e, RAX, depth - 2);
	OP(e->w, "\x48\x89\xc8"); /* mov %rcx, %rax */
}

/* Only what is repeated is charged, as ax_eval() does. */
static void charge(struct expression *e, size_t n, size_t to)
{
	w_mark(e->w, SAVED, 0);
	w_code(e->w, "\x65\x81\x2c\x25"); /* subl $, %gs:STEPS */
	w_num(e->w, WIN_STEPS, 4);
	w_num(e->w, n - to + 1, 4);
	fail_if(e, COND_S);
}

static void jump(struct expression *e, size_t n, size_t to)
{
	w_num(e->w, 0, 4);
	e->jumps[n] = stream_at(e->w->s);
	e->to[n] = (uint32_t)to;
}

static void jump_if(struct expression *e, size_t n, const struct ax_insn *i)
{
	OP(e->w, "\x48\x89\xc1"); /* mov %rax, %rcx */
	if (i->depth > 1)
		fill(e, RAX, i->depth - 2u);
	OP(e->w, "\x48\x85\xc9"); /* test %rcx, %rcx */
	if (i->target > n) {
		OP(e->w, "\x0f\x85"); /* jne */
	} else {
		OP(e->w, "\x74\x17"); /* je, over what is charged */
		charge(e, n, i->target);
		OP(e->w, "\xe9");
	}
	jump(e, n, i->target);
}

static void go(struct expression *e, size_t n, const struct ax_insn *i)
{
	bool ends = i->op == AX_END;

	if (!ends && i->target <= n)
		charge(e, n, i->target);
	OP(e->w, "\xe9");
	jump(e, n, ends ? e->p->n_insns : i->target);
}

/* Its arguments, in the window too, are below two more that go with them. */
static void print(struct expression *e, size_t n, const struct ax_insn *i)
{
	unsigned left = i->depth - 2u - format_args(e->p->formats[i->imm]);

	spill(e, RAX, i->depth - 1u);
	e->tracer->fn(e->tracer->user, n);
	if (left)
		fill(e, RAX, left - 1);
}

/* An address, below a number that goes too unless the operation has it. */
static void trace(struct expression *e, size_t n, const struct ax_insn *i)
{
	unsigned depth = i->depth;

	if (i->op == AX_TRACE)
		fill(e, RAX, --depth - 1);
	else
		spill(e, RAX, depth - 1);
	e->tracer->fn(e->tracer->user, n);
	if (i->op == AX_TRACE)
		depth--;
	if (depth)
		fill(e, RAX, depth - 1);
}

static void pick(struct expression *e, const struct ax_insn *i)
{
	push(e, i->depth);
	if (i->imm)
		fill(e, RAX, i->depth - 1u - (unsigned)i->imm);
}

static void unary(struct expression *e, const struct ax_insn *i)
{
	switch (i->op) {
	case AX_LOG_NOT:
		OP(e->w, "\x48\x85\xc0"); /* test %rax, %rax */
		compare(e, 0x94);
		break;
	case AX_BIT_NOT:
		OP(e->w, "\x48\xf7\xd0");
		break;
	case AX_EXT:
		extend(e, i->imm, 0xf8);
		break;
	case AX_ZERO_EXT:
		extend(e, i->imm, 0xe8);
		break;
	default:
		load(e, i->op);
	}
}

static void write_value(struct expression *e, const struct ax_insn *i)
{
	switch (i->op) {
	case AX_DUP:
		push(e, i->depth);
		break;
	case AX_PICK:
		pick(e, i);
		break;
	case AX_REG:
		push(e, i->depth);
		reg(e, (unsigned)i->imm);
		break;
	case AX_GETV: /* AX_VARIABLE_THREAD */
		push(e, i->depth);
		w_mark(e->w, SAVED, 0);
		w_fill(e->w, RAX, WIN_TID);
		break;
	default:
		push(e, i->depth);
		number(e, i->imm);
	}
}

static bool is_binary(uint8_t op)
{
	return (op >= AX_ADD && op <= AX_RSH_UNSIGNED) ||
	       (op >= AX_BIT_AND && op <= AX_BIT_XOR) ||
	       (op >= AX_EQUAL && op <= AX_LESS_UNSIGNED);
}

static void write_one(struct expression *e, size_t n)
{
	const struct ax_insn *i = &e->p->insns[n];

	e->at[n] = stream_at(e->w->s);
	if (i->depth == AX_DEAD)
		return;
	if (is_binary(i->op)) {
		fill(e, RCX, i->depth - 2u);
		binary(e, i->op);
	} else if (i->op == AX_PRINTF) {
		print(e, n, i);
	} else if (expression_trace(e->p, n)) {
		trace(e, n, i);
	} else if (i->op == AX_GOTO || i->op == AX_END) {
		go(e, n, i);
	} else if (i->op == AX_IF_GOTO) {
		jump_if(e, n, i);
	} else if (i->op == AX_POP) {
		if (i->depth > 1)
			fill(e, RAX, i->depth - 2u);
	} else if (i->op == AX_SWAP) {
		swap(e, i->depth);
	} else if (i->op == AX_ROT) {
		rotate(e, i->depth);
	} else if (i->op == AX_LOG_NOT || i->op == AX_BIT_NOT ||
		   i->op == AX_EXT || i->op == AX_ZERO_EXT ||
		   (i->op >= AX_REF8 && i->op <= AX_REF64)) {
		unary(e, i);
	} else {
		write_value(e, i);
	}
}

/* --- the whole ----------------------------------------------------------- */

void expression_save(struct writer *w)
{
	w_spill_as(w, 0, RCX, WIN_RCX);
	w_spill_as(w, REWIND_RCX, RAX, WIN_RAX);
	w_spill_as(w, REWIND_RCX | REWIND_RAX, RDX, WIN_RDX);
	w_spill_flags(w, REWIND_RCX | REWIND_RAX | REWIND_RDX);
}

void expression_restore(struct writer *w)
{
	w_fill_flags(w, SAVED);
	w_fill_as(w, SAVED, RDX, WIN_RDX);
	w_fill_as(w, SAVED, RAX, WIN_RAX);
}

void w_patch(struct writer *w, uint32_t end_of, uint32_t to)
{
	uint32_t disp = to - end_of;

	memcpy(w->rg->map + end_of - 4, &disp, 4);
}

static bool has_loops(const struct ax_program *p)
{
	for (size_t n = 0; n < p->n_insns; n++) {
		if (expression_goes_back(p, n))
			return true;
	}
	return false;
}

void expression_begin(struct expression *e, struct writer *w,
		      const struct ax_program *p)
{
	*e = (struct expression){ .w = w, .p = p };
}

void expression_code(struct expression *e)
{
	if (has_loops(e->p)) {
		w_mark(e->w, SAVED, 0);
		w_code(e->w, "\x65\xc7\x04\x25"); /* movl $, %gs:STEPS */
		w_num(e->w, WIN_STEPS, 4);
		w_num(e->w, AX_STEPS_MAX, 4);
	}
	for (size_t n = 0; n < e->p->n_insns; n++)
		write_one(e, n);
}

void expression_ends_here(struct expression *e)
{
	uint32_t end = stream_at(e->w->s);

	for (size_t n = 0; n < e->p->n_insns; n++) {
		if (e->jumps[n])
			w_patch(e->w, e->jumps[n],
				e->to[n] < e->p->n_insns ? e->at[e->to[n]]
							 : end);
	}
}

void expression_fails_at(struct expression *e, uint32_t at)
{
	for (unsigned i = 0; i < e->n_faults; i++)
		region_fault(e->w->rg, e->faults[i], at);
	for (unsigned i = 0; i < e->n_fails; i++)
		w_patch(e->w, e->fails[i], at);
}

void expression_fails_here(struct expression *e)
{
	expression_fails_at(e, stream_at(e->w->s));
}
