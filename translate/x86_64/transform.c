/*
 * The transformer's side of a block that is being written. What is put is
 * numbered, for each instruction anew, and so are the boundaries behind it: a
 * thread that goes on from there has a block of its own, for which the
 * transformer is asked once more and what was executed is not written again.
 */
#include "translate/transform.h"

#include <errno.h>

#include "translate/callback.h"
#include "translate/collects.h"
#include "translate/layer.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/expression.h"

#define PUTS_MAX	 256 /* of a block */
#define PUTS_BYTES	 (PUTS_MAX * X86_INSN_MAX)
#define COUNT_BYTES	 160u
#define SET_BYTES	 200u
#define CONDITIONS_BYTES 4096u /* beside those */

struct transform {
	struct compiler *c;
	const struct insn *now; /* NULL: none, or it was kept */
	unsigned n;		/* of the one that comes next */
	unsigned n_puts, n_bytes;
	size_t conditions; /* bytes */
	bool over;	   /* the block is */
	uint64_t next;	   /* then: where the code that comes next continues */
};

/* --- putting ------------------------------------------------------------- */

bool put_begin(struct compiler *c)
{
	return ++c->seq > c->done;
}

/* The jump to a stub; behind it, and skip bytes more, the thread goes on. */
static void write_call(struct compiler *c, callout_fn *fn, void *user,
		       uint32_t skip)
{
	struct callout k = { .fn = fn, .user = user };
	struct stub stub = { .pc = c->w.pc, .kind = STUB_CALLOUT };

	w_mark(&c->w, 0, 0);
	k.at = stream_at(c->w.s) + 5 + skip;
	stub.arg = callout_new(c->w.rg, &k);
	w_jmp_at(&c->w, w_stub(&c->w, &stub));
}

void callout_write(struct compiler *c, callout_fn *fn, void *user)
{
	if (!put_begin(c))
		return;
	write_call(c, fn, user, 0);
	put_end(c);
}

#define LANDING 9u /* bytes of expression_lands() */

static void write_conditional(struct compiler *c, const struct ax_program *when,
			      callout_fn *fn, void *user)
{
	uint32_t jump;

	if (!put_begin(c))
		return;
	jump = expression_write(&c->w, when);
	write_call(c, fn, user, LANDING);
	expression_lands(&c->w, jump);
	c->sp->tr->stats.conditions++;
	put_end(c);
}

/* Is there a whole number of instructions which can be executed anywhere, and
 * in the cache? How many, or -EINVAL. */
static int count(const uint8_t *code, size_t n)
{
	struct insn i = { .ok = true };
	int all = 0, length;

	for (; n; n -= (size_t)length, code += length, all++) {
		length = x86_decode(code, n, X86_MODE_64, &i.in);
		if (length < 0 || i.in.rip_relative || !insn_is_movable(&i))
			return -EINVAL;
	}
	return all;
}

static int room(struct transform *it, int n, size_t bytes)
{
	if (!it->now || n < 0)
		return -EINVAL;
	if (it->n_puts + (unsigned)n > PUTS_MAX ||
	    it->n_bytes + bytes > PUTS_BYTES)
		return -ENOSPC;
	it->n_puts += (unsigned)n;
	it->n_bytes += (unsigned)bytes;
	return 0;
}

int transform_put(struct transform *it, const void *code, size_t n)
{
	int r = room(it, count(code, n), n), length;
	const uint8_t *at = code;
	struct x86_instr in;

	for (; r == 0 && n; n -= (size_t)length, at += length) {
		length = x86_decode(at, n, X86_MODE_64, &in);
		if (!put_begin(it->c))
			continue;
		w_mark(&it->c->w, 0, 0);
		w_bytes(&it->c->w, at, (size_t)length);
		put_end(it->c);
	}
	return r;
}

int transform_callout(struct transform *it, callout_fn *fn, void *user)
{
	int r = room(it, 1, X86_INSN_MAX);

	if (r == 0)
		callout_write(it->c, fn, user);
	return r;
}

