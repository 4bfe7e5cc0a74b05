/*
 * Where returns and indirect branches land. The table that leads to a landing
 * is indexed by 16 bits of the address, so the landing compares the rest:
 *
 *	plain:		cmpl	$low(pc), address	of returns alone
 *			jne	fix
 *			mov	%gs:RCX, %rcx
 *	quiet:		mov	address, %ecx
 *			lea	-low(pc)(%rcx), %ecx
 *			jrcxz	1f
 *			jmp	fix
 *	1:		mov	%gs:RCX, %rcx
 *
 * The plain one changes flags, and so it stands only where all flags are dead.
 * But what lands elsewhere may come by: the table can lead there whoever has
 * the same 16 bits. So of those that share a slot two may be plain, and become
 * quiet when another comes that has flags to keep. Other indirect
 * branches, of which there are fewer, take no longer by quiet ones, measured.
 */
#include "base/mem.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

/* A comparison of 32 bits with an immediate, and a load of them to ecx: up to
 * the immediate. */
struct check {
	const char *cmp, *mov;
	uint8_t n_cmp, n_mov;
};

static const struct check return_checks[2] = {
	{ "\x81\x7c\x24\xf8", "\x8b\x4c\x24\xf8", 4, 4 },
	{ "\x81\x7c\x24\xfc", "\x8b\x4c\x24\xfc", 4, 4 },
};

static const struct check target_checks[2] = {
	{ "\x65\x81\x3c\x25\x20\0\0\0", "\x65\x8b\x0c\x25\x20\0\0\0", 8, 8 },
	{ "\x65\x81\x3c\x25\x24\0\0\0", "\x65\x8b\x0c\x25\x24\0\0\0", 8, 8 },
};

_Static_assert(WIN_TARGET == 0x20, "target_checks name it");

/* Marks are all alike: nothing is changed but rcx and dead flags. */
static void check_plainly(struct writer *w, const struct check *k, uint32_t v,
			  uint32_t fix)
{
	w_mark(w, w->rewind, 0);
	w_bytes(w, k->cmp, k->n_cmp);
	chain_reloc(w, RELOC_LOW, stream_at(w->s));
	w_num(w, v, 4);
	w_mark(w, w->rewind, 0);
	w_jcc_at(w, COND_NE, fix);
}

static void check_quietly(struct writer *w, const struct check *k, uint32_t v,
			  uint32_t fix)
{
	w_mark(w, w->rewind, 0);
	w_bytes(w, k->mov, k->n_mov);
	w_mark(w, w->rewind, 0);
	w_code(w, "\x8d\x89");
	chain_reloc(w, RELOC_NEGATED, stream_at(w->s));
	w_num(w, -v, 4);
	w_mark(w, w->rewind, 0);
	w_code(w, "\xe3\x05");
	w_mark(w, w->rewind, 0);
	w_jmp_at(w, fix);
}

