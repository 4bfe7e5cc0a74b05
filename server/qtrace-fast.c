/*
 * Fast tracepoints: what they collect is written to memory by translated code,
 * with no stop, and becomes frames when it is read. The process is followed for
 * as long as the run lasts.
 *
 * What translated code cannot collect so, or not as a trap tracepoint would, is
 * left to those: see tracepoint-run.c.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/program.h"
#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"
#include "tracepoint/late.h"
#include "translate/collect.h"
#include "translate/record.h"
#include "translate/translate.h"

/* Those that translated code has at hand: rax to r15, rip, eflags. */
#define N_QUICK	   18
#define QUICK	   ((1u << N_QUICK) - 1)
#define QUICK_SIZE (8 * N_QUICK)
#define ITEMS_MOST COLLECT_PARTS

struct fast {
	pid_t pid;		 /* of the process that is followed for them */
	bool full;		 /* a frame had no room */
	int last;		 /* collector's number */
	const struct arch *arch; /* of that process; borrowed */
	uint8_t *regs; /* owned; what the others of a frame's registers are */
	struct trace_late late; /* of a circular buffer: frames that have no
				 * registers but the quick ones yet */
	struct buf whole;	/* a frame with all of them */
};

/* --- frames --------------------------------------------------------------- */

static struct tracepoint *point_of(const struct tracing *tr, int number)
{
	struct tracepoint *tp;

	list_each(tp, &tr->points, node) {
		if (tp->collector == number)
			return tp;
	}
	return NULL;
}

static const void *whole_registers(struct fast *f, const uint8_t *quick)
{
	for (unsigned i = 0; i < N_QUICK; i++)
		memcpy(f->regs + f->arch->regs[i].packed_at, quick + 8 * i,
		       f->arch->regs[i].bits / 8);
	return f->regs;
}

static void put_memory(struct buf *out, const struct collect_part *part)
{
	memcpy(frame_reserve_memory(out, part->addr, part->length), part->data,
	       part->length);
	frame_memory_is(out, part->length);
}

/* With the quick registers alone; how much longer it will be with the others.
 */
static size_t put_parts(struct session *s, const struct tracepoint *tp,
			const struct collect_hit *hit)
{
	struct buf *out = &s->tracer.tr.frame;
	size_t more = 0;

	for (unsigned i = 0; i < hit->n_parts; i++) {
		const struct collect_part *part = &hit->parts[i];

		if (part->error || !part->length || part->item >= tp->actions.n)
			continue;
		if (tp->actions.list[part->item].kind != TRACE_REGISTERS) {
			put_memory(out, part);
		} else if (part->length >= QUICK_SIZE) {
			frame_put_registers(out, part->data, QUICK_SIZE);
			more += s->tracer.fast->arch->regs_size - QUICK_SIZE;
		}
	}
	return more;
}

/* With all registers, of one with the quick ones, to the buffer. */
static void add_whole(struct session *s, const uint8_t *data, size_t len,
		      uint64_t pc)
{
	const struct frame quick = { data, len, QUICK_SIZE };
	struct fast *f = s->tracer.fast;
	struct frame_block block;
	size_t pos = 0;

	frame_begin(&f->whole, frame_tracepoint(&quick));
	while (frame_next(&quick, &pos, &block)) {
		if (block.type == 'R') {
			frame_put_registers(&f->whole,
					    whole_registers(f, block.data),
					    f->arch->regs_size);
			continue;
		}
		memcpy(frame_reserve_memory(&f->whole, block.addr, block.len),
		       block.data, block.len);
		frame_memory_is(&f->whole, block.len);
	}
	frame_end(&f->whole);
	if (trace_buffer_add(&s->tracer.tr.buffer, f->whole.data, f->whole.len,
			     pc) < 0)
		f->full = true;
}

static void add_late(struct session *s)
{
	struct fast *f = s->tracer.fast;
	struct trace_late_entry e;

	trace_late_begin(&f->late, &s->tracer.tr.buffer);
	while (trace_late_take(&f->late, &e))
		add_whole(s, e.data, e.len, e.pc);
}

static void collected(void *user, const struct collect_hit *hit)
{
	struct session *s = user;
	struct tracing *tr = &s->tracer.tr;
	struct tracepoint *tp = point_of(tr, hit->id);
	struct trace_late_entry e = { .pc = hit->pc };

	if (!tp || hit->error || !tr->running || s->tracer.fast->full)
		return;
	tp->hits++;
	frame_begin(&tr->frame, tp->number);
	e.frame_len = (uint32_t)put_parts(s, tp, hit);
	frame_end(&tr->frame);
	e.data = (const uint8_t *)tr->frame.data;
	e.len = (uint32_t)tr->frame.len;
	e.frame_len += e.len;
	if (tr->buffer.circular && e.frame_len <= tr->buffer.capacity)
		trace_late_add(&s->tracer.fast->late, &tr->buffer, &e);
	else
		add_whole(s, e.data, e.len, e.pc);
	if (!s->tracer.fast->full)
		tp->usage += e.frame_len;
}

/* --- what can be collected so --------------------------------------------- */

