/*
 * Indirect branches that end a block: see branch.c.
 *
 *	jmp *op:	mov	%rcx, %gs:RCX
 *			mov	op, %rcx
 *			mov	%rcx, %gs:TARGET
 *			movzwl	%cx, %ecx
 *			push R				of a call
 *			jmp	*%gs:INDIRECT(,%rcx,8)
 *	landing of T:	mov	%gs:TARGET, %ecx
 *			lea	-low(T)(%rcx), %ecx
 *			jrcxz	1f
 *			jmp	indirect_fix
 *	1:		mov	%gs:RCX, %rcx
 *			jmp	T'
 *
 * Most indirect calls, and jumps through a pointer at a fixed address, always
 * go to one target. They compare it first:
 *
 *	call *op:	cmpl	$low(T), op
 *			jne	the sequence above	in the cold stream
 *			push R
 *			jmp	T'
 *
 * 32 bits are compared because executable ranges do not share them; where they
 * do (struct space, wide) the high ones are compared too, or there is no such
 * short cut.
 */
#include <string.h>

#include "arch/x86_64/effects.h"
#include "base/mem.h"
#include "translate/exclude.h"
#include "translate/layer.h"
#include "translate/redirects.h"
#include "translate/ring.h"
#include "translate/x86_64/callee.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

/* --- pieces -------------------------------------------------------------- */

/*
 * The branch's operand as another instruction's: opcode, with reg in its
 * ModRM, followed by imm bytes of immediate. Returns its length without those;
 * 0: a rip-relative operand is out of reach.
 */
static unsigned operand(const struct writer *w, const struct insn *i,
			uint8_t rex_w, uint8_t opcode, unsigned reg,
			unsigned imm, uint8_t out[static 16])
{
	const struct x86_instr *in = &i->in;
	uint8_t rex = rex_w | (in->rex & (X86_REX_B | X86_REX_X));
	unsigned n = 0, tail = in->length - in->modrm_at - 1;

	if (in->prefixes & X86_PFX_FS)
		out[n++] = 0x64;
	if (in->prefixes & X86_PFX_67)
		out[n++] = 0x67;
	if (rex)
		out[n++] = 0x40 | rex;
	out[n++] = opcode;
	out[n++] = (uint8_t)((in->modrm & ~0x38) | reg << 3);
	memcpy(out + n, i->bytes + in->modrm_at + 1, tail);
	n += tail;
	if (in->rip_relative) {
		uint64_t to = x86_rip_operand(in, i->bytes, i->pc);
		uint64_t from = w->rg->addr + stream_at(w->s) + n + imm;
		uint32_t disp = (uint32_t)(to - from);

		if (!x86_reaches(X86_MODE_64, from, to))
			return 0;
		memcpy(out + n - 4, &disp, 4);
	}
	return n;
}

/* It was written, with its displacement at last. */
static void operand_reloc(struct writer *w, const struct insn *i)
{
	if (i->in.rip_relative)
		chain_reloc(w, RELOC_OPERAND, stream_at(w->s) - 4);
}

/* mov op, %rcx, which is in the window itself. */
static bool operand_load(struct writer *w, const struct insn *i)
{
	uint8_t code[16];
	unsigned n;

	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	n = operand(w, i, 8, 0x8b, RCX, 0, code);
	if (!n)
		return false;
	w_mark(w, REWIND_RCX, 0);
	w_bytes(w, code, n);
	operand_reloc(w, i);
	w_mark(w, REWIND_RCX, 0);
	return true;
}

/* The branch's target to the window, too. */
static bool operand_write(struct writer *w, const struct insn *i)
{
	if (!operand_load(w, i))
		return false;
	w_spill(w, RCX, WIN_TARGET);
	hop_write_from(w, i->in.kind == X86_JMP_IND);
	slow_write(w);
	return true;
}

/* The whole indirect branch. */
static bool generic_write(struct writer *w, const struct insn *i)
{
	if (!operand_write(w, i))
		return false;
	if (i->in.kind == X86_CALL_IND)
		event_write_call(w);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\xc9"); /* movzwl %cx, %ecx */
	if (i->in.kind == X86_CALL_IND)
		w_push_return(w, insn_next(i), REWIND_RCX);
	w_mark(w, REWIND_RCX | REWIND_TARGET, 0);
	w_jmp_table(w, TAB_INDIRECT);
	return true;
}

/* --- indirect branches with a learned target ----------------------------- */

