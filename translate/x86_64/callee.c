/*
 * A walk over all instructions that a callee may execute, function by function.
 * At each there is known how far the return address is from the stack pointer,
 * and from the frame pointer, and what eax holds if that is a constant. Where
 * two ways meet that do not agree on the first, no more is known; on one of the
 * others, the rest is walked again without it.
 */
#include "translate/x86_64/callee.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch/x86_64/effects.h"
#include "base/mem.h"
#include "translate/exclude.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/emit.h"
#include "translate/x86_64/watch.h"

#define INSNS_MAX     400 /* of all functions; memcpy has 290 */
#define FUNCTIONS_MAX 32
#define WRAPPER_INSNS 200 /* of a function around a system call */
#define NOT_KNOWN     INT32_MIN

/* Before an instruction of a function. Distances from the register up to where
 * its return address is. */
struct state {
	uint64_t pc;
	uint32_t function;
	int32_t sp, bp;
	int64_t rax; /* -1: not known */
};

/* What comes behind a call of a function that is not known to return. */
struct waiting_state {
	struct state s;
	uint32_t next;
};

struct function {
	uint64_t pc;
	uint32_t waiting; /* index + 1 */
	bool returns;
};

struct walk {
	struct code_reader reader;
	struct map seen; /* pc and function -> index of its state, + 1 */
	struct state *states;
	struct waiting_state *waiting;
	struct function *functions;
	uint32_t *todo; /* indices of states */
	uint32_t n_states, n_waiting, n_functions, n_todo;
	uint32_t budget;
	bool shallow; /* calls are stepped over, and nothing need be known */
	bool calls;   /* as CALLEE_CALLS says */
	bool ok;
};

/* --- where ways meet ----------------------------------------------------- */

static bool forget(int32_t *known, int32_t other)
{
	if (*known == other || *known == NOT_KNOWN)
		return false;
	*known = NOT_KNOWN;
	return true;
}

static void meet(struct walk *w, uint32_t index, const struct state *s)
{
	struct state *old = &w->states[index];
	bool again = forget(&old->bp, s->bp);

	if (old->sp != s->sp)
		w->ok = false;
	if (old->rax != s->rax && old->rax != -1) {
		old->rax = -1;
		again = true;
	}
	if (again)
		w->todo[w->n_todo++] = index;
}

/* User addresses have 47 bits. */
static uint64_t key_of(const struct state *s)
{
	return (s->pc + 1) | (uint64_t)s->function << 48;
}

/* Control comes to s->pc so. A state is met three times at most. */
static void come_to(struct walk *w, const struct state *s)
{
	uintptr_t known = (uintptr_t)map_find(&w->seen, key_of(s));

	if (known) {
		meet(w, (uint32_t)known - 1, s);
		return;
	}
	if (w->n_states == w->budget || s->pc >> 47) {
		w->ok = false;
		return;
	}
	w->states[w->n_states] = *s;
	w->todo[w->n_todo++] = w->n_states++;
	map_set(&w->seen, key_of(s), (void *)(uintptr_t)w->n_states);
}

static struct function *function_at(struct walk *w, uint64_t pc)
{
	const struct state s = {
		.pc = pc, .function = w->n_functions, .bp = NOT_KNOWN, .rax = -1
	};
	struct function *f = w->functions;

	for (uint32_t i = 0; i < w->n_functions; i++, f++) {
		if (f->pc == pc)
			return f;
	}
	if (w->n_functions == FUNCTIONS_MAX)
		return NULL;
	w->n_functions++;
	*f = (struct function){ .pc = pc };
	come_to(w, &s);
	return f;
}

/* What comes behind it is walked if it ever returns. */
static void call(struct walk *w, uint64_t pc, const struct state *behind)
{
	struct function *f = w->shallow ? w->functions : function_at(w, pc);

	if (w->shallow)
		come_to(w, behind);
	else if (!f || w->n_waiting == 3 * w->budget)
		w->ok = false;
	else if (f->returns) {
		come_to(w, behind);
	} else {
		w->waiting[w->n_waiting++] =
			(struct waiting_state){ *behind, f->waiting };
		f->waiting = w->n_waiting;
	}
}

