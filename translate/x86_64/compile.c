/*
 * A chain of blocks that follow each other lies in one piece, so that jumps
 * within it cost nothing: from a block that is wanted to where control does not
 * fall through any more.
 */
#include "translate/x86_64/compile.h"

#include <string.h>

#include "translate/callback.h"
#include "translate/collects.h"
#include "translate/conditions.h"
#include "translate/exclude.h"
#include "translate/layer.h"
#include "translate/prints.h"
#include "translate/probes.h"
#include "translate/redirects.h"
#include "translate/ring.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/operand.h"
#include "translate/x86_64/section.h"
#include "translate/x86_64/window.h"

/* --- plain instructions -------------------------------------------------- */

static bool is_by_gs(const struct insn *i)
{
	bool is_lea = i->in.map == X86_MAP_MAIN && i->in.opcode == 0x8d;

	return i->in.prefixes & X86_PFX_GS && !is_lea;
}

static bool reaches(const struct writer *w, const struct insn *i)
{
#ifdef HOSTILE
	if (i->in.rip_relative && i->pc & 1)
		return false;
#endif

	uint64_t from = w->rg->addr + stream_at(w->s) + i->in.length;

	return !i->in.rip_relative || i->in.prefixes & X86_PFX_67 ||
	       x86_reaches(X86_MODE_64, from,
			   x86_rip_operand(&i->in, i->bytes, i->pc));
}

/* Can it be executed anywhere else? */
static bool is_movable(const struct insn *i)
{
	return i->ok && i->in.kind == X86_PLAIN && !insn_touches_gs(i);
}

static void write_plain(struct writer *w, const struct insn *i)
{
	uint8_t *at = w->s->e.code + w->s->e.len;
	uint64_t from = w->rg->addr + stream_at(w->s) + i->in.length;
	uint32_t disp;

	w_mark_run(w, i->in.length);
	w_bytes(w, i->bytes, i->in.length);
	if (!i->in.rip_relative)
		return;
	disp = (uint32_t)(x86_rip_operand(&i->in, i->bytes, i->pc) - from);
	memcpy(at + i->in.disp_at, &disp, 4);
	chain_reloc(w, RELOC_OPERAND,
		   stream_at(w->s) - i->in.length + i->in.disp_at);
}

static bool write_somehow(struct writer *w, const struct insn *i)
{
	if (is_by_gs(i) || !reaches(w, i))
		return operand_replace(w, i);
	write_plain(w, i);
	return true;
}

static bool is_popf(const struct insn *i)
{
	return i->ok && i->in.map == X86_MAP_MAIN && i->in.opcode == 0x9d;
}

bool insn_is_movable(const struct insn *i)
{
	return is_movable(i) && !is_by_gs(i) && !is_popf(i);
}

/* A thread that asks for traps of its own after every instruction leaves the
 * cache. Until then the flags are dead. */
static void write_popf(struct writer *w, const struct insn *i)
{
	struct stub stub = { .pc = w->pc, .kind = STUB_NATIVE };

	w_mark(w, 0, 0);
	if (i->in.prefixes & X86_PFX_66)
		w_code(w, "\x66\xf7\x04\x24\0\1"); /* testw $0x100, (%rsp) */
	else
		w_code(w, "\xf7\x04\x24\0\1\0\0"); /* testl */
	w_mark(w, 0, 0);
	w_jcc_at(w, COND_NE, w_stub(w, &stub));
}

/* Its jump can lead elsewhere later (block_replace()). */
static void write_stub(struct writer *w, enum stub_kind kind)
{
	struct stub stub = { .pc = w->pc, .kind = (uint8_t)kind };

	w_mark(w, 0, 0);
	w_align(w, 1);
	stub.arg = stream_at(w->s) + 1;
	w_jmp_at(w, w_stub(w, &stub));
}

/* --- blocks -------------------------------------------------------------- */

static bool has_point(const struct compiler *c, uint64_t pc)
{
	return c->has_points && process_has_point(c->sp, pc);
}

/* One that every thread stops at. */
static bool has_stop(const struct compiler *c, uint64_t pc)
{
	return has_point(c, pc) && !conditions_at(c->sp, pc) &&
	       !prints_at(c->sp, pc);
}