int transform_callout_if(struct transform *it, const struct ax_program *when,
			 callout_fn *fn, void *user)
{
	size_t size = when ? expression_size(when) : 0;

	int r;

	if (!size || it->conditions + size > CONDITIONS_BYTES) {
		it->c->sp->tr->stats.conditions_called += when != NULL;
		return transform_callout(it, fn, user);
	}
	r = room(it, 1, X86_INSN_MAX);
	if (r < 0)
		return r;
	it->conditions += size;
	write_conditional(it->c, when, fn, user);
	return 0;
}

int transform_count(struct transform *it, const struct ax_program *when, int id)
{
	size_t size = COUNT_BYTES + (when ? expression_size(when) : 0);
	struct compiler *c = it->c;

	if (!it->now)
		return -EINVAL;
	if ((when && size == COUNT_BYTES) ||
	    it->conditions + size > CONDITIONS_BYTES)
		return -ENOTSUP;
	it->conditions += size;
	if (!put_begin(c))
		return 0;
	expression_count(&c->w, when, region_counter(c->w.rg, id), c->seq);
	c->sp->tr->stats.conditions += when != NULL;
	put_end(c);
	return 0;
}

int transform_collect(struct transform *it, const struct collect_spec *spec)
{
	struct compiler *c = it->c;
	struct collector *rule;
	size_t size;

	if (!it->now)
		return -EINVAL;
	rule = collector_of_rule(c->sp, spec);
	size = collect_size(rule);
	if (!rule->compiled || it->conditions + size > CONDITIONS_BYTES) {
		c->sp->tr->stats.actions_called++;
		return transform_callout_if(it, spec->when, collector_met,
					    rule);
	}
	it->conditions += size;
	c->sp->tr->stats.actions++;
	c->sp->tr->stats.conditions += spec->when != NULL;
	collector_write(c, rule);
	return 0;
}

int transform_set(struct transform *it, const struct ax_program *when,
		  unsigned reg, const struct ax_program *value, int id)
{
	size_t size = expression_size(value),
	       more = when ? expression_size(when) : 1;
	struct compiler *c = it->c;
	struct setting what = { when, value, reg };

	if (!it->now)
		return -EINVAL;
	if (!size || !more || reg >= IMAGE_RIP ||
	    it->conditions + size + more + SET_BYTES > CONDITIONS_BYTES) {
		c->sp->tr->stats.actions_called++;
		return -ENOTSUP;
	}
	it->conditions += size + more + SET_BYTES;
	c->sp->tr->stats.actions++;
	if (!put_begin(c))
		return 0;
	setting_write(&c->w, &what, region_counter(c->w.rg, id), c->seq);
	put_end(c);
	return 0;
}

int transform_return(struct transform *it)
{
	if (!it->now)
		return -EINVAL;
	return_write(it->c);
	it->now = NULL;
	it->over = true;
	it->next = 0;
	return 0;
}

/* --- going on ------------------------------------------------------------ */

static void leave(struct transform *it)
{
	if (it->now)
		insn_begin(it->c, insn_next(it->now));
	it->now = NULL;
}

pid_t transform_pid(const struct transform *it)
{
	return it->c->sp->by->proc->pid;
}

bool transform_next(struct transform *it, struct transform_insn *out)
{
	leave(it);
	if (it->over || it->n == it->c->n_insns)
		return false;
	it->now = &it->c->insns[it->n++];
	*out = (struct transform_insn){
		.pc = it->now->pc,
		.bytes = it->now->bytes,
		.in = &it->now->in,
		.ok = it->now->ok,
	};
	return true;
}

void transform_keep(struct transform *it)
{
	if (it->now)
		it->over = insn_write(it->c, it->now, &it->next);
	it->now = NULL;
}

bool transform_write(struct compiler *c, uint64_t *next)
{
	struct transform it = { .c = c };
	struct transform_insn rest;

	callback_transform(c->sp, &it);
	while (transform_next(&it, &rest))
		transform_keep(&it);
	*next = it.next;
	return it.over;
}