static void returns(struct walk *w, struct function *f)
{
	f->returns = true;
	for (uint32_t i = f->waiting; i; i = w->waiting[i - 1].next)
		come_to(w, &w->waiting[i - 1].s);
	f->waiting = 0;
}

/* --- the stack ----------------------------------------------------------- */

static int64_t number(const struct insn *i, unsigned at, unsigned size)
{
	int32_t wide;

	if (size == 1)
		return (int8_t)i->bytes[at];
	if (size != 4)
		return 0;
	memcpy(&wide, i->bytes + at, sizeof(wide));
	return wide;
}

static unsigned rm_of(const struct x86_instr *in)
{
	return (in->modrm & 7) | (in->rex & X86_REX_B ? 8 : 0);
}

/* The register that the memory operand is relative to, without an index; -1:
 * something else. */
static int base_of(const struct x86_instr *in)
{
	if (!in->modrm_at || in->modrm >= 0xc0 || in->rip_relative)
		return -1;
	if ((in->modrm & 7) != 4)
		return in->modrm < 0x40 && (in->modrm & 7) == 5
			       ? -1
			       : (int)rm_of(in);
	if ((in->sib >> 3 & 7) != 4 || in->rex & X86_REX_X ||
	    ((in->sib & 7) == 5 && in->modrm < 0x40))
		return -1;
	return (in->sib & 7) | (in->rex & X86_REX_B ? 8 : 0);
}

static bool is_lea(const struct x86_instr *in)
{
	return in->map == X86_MAP_MAIN && in->opcode == 0x8d;
}

/* Does it read or write the return address? One that the stack or frame
 * pointer leads to is told from others by where it lies. */
static bool meets_return(const struct insn *i, const struct state *s)
{
	int base = base_of(&i->in);
	int32_t at = base == RSP ? s->sp : base == RBP ? s->bp : NOT_KNOWN;
	int64_t disp;

	if (at == NOT_KNOWN || i->in.map == X86_MAP_EVEX)
		return false;
	disp = number(i, i->in.disp_at, i->in.disp_size);
	return is_lea(&i->in) ? disp == at : disp > at - 8 && disp < at + 8;
}

static bool is_op(const struct insn *i, uint8_t lo, uint8_t hi)
{
	return i->in.map == X86_MAP_MAIN && i->in.opcode >= lo &&
	       i->in.opcode <= hi;
}

static int32_t moved(int32_t known, int64_t by)
{
	return known == NOT_KNOWN || by < -65536 || by > 65536
		       ? NOT_KNOWN
		       : known + (int32_t)by;
}

/* push and pop of 8 bytes. */
static bool stack_word(const struct insn *i, struct state *s)
{
	unsigned reg = i->in.modrm >> 3 & 7;
	bool pop = is_op(i, 0x58, 0x5f) || is_op(i, 0x8f, 0x8f);

	if (i->in.prefixes & X86_PFX_66)
		return false;
	if (!pop && !is_op(i, 0x50, 0x57) && !is_op(i, 0x68, 0x68) &&
	    !is_op(i, 0x6a, 0x6a) && !is_op(i, 0x9c, 0x9c) &&
	    !(is_op(i, 0xff, 0xff) && reg == 6))
		return false;
	/* What lies above is the caller's. */
	if (pop && s->sp != NOT_KNOWN && s->sp < 8)
		return false;
	s->sp = moved(s->sp, pop ? -8 : 8);
	return !(pop && i->in.opcode == 0x5c && !(i->in.rex & X86_REX_B));
}

/* add, sub and and of a constant; lea; mov from the frame pointer. */
static bool stack_moved(const struct insn *i, struct state *s)
{
	const struct x86_instr *in = &i->in;
	int64_t imm = number(i, in->imm_at, in->imm_size);
	unsigned op = in->modrm >> 3 & 7;

	if (!(in->rex & X86_REX_W) || in->map != X86_MAP_MAIN)
		return false;
	if ((in->opcode == 0x83 || in->opcode == 0x81) && in->modrm >= 0xc0) {
		s->sp = op == 4 ? NOT_KNOWN : moved(s->sp, op ? imm : -imm);
		return op == 0 || op == 4 || op == 5;
	}
	if (is_lea(in) && (base_of(in) == RSP || base_of(in) == RBP)) {
		imm = number(i, in->disp_at, in->disp_size);
		s->sp = moved(base_of(in) == RSP ? s->sp : s->bp, -imm);
		return true;
	}
	if ((in->opcode == 0x89 && in->modrm == 0xec) ||
	    (in->opcode == 0x8b && in->modrm == 0xe5)) {
		s->sp = s->bp;
		return !(in->rex & (X86_REX_R | X86_REX_B));
	}
	return false;
}