/* dead: nobody wants the flags that come along with who lands here. */
static void landing_write(struct writer *w, uint64_t pc, bool is_return,
			  bool plain, bool dead)
{
	const struct check *k = is_return ? return_checks : target_checks;
	uint32_t fix = is_return ? w->rg->return_fix : w->rg->indirect_fix;

	w->sp->tr->stats.landings += is_return;
	w->sp->tr->stats.landings_quiet += is_return && !plain;
	w->rewind = REWIND_RCX | (is_return ? REWIND_RETURN : REWIND_TARGET);
	w->undo = 0;
	for (unsigned half = 0; half <= w->sp->wide; half++) {
		if (plain)
			check_plainly(w, &k[half], (uint32_t)(pc >> 32 * half),
				      fix);
		else
			check_quietly(w, &k[half], (uint32_t)(pc >> 32 * half),
				      fix);
	}
	flow_write_landing(w, pc, dead);
	w_mark(w, w->rewind, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* In cold code of the cluster, with a jump to the block: its address. 0: there
 * is no room. */
static uint64_t write_apart(struct space *sp, const struct block *b,
			    bool is_return, bool plain)
{
	struct region *rg = space_region(sp, b->pc, NULL);
	struct writer w = {
		.sp = sp,
		.rg = rg,
		.block = block_ref(sp, b),
		.block_pc = b->pc,
		.pc = b->pc,
	};
	uint32_t at;

	chain_spoil(sp);
	if (!rg || !region_has_cold(rg) ||
	    rg->cluster != sp->regions[b->region]->cluster)
		return 0;
	w.s = &rg->cold;
	if (sp->flow && sp->keep == FLOW_CALLS && !is_return)
		hop_prepare_landing(&w, b->pc, plain);
	else
		flow_prepare(&w, b->pc);
	at = stream_at(w.s);
	landing_write(&w, b->pc, is_return, plain, plain);
	w_mark(&w, 0, 0);
	w_jmp_pc(&w, w.pc);
	return rg->addr + at;
}

/* --- slots --------------------------------------------------------------- */

static uint32_t *landing_of(struct block *b, bool is_return)
{
	return is_return ? &b->return_landing : &b->indirect_landing;
}

static void note_landing(struct compiler *c, uint64_t pc, uint64_t cpc)
{
	GROW_TABLE(c->landings, c->n_landings, c->cap_landings, 64);
	c->landings[c->n_landings++] = (struct landing){ pc, cpc };
}

/* The landing of a return to pc, which is plain, has to be a quiet one. Within
 * a batch (c, or NULL) the batch tells of it when it is published, and what it
 * noted of pc before comes to nothing. */
static void make_quiet(struct compiler *c, struct space *sp, uint64_t pc)
{
	struct block *b = block_find(sp, pc);
	uint64_t cpc;

	if (!b)
		return;
	cpc = write_apart(sp, b, true, false);
	b->return_landing = cpc ? landing_at(sp, b, cpc) : 0;
	/* Its jump leads somewhere before it can be reached. */
	if (!c)
		blocks_settle(sp);
	if (c)
		note_landing(c, pc, cpc);
	else if (cpc)
		landing_set(sp, true, pc, cpc);
	else
		landing_forget(sp, pc);
}

/* Does nobody want the flags that a return brings to pc? What is there may
 * change, and want them. */
static bool flags_dead(struct code_reader *r, uint64_t pc)
{
	return !code_gate(r, pc) && !code_changes(r, pc) &&
	       code_flags_dead(r, pc);
}

/* Who returns to pc wants the flags, and may come by all landings there. */
static void slot_keeps(struct compiler *c, struct space *sp, uint64_t pc)
{
	uint32_t low = pc & (TAB_DIRECT - 1);
	struct slot_use was = sp->slots[low];

	sp->slots[low] = (struct slot_use){ { SLOT_KEEPS, 0 } };
	for (unsigned i = 0; i < ARRAY_SIZE(was.plain); i++) {
		if (was.plain[i] && was.plain[i] != SLOT_KEEPS &&
		    was.plain[i] != pc / TAB_DIRECT)
			make_quiet(c, sp,
				   (uint64_t)was.plain[i] * TAB_DIRECT + low);
	}
}

/* May the landing of a return to pc be plain? The slot is its from now on, too.
 */
static bool take_slot(struct compiler *c, struct space *sp, uint64_t pc,
		      bool dead)
{
	uint32_t high = (uint32_t)(pc / TAB_DIRECT);
	struct slot_use *u = &sp->slots[pc & (TAB_DIRECT - 1)];

	if (!dead) {
		slot_keeps(c, sp, pc);
		return false;
	}
	if (u->plain[0] == SLOT_KEEPS)
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(u->plain); i++) {
		if (!u->plain[i])
			u->plain[i] = high;
		if (high && u->plain[i] == high)
			return true;
	}
	return false;
}

/*
 * A thread is within calls when it is followed from there, which were not
 * translated: so nobody knows yet that flags are wanted where it returns to.
 */
#define STACK_SEARCHED (UINT64_C(1) << 20)

static void expect_return(struct space *sp, struct code_reader *r, uint64_t pc)
{
	const struct map_range *m = space_find(sp, pc);

	if (m && m->flags & RANGE_X && !flags_dead(r, pc))
		slot_keeps(NULL, sp, pc);
}

void landings_expect(struct space *sp, struct thread *low)
{
	struct target *t = sp->tr->lower;
	struct code_reader reader;
	const struct map_range *m;
	uint64_t words[512], stack, end;

	if (target_reg_u64(t, low, low->proc->arch->sp, &stack) < 0)
		return;
	m = space_find(sp, stack);
	end = m ? m->hi : stack;
	if (end - stack > STACK_SEARCHED)
		end = stack + STACK_SEARCHED;
	code_init(&reader, sp);
	while (end - stack >= sizeof(*words)) {
		size_t n = (end - stack) / sizeof(*words);

		n = n < ARRAY_SIZE(words) ? n : ARRAY_SIZE(words);
		if (target_read_all(t, low->proc, stack, words,
				    n * sizeof(*words)) < 0)
			return;
		for (size_t i = 0; i < n; i++)
			expect_return(sp, &reader, words[i]);
		stack += n * sizeof(*words);
	}
}

/* --- landings ------------------------------------------------------------ */

bool landing_return(struct compiler *c, uint64_t pc, bool follows)
{
	struct block *b = block_find(c->sp, pc);
	struct writer *w = &c->w;
	uint32_t at = stream_at(w->s);
	bool dead, plain;

	if (b && b->return_landing)
		return false;
	dead = flags_dead(&c->reader, pc);
	/* One that has no block yet could not be made quiet. */
	plain = (b || follows || !dead) && take_slot(c, c->sp, pc, dead);
	w_at(w, pc);
	landing_write(w, pc, true, plain, dead);
	note_landing(c, pc, w->rg->addr + at);
	return true;
}

void landing_place(struct compiler *c, struct region *rg, struct block *b,
		   uint64_t pc, uint32_t at, bool plain)
{
	/* As in landing_return(). */
	if (plain && !b)
		return;
	if (!take_slot(c, c->sp, pc, plain) && plain) {
		make_quiet(c, c->sp, pc);
		return;
	}
	if (b && !b->return_landing)
		b->return_landing = landing_at(c->sp, b, rg->addr + at);
	note_landing(c, pc, rg->addr + at);
}

static bool is_plain(struct space *sp, uint64_t pc)
{
	struct code_reader reader;

	code_init(&reader, sp);
	return take_slot(NULL, sp, pc, flags_dead(&reader, pc));
}

/* False: there is no room. */
static bool landing_apart(struct space *sp, struct block *b, bool is_return)
{
	bool plain = is_return && is_plain(sp, b->pc);
	uint64_t cpc = write_apart(sp, b, is_return, plain);

	if (cpc)
		*landing_of(b, is_return) = landing_at(sp, b, cpc);
	return cpc;
}

bool landing_met(struct space *sp, struct block *b)
{
	return b->indirect_landing || landing_apart(sp, b, false);
}

bool compile_landing(struct space *sp, struct block *b, bool is_return)
{
	if (!*landing_of(b, is_return) && !landing_apart(sp, b, is_return))
		return false;
	/* Within a batch its jump leads nowhere yet. */
	blocks_settle(sp);
	landing_set(sp, is_return, b->pc,
		    landing_cpc(sp, b, *landing_of(b, is_return)));
	return true;
}
