#include "trace/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Returns that match no call are rare, but in programs that make them often the
 * search for one should not be long. */
#define SEARCHED 65536

void calls_init(struct calls *c, const struct story *r,
		const struct calls_listener *to)
{
	*c = (struct calls){ .run = r, .to = *to };
}

static const struct story_block *block_at(const struct calls *c, uint32_t block)
{
	return &c->run->blocks[block];
}

static const struct story_step *step_at(const struct calls *c, uint32_t block)
{
	return &c->run->steps[block];
}

/* --- the stack ------------------------------------------------------------ */

/* Written in place: millions are made in a second. */
static void push(struct calls *c, enum call_kind kind, uint32_t site,
		 uint64_t back, uint32_t function)
{
	struct call *top;

	GROW(c->stack, c->n, c->cap, 64);
	top = &c->stack[c->n++];
	top->back = back;
	top->since = c->now;
	top->site = site;
	top->function = function;
	top->edge = top->node = top->hop = top->from = 0;
	top->level = 0;
	top->kind = (uint8_t)kind;
	c->function = function;
	if (c->to.enter)
		c->to.enter(c->to.user, c, top);
}

/* Those from that one on are over. */
static void pop_to(struct calls *c, uint32_t n)
{
	while (c->n > n) {
		if (c->to.leave)
			c->to.leave(c->to.user, c, calls_top(c));
		c->n--;
	}
}

/* All but the bottom may go: what is executed is a part of something. */
static uint32_t leave_for(struct calls *c, uint32_t i, uint32_t function)
{
	uint32_t site = c->stack[i].site;

	pop_to(c, i);
	c->function = function;
	return site;
}

void calls_end(struct calls *c)
{
	pop_to(c, 0);
	free(c->stack);
	c->stack = NULL;
	c->cap = 0;
}

static uint32_t caller(const struct calls *c, const struct call *call)
{
	return c->run->steps[call->site].function;
}

/* --- jumps to other functions --------------------------------------------- */

static void push_tail(struct calls *c, uint32_t site, uint32_t function)
{
	push(c, CALL_TAIL, site, 0, function);
}

/* The linker's own part is not between a stub and what it is linked to. */
static uint32_t leave_linker(struct calls *c, uint32_t site)
{
	while (calls_top(c)->kind == CALL_TAIL &&
	       c->run->functions[calls_top(c)->function].flags &
		       FUNCTION_LINK) {
		site = calls_top(c)->site;
		pop_to(c, c->n - 1);
	}
	return site;
}

/* Back to what has jumped here: a function whose parts lie apart. */
static bool jump_back(struct calls *c, uint32_t function)
{
	for (uint32_t i = c->n; i-- > 1;) {
		if (c->stack[i].kind != CALL_TAIL)
			return false;
		if (caller(c, &c->stack[i]) == function) {
			leave_for(c, i, function);
			return true;
		}
	}
	return false;
}

/* Into the middle of a function that waits for a call of its own. */
static bool unwind(struct calls *c, uint32_t function)
{
	for (uint32_t i = c->n; i-- > 1;) {
		if (caller(c, &c->stack[i]) == function) {
			leave_for(c, i, function);
			return true;
		}
	}
	return false;
}

/* Two functions that go on in each other for ever do not pile up: one that is
 * in the chain of tail calls twice already begins anew there. */
static void drop_repeated(struct calls *c, uint32_t function)
{
	unsigned times = 0;
	uint32_t latest = 0;

	for (uint32_t i = c->n; i-- > 1 && c->stack[i].kind == CALL_TAIL;) {
		if (c->stack[i].function != function)
			continue;
		latest = times++ ? latest : i;
	}
	if (times > 1)
		pop_to(c, latest);
}

static uint32_t jump(struct calls *c, uint32_t prev, unsigned end,
		     const struct calls_place *to)
{
	bool computed = end == END_JUMP_IND || end == END_RET ||
			end == END_SYSCALL;

	if (to->function == c->function)
		return prev;
	if (to->begin != c->run->functions[to->function].begin) {
		if (jump_back(c, to->function))
			return prev;
		if (computed && unwind(c, to->function))
			return 0;
	}
	if (step_at(c, prev)->flags & FUNCTION_LINK)
		prev = leave_linker(c, prev);
	drop_repeated(c, to->function);
	push_tail(c, prev, to->function);
	return 0;
}

/* --- calls, returns, signals ---------------------------------------------- */

