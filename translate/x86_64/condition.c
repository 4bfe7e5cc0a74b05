/* Expressions as conditions of what is put, or counted. */
#include <stddef.h>

#include "agent/program.h"
#include "base/mem.h"
#include "target/filter.h"
#include "translate/counts.h"
#include "translate/conditions.h"
#include "translate/layer.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/expression.h"
#include "translate/x86_64/window.h"

uint32_t expression_write(struct writer *w, const struct ax_program *p)
{
	struct expression e;
	uint32_t end;

	expression_begin(&e, w, p);
	expression_save(w);
	expression_code(&e);
	/* The way of failures, with 1 for a value, is passed by. */
	OP(w, "\xe9");
	w_num(w, 5, 4);
	expression_fails_here(&e);
	OP(w, "\xb8\1\0\0\0"); /* mov $1, %eax */
	expression_ends_here(&e);
	OP(w, "\x48\x89\xc1"); /* mov %rax, %rcx */
	expression_restore(w);
	OP(w, "\xe3\x02"); /* jrcxz 1f */
	OP(w, "\xeb\x05"); /* jmp 2f */
	OP(w, "\xe9");	   /* 1: jmp */
	w_num(w, 0, 4);
	end = stream_at(w->s);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX); /* 2: */
	return end;
}

void expression_lands(struct writer *w, uint32_t jump)
{
	w_patch(w, jump, stream_at(w->s));
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
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
 * fails: lock incq failed
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
	expression_fails_here(e);
	increment(w, counters + 8);
}

void expression_count(struct writer *w, const struct ax_program *p,
		      uint32_t counters, uint16_t done)
{
	struct expression e;

	expression_save(w);
	if (p) {
		expression_begin(&e, w, p);
		expression_code(&e);
		expression_ends_here(&e);
		count(&e, counters, done);
	} else {
		increment(w, counters);
	}
	w->puts = done;
	expression_restore(w);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* --- of sets -------------------------------------------------------------- */

/* jmp; returns the end of its displacement. */
static uint32_t jump(struct writer *w)
{
	OP(w, "\xe9");
	w_num(w, 0, 4);
	return stream_at(w->s);
}

/* Falls through where it holds; the others are led out, by ends[0] and [1]. */
static void set_when(struct writer *w, const struct ax_program *when,
		     uint32_t counters, uint32_t *ends)
{
	struct expression e;

	expression_begin(&e, w, when);
	expression_code(&e);
	expression_ends_here(&e);
	OP(w, "\x48\x85\xc0"); /* test %rax, %rax */
	OP(w, "\x75\x12");     /* jne: over what follows */
	ends[0] = jump(w);
	expression_fails_here(&e);
	increment(w, counters + 8);
	ends[1] = jump(w);
}

/*
 * The register gets what is in rax. It is counted before: a thread in between
 * has the register from the window, and has done it.
 */
static void set_register(struct writer *w, unsigned reg, uint32_t counters,
			 uint16_t done)
{
	w_mark(w, SAVED, 0);
	w_spill(w, RAX, WIN_TARGET);
	increment(w, counters);
	w->puts = done;
	w_mark(w, SAVED | REWIND_SET, (int)reg);
	expression_register_set(w, reg);
}

void setting_write(struct writer *w, const struct setting *what,
		   uint32_t counters, uint16_t done)
{
	uint16_t before = w->puts;
	uint32_t ends[3] = { 0 };
	struct expression e;

	expression_save(w);
	if (what->when)
		set_when(w, what->when, counters, ends);
	expression_begin(&e, w, what->value);
	expression_code(&e);
	expression_ends_here(&e);
	set_register(w, what->reg, counters, done);
	ends[2] = jump(w);
	w->puts = before;
	expression_fails_here(&e);
	increment(w, counters);
	increment(w, counters + 8);
	w->puts = done;
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		if (ends[i])
			w_patch(w, ends[i], stream_at(w->s));
	}
	expression_restore(w);
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
}

/* --- of breakpoints ------------------------------------------------------- */

#define POINT_BYTES 4096u /* HOT_ROOM has so many */

bool conditions_fit(const struct point_code *code)
{
	size_t all = 0;

	for (size_t i = 0; i < code->n_cond; i++) {
		size_t size = expression_size(code->cond[i]);

		all += size + X86_INSN_MAX;
		if (!size)
			return false;
	}
	return all <= POINT_BYTES;
}

#define WHEN_MOST   64 /* of a filter */
#define COUNT_BYTES 240u

/* What is compiled of what has to hold. */
struct plan {
	bool any_of;   /* the conditions */
	uint64_t when; /* a bit for each of the filter's */
	bool whole;    /* nothing else has to hold, but for a count */
};

static struct plan plan_of(const struct point_code *code)
{
	const struct point_filter *f = code->filter;
	struct plan plan = { .whole = !(f && f->thread) };
	size_t all = 0, size;

