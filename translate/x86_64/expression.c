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

#define SAVED	    (REWIND_RCX | REWIND_RAX | REWIND_RDX | REWIND_FLAGS)

#define INSNS_MAX   96
#define BYTES_LEAST 160 /* saving and restoring */
#define BYTES_EACH  34	/* of one operation, at most */

/* An instruction, and how a thread before it is rewound. */
#define STEP(w, how, text) (w_mark(w, how, 0), w_code(w, text))
#define OP(w, text)	   STEP(w, SAVED, text)

/* --- what is compiled ---------------------------------------------------- */

static const uint8_t plain[] = {
	AX_ADD,	    AX_SUB,	AX_MUL,		  AX_BIT_AND, AX_BIT_OR,
	AX_BIT_XOR, AX_EQUAL,	AX_LESS_SIGNED,	  AX_LSH,     AX_RSH_SIGNED,
	AX_BIT_NOT, AX_LOG_NOT, AX_LESS_UNSIGNED, AX_EXT,     AX_RSH_UNSIGNED,
	AX_REF8,    AX_REF16,	AX_REF32,	  AX_REF64,   AX_ZERO_EXT,
	AX_CONST8,  AX_CONST16, AX_CONST32,	  AX_CONST64, AX_DUP,
	AX_POP,	    AX_SWAP,	AX_PICK,	  AX_ROT,
};

static bool is_compiled(const struct ax_program *p, size_t n)
{
	const struct ax_insn *i = &p->insns[n];

	if (i->depth == AX_DEAD)
		return true;
	if (i->depth >= WIN_VALUES_MAX)
		return false;
	if (i->op == AX_REG)
		return i->imm <= IMAGE_RIP;
	if (i->op == AX_END)
		return i->depth > 0;
	if (i->op == AX_GOTO || i->op == AX_IF_GOTO)
		return i->target > n;
	return memchr(plain, i->op, sizeof(plain));
}

size_t expression_size(const struct ax_program *p)
{
	if (p->n_insns > INSNS_MAX)
		return 0;
	for (size_t n = 0; n < p->n_insns; n++) {
		if (!is_compiled(p, n))
			return 0;
	}
	return BYTES_LEAST + BYTES_EACH * p->n_insns;
}

/* --- operations ---------------------------------------------------------- */

struct expression {
	struct writer *w;
	const struct ax_program *p;
	uint32_t at[INSNS_MAX];	   /* where each begins in the stream */
	uint32_t jumps[INSNS_MAX]; /* ends of displacements, or 0, ... */
	uint32_t to[INSNS_MAX];	   /* ... and which they lead to */
	uint32_t faults[INSNS_MAX];
	unsigned n_faults;
};

static void spill(struct expression *e, unsigned reg, unsigned n)
{
	w_mark(e->w, SAVED, 0);
	w_spill(e->w, reg, WIN_VALUES + 8 * n);
}