static uint32_t cache_new(struct region *rg, const struct branch_cache *cache)
{
	GROW(rg->caches, rg->n_caches, rg->cap_caches, 256);
	rg->caches[rg->n_caches] = *cache;
	return rg->n_caches++;
}

static void put32(struct region *rg, uint32_t at, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)(rg->map + at), v,
			 __ATOMIC_RELEASE);
}

/* Until it has learned: both ways lead to stubs. */
static void aim_to_learn(struct writer *w, struct branch_cache *k, bool is_call)
{
	struct stub stub = {
		.pc = w->pc,
		.kind = STUB_LEARN,
		.slow = k->slow,
		.arg = cache_new(w->rg, k),
		.rewind = k->quiet ? REWIND_RCX : 0,
	};

	put32(w->rg, k->else_at, w_stub(w, &stub) - (k->else_at + 4));
	stub.rewind = 0;
	stub.undo = is_call ? 8 : 0;
	put32(w->rg, k->then_at, w_stub(w, &stub) - (k->then_at + 4));
}

/* cmpl $value, op; jne miss */
static bool compare_plainly(struct writer *w, const struct insn *i,
			    struct branch_cache *k, uint32_t value)
{
	uint8_t code[16];
	unsigned n;

	w_mark(w, 0, 0);
	w_align(w, operand(w, i, 0, 0x81, 7, 4, code));
	n = operand(w, i, 0, 0x81, 7, 4, code);
	if (!n)
		return false;
	w_bytes(w, code, n);
	operand_reloc(w, i);
	k->value_at = stream_at(w->s);
	w_num(w, value, 4);
	w_mark(w, 0, 0);
	w_align(w, 2);
	w_jcc_at(w, COND_NE, k->miss);
	k->else_at = stream_at(w->s) - 4;
	return true;
}

/* mov op, %rcx; lea -value(%rcx), %ecx; jrcxz 1f; jmp miss; 1: */
static bool compare_quietly(struct writer *w, const struct insn *i,
			    struct branch_cache *k, uint32_t value)
{
	if (!operand_load(w, i))
		return false;
	w_align(w, 2);
	w_code(w, "\x8d\x89");
	k->value_at = stream_at(w->s);
	w_num(w, -value, 4);
	w_mark(w, REWIND_RCX, 0);
	w_align(w, 3);
	w_code(w, "\xe3\x05");
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, k->miss);
	k->else_at = stream_at(w->s) - 4;
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
	return true;
}

/* The way that is always right, apart; a quiet comparison has taken rcx. */
static bool miss_write(const struct writer *w, const struct insn *i,
		       struct branch_cache *k)
{
	struct writer cold = w_cold(w);

	k->miss = stream_at(cold.s);
	if (k->quiet) {
		w_mark(&cold, REWIND_RCX, 0);
		w_fill(&cold, RCX, WIN_RCX);
	}
	k->generic = stream_at(cold.s);
	return generic_write(&cold, i);
}

static void then_write(struct compiler *c, const struct insn *i,
		       struct branch_cache *k, bool known, uint64_t target)
{
	bool is_call = i->in.kind == X86_CALL_IND, told;
	struct writer *w = &c->w;

	if (is_call)
		w_push_return(w, insn_next(i), 0);
	w->spends = known && !is_call && hop_spends(c, target);
	told = known && flow_write_target(w, target, is_call ? 8 : 0);
	w->spends = false;
	w_mark(w, 0, is_call && !told ? 8 : 0);
	if (known) {
		/* To be remembered. */
		k->target = target;
		k->learned = true;
		w_jmp_pc(w, target);
		k->then_at = stream_at(w->s) - 4;
		if (w->sp->tr->has_hints && k->generic)
			cache_new(w->rg, k);
		w->slow = SLOW_CONTINUATION;
		compiler_queue(c, target);
		return;
	}
	w_align(w, 1);
	w_code(w, "\xe9\0\0\0\0");
	k->then_at = stream_at(w->s) - 4;
	aim_to_learn(w, k, is_call);
}

static bool cached_write(struct compiler *c, const struct insn *i, bool quiet)
{
	struct branch_cache k = {
		.pc = i->pc,
		.module = module_at(c->sp, i->pc),
		.slow = (uint8_t)branch_slow(i),
	};
	bool constant = false, known;
	uint64_t target = 0;

	known = insn_pointer(&c->reader, i, &target, &constant);
	/* A hint is compared, also where the pointer never changes. What is
	 * excluded is noted when it is met. */
	if (!known) {
		constant = false;
		known = hints_goes(c->sp, i->pc, &target) &&
			!is_excluded(c->sp, target);
	}
	if (known)
		callee_note(c->sp, target);
	if (known && constant) {
		then_write(c, i, &k, true, target);
		return true;
	}
	k.quiet = quiet || (known && !code_flags_dead(&c->reader, target));
	/* What is learned later would have to be recorded. */
	if (!known && flow_is_on(&c->w))
		return generic_write(&c->w, i);
	if (!miss_write(&c->w, i, &k) ||
	    !(k.quiet ? compare_quietly : compare_plainly)(
		    &c->w, i, &k, known ? (uint32_t)target : 1))
		return false;
	then_write(c, i, &k, known, target);
	return true;
}