/* Of an instruction that changes the stack pointer. */
static bool stack_after(const struct insn *i, struct state *s)
{
	if (is_op(i, 0xc9, 0xc9)) { /* leave */
		s->sp = moved(s->bp, -8);
		s->bp = NOT_KNOWN;
		return s->sp != NOT_KNOWN && !(i->in.prefixes & X86_PFX_66);
	}
	return stack_word(i, s) || stack_moved(i, s);
}

/* mov %rsp, %rbp */
static bool is_frame(const struct insn *i)
{
	const struct x86_instr *in = &i->in;

	return in->map == X86_MAP_MAIN &&
	       (in->rex & (X86_REX_W | X86_REX_R | X86_REX_B)) == X86_REX_W &&
	       ((in->opcode == 0x89 && in->modrm == 0xe5) ||
		(in->opcode == 0x8b && in->modrm == 0xec));
}

/* --- instructions -------------------------------------------------------- */

/* What eax holds behind it, when that is a constant. */
static int64_t constant_in_rax(const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	bool plain = !(in->rex & (X86_REX_R | X86_REX_B | X86_REX_W)) &&
		     !(in->prefixes & X86_PFX_66);

	if (is_op(i, 0xb8, 0xb8) && plain)
		return (uint32_t)number(i, in->imm_at, in->imm_size);
	if ((is_op(i, 0x31, 0x31) || is_op(i, 0x33, 0x33)) && plain &&
	    in->modrm == 0xc0)
		return 0;
	if (is_op(i, 0xc7, 0xc7) && in->modrm == 0xc0 &&
	    !(in->rex & X86_REX_B) && !(in->prefixes & X86_PFX_66))
		return (uint32_t)number(i, in->imm_at, in->imm_size);
	return -1;
}

/* False: no more is known. */
static bool plain_after(const struct insn *i, struct state *s)
{
	struct x86_effects e;

	x86_effects(&i->in, i->bytes, &e);
	if (is_frame(i))
		s->bp = s->sp;
	else if (e.regs_written >> RBP & 1 && !is_op(i, 0xc9, 0xc9))
		s->bp = NOT_KNOWN;
	/* Who writes a part of it reads the rest. */
	if ((e.regs_written | e.regs_read) >> RAX & 1)
		s->rax = e.regs_written >> RAX & 1 ? constant_in_rax(i) : -1;
	if (is_op(i, 0x9d, 0x9d))
		return false;
	return !(e.regs_written >> RSP & 1) || stack_after(i, s);
}

static bool makes_more(int64_t nr)
{
	return nr < 0 || nr == SYS_clone || nr == SYS_clone3 ||
	       nr == SYS_fork || nr == SYS_vfork || nr == SYS_execve ||
	       nr == SYS_execveat || watch_wants((uint32_t)nr);
}

/* A branch through a pointer that stays what it is. */
static bool pointed_at(struct walk *w, const struct insn *i, uint64_t *to)
{
	bool constant;

	return insn_pointer(&w->reader, i, to, &constant) && constant;
}

static void call_indirectly(struct walk *w, const struct insn *i,
			    const struct state *behind)
{
	uint64_t to;

	if (pointed_at(w, i, &to) || w->shallow)
		call(w, to, behind);
	else
		w->ok = false;
}

static void jump_indirectly(struct walk *w, const struct insn *i,
			    struct state *s)
{
	if (pointed_at(w, i, &s->pc))
		come_to(w, s);
	else
		w->ok = false;
}