/* Checks take room in the cold stream. */
#define CHECKED_INSNS 16

static unsigned block_most(const struct compiler *c)
{
	return c->watched ? 1 : checks(c->sp) ? CHECKED_INSNS : BLOCK_INSNS;
}

/* Something happens there, where a block begins. */
static bool is_marked(const struct space *sp, uint64_t pc)
{
	return (sp->n_probes || sp->redirects.count || sp->collected.count) &&
	       (probe_is_at(sp, pc) || redirect_is_at(sp, pc) ||
		collector_is_at(sp, pc));
}

void block_read(struct compiler *c, uint64_t pc, bool skip_point)
{
	struct insn *i = c->insns;

	/* What is watched would not be checked there. */
	c->excluded = !skip_point && !has_point(c, pc) &&
		      !misses_nothing(c->sp) && exclude_is_native(c->sp, pc);
	c->w.silent = !c->excluded && is_excluded(c->sp, pc);
	for (c->n_insns = 0; c->n_insns < block_most(c) && !c->excluded; i++) {
		if (c->n_insns ? has_point(c, pc)
			       : !skip_point && has_stop(c, pc))
			return;
		if (c->n_insns && is_marked(c->sp, pc))
			return;
		c->n_insns++;
		if (!code_read(&c->reader, pc, i) || i->in.kind != X86_PLAIN)
			return;
		/* A thread leaves the cache there: what is counted whole is
		 * to be executed whole. */
		if (c->n_insns > 1 && section_may_begin(&c->reader, i)) {
			c->n_insns--;
			return;
		}
		if (code_patches(i) && code_changes(&c->reader, pc))
			return;
		pc = insn_next(i);
	}
}

static uint32_t original_length(const struct compiler *c, uint64_t pc)
{
	return c->n_insns
		       ? (uint32_t)(insn_next(&c->insns[c->n_insns - 1]) - pc)
		       : 1;
}

/* The processor takes a comparison and the jump behind it for one, if there is
 * no padding in between: it comes before both. */
static void keep_together(struct compiler *c, const struct insn *i)
{
	unsigned skip = i->in.length + 2u;

	if (i + 2 != c->insns + c->n_insns || i[1].in.kind != X86_JCC ||
	    !w_crosses(&c->w, skip))
		return;
	w_mark(&c->w, 0, 0);
	w_align(&c->w, skip);
}

/*
 * A callee that runs natively, and returns to the cache without a stop. The
 * return address is put aside; struct follow's window says where it was.
 *
 *	popq	%gs:RETURNS
 *	mov	%rsp, %gs:EXCLUDED
 *	push	excluded_return
 *	jmp	callee
 */
static void write_excluded(struct writer *w)
{
	uint64_t back = w->rg->addr + w->rg->excluded_return;
	uint32_t next;

	event_write_silent(w);
	flow_write_skips(w);
	w_mark(w, 0, 0);
	w_pop(w, WIN_RETURNS);
	w_mark(w, 0, -8);
	w_spill(w, RSP, WIN_EXCLUDED);
	w_push(w, back, 0, -8);
	w_mark(w, 0, 0);
	next = stream_at(w->s) + 5;
	w_code(w, "\xe9");
	w_num(w, w->pc - (w->rg->addr + next), 4);
}

bool insn_write(struct compiler *c, const struct insn *i, uint64_t *next)
{
	struct writer *w = &c->w;

	*next = 0;
	if (i->ok && section_may_begin(&c->reader, i)) {
		write_stub(w, STUB_SECTION);
		return true;
	}
	if (i->ok && checks(c->sp) && !c->watched)
		checks_write(c, i);
	event_write(w, EVENT_EXEC, 0);
	if (i->ok && i->in.kind != X86_PLAIN) {
		w->slow = (uint8_t)branch_slow(i);
		*next = branch_write(c, i);
		return true;
	}
	if (is_movable(i) && is_popf(i))
		write_popf(w, i);
	keep_together(c, i);
	if (!is_movable(i) || !write_somehow(w, i)) {
		native_write(w);
		return true;
	}
	insn_begin(c, insn_next(i));
	return false;
}