	for (size_t i = 0; i < code->n_cond; i++)
		all += expression_size(code->cond[i]) + X86_INSN_MAX;
	plan.any_of = code->n_cond && conditions_fit(code);
	plan.whole &= plan.any_of || !code->n_cond;
	if (!plan.any_of)
		all = 0;
	for (size_t i = 0; f && i < f->n_when; i++) {
		size = expression_size(f->when[i]);
		if (!size || i >= WHEN_MOST || all + size > POINT_BYTES) {
			plan.whole = false;
			continue;
		}
		plan.when |= UINT64_C(1) << i;
		all += size;
	}
	plan.whole &= all + COUNT_BYTES <= POINT_BYTES;
	return plan;
}

static bool may_count(const struct point_code *code, const struct plan *plan)
{
	return code->filter && plan->whole && filter_counts(code->filter);
}

bool conditions_move(const struct point_code *code)
{
	struct plan plan = plan_of(code);

	return plan.any_of || plan.when || may_count(code, &plan);
}

static uint32_t count_word(struct space *sp, const struct point_code *code)
{
	struct plan plan = plan_of(code);

	return may_count(code, &plan) ? counts_word(sp, code->filter) : 0;
}

bool conditions_count(struct space *sp, const struct point_code *code)
{
	return count_word(sp, code);
}

/* Displacements of jumps that lead to where nobody stops, with rcx spilled. */
struct ways_out {
	uint32_t at[WHEN_MOST + 1];
	unsigned n;
};

static uint32_t jump_on(struct writer *w)
{
	w_mark(w, 0, 0);
	w_code(w, "\xe9");
	w_num(w, 0, 4);
	return stream_at(w->s);
}

/* Goes on here if one of them holds. */
static void write_any_of(struct writer *w, const struct point_code *code,
			 struct ways_out *out)
{
	uint32_t holds[POINT_BYTES / X86_INSN_MAX], jump = 0;

	for (size_t i = 0; i < code->n_cond; i++) {
		if (i)
			expression_lands(w, jump);
		jump = expression_write(w, code->cond[i]);
		if (i + 1 < code->n_cond)
			holds[i] = jump_on(w);
	}
	out->at[out->n++] = jump;
	for (size_t i = 0; i + 1 < code->n_cond; i++)
		w_patch(w, holds[i], stream_at(w->s));
}

/* The way of one that finds nothing granted: to the stub. */
static void write_used_up(const struct writer *w, uint32_t from, uint32_t stub)
{
	struct writer cold = w_cold(w);

	w_patch(&cold, from, stream_at(cold.s));
	expression_restore(&cold);
	w_mark(&cold, SAVED, 0);
	w_fill(&cold, RCX, WIN_RCX);
	w_mark(&cold, 0, 0);
	w_jmp_at(&cold, stub);
}

/*
 *	lock decq %gs:word
 *	js	used up
 * and out with rcx spilled. Before the js a thread has counted if the flag says
 * so.
 */
static void write_count(struct compiler *c, uint32_t word, uint32_t stub)
{
	struct writer *w = &c->w, before;
	uint32_t used_up;

	expression_save(w);
	OP(w, "\xf0\x65\x48\xff\x0c\x25");
	w_num(w, word, 4);
	before = *w;
	w->puts |= PUTS_UNLESS_SIGN;
	OP(w, "\x0f\x88");
	w_num(w, 0, 4);
	used_up = stream_at(w->s);
	put_end(c);
	write_used_up(&before, used_up, stub);
	expression_restore(w);
}

static void write_all_of(struct compiler *c, const struct point_code *code,
			 uint32_t word)
{
	struct plan plan = plan_of(code);
	struct writer *w = &c->w;
	struct stub stub = { .pc = w->pc, .kind = STUB_POINT };
	uint32_t at = w_stub(w, &stub);
	struct ways_out out = { .n = 0 };

	if (plan.any_of)
		write_any_of(w, code, &out);
	for (size_t i = 0; i < WHEN_MOST; i++) {
		if (plan.when >> i & 1)
			out.at[out.n++] =
				expression_write(w, code->filter->when[i]);
	}
	if (word) {
		write_count(c, word, at);
	} else {
		w_mark(w, 0, 0);
		w_jmp_at(w, at);
	}
	for (unsigned i = 0; i < out.n; i++)
		w_patch(w, out.at[i], stream_at(w->s));
	w_mark(w, SAVED, 0);
	w_fill(w, RCX, WIN_RCX);
	c->sp->tr->stats.conditions += out.n + (word != 0);
}

void conditions_write(struct compiler *c, const struct point_code *code)
{
	uint32_t word = count_word(c->sp, code);

	if (word && !put_begin(c))
		return;
	if (!c->at_point)
		write_all_of(c, code, word);
	else if (word)
		put_end(c);
}