static uint32_t call(struct calls *c, uint32_t prev,
		     const struct calls_place *to)
{
	uint64_t back = step_at(c, prev)->behind;

	/* How position-independent code asks where it is. */
	if (to->begin == back && to->function == c->function)
		return prev;
	push(c, CALL_REAL, prev, back, to->function);
	return 0;
}

static uint32_t ret(struct calls *c, uint32_t prev,
		    const struct calls_place *to)
{
	uint32_t least = c->n > SEARCHED ? c->n - SEARCHED : 0;

	for (uint32_t i = c->n; i-- > least;) {
		if (c->stack[i].back == to->begin)
			return leave_for(c, i, to->function);
	}
	return jump(c, prev, END_RET, to);
}

static bool is_within(const struct story_block *b, uint64_t place)
{
	return place - b->begin <= b->bytes;
}

/* What a return has led to, and no call, and what goes on elsewhere behind a
 * system call, is where handlers return to. */
static bool is_behind_handler(const struct calls *c)
{
	const struct call *top = &c->stack[c->n - 1];

	return c->n > 2 && top->kind == CALL_TAIL &&
	       step_at(c, top->site)->end == END_RET &&
	       top[-1].kind != CALL_SIGNAL && top[-1].site;
}

/* A signal that came between two blocks: its handler was taken for what the
 * first of them leads to, and now it is known what does. That block goes on if
 * another handler was over just before. */
static uint32_t go_anew(struct calls *c, const struct calls_place *to)
{
	uint32_t handler = c->n - 2;
	uint32_t site = leave_for(c, handler, caller(c, &c->stack[handler]));
	const struct story_block *b = block_at(c, site);

	if (to->begin != b->begin && is_within(b, to->begin))
		return site;
	return calls_go(c, site, step_at(c, site)->end, to);
}

/* A handler that goes elsewhere than to what was interrupted has changed its
 * frame. */
static uint32_t sigreturn(struct calls *c, uint32_t prev,
			  const struct calls_place *to)
{
	uint32_t latest = 0;

	if (is_behind_handler(c))
		return go_anew(c, to);
	for (uint32_t i = c->n; i-- > 1;) {
		if (c->stack[i].kind != CALL_SIGNAL)
			continue;
		if (is_within(block_at(c, c->stack[i].site), to->begin))
			return leave_for(c, i, to->function);
		latest = latest ? latest : i;
	}
	if (!latest)
		return jump(c, prev, END_SYSCALL, to);
	prev = leave_for(c, latest, caller(c, &c->stack[latest]));
	return jump(c, prev, step_at(c, prev)->end, to);
}

/* A system call that is restarted is executed again. */
static uint32_t behind_syscall(struct calls *c, uint32_t prev,
			       const struct calls_place *to)
{
	if (is_within(block_at(c, prev), to->begin))
		return jump(c, prev, END_SYSCALL, to);
	return sigreturn(c, prev, to);
}

uint32_t calls_interrupt(struct calls *c, uint32_t prev,
			 const struct calls_place *to)
{
	if (is_within(block_at(c, prev), to->begin))
		return prev;
	push(c, CALL_SIGNAL, prev, 0, to->function);
	return 0;
}

/* The first block, or the first that is known again. */
uint32_t calls_begin(struct calls *c, const struct calls_place *to)
{
	if (c->n) {
		if (to->function != c->function && !unwind(c, to->function))
			push_tail(c, 0, to->function);
		return 0;
	}
	push(c, CALL_ENTRY, 0, 0, to->function);
	return 0;
}

uint32_t calls_go(struct calls *c, uint32_t prev, unsigned end,
		  const struct calls_place *to)
{
	switch (end) {
	case END_CALL:
	case END_CALL_IND:
		return call(c, prev, to);
	case END_RET:
		return ret(c, prev, to);
	case END_SYSCALL:
		return behind_syscall(c, prev, to);
	default:
		return jump(c, prev, end, to);
	}
}

uint32_t calls_move(struct calls *c, uint32_t block)
{
	const struct story_step *s = step_at(c, block);
	const struct calls_place to = { s->begin, s->function };
	uint32_t prev = c->prev;

	if (!prev)
		return calls_begin(c, &to);
	if (!c->interrupted)
		return calls_go(c, prev, step_at(c, prev)->end, &to);
	c->interrupted = false;
	return calls_interrupt(c, prev, &to);
}

void calls_cut(struct calls *c, uint32_t instructions)
{
	if (!c->prev)
		return;
	c->now -= c->run->steps[c->prev].instructions - instructions;
	c->straight = false;
	c->interrupted = true;
}

void calls_lost(struct calls *c)
{
	c->prev = 0;
	c->straight = false;
	c->interrupted = false;
}