static bool write_all(struct compiler *c, uint64_t *next)
{
	for (unsigned n = 0; n < c->n_insns; n++) {
		if (insn_write(c, &c->insns[n], next))
			return true;
	}
	return false;
}

/* The block's last instruction branches, if there is none behind it. */
static uint64_t write_insns(struct compiler *c)
{
	struct writer *w = &c->w;
	uint64_t next;

	if (transforms(c->sp) && c->n_insns ? transform_write(c, &next)
					    : write_all(c, &next))
		return next;
	if (c->excluded && exclusion_of(c->sp, w->pc) == EXCLUDED) {
		write_excluded(w);
		return 0;
	}
	if (c->watched) {
		write_stub(w, STUB_WATCHED);
		return 0;
	}
	/* A stop is a block of its own, which goes when the breakpoint does. */
	if (!c->n_insns) {
		write_stub(w, c->excluded ? STUB_EXCLUDED : STUB_POINT);
		return 0;
	}
	return w->pc;
}

static void write_entry(struct compiler *c, uint64_t pc)
{
	struct writer *w = &c->w;

	w_at(w, pc);
	w->puts = c->done;
	if (c->at_point && has_point(c, pc))
		w->puts |= PUTS_PASSED;
	if (!c->excluded)
		test_entry_write(c);
	if (probe_is_at(c->sp, pc))
		callout_write(c, probes_met, c->sp);
	if (collector_is_at(c->sp, pc))
		collectors_write(c, pc);
	if (has_point(c, pc) && !prints_at(c->sp, pc) &&
	    conditions_at(c->sp, pc))
		conditions_write(c, conditions_at(c->sp, pc)->code);
	if (w->silent)
		flow_write_skips(w);
	if (c->excluded || w->silent)
		return;
	/* What begins by leaving the cache is counted by what runs instead. */
	if (!c->n_insns || !section_may_begin(&c->reader, &c->insns[0]))
		instrument_entry(c);
}

/* Control goes on behind the block, or did not branch. */
static bool falls_through(const struct compiler *c)
{
	const struct insn *last = c->insns + c->n_insns;

	return c->n_insns && last[-1].ok && !c->return_next &&
	       last[-1].in.kind != X86_JMP;
}

/* Returns where the code that comes next continues, or 0. */
static uint64_t write_block(struct compiler *c, uint64_t pc, bool own)
{
	struct writer *w = &c->w;
	uint32_t start, length, flow;
	uint64_t next;

	block_read(c, pc, own && c->at_point);
	length = original_length(c, pc);
	w->block = block_add(c->sp, w->rg, pc, !own);
	w->block_pc = pc;
	w->run_to = 0;
	w->slow = SLOW_CONTINUATION;
	flow_begin_block(c, pc, own);
	flow = w->flow;
	write_entry(c, pc);
	/* Behind what the entry may lose (coverage.h): a place of its own. */
	start = stream_at(w->s);
	next = write_insns(c);
	if (next && falls_through(c))
		hop_write_falls(c, next);
	c->done = 0;
	if (stream_at(w->s) == start) {
		w_at(w, pc);
		w_mark(w, 0, 0);
		w_nop(w);
	}
	flow_end_block(w);
	block_at(c->sp, w->block)->flow = flow;
	block_at(c->sp, w->block)->instructions = (uint16_t)c->n_insns;
	block_at(c->sp, w->block)->module = module_at(c->sp, pc);
	block_close(c->sp, w->block, length);
	if (!is_excluded(c->sp, pc))
		ring_compiled(c->sp, pc, pc + length);
	c->sp->tr->stats.blocks++;
	c->sp->tr->stats.instructions += c->n_insns;
	c->sp->tr->stats.original_bytes += length;
	return next;
}

static bool is_near(const struct compiler *c, const struct block *b)
{
	return c->sp->regions[b->region]->cluster == c->w.rg->cluster;
}

/* What comes next in the stream is another block's, or nobody's yet. */
static void leave_chain(struct compiler *c, uint64_t pc, uint32_t landing)
{
	struct block *b = block_find(c->sp, pc);

	if (landing)
		chain_tail(&c->w, landing, pc);
	if (b && landing && is_near(c, b))
		b->return_landing =
			landing_at(c->sp, b, c->w.rg->addr + landing);
	w_at(&c->w, pc);
	w_mark(&c->w, 0, 0);
	w_jmp_pc(&c->w, pc);
	compiler_queue(c, pc);
}