void indirect_place(struct space *sp, struct region *rg, struct branch_cache *k,
		    bool is_call)
{
	struct writer w = { .sp = sp, .rg = rg, .s = &rg->hot, .pc = k->pc };
	uint32_t value = k->target ? (uint32_t)k->target : 1;
	uint64_t target;

	put32(rg, k->value_at, k->quiet ? -value : value);
	if (k->target)
		cache_new(rg, k);
	else
		aim_to_learn(&w, k, is_call);
	if (k->learned)
		put32(rg, k->else_at, k->miss - (k->else_at + 4));
	else if (hints_goes(sp, k->pc, &target))
		compile_learn(sp, rg, rg->n_caches - 1, target);
}

/* Can the cache take that target? */
static bool learns(struct space *sp, const struct region *rg,
		   const struct branch_cache *k, uint64_t target)
{
	struct code_reader reader;

	if (space_cluster(sp, target) != rg->cluster ||
	    !region_has_stubs(rg, 1))
		return false;
	code_init(&reader, sp);
	return k->quiet || code_flags_dead(&reader, target);
}

uint32_t compile_learn(struct space *sp, struct region *rg, uint32_t cache,
		       uint64_t target)
{
	struct branch_cache *k = &rg->caches[cache];
	const struct map_range *r = space_find(sp, target);
	uint32_t value = (uint32_t)target;

	if (k->learned || !r || !(r->flags & RANGE_X))
		return k->generic;
	k->learned = true;
	k->target = target;
	callee_note(sp, target);
	if (!learns(sp, rg, k, target)) {
		put32(rg, k->else_at, k->miss - (k->else_at + 4));
		return k->generic;
	}
	site_aim(sp, rg, k->then_at, SITE_REL32, target, k->slow);
	put32(rg, k->else_at, k->miss - (k->else_at + 4));
	put32(rg, k->value_at, k->quiet ? -value : value);
	return k->generic;
}

/* --- which way ------------------------------------------------------------ */

/*
 * What is known of the flags at the end of the block. Computed, with nothing
 * else, and not used: what the branch goes to uses them (compilers compare
 * before a switch what its cases have in common). Nothing is compared then. A
 * by-product, or used: nobody wants them. Otherwise they are as the block found
 * them.
 */
enum flags_state { FLAGS_CARRIED, FLAGS_SPENT, FLAGS_UNKNOWN };

static enum flags_state flags_at_end(const struct compiler *c)
{
	struct x86_effects e;

	if (c->sp->tr->transform || redirects(c->sp))
		return FLAGS_UNKNOWN;
	for (unsigned n = c->n_insns - 1; n-- > 0;) {
		x86_effects(&c->insns[n].in, c->insns[n].bytes, &e);
		if (e.flags_read)
			return FLAGS_SPENT;
		if (e.flags_written)
			return e.regs_written & ~(1u << RSP) ? FLAGS_SPENT
							     : FLAGS_CARRIED;
	}
	return FLAGS_UNKNOWN;
}

/* Then the target has to be known, not only compared. */
static bool tells_target(const struct compiler *c, bool is_call)
{
	return is_call && ring_kinds(c->sp) & EVENT_CALL;
}

static uint64_t at_native(struct compiler *c)
{
	native_write(&c->w);
	return 0;
}

uint64_t indirect_write(struct compiler *c, const struct insn *i)
{
	bool is_call = i->in.kind == X86_CALL_IND, ok;
	enum flags_state flags = flags_at_end(c);

	if (i->in.prefixes & X86_PFX_GS)
		return at_native(c);
	if (flags != FLAGS_CARRIED && !c->sp->wide &&
	    !tells_target(c, is_call) && (is_call || i->in.rip_relative))
		ok = cached_write(c, i, flags == FLAGS_UNKNOWN);
	else
		ok = generic_write(&c->w, i);
	if (!ok)
		return at_native(c);
	c->return_next = is_call;
	return is_call ? insn_next(i) : 0;
}
