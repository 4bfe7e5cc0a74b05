/* Expressions as conditions of what is put, or counted. */
#include <stddef.h>

#include "agent/program.h"
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

void conditions_write(struct compiler *c, const struct point_code *code)
{
	struct writer *w = &c->w;
	struct stub stub = { .pc = w->pc, .kind = STUB_POINT };
	uint32_t at = w_stub(w, &stub);

	for (size_t i = 0; i < code->n_cond; i++) {
		uint32_t jump = expression_write(w, code->cond[i]);

		w_mark(w, 0, 0);
		w_jmp_at(w, at);
		expression_lands(w, jump);
		c->sp->tr->stats.conditions++;
	}
}