/* *s is how it was before the instruction, which branches. */
static void branch(struct walk *w, const struct insn *i, struct state *s)
{
	struct state behind = *s;

	behind.pc = insn_next(i);
	if (i->in.near16) {
		w->ok = false;
		return;
	}
	switch (i->in.kind) {
	case X86_JCC:
	case X86_LOOP:
		come_to(w, &behind);
		/* fall through */
	case X86_JMP:
		s->pc = x86_target(&i->in, i->pc);
		come_to(w, s);
		return;
	case X86_JMP_IND:
		jump_indirectly(w, i, s);
		return;
	case X86_HLT:
	case X86_UD:
		return;
	case X86_RET:
		w->ok = !s->sp && !i->in.imm_size;
		returns(w, &w->functions[s->function]);
		return;
	case X86_SYSCALL:
		w->calls |= makes_more(s->rax);
		break;
	case X86_CALL:
	case X86_CALL_IND:
		break;
	default:
		w->ok = false;
		return;
	}
	behind.rax = -1;
	if (i->in.kind == X86_SYSCALL)
		come_to(w, &behind);
	else if (i->in.kind == X86_CALL)
		call(w, x86_target(&i->in, i->pc), &behind);
	else
		call_indirectly(w, i, &behind);
}

static bool may_be(struct walk *w, const struct insn *i, const struct state *s)
{
	if (w->shallow)
		return true;
	return !code_changes(&w->reader, i->pc) &&
	       !(i->in.prefixes & X86_PFX_GS) && !insn_touches_gs(i) &&
	       (s->function || !meets_return(i, s));
}

/* One instruction, and on to the next. */
static void step(struct walk *w, struct state s)
{
	struct insn i;

	if (!code_read(&w->reader, s.pc, &i) || !may_be(w, &i, &s)) {
		w->ok = false;
	} else if (i.in.kind != X86_PLAIN) {
		branch(w, &i, &s);
	} else {
		s.pc = insn_next(&i);
		w->ok = plain_after(&i, &s);
		if (w->ok || w->shallow)
			come_to(w, &s);
	}
	w->ok |= w->shallow;
}

/* --- callees ------------------------------------------------------------- */

static void walk(struct walk *w, struct space *sp, uint64_t pc)
{
	code_init(&w->reader, sp);
	w->ok = true;
	w->states = xcalloc(w->budget, sizeof(*w->states));
	w->waiting = xcalloc(3 * w->budget, sizeof(*w->waiting));
	w->todo = xcalloc(3 * w->budget, sizeof(*w->todo));
	w->functions = xcalloc(FUNCTIONS_MAX, sizeof(*w->functions));
	function_at(w, pc);
	while (w->ok && w->n_todo)
		step(w, w->states[w->todo[--w->n_todo]]);
	w->ok &= w->functions->returns;
	map_fini(&w->seen);
	free(w->states);
	free(w->waiting);
	free(w->todo);
	free(w->functions);
}

static enum callee look_at(struct space *sp, uint64_t pc)
{
	struct walk all = { .budget = INSNS_MAX };
	struct walk own = { .budget = WRAPPER_INSNS, .shallow = true };

	walk(&all, sp, pc);
	if (all.ok)
		return all.calls ? CALLEE_CALLS : CALLEE_PLAIN;
	walk(&own, sp, pc);
	return own.calls ? CALLEE_CALLS : CALLEE_UNKNOWN;
}

void callee_note(struct space *sp, uint64_t pc)
{
	if (is_excluded(sp, pc) && !map_find(&sp->callees, pc + 1))
		map_set(&sp->callees, pc + 1, (void *)CALLEE_NOTED);
}

bool callee_is_noted(const struct space *sp, uint64_t pc)
{
	return map_find(&sp->callees, pc + 1);
}

enum callee callee_at(struct space *sp, uint64_t pc)
{
	uintptr_t kind = (uintptr_t)map_find(&sp->callees, pc + 1);

	if (!kind || kind == CALLEE_NOTED) {
		kind = look_at(sp, pc);
		map_set(&sp->callees, pc + 1, (void *)kind);
	}
	return (enum callee)kind;
}

/* They are still called. */
void callees_forget(struct space *sp)
{
	struct map *all = &sp->callees;

	for (size_t i = 0; all->slots && i <= all->mask; i++) {
		if (all->slots[i].key)
			all->slots[i].value = (void *)CALLEE_NOTED;
	}
}
