/*
 * What stands before a block's first instruction: the test of whether its code
 * may have changed, and what counts its runs. The test changes no flags even
 * where the code that it knew wants none: what it has become may read them.
 * What counts changes none that are live.
 */
#include <string.h>

#include "translate/coverage.h"
#include "translate/gate.h"
#include "translate/layer.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

/* --- bytes that may change ----------------------------------------------- */

struct piece {
	uint64_t addr;
	uint32_t value;
	unsigned size; /* 4, 2 or 1 */
};

/* movz addr(%rip), %ecx; lea -value(%rcx), %ecx; jrcxz 1f; jmp stale; 1: */
static void compare(struct writer *w, const struct piece *p, uint32_t stale)
{
	static const char *const ops[] = {
		[1] = "\x0f\xb6\x0d", [2] = "\x0f\xb7\x0d", [4] = "\x8b\x0d"
	};
	unsigned n = p->size == 4 ? 2 : 3;
	uint64_t from = w->rg->addr + stream_at(w->s) + n + 4;

	w_mark(w, REWIND_RCX, 0);
	w_bytes(w, ops[p->size], n);
	w_num(w, p->addr - from, 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x8d\x89");
	w_num(w, -p->value, 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x05");
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, stale);
}

/* The next piece of the block's bytes; false: there is none. They are aligned,
 * since the program may have asked for alignment checks. */
static bool next_piece(const uint8_t *bytes, unsigned length, unsigned *at,
		       uint64_t pc, struct piece *p)
{
	unsigned left = length - *at, size = 4;

	if (!left)
		return false;
	while (size > left || (pc + *at) % size)
		size /= 2;
	*p = (struct piece){ .addr = pc + *at, .size = size };
	memcpy(&p->value, bytes + *at, p->size);
	*at += p->size;
	return true;
}

/* What cannot be decoded at the end runs by itself, whatever it has become. */
static unsigned gather(const struct compiler *c, uint8_t *bytes)
{
	unsigned length = 0;

	for (unsigned n = 0; n < c->n_insns && c->insns[n].ok; n++) {
		memcpy(bytes + length, c->insns[n].bytes,
		       c->insns[n].in.length);
		length += c->insns[n].in.length;
	}
	return length;
}

/* Breakpoints are in memory, for whoever is not followed, and so in what is
 * compared. */
static void put_traps(const struct compiler *c, uint8_t *bytes, unsigned length)
{
	struct process *p = c->sp->by->proc;

	for (unsigned i = 0; i < length && p->points->sw.count; i++) {
		if (target_has_trap(c->sp->tr->lower, p, c->w.pc + i))
			bytes[i] = p->arch->trap[0];
	}
}

static void bytes_write(struct compiler *c)
{
	uint8_t bytes[BLOCK_INSNS * X86_INSN_MAX];
	struct writer *w = &c->w;
	struct stub stub = {
		.pc = w->pc,
		.kind = STUB_STALE,
		.arg = w->block,
		.rewind = REWIND_RCX,
	};
	unsigned length = gather(c, bytes), at = 0;
	uint32_t stale = w_stub(w, &stub);
	struct piece p;

	put_traps(c, bytes, length);
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	while (next_piece(bytes, length, &at, w->pc, &p))
		compare(w, &p, stale);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* --- gates --------------------------------------------------------------- */

/* Of a block: what tells that it may have changed. */
struct entry {
	uint32_t flags[2]; /* bytes of data that are then set: how far they
			    * are from the region */
	unsigned n_flags;
	bool compares; /* it compares its bytes, too */
};

static void look_at_page(struct compiler *c, uint64_t pc, struct entry *e)
{
	const struct gate *g = code_gate(&c->reader, pc);
	unsigned flags = code_flags(&c->reader, pc);

	if (g && g->rg->cluster == c->w.rg->cluster)
		e->flags[e->n_flags++] =
			(uint32_t)(g->rg->addr + g->flag_at - c->w.rg->addr);
	if (g ? g->rg->cluster != c->w.rg->cluster || gate_is_hot(g)
	      : flags & (RANGE_W | RANGE_SHARE))
		e->compares = true;
}

/* False: the block's code stays as it is, or nothing of it is executed. */
static bool look_at_pages(struct compiler *c, struct entry *e)
{
	const uint64_t pc = c->w.pc;
	const struct insn *last;

	if (!c->n_insns)
		return false;
	last = &c->insns[c->n_insns - 1];
	look_at_page(c, pc, e);
	if ((insn_next(last) - 1) / 4096 != pc / 4096)
		look_at_page(c, insn_next(last) - 1, e);
	if (e->compares && !e->n_flags)
		e->flags[e->n_flags++] = layout_never(&c->w.rg->trail->layout);
	return e->n_flags;
}

static void note_fields(struct writer *w, uint32_t flag_at, uint32_t away_at)
{
	struct block *b = block_at(w->sp, w->block);

	if (b->flag_at)
		return;
	b->flag_at = flag_at;
	b->away_at = away_at;
}

/* movzbl flag(%rip), %ecx; jrcxz 1f; jmp away; 1: */
static void flag_move(struct writer *w, uint32_t flag, uint32_t away,
		      uint32_t away_at)
{
	uint32_t flag_at;

	w_mark(w, REWIND_RCX, 0);
	w_align(w, 3);
	w_code(w, "\x0f\xb6\x0d");
	flag_at = stream_at(w->s);
	w_num(w, flag - (flag_at + 4), 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x05");
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, away);
	note_fields(w, flag_at, away_at);
}

/* In the cold stream: rcx is as it was, and it jumps to the stub. Where it
 * begins; *field is the displacement. */
static uint32_t away_write(const struct writer *w, uint32_t stub,
			   uint32_t *field)
{
	struct writer cold = w_cold(w);
	uint32_t at = stream_at(cold.s);

	w_mark(&cold, REWIND_RCX, 0);
	w_fill(&cold, RCX, WIN_RCX);
	w_mark(&cold, 0, 0);
	w_align(&cold, 1);
	w_jmp_at(&cold, stub);
	*field = stream_at(cold.s) - 4;
	return at;
}

static void flags_write(struct writer *w, const struct entry *e)
{
	struct stub stub = {
		.pc = w->pc,
		.kind = STUB_GATE,
		.arg = w->block,
	};
	uint32_t away_at, away;

	away = away_write(w, w_stub(w, &stub), &away_at);
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	for (unsigned n = 0; n < e->n_flags; n++)
		flag_move(w, e->flags[n], away, away_at);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* --- trust ---------------------------------------------------------------- */

/*
 * It was what it had been. mov left(%rip), %ecx; lea -1(%rcx), %ecx; mov %ecx,
 * left(%rip); jrcxz 1f; jmp 2f; 1: jmp stub; 2: The first run is not counted:
 * it is what others are compared with.
 */
static void trust_write(struct writer *w, uint32_t times)
{
	struct stub stub = {
		.pc = w->pc,
		.kind = STUB_TRUST,
		.arg = w->block,
		.rewind = REWIND_RCX,
	};
	uint32_t left = region_data(w->rg, 8), at = w_stub(w, &stub);

	times++;
	memcpy(w->rg->map + left, &times, sizeof(times));
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x8b\x0d");
	w_num(w, left - (stream_at(w->s) + 4), 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x8d\x49\xff");
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x89\x0d");
	w_num(w, left - (stream_at(w->s) + 4), 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x02");
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xeb\x05");
	w_mark(w, REWIND_RCX, 0);
	w_jmp_at(w, at);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

void test_entry_write(struct compiler *c)
{
	int trust = c->sp->tr->trust;
	struct entry e = { .n_flags = 0 };

	if (!trust || map_find(&c->sp->trusted, c->w.pc + 1) ||
	    !look_at_pages(c, &e))
		return;
	flags_write(&c->w, &e);
	if (e.compares) {
		block_at(c->sp, c->w.block)->flags |= BLOCK_CHECKED;
		bytes_write(c);
	}
	if (trust > 0)
		trust_write(&c->w, (uint32_t)trust);
}

/* --- counting ------------------------------------------------------------ */

/*
 * movb $1, slot(%rip): c6 05 and 5 bytes more, of which the first three make
 * it 0f 1f 80, nopl disp32(%rax). They lie in one aligned word, so that whoever
 * fetches them has all or none.
 */
static void write_coverage(struct writer *w, uint32_t slot)
{
	struct waiting waiting = {
		.block = w->block,
		.slot = slot,
		.region = (uint8_t)w->rg->index,
	};
	unsigned over = stream_at(w->s) % 8;

	if (over > 5) {
		w_mark(w, 0, 0);
		w_bytes(w, "\x66\x90" + (over - 6), 8 - over);
		if (block_at(w->sp, w->block)->entry ==
		    stream_at(w->s) - 8 + over)
			block_at(w->sp, w->block)->entry = stream_at(w->s);
	}
	waiting.at = stream_at(w->s);
	chain_reloc(w, RELOC_STORE, waiting.at);
	coverage_wait(w->sp, &waiting);
	w_mark(w, 0, 0);
	w_code(w, "\xc6\x05");
	w_num(w, slot - (stream_at(w->s) + 5), 4);
	w_code(w, "\x01");
}

void store_remove(struct region *rg, uint32_t at)
{
	uint8_t *word = rg->map + (at & ~7u);
	uint64_t v;

	memcpy(&v, word, sizeof(v));
	memcpy((uint8_t *)&v + at % 8, "\x0f\x1f\x80", 3);
	__atomic_store_n((uint64_t *)(void *)word, v, __ATOMIC_RELEASE);
}

/* incq slot(%rip), or with flags that live the same through rcx */
static void write_count(struct writer *w, uint32_t slot, bool live)
{
	w_mark(w, 0, 0);
	if (!live) {
		w_code(w, "\x48\xff\x05");
		w_num(w, slot - (stream_at(w->s) + 4), 4);
		return;
	}
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8b\x0d");
	w_num(w, slot - (stream_at(w->s) + 4), 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x49\x01"); /* lea 1(%rcx), %rcx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x89\x0d");
	w_num(w, slot - (stream_at(w->s) + 4), 4);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

static uint64_t block_end(const struct compiler *c)
{
	return c->n_insns ? insn_next(&c->insns[c->n_insns - 1]) : c->w.pc;
}

/* One of so many tells whether hints are right. */
#define KNOWN_ASKED 16

/* What hints are to learn of it. */
static bool is_to_tell(const struct compiler *c)
{
	return c->sp->mode == MODE_NONE && c->hint != HINT_NONE &&
	       (c->hint != HINT_RUN ||
		c->sp->tr->stats.blocks % KNOWN_ASKED == 0);
}

void instrument_entry(struct compiler *c)
{
	struct writer *w = &c->w;
	uint32_t slot;
	bool counts;

	if (c->sp->mode == MODE_TRACE)
		event_write(w, EVENT_BLOCK, block_end(c));
	if (c->sp->flow && c->sp->keep != FLOW_CALLS)
		flow_write_entry(w);
	counts = w->flow && c->sp->keep == FLOW_CALLS;
	if (c->sp->mode != MODE_COVERAGE && c->sp->mode != MODE_COUNT &&
	    !is_to_tell(c) && !counts)
		return;
	slot = region_data(w->rg, 8);
	block_at(c->sp, w->block)->slot = slot;
	if (counts)
		hop_count_block(c, slot);
	else if (c->sp->mode == MODE_COUNT)
		write_count(w, slot, !code_flags_dead(&c->reader, w->pc));
	else
		write_coverage(w, slot);
}
