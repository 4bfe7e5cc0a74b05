/*
 * What a return finds on top of the ring that its landing does not know
 * (folds.h): a call, and above it the jumps by which what was called has gone
 * on in other functions.
 *
 *	look down for the call; is it the one that comes back here?
 *	jumps:	what each took is added up, and it goes
 *	call:	the same
 *
 * A stub's jump that the record of its call notes (hops.c) is one, too. What
 * was added up of one record is told from the rest by where the thread is
 * (struct fold_step): so it may be stopped anywhere.
 *
 * rcx is in the window when it begins, and so are flags, or they are dead. It
 * goes back to where the window says, or five bytes before that if it has not
 * folded the call.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "translate/flows.h"
#include "translate/folds.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

#define BEGINS (REWIND_RETURN | REWIND_RCX | REWIND_FLAGS)
#define SAVED  (BEGINS | REWIND_RAX | REWIND_RDX)

/* An instruction, and one with an operand of 4 bytes behind it. */
#define STEP(w, text)	   (w_mark(w, SAVED, 0), w_code(w, text))
#define STEP_ON(w, text, n) (STEP(w, text), w_num(w, n, 4))

#define KEY	TAB_FOLDS
#define FIELD(name) (TAB_FOLDS + offsetof(struct fold_half, name))
#define SIZE	sizeof(struct fold_entry)
#define SIZE_SHIFT 7

_Static_assert(SIZE == 1u << SIZE_SHIFT, "places are found by shifts");

/* Behind the chunks there is as much room once more, for the entries of the
 * records while they are looked at. From rcx behind a record. */
#define ENTRIES (HOP_CHUNKS * FLOW_CHUNK - 4)

enum { COND_JC = 2, COND_JE = 4, COND_JNE = 5, COND_JA = 7 };

static uint8_t *jcc(struct writer *w, unsigned cond)
{
	uint8_t op[2] = { 0x0f, (uint8_t)(0x80 | cond) };

	w_mark(w, SAVED, 0);
	w_bytes(w, op, 2);
	w_num(w, 0, 4);
	return w->s->e.code + w->s->e.len;
}

static void leads_here(struct writer *w, uint8_t *jump)
{
	uint32_t disp = (uint32_t)(w->s->e.code + w->s->e.len - jump);

	memcpy(jump - 4, &disp, 4);
}

static void jcc_to(struct writer *w, unsigned cond, uint32_t at)
{
	w_mark(w, SAVED, 0);
	w_jcc_at(w, cond, at);
}

static void jmp_to(struct writer *w, uint32_t at)
{
	w_mark(w, SAVED, 0);
	w_jmp_at(w, at);
}

/* From here on that has been done. */
static void comes_to(struct writer *w, enum fold_phase phase)
{
	struct region *rg = w->rg;

	assert(rg->n_fold_steps < FOLD_STEPS);
	rg->fold_steps[rg->n_fold_steps++] =
		(struct fold_step){ stream_at(w->s), (uint8_t)phase };
}

/* What is not the usual case goes elsewhere, and may come back. begin: of a
 * look-up, which does so if its first place was another one's. */
struct elsewhere {
	uint8_t *jump;
	uint32_t begin, back;
};

/* The entry of the key in rax to rdx. */
static struct elsewhere look_up(struct writer *w)
{
	struct elsewhere l = { .begin = stream_at(w->s) };

	STEP_ON(w, "\x48\x69\xd0", FOLDS_SPREAD); /* imul $, %rax, %rdx */
	STEP(w, "\x48\xc1\xea");		  /* shr $, %rdx */
	w_num(w, FOLDS_SHIFT - SIZE_SHIFT, 1);
	STEP_ON(w, "\x81\xe2", (FOLDS_MAX - 1) * SIZE); /* and $, %edx */
	STEP_ON(w, "\x65\x48\x39\x82", KEY); /* cmp %rax, %gs:(%rdx) */
	l.jump = jcc(w, COND_JNE);
	l.back = stream_at(w->s);
	return l;
}

