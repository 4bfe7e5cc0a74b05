/* Every access to memory that a translator may make in place of the program's:
 * operands of calls and jumps, the stack that they push to and return from;
 * and for comparison those of other instructions. Each piece makes one that
 * faults, by registers that access_fill() has set, and is a row of a table
 * that says where. Who includes this says what "bad" memory is. */
#ifndef TEST_INFERIORS_TR_ACCESS_H
#define TEST_INFERIORS_TR_ACCESS_H

#include "tr_fault.h"

#define LOW 0x10001000

/* r14 keeps rsp, so that a landing can leave from anywhere. */
PIECE(landing, "	mov %r14,%rsp");
PIECE(leaf, "	nop");
#define FAULT(name, before, insn)                                        \
	PIECE(name, "	mov %rsp,%r14\n	" before "\n	.globl " #name   \
		    "_at\n" #name "_at:	" insn "\n	mov %r14,%rsp"); \
	extern char name##_at[]

/* See access_fill(). */
#define GUARDED "mov %r9,%rsp"
#define ON_BAD	"mov %rdi,%rsp"

FAULT(load, "", "mov (%rdi),%rax");
FAULT(store, "", "mov %rax,(%rdi)");
FAULT(add_to, "", "add %rax,(%rdi)");
FAULT(cmp_imm, "", "cmpl $0x1234567,(%rdi)");
FAULT(xadd, "", "lock xadd %rax,(%rdi)");
FAULT(cmpxchg, "", "lock cmpxchg %rdx,(%rdi)");
FAULT(movups, "", "movups (%rdi),%xmm1");
FAULT(movdqa, "", "movdqa %xmm1,(%rdi)");
FAULT(push_from, "", "push (%rdi)");
FAULT(pop_to, "", "pop (%rdi)");
FAULT(push_rsp_rel, ON_BAD, "push 8(%rsp)");

/* the operand of an indirect call or jump */
#define BOTH(name, before, operand)                   \
	FAULT(call_##name, before, "call *" operand); \
	FAULT(jmp_##name, before, "jmp *" operand)
BOTH(base, "", "(%rdi)");
BOTH(disp8, "", "8(%rdi)");
BOTH(minus8, "", "-0x80(%r13)");
BOTH(disp32, "", "0x12345678(%rdx)");
BOTH(index, "", "(%rbx,%rcx,8)");
BOTH(index_8, "", "0x18(%rbx,%rcx,8)");
BOTH(index_32, "", "0x100(%rbx,%rcx,8)");
BOTH(rbp, "", "(%rbp)");
BOTH(r12, "", "(%r12)");
BOTH(no_base, "", "0(,%r15,8)");
BOTH(absolute, "", "0x10001000");
BOTH(fs, "", "%fs:(%r8)");
BOTH(rsp, ON_BAD, "(%rsp)");
BOTH(rsp_8, ON_BAD, "8(%rsp)");
BOTH(rsp_index, ON_BAD, "(%rsp,%rcx,8)");
FAULT(notrack, "", "notrack jmp *(%rdi)");
FAULT(bnd, "", "bnd call *(%rdi)");

/* a stack that ends */
FAULT(call_direct, GUARDED, "call leaf");
FAULT(call_reg, GUARDED, "call *%r10");
FAULT(call_mem, GUARDED, "call *(%rsi)");
FAULT(call_own, GUARDED, "call *(%rsp)");
FAULT(push_reg, GUARDED, "push %rax");
FAULT(push_imm, GUARDED, "push $77");
FAULT(push_mem, GUARDED, "push (%rsi)");
FAULT(push_flags, GUARDED, "pushf");
FAULT(enter_, GUARDED, "enter $16,$0");

/* a stack that cannot be read */
FAULT(ret_, ON_BAD, "ret");
FAULT(ret_imm, ON_BAD, "ret $24");
FAULT(rep_ret, ON_BAD, "rep ret");
FAULT(bnd_ret, ON_BAD, "bnd ret");
FAULT(pop_reg, ON_BAD, "pop %rax");
FAULT(pop_mem, ON_BAD, "pop (%rsi)");
FAULT(pop_flags, ON_BAD, "popf");
FAULT(leave_, "", "leave");

enum stack { SAME, BAD, GUARD };

struct row {
	const char *name;
	void *piece;
	char *at;
	long addr; /* from the bad word; where at LOW, that */
	enum stack stack;
	int fatal; /* cannot go on when it is repaired */
	/* It gives all status flags new values, so those from before it are
	 * dead, and a translator need not have them: only a handler of the
	 * fault could tell. */
	int spends;
};

#define R(name, addr, stack)                              \
	{                                                 \
#name, name, name##_at, addr, stack, 0, 0 \
	}
#define RS(name, addr, stack, fatal)                          \
	{                                                     \
#name, name, name##_at, addr, stack, fatal, 1 \
	}
#define RB(name, addr, stack) \
	R(call_##name, addr, stack), R(jmp_##name, addr, stack)
__unused static const struct row branches[] = {
	RB(base, 0, SAME),	   RB(disp8, 8, SAME),
	RB(minus8, 0, SAME),	   RB(disp32, 0, SAME),
	RB(index, 0, SAME),	   RB(index_8, 0x18, SAME),
	RB(index_32, 0x100, SAME), RB(rbp, 0, SAME),
	RB(r12, 0, SAME),	   RB(no_base, 0, SAME),
	RB(absolute, LOW, SAME),   RB(fs, 0, SAME),
	RB(rsp, 0, BAD),	   RB(rsp_8, 8, BAD),
	RB(rsp_index, 24, BAD),	   R(notrack, 0, SAME),
	R(bnd, 0, SAME),	   R(call_direct, 4088, GUARD),
	R(call_reg, 4088, GUARD),  R(call_mem, 4088, GUARD),
	R(call_own, 4088, GUARD),  R(ret_, 0, BAD),
	R(ret_imm, 0, BAD),	   R(rep_ret, 0, BAD),
	R(bnd_ret, 0, BAD),
};

/* What a translator copies as it is. */
__unused static const struct row others[] = {
	R(load, 0, SAME),	    R(store, 0, SAME),
	RS(add_to, 0, SAME, 0),	    RS(cmp_imm, 0, SAME, 0),
	RS(xadd, 0, SAME, 0),	    RS(cmpxchg, 0, SAME, 0),
	R(movups, 0, SAME),	    R(movdqa, 0, SAME),
	R(push_from, 0, SAME),	    R(pop_to, 0, SAME),
	R(push_rsp_rel, 8, BAD),    R(push_reg, 4088, GUARD),
	R(push_imm, 4088, GUARD),   R(push_mem, 4088, GUARD),
	R(push_flags, 4088, GUARD), R(enter_, 4088, GUARD),
	R(pop_reg, 0, BAD),	    R(pop_mem, 0, BAD),
	R(leave_, 0, SAME),	    RS(pop_flags, 0, BAD, 1),
};

/* bad: where the bad word is. end: a stack of which the next push is bad.
 * good: words that are leaf's address. */
__unused static void access_fill(struct tr_regs *r, unsigned long flags,
				 unsigned long bad, unsigned long end,
				 unsigned long good)
{
	unsigned long fs;

	__asm__("mov %%fs:0,%0" : "=r"(fs));
	tr_fill(r);
	r->flags |= flags;
	r->rdi = r->rbp = r->r12 = bad;
	r->rsi = good;
	r->rbx = bad - 24;
	r->rcx = 3;
	r->rdx = bad - 0x12345678;
	r->r8 = bad - fs;
	r->r9 = end;
	r->r10 = (unsigned long)leaf;
	r->r13 = bad + 0x80;
	r->r15 = bad / 8;
}

/* What the registers are when the row's instruction has not been executed;
 * before: as they were filled. */
__unused static void access_before(const struct row *row,
				   struct tr_regs *before)
{
	before->r14 = tr_stack - 8;
	before->rsp = row->stack == SAME  ? tr_stack - 8
		      : row->stack == BAD ? before->rdi
					  : before->r9;
	if (row->spends)
		before->flags = (before->flags & TR_DF) |
				(tr_seen.regs.flags & TR_STATUS);
}

#endif