/* --- redirections -------------------------------------------------------- */

/* Where whoever is at pc goes; pc, or a thread that has come from there by a
 * redirection: nowhere else. */
static uint64_t leads_to(struct compiler *c, uint64_t pc, bool own)
{
	uint64_t to;

	c->seq = 0;
	if (!redirects(c->sp) || (has_point(c, pc) && !(own && c->at_point)))
		return pc;
	to = redirect_of(c->sp, pc);
	return to != pc && put_begin(c) ? to : pc;
}

/* A block that is only a place to be at. */
static uint64_t write_redirect(struct compiler *c, uint64_t pc, uint64_t to,
			       bool own)
{
	struct writer *w = &c->w;

	w->block = block_add(c->sp, w->rg, pc, !own);
	w->block_pc = pc;
	w->slow = SLOW_CONTINUATION;
	insn_begin(c, pc);
	flow_write_skips(w);
	w_mark(w, 0, 0);
	w_nop(w);
	block_close(c->sp, w->block, 1);
	c->redirected = redirect_of(c->sp, to) != to;
	c->done = c->redirected;
	return to;
}

/* --- chains -------------------------------------------------------------- */

/* A block of the chain, behind the landing at that offset (0: none). */
static uint64_t chain_block(struct compiler *c, uint64_t pc, uint32_t landing,
			    bool own)
{
	uint64_t next, to;

	unsigned *budget;

	region_prepare(c->w.rg);
	c->hint = compiler_ask(c, pc);
	budget = compiler_budget(c, c->hint);
	*budget -= *budget > 0;
	c->sp->tr->stats.blocks_known += hint_is_known(c->hint);
	to = leads_to(c, pc, own);
	next = to == pc ? write_block(c, pc, own)
			: write_redirect(c, pc, to, own);
	block_at(c->sp, c->w.block)->return_landing = landing;
	if (hint_is_own(c->hint))
		block_at(c->sp, c->w.block)->flags |= BLOCK_KNOWN;
	if (hint_is_known(c->hint))
		block_at(c->sp, c->w.block)->flags |= BLOCK_HINTED;
	c->at_point = false;
	return next;
}

/* Is there code for it, or better elsewhere or later? */
static bool is_better_apart(struct compiler *c, uint64_t pc)
{
	return block_find(c->sp, pc) || !region_has_room(c->w.rg) ||
	       !*compiler_budget(c, compiler_ask(c, pc));
}

/* A return there makes its own landing. */
static void leave_for_far(struct compiler *c, uint64_t pc, bool lands)
{
	if (!lands)
		leave_chain(c, pc, 0);
}

/* On from pc until the code does not fall through any more. */
static void follow_chain(struct compiler *c, uint64_t pc, bool own)
{
	const uint64_t first = pc;

	for (; pc; own = c->redirected) {
		bool lands = c->return_next, apart;
		uint32_t landing;

		c->return_next = false;
		if (pc != first && !own && !w_is_near(&c->w, pc)) {
			leave_for_far(c, pc, lands);
			return;
		}
		/* The landing is of what comes behind it. */
		apart = !own && is_better_apart(c, pc);
		if (lands)
			flow_prepare(&c->w, pc);
		landing = lands ? stream_at(c->w.s) : 0;
		if (lands && !landing_return(c, pc, !apart))
			return;
		if (apart) {
			leave_chain(c, pc, landing);
			return;
		}
		c->redirected = false;
		pc = chain_block(c, pc, landing, own);
	}
}

static size_t bytes_written(const struct region *rg)
{
	return rg->hot.e.len + rg->cold.e.len;
}

void chain_write(struct compiler *c, uint64_t pc, bool own)
{
	size_t before = bytes_written(c->w.rg);

	while (stream_at(c->w.s) % CHAIN_ALIGNMENT)
		w_code(&c->w, "\xcc");
	chain_begin(&c->w, own);
	follow_chain(c, pc, own);
	chain_end(&c->w);
	c->sp->tr->stats.cache_bytes += bytes_written(c->w.rg) - before;
}