/* In the next places. HOP_LONG is as good as HOP_PLAIN. */
static void look_on(struct writer *w, const struct elsewhere *l, uint32_t none)
{
	uint32_t again = stream_at(w->s);
	uint8_t *end;

	leads_here(w, l->jump);
	STEP_ON(w, "\x65\x48\x83\xba", KEY); /* cmpq $0, %gs:(%rdx) */
	w_code(w, "\0");
	end = jcc(w, COND_JE);
	STEP_ON(w, "\x81\xc2", SIZE);		      /* add $, %edx */
	STEP_ON(w, "\x81\xe2", FOLDS_MAX * SIZE - 1); /* and $, %edx */
	STEP_ON(w, "\x65\x48\x39\x82", KEY); /* cmp %rax, %gs:(%rdx) */
	jcc_to(w, COND_JE, l->back);
	jmp_to(w, again);
	leads_here(w, end);
	STEP(w, "\x48\x0f\xba\xf0\x1d"); /* btr $29, %rax */
	jcc_to(w, COND_JC, l->begin);
	jmp_to(w, none);
}

/* That of the record below rcx: is it a tail? If the last word is a hop's, it is
 * no part of the key. The words were stored apart. */
static struct elsewhere look_at(struct writer *w)
{
	struct elsewhere l;

	STEP(w, "\x8b\x51\xfc");	  /* mov -4(%rcx), %edx */
	STEP(w, "\x8b\x41\xf8");	  /* mov -8(%rcx), %eax */
	STEP_ON(w, "\x81\xfa", FLOW_NUMBER); /* cmp $, %edx */
	STEP(w, "\x77\x07");		  /* ja */
	STEP(w, "\x48\xc1\xe2\x20");	  /* shl $32, %rdx */
	STEP(w, "\x48\x09\xd0");	  /* or %rdx, %rax */
	l = look_up(w);
	STEP_ON(w, "\x65\x83\xba", FIELD(kind)); /* cmpl $, %gs:(%rdx) */
	w_num(w, FOLD_TAIL, 1);
	return l;
}

/* If the function of that field is called so often, rdx stays; else it moves on
 * to what is added up then. */
static void choose(struct writer *w, uint32_t field, uint8_t depth,
		   uint8_t size, uint32_t none)
{
	uint8_t *same;

	STEP_ON(w, "\x65\x8b\x82", field); /* mov %gs:(%rdx), %eax */
	STEP(w, "\x65\x83\x38");	   /* cmpl $, %gs:(%rax) */
	w_num(w, depth, 1);
	same = jcc(w, COND_JE);
	STEP_ON(w, "\x65\x80\x3c\x25", WIN_UNSURE); /* cmpb $0, %gs: */
	w_code(w, "\0");
	jcc_to(w, COND_JNE, none);
	STEP(w, "\x83\xc2"); /* add $, %edx */
	w_num(w, size, 1);
	leads_here(w, same);
}

/* rax is what has been taken; the record that it is of goes next. */
static void add_up(struct writer *w, enum fold_phase took)
{
	STEP(w, "\x48\x2b\x41\xf0"); /* sub -16(%rcx), %rax */
	STEP_ON(w, "\x65\x48\x01\x82", FIELD(sums[0].took));
	comes_to(w, took);
	STEP_ON(w, "\x65\x48\xff\x82", FIELD(sums[0].times)); /* incq */
	comes_to(w, took + 1);
}

/* A tail's caller is over, too. */
static void leave_caller(struct writer *w, uint32_t none)
{
	choose(w, FIELD(caller), 1, sizeof(struct fold_half), none);
	STEP(w, "\x65\xff\x08"); /* decl %gs:(%rax) */
}

/* A tail, whose entry is in rdx. Elsewhere: it was being called already. */
static struct elsewhere leave_tail(struct writer *w, uint32_t none)
{
	struct elsewhere e;