/* No variables, which are ours, nor what may end the run. */
static bool is_plain(const struct ax_program *p)
{
	for (size_t i = 0; p && i < p->n_insns; i++) {
		switch (p->insns[i].op) {
		case AX_GETV:
		case AX_SETV:
		case AX_TRACEV:
		case AX_TRACENZ:
		case AX_PRINTF:
		case AX_DIV_SIGNED:
		case AX_DIV_UNSIGNED:
		case AX_REM_SIGNED:
		case AX_REM_UNSIGNED:
			return false;
		}
	}
	return true;
}

static bool item_of(const struct trace_action *a, struct collect_item *out)
{
	*out = (struct collect_item){
		.base = a->base == TRACE_NO_REGISTER ? -1 : (int)a->base,
		.offset = (int64_t)a->offset,
		.length = (uint32_t)a->len,
		.code = a->program,
	};
	switch (a->kind) {
	case TRACE_REGISTERS:
		out->what = COLLECT_REGISTERS;
		out->registers = QUICK;
		return true;
	case TRACE_MEMORY:
		out->what = COLLECT_MEMORY;
		return a->len && a->len <= FRAME_MEMORY_MAX;
	default:
		out->what = COLLECT_TRACES;
		return is_plain(a->program);
	}
}

static bool items_of(const struct tracepoint *tp, struct collect_item *items)
{
	if (tp->kind != TRACEPOINT_FAST || tp->steps || tp->pass_count ||
	    tp->actions.n > ITEMS_MOST || !is_plain(tp->condition))
		return false;
	for (size_t i = 0; i < tp->actions.n; i++) {
		if (!item_of(&tp->actions.list[i], &items[i]))
			return false;
	}
	return true;
}

/* --- following ------------------------------------------------------------ */

static bool any_runs(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			return true;
	}
	return false;
}

/* Of a program the segment registers, and what else a frame has room for. */
static uint8_t *other_registers(struct session *s, const struct process *p)
{
	uint8_t *regs = xcalloc(1, p->arch->regs_size);
	struct thread *th = session_thread(s);
	const uint8_t *now =
		th && !th->running ? target_regs_all(s->target, th) : NULL;

	for (unsigned i = N_QUICK; now && i < p->arch->n_regs; i++) {
		const struct regdesc *d = &p->arch->regs[i];

		if (d->bits == 32 && d->regset == REGSET_GENERAL)
			memcpy(regs + d->packed_at, now + d->packed_at, 4);
	}
	return regs;
}

/* All threads of the process are followed; no process but one is. */
static bool follow(struct session *s, struct process *p)
{
	struct tracer *tc = &s->tracer;
	struct err e;

	if (tc->fast)
		return tc->fast->pid == p->pid;
	if (any_runs(p) || p->arch->word != 8)
		return false;
	if (translate_lend(s->target, p, &e) < 0)
		return false;
	tc->fast = xcalloc(1, sizeof(*tc->fast));
	tc->fast->pid = p->pid;
	tc->fast->arch = p->arch;
	tc->fast->regs = other_registers(s, p);
	translate_on_collect(s->target, collected, s);
	return true;
}

bool fast_install(struct session *s, struct process *p, struct tracepoint *tp)
{
	struct collect_item items[ITEMS_MOST];
	struct collect_spec spec = {
		.pc = tp->addr,
		.when = tp->condition,
		.items = items,
		.n_items = (unsigned)tp->actions.n,
	};
	bool quick = false;
	int r;

	if (tp->collector)
		return true;
	/* Where a thread stops anyway nothing is gained. */
	if (point_is_traced(p, tp->addr) || !items_of(tp, items) ||
	    !follow(s, p))
		return false;
	spec.id = ++s->tracer.fast->last;
	r = translate_collect_add(s->target, p, &spec, &quick);
	if (r >= 0 && !quick)
		translate_collect_drop(s->target, p, r);
	if (r < 0 || !quick)
		return false;
	tp->collector = spec.id;
	tp->handle = r;
	return true;
}

void fast_uninstall(struct session *s, struct tracepoint *tp)
{
	struct process *p;

	if (!tp->collector)
		return;
	p = process_find(s->target, s->tracer.fast->pid);
	if (p)
		translate_collect_drop(s->target, p, tp->handle);
	tp->collector = 0;
}

void fast_drain(struct session *s)
{
	if (!s->tracer.fast)
		return;
	translate_collect_drain(s->target);
	add_late(s);
}

void fast_settle(struct session *s)
{
	fast_drain(s);
	if (s->tracer.fast && s->tracer.fast->full)
		trace_stop(s, TRACE_FULL);
}

void fast_end(struct session *s)
{
	struct fast *f = s->tracer.fast;
	struct tracepoint *tp;
	struct process *p;

	if (!f)
		return;
	list_each(tp, &s->tracer.tr.points, node)
		fast_uninstall(s, tp);
	translate_on_collect(s->target, NULL, NULL);
	p = process_find(s->target, f->pid);
	if (p)
		translate_take_back(s->target, p);
	trace_late_fini(&f->late);
	buf_fini(&f->whole);
	free(f->regs);
	free(f);
	s->tracer.fast = NULL;
}