static void fill(struct expression *e, unsigned reg, unsigned n)
{
	w_mark(e->w, SAVED, 0);
	w_fill(e->w, reg, WIN_VALUES + 8 * n);
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
static void reg(struct expression *e, unsigned n)
{
	static const uint8_t by_gdb[] = {
		RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP
	};
	static const uint32_t saved[] = {
		[RAX] = WIN_RAX, [RCX] = WIN_RCX, [RDX] = WIN_RDX
	};
	unsigned own = n < ARRAY_SIZE(by_gdb) ? by_gdb[n] : n;
	uint8_t code[3] = { (uint8_t)(0x48 | (own & 8) >> 1), 0x89,
			    (uint8_t)(0xc0 | (own & 7) << 3) };

	if (n == IMAGE_RIP) {
		number(e, e->w->pc);
		return;
	}
	w_mark(e->w, SAVED, 0);
	if (own <= RDX)
		w_fill(e->w, RAX, saved[own]);
	else
		w_bytes(e->w, code, sizeof(code)); /* mov %own, %rax */
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
	OP(e->w, "\x0f\x85");	  /* jne */
	jump(e, n, i->target);
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
	} else if (i->op == AX_GOTO || i->op == AX_END) {
		OP(e->w, "\xe9");
		jump(e, n, i->op == AX_END ? e->p->n_insns : i->target);
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

static void save(struct writer *w)
{
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RAX, WIN_RAX);
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_spill(w, RDX, WIN_RDX);
	STEP(w, REWIND_RCX | REWIND_RAX | REWIND_RDX, "\x9f"); /* lahf */
	STEP(w, REWIND_RCX | REWIND_RAX | REWIND_RDX,
	     "\x0f\x90\xc0"); /* seto %al */
	w_mark(w, REWIND_RCX | REWIND_RAX | REWIND_RDX, 0);
	w_spill(w, RAX, WIN_FLAGS);
}

/* All but rcx, which is the value. */
static void restore(struct writer *w)
{
	OP(w, "\x48\x89\xc1"); /* mov %rax, %rcx */
	w_mark(w, SAVED, 0);
	w_fill(w, RAX, WIN_FLAGS);
	OP(w, "\x04\x7f"); /* add $0x7f, %al: overflow, if it was */
	OP(w, "\x9e");	   /* sahf */
	w_mark(w, SAVED, 0);
	w_fill(w, RDX, WIN_RDX);
	w_mark(w, SAVED, 0);
	w_fill(w, RAX, WIN_RAX);
}

static void patch(struct writer *w, uint32_t end_of, uint32_t to)
{
	uint32_t disp = to - end_of;

	memcpy(w->rg->map + end_of - 4, &disp, 4);
}

/* Where memory cannot be read the condition counts as true: where that is. */
static void write_faults(struct expression *e, uint32_t true_at)
{
	for (unsigned i = 0; i < e->n_faults; i++)
		region_fault(e->w->rg, e->faults[i], true_at);
}

/* All of it; its ends lead to what comes next, with the value in rax. */
static void write_expression(struct expression *e)
{
	for (size_t n = 0; n < e->p->n_insns; n++)
		write_one(e, n);
}

static void land_ends(struct expression *e)
{
	uint32_t end = stream_at(e->w->s);

	for (size_t n = 0; n < e->p->n_insns; n++) {
		if (e->jumps[n])
			patch(e->w, e->jumps[n],
			      e->to[n] < e->p->n_insns ? e->at[e->to[n]] : end);
	}
}

uint32_t expression_write(struct writer *w, const struct ax_program *p)
{
	struct expression e = { .w = w, .p = p };
	uint32_t end;

	save(w);
	write_expression(&e);
	/* The way of faults, with 1 for a value, is passed by. */
	OP(w, "\xe9");
	w_num(w, 5, 4);
	write_faults(&e, stream_at(w->s));
	OP(w, "\xb8\1\0\0\0"); /* mov $1, %eax */
	land_ends(&e);
	restore(w);
	OP(w, "\xe3\x02"); /* jrcxz 1f */
	OP(w, "\xeb\x05"); /* jmp 2f */
	OP(w, "\xe9");	   /* 1: jmp */
	w_num(w, 0, 4);
	end = stream_at(w->s);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX); /* 2: */
	return end;
}

/* lock incq, 8 bytes. */
static void increment(struct writer *w, uint32_t counter)
{
	uint32_t next = stream_at(w->s) + 8;

	OP(w, "\xf0\x48\xff\x05");
	w_num(w, counter - next, 4);
}

/*
 *	test %rax, %rax; je 1f; lock incq held; 1: jmp 2f
 * fault: lock incq failed
 * 2:
 */
static void count(struct expression *e, uint32_t counters, uint16_t done)
{
	struct writer *w = e->w;
	uint16_t before = w->puts;

	OP(w, "\x48\x85\xc0");
	OP(w, "\x74\x08");
	increment(w, counters);
	w->puts = done;
	OP(w, "\xeb\x08");
	w->puts = before;
	write_faults(e, stream_at(w->s));
	increment(w, counters + 8);
}

void expression_count(struct writer *w, const struct ax_program *p,
		      uint32_t counters, uint16_t done)
{
	struct expression e = { .w = w, .p = p };

	save(w);
	if (p) {
		write_expression(&e);
		land_ends(&e);
		count(&e, counters, done);
	} else {
		increment(w, counters);
	}
	w->puts = done;
	restore(w);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
}

void expression_lands(struct writer *w, uint32_t jump_at)
{
	patch(w, jump_at, stream_at(w->s));
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
}