	STEP_ON(w, "\x65\x8b\x82", FIELD(called)); /* mov %gs:(%rdx), %eax */
	STEP(w, "\x65\x83\x38\x00");		   /* cmpl $0, %gs:(%rax) */
	e.jump = jcc(w, COND_JNE);
	leave_caller(w, none);
	e.back = stream_at(w->s);
	w_spill_as(w, SAVED, RDX, WIN_FOLD);
	return e;
}

/* That for a second time. What is so more often may be where tails go round, of
 * which who reads keeps two: it is left to that. */
static void leave_again(struct writer *w, const struct elsewhere *e,
			uint32_t none)
{
	leads_here(w, e->jump);
	STEP(w, "\x65\x83\x38\x01"); /* cmpl $1, %gs:(%rax) */
	jcc_to(w, COND_JNE, none);
	STEP_ON(w, "\x65\x80\x3c\x25", WIN_UNSURE); /* cmpb $0, %gs: */
	w_code(w, "\0");
	jcc_to(w, COND_JNE, none);
	leave_caller(w, none);
	STEP(w, "\x83\xc2"); /* add $, %edx */
	w_num(w, sizeof(struct fold_sums), 1);
	jmp_to(w, e->back);
}

static void pop(struct writer *w)
{
	STEP(w, "\x48\x8d\x49\xf0"); /* lea -16(%rcx), %rcx */
	w_spill_as(w, SAVED, RCX, WIN_RING);
}

/* The entry, a call's: does it come back here? */
static void see_back(struct writer *w, uint32_t none)
{
	STEP_ON(w, "\x65\x8b\x82", FIELD(back)); /* mov %gs:(%rdx), %eax */
	STEP_ON(w, "\x65\x3b\x04\x25", WIN_FOLD_BACK); /* cmp %gs:, %eax */
	jcc_to(w, COND_JNE, none);
}

/* mov %edx, ENTRIES(%rcx): it is wanted once more. */
static void keep_entry(struct writer *w)
{
	STEP_ON(w, "\x89\x91", ENTRIES);
}

static void keep_count(struct writer *w)
{
	hop_put_count(w, SAVED, 0);
	w_spill_as(w, SAVED, RAX, WIN_FOLD_NOW);
}

/* What is on top is a tail: is there the call that comes back here, below it and
 * maybe others? rcx is back on top then. */
static struct elsewhere find_call(struct writer *w, uint32_t none)
{
	uint32_t again = stream_at(w->s);
	struct elsewhere l;

	keep_entry(w);
	STEP(w, "\x48\x8d\x49\xf0"); /* lea -16(%rcx), %rcx */
	l = look_at(w);
	jcc_to(w, COND_JE, again);
	see_back(w, none);
	keep_entry(w);
	w_fill_as(w, SAVED, RCX, WIN_RING);
	keep_count(w);
	return l;
}

/* What is on top is over: tails. Returns where that begins, and in *call what
 * goes to a call. */
static uint32_t fold_tails(struct writer *w, uint32_t none, uint8_t **call,
			   struct elsewhere *again)
{
	uint32_t at = stream_at(w->s);

	STEP_ON(w, "\x8b\x91", ENTRIES);	   /* mov ENTRIES(%rcx), %edx */
	STEP_ON(w, "\x65\x83\xba", FIELD(kind)); /* cmpl $, %gs:(%rdx) */
	w_num(w, FOLD_TAIL, 1);
	*call = jcc(w, COND_JNE);
	*again = leave_tail(w, none);
	w_fill_as(w, SAVED, RAX, WIN_FOLD_NOW);
	add_up(w, FOLD_TAIL_TOOK);
	pop(w);
	comes_to(w, FOLD_LOOKS);
	jmp_to(w, at);
	return at;
}

