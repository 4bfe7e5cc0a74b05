/* What one hit collects. */
#include <errno.h>
#include <string.h>

#include "tracepoint/tracing.h"

struct hit {
	struct target_hit at;
	struct tracing *tr;
	uint64_t missing; /* bytes that were looked for in vain */
};

/* As many are: to look costs a call or two for each page. */
#define MISSING_MOST (UINT64_C(64) << 20)

/* One that nobody has defined is 0. */
static int hit_getv(void *user, unsigned number, int64_t *value)
{
	struct hit *h = user;
	const struct trace_variable *v =
		trace_variable_find(&h->tr->variables, number);

	*value = v ? trace_variable_value(v) : 0;
	return 0;
}

static int hit_setv(void *user, unsigned number, int64_t value)
{
	struct hit *h = user;
	struct trace_variable *v =
		trace_variable_find(&h->tr->variables, number);

	if (!v) {
		trace_variable_set(&h->tr->variables, number, 0, "");
		v = trace_variable_find(&h->tr->variables, number);
	}
	v->value = value;
	return 0;
}

static int hit_tracev(void *user, unsigned number)
{
	struct hit *h = user;
	int64_t value;

	hit_getv(user, number, &value);
	frame_put_variable(&h->tr->frame, number, value);
	return 0;
}

/* A block of memory, or less where that ends: how much, 0 for nothing. */
static int64_t collect_block(struct hit *h, uint64_t addr, size_t len,
			     bool to_nul)
{
	struct buf *out = &h->tr->frame;
	const char *nul;
	ssize_t n;
	char *at;

	if (out->len + len > h->tr->buffer.capacity)
		return -ENOSPC;
	at = frame_reserve_memory(out, addr, len);
	n = target_read(h->at.t, h->at.th->proc, addr, at, len);
	if (n < 0)
		n = 0;
	nul = to_nul ? memchr(at, 0, (size_t)n) : NULL;
	if (nul)
		n = nul + 1 - at;
	frame_memory_is(out, (size_t)n);
	return nul ? 0 : n;
}

/* Strings are looked for in pieces that do not cross pages, as what is behind
 * their end may not be there. */
#define STRING_PIECE 256

#define PAGE 4096

/* How far on a page begins behind what cannot be read, n bytes after addr; at
 * most len. */
static uint64_t behind_hole(uint64_t addr, uint64_t n, uint64_t len)
{
	uint64_t to = n + PAGE - (addr + n) % PAGE;

	return to < len ? to : len;
}

/* What cannot be read is not in the frame, which says as much to a client. More
 * than a buffer has room for is not looked for, by all of a hit's actions. */
static int hit_trace(void *user, uint64_t addr, uint64_t len, bool to_nul)
{
	struct hit *h = user;
	uint64_t most = h->tr->buffer.capacity;

	if (len > most)
		len = most;
	if (most > MISSING_MOST)
		most = MISSING_MOST;
	while (len && h->missing < most) {
		uint64_t want = to_nul ? STRING_PIECE - addr % STRING_PIECE
				       : FRAME_MEMORY_MAX;
		int64_t n;

		if (want > len)
			want = len;
		n = collect_block(h, addr, want, to_nul);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n < want && to_nul)
			break;
		if ((uint64_t)n < want) {
			want = behind_hole(addr, (uint64_t)n, want);
			h->missing += want - (uint64_t)n;
		}
		addr += want;
		len -= want;
	}
	return 0;
}

static struct ax_env env_of(struct hit *h)
{
	return (struct ax_env){
		.reg = target_hit_reg,
		.mem = target_hit_mem,
		.getv = hit_getv,
		.setv = hit_setv,
		.tracev = hit_tracev,
		.trace = hit_trace,
		.user = h,
	};
}

/* Memory that is not there is the program's business, and ends nothing. */
static int judge(int r, const char **why)
{
	switch (r) {
	case -EDOM:
		*why = "divide by zero";
		return r;
	case -ETIMEDOUT:
		*why = "endless loop";
		return r;
	case -ENOSPC:
		return r;
	case -ENOSYS:
	case -EINVAL:
		*why = "expression that cannot be evaluated";
		return r;
	default:
		return 0;
	}
}

static int collect_registers(struct hit *h)
{
	const uint8_t *regs = target_regs_all(h->at.t, h->at.th);

	/* Of a program of another kind the file's format has no room. */
	if (regs && h->at.th->proc->arch->regs_size == h->tr->regs_size)
		frame_put_registers(&h->tr->frame, regs, h->tr->regs_size);
	return 0;
}

static int collect_memory(struct hit *h, const struct trace_action *a)
{
	uint64_t base = 0;

	if (a->base != TRACE_NO_REGISTER &&
	    target_reg_u64(h->at.t, h->at.th, a->base, &base) < 0)
		return 0;
	return hit_trace(h, base + a->offset, a->len, false);
}

static int collect(struct hit *h, const struct trace_action *a)
{
	struct ax_env env = env_of(h);

	switch (a->kind) {
	case TRACE_REGISTERS:
		return collect_registers(h);
	case TRACE_MEMORY:
		return collect_memory(h, a);
	default:
		return ax_eval(a->program, &env, NULL);
	}
}

int trace_collect(struct tracing *tr, struct target *t, struct thread *th,
		  struct tracepoint *tp, const struct trace_actions *actions,
		  uint64_t pc, const char **why)
{
	struct hit h = { .at = { t, th }, .tr = tr };
	int r = 0, e;

	frame_begin(&tr->frame, tp->number);
	for (size_t i = 0; i < actions->n && r >= 0; i++)
		r = judge(collect(&h, &actions->list[i]), why);
	if (r == -ENOSPC)
		return r;
	frame_end(&tr->frame);
	e = trace_buffer_add(&tr->buffer, tr->frame.data, tr->frame.len, pc);
	if (e >= 0)
		tp->usage += tr->frame.len;
	return e < 0 ? e : r;
}

int trace_condition(struct tracing *tr, struct target *t, struct thread *th,
		    const struct tracepoint *tp, const char **why)
{
	struct hit h = { .at = { t, th }, .tr = tr };
	struct ax_env env = env_of(&h);
	int64_t v = 0;
	int r;

	if (!tp->condition)
		return 1;
	buf_reset(&tr->frame);
	r = judge(ax_eval(tp->condition, &env, &v), why);
	return r < 0 ? r : v != 0;
}