/* A stub's jump, noted in the record of its call. */
static struct elsewhere fold_on(struct writer *w, uint32_t none,
				uint32_t tails, struct elsewhere *again)
{
	struct elsewhere l;

	STEP(w, "\x8b\x41\xfc"); /* mov -4(%rcx), %eax */
	l = look_up(w);
	w_fill_as(w, SAVED, RAX, WIN_FOLD_NOW);
	STEP_ON(w, "\x65\x48\x2b\x82", FIELD(instructions)); /* sub, %rax */
	w_spill_as(w, SAVED, RAX, WIN_FOLD_ON);
	*again = leave_tail(w, none);
	w_fill_as(w, SAVED, RAX, WIN_FOLD_ON);
	add_up(w, FOLD_ON_TOOK);
	STEP(w, "\xc7\x41\xfc\0\0\0\0"); /* movl $0, -4(%rcx) */
	comes_to(w, FOLD_LOOKS);
	jmp_to(w, tails);
	return l;
}

/* A call, whose entry is in rdx. Returns what goes to where its record notes a
 * stub's jump. kept: the count was. */
static uint8_t *fold_call(struct writer *w, uint32_t none, bool kept)
{
	uint8_t *on;

	STEP(w, "\x81\x79\xfc\xff\xff\xff\x0f"); /* cmpl $, -4(%rcx) */
	on = jcc(w, COND_JA);
	choose(w, FIELD(caller), 1, sizeof(struct fold_half), none);
	choose(w, FIELD(called), 0, sizeof(struct fold_sums), none);
	w_spill_as(w, SAVED, RDX, WIN_FOLD);
	if (kept)
		w_fill_as(w, SAVED, RAX, WIN_FOLD_NOW);
	else
		hop_put_count(w, SAVED, 0);
	add_up(w, FOLD_CALL_TOOK);
	pop(w);
	comes_to(w, FOLD_DONE);
	w_fill_as(w, SAVED, RDX, WIN_RDX);
	w_fill_as(w, SAVED, RAX, WIN_RAX);
	w_mark(w, SAVED, 0);
	w_jmp_slot(w, WIN_LANDING);
	comes_to(w, FOLD_LOOKS);
	return on;
}

/* It cannot: back to a jump, which lies before where it goes if it has. */
static void give_up(struct writer *w)
{
	comes_to(w, FOLD_LOOKS);
	w_fill_as(w, SAVED, RDX, WIN_RDX);
	w_fill_as(w, SAVED, RAX, WIN_RAX);
	w_mark(w, BEGINS, 0);
	w_fill(w, RCX, WIN_LANDING);
	w_mark(w, BEGINS, 0);
	w_code(w, "\x48\x8d\x49\xfb"); /* lea -5(%rcx), %rcx */
	w_mark(w, BEGINS, 0);
	w_code(w, "\xff\xe1"); /* jmp *%rcx */
}

void fold_routine(struct region *rg)
{
	struct writer w = { .rg = rg, .s = &rg->cold };
	uint32_t none = stream_at(w.s), tails;
	uint8_t *tail, *call, *on[2];
	struct elsewhere looks[3], again[2];

	rg->n_fold_steps = 0;
	give_up(&w);
	rg->fold = stream_at(w.s);
	w_mark(&w, BEGINS, 0);
	w_spill(&w, RAX, WIN_RAX);
	w_mark(&w, BEGINS | REWIND_RAX, 0);
	w_spill(&w, RDX, WIN_RDX);
	w_fill_as(&w, SAVED, RCX, WIN_RING);
	looks[0] = look_at(&w);
	tail = jcc(&w, COND_JE);
	see_back(&w, none);
	on[0] = fold_call(&w, none, false);
	leads_here(&w, tail);
	looks[1] = find_call(&w, none);
	tails = fold_tails(&w, none, &call, &again[0]);
	leads_here(&w, call);
	on[1] = fold_call(&w, none, true);
	leads_here(&w, on[0]);
	keep_entry(&w);
	keep_count(&w);
	leads_here(&w, on[1]);
	looks[2] = fold_on(&w, none, tails, &again[1]);
	for (unsigned i = 0; i < 3; i++)
		look_on(&w, &looks[i], none);
	for (unsigned i = 0; i < 2; i++)
		leave_again(&w, &again[i], none);
	comes_to(&w, FOLD_BEHIND);
}
