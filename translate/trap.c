/*
 * The traps that translated code makes on purpose: a thread has come to a stub,
 * or to the entry of a block that was dropped. It has been rewound, and goes on
 * as the stub's kind says.
 */
#include "translate/trap.h"

#include <signal.h>

#include "translate/block.h"
#include "translate/callback.h"
#include "translate/collects.h"
#include "translate/counts.h"
#include "translate/exclude.h"
#include "translate/flows.h"
#include "translate/gate.h"
#include "translate/ring.h"
#include "translate/x86_64/callee.h"
#include "translate/runs.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

struct trap {
	struct translator *tr;
	struct thread *th, *low;
	struct follow *f;
	struct stub stub; /* a copy: stubs move */
	uint64_t cpc;
};

/* Returns true for what the layer above is to be told; *ev says what. */
typedef bool trap_fn(struct trap *t, struct stop *ev);

static void count_slow(struct translator *tr, unsigned kind)
{
	struct translate_stats *st = &tr->stats;
	uint64_t *const counters[N_SLOW_KINDS] = {
		[SLOW_CONTINUATION] = &st->slow_jmp_continuation,
		[SLOW_CALL_IMM] = &st->slow_call_imm,
		[SLOW_CALL_REG] = &st->slow_call_reg,
		[SLOW_CALL_MEM] = &st->slow_call_mem,
		[SLOW_RET] = &st->slow_ret,
		[SLOW_JMP_IMM] = &st->slow_jmp_imm,
		[SLOW_JMP_REG] = &st->slow_jmp_reg,
		[SLOW_JMP_MEM] = &st->slow_jmp_mem,
		[SLOW_JMP_COND] = &st->slow_jmp_cond,
		[SLOW_JMP_COND_JCXZ] = &st->slow_jmp_cond_jcxz,
		[SLOW_INDIRECT] = &st->slow_indirect,
	};

	st->slow++;
	++*counters[kind < N_SLOW_KINDS ? kind : SLOW_INDIRECT];
}

static bool trap_exit(struct trap *t, struct stop *ev)
{
	count_slow(t->tr, t->stub.slow);
	(void)ev;
	t->tr->stats.exits++;
	follow_run_on(t->tr, t->low, t->f);
	return false;
}

static void land(struct trap *t, bool is_return)
{
	struct space *sp = t->f->space;
	uint8_t *image = follow_image(t->tr, t->low, false);
	struct block *b;
	uint64_t pc;

	if (!image)
		return;
	pc = *image_reg(image, IMAGE_RIP);
	if (run_returned(t->th, pc)) {
		follow_run_on(t->tr, t->low, t->f);
		return;
	}
	b = follow_block(t->tr, sp, pc);
	if (b && !compile_landing(sp, b, is_return) &&
	    process_make_room(t->tr, sp, pc)) {
		b = follow_block(t->tr, sp, pc);
		if (b)
			compile_landing(sp, b, is_return);
	}
	follow_run_on(t->tr, t->low, t->f);
}

static bool trap_indirect(struct trap *t, struct stop *ev)
{
	uint8_t *image = follow_image(t->tr, t->low, false);
	const uint8_t *window = window_page(t->f->space, t->f->window);

	(void)ev;
	count_slow(t->tr, t->tr->observed ? window[WIN_SLOW] : SLOW_INDIRECT);
	t->tr->stats.indirect_misses++;
	if (image)
		callee_note(t->f->space, *image_reg(image, IMAGE_RIP));
	land(t, false);
	return false;
}

static bool trap_return(struct trap *t, struct stop *ev)
{
	(void)ev;
	t->tr->stats.return_misses++;
	count_slow(t->tr, SLOW_RET);
	land(t, true);
	return false;
}

static bool trap_learn(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	uint8_t *image = follow_image(t->tr, t->low, false);
	struct region *rg = space_region_at(sp, t->cpc);
	uint64_t target = 0;
	uint32_t at;

	(void)ev;
	t->tr->stats.learned++;
	count_slow(t->tr, t->stub.slow);
	if (!image)
		return false;
	branch_target(sp, image, *follow_special(t->low, t->tr->fs_base),
		      &target);
	at = compile_learn(sp, rg, t->stub.arg, target);
	flow_stays(t->f);
	follow_enter(t->tr, t->low, t->f, rg->addr + at);
	follow_go(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

static bool trap_native(struct trap *t, struct stop *ev)
{
	(void)ev;
	follow_step_on(t->tr, t->low, t->f, WAIT_NATIVE);
	return false;
}

static bool trap_syscall(struct trap *t, struct stop *ev)
{
	struct region *rg = space_region_at(t->f->space, t->cpc);
	uint8_t *image = follow_image(t->tr, t->low, false);

	(void)ev;
	if (!image)
		return false;
	t->tr->stats.syscalls_watched++;
	t->f->watch = watch_call(t->f->space, image);
	if (process_yield(t->tr, t->th, t->f->watch.traces))
		return false;
	if (t->f->watch.way == WATCH_LEAVE) {
		if (process_let_go(t->tr, t->th->proc))
			return false;
		t->f->watch.way = WATCH_PLAIN;
	}
	if (t->f->watch.way == WATCH_PLAIN) {
		if (watch_may_end((uint32_t)*image_reg(image, IMAGE_RAX)))
			flow_reaches(t->tr, t->f);
		flow_stays(t->f);
		follow_enter(t->tr, t->low, t->f, rg->addr + t->stub.arg);
		follow_go(t->tr, t->low, RESUME_CONT, 0);
		return false;
	}
	if (t->f->watch.way == WATCH_RETURN)
		t->tr->stats.native_returns++;
	else
		t->tr->stats.native_syscalls++;
	follow_step_on(t->tr, t->low, t->f, WAIT_CALL);
	return false;
}

static bool trap_stale(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	struct block *b = block_find(sp, t->stub.pc);

	(void)ev;
	t->tr->stats.stale++;
	if (b && block_ref(sp, b) == t->stub.arg)
		block_drop(sp, b);
	follow_run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_gate(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	const struct block *b = block_at(sp, t->stub.arg);

	(void)ev;
	t->tr->stats.gates++;
	sp->by = t->low;
	gates_renew(sp, b->pc, b->pc + b->length);
	follow_run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_trust(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	struct block *b = block_find(sp, t->stub.pc);

	(void)ev;
	t->tr->stats.trusted++;
	map_set(&sp->trusted, t->stub.pc + 1, sp);
	if (b && block_ref(sp, b) == t->stub.arg)
		block_drop(sp, b);
	follow_run_on(t->tr, t->low, t->f);
	return false;
}

/* As the processor does. */
static void set_resumes(struct trap *t)
{
	uint8_t *image = follow_image(t->tr, t->low, true);

	if (image)
		*image_flags(image) |= FLAG_RESUMES;
}

/* There may be another one, in a debug register. NULL: it does not stop there. */
static const struct point *point_that_stops(struct trap *t,
					    const struct point *pt)
{
	const struct point *hw =
		point_find(t->th->proc, POINT_HW, t->stub.pc, 1);

	if (target_point_hit(&t->tr->t, t->th, pt))
		return pt;
	return hw && hw != pt && target_point_hit(&t->tr->t, t->th, hw) ? hw
									: NULL;
}

static bool trap_point(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	const struct point *pt = process_point(t->th->proc, t->stub.pc);
	uint8_t *image = follow_image(t->tr, t->low, false);
	struct compile_start start = { .pc = t->stub.pc, .at_point = true };
	const struct point *met;
	struct block *b;

	if (pt && image)
		follow_note_logged(t->th, t->f, image, pt);
	met = pt ? point_that_stops(t, pt) : NULL;
	if (met) {
		if (met->kind == POINT_HW)
			set_resumes(t);
		*ev = (struct stop){
			.id = t->th->id,
			.kind = met->kind == POINT_HW ? STOP_HWBREAK
						      : STOP_SWBREAK,
		};
		return true;
	}
	if (pt && pt->code && pt->code->filter)
		counts_grant(sp, pt->code->filter);
	start.puts = pt && image ? follow_puts(t->f, image) : 0;
	follow_pass(t->f, pt ? pt->code : NULL);
	b = pt ? follow_block_behind(t->tr, sp, &start) : NULL;
	if (!b) {
		follow_run_on(t->tr, t->low, t->f);
		return false;
	}
	follow_enter(t->tr, t->low, t->f, block_cpc(sp, b));
	follow_go(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

static bool trap_excluded(struct trap *t, struct stop *ev)
{
	(void)ev;
	if (exclude_enter(t->tr, t->low, t->f->space)) {
		follow_run_excluded(t->tr, t->low, t->f);
		return false;
	}
	exclude_not(t->f->space, &t->stub);
	follow_run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_drain(struct trap *t, struct stop *ev)
{
	struct region *rg = space_region_at(t->f->space, t->cpc);
	uint32_t at = t->stub.arg;

	(void)ev;
	t->tr->stats.drains++;
	ring_drain(t->tr, t->th, true);
	if (flow_turn(t->f))
		at = rg->turn_on;
	flow_stays(t->f);
	follow_enter(t->tr, t->low, t->f, rg->addr + at);
	follow_go(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

/* What it is about to do touches what is watched, or may. */
static bool trap_watch(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	struct region *rg = space_region_at(sp, t->cpc);
	struct compile_start start = { .pc = t->stub.pc,
				       .at_point = true,
				       .watched = true };
	struct block *b = NULL;

	(void)ev;
	t->tr->stats.watch_checks++;
	watchpoints_note(t->tr, t->low, t->f, true);
	if (!t->f->touched || !t->f->touched->n) {
		flow_stays(t->f);
		follow_enter(t->tr, t->low, t->f, rg->addr + t->stub.arg);
		follow_go(t->tr, t->low, RESUME_CONT, 0);
		return false;
	}
	if (check_repeats(sp, t->stub.pc))
		b = follow_block_behind(t->tr, sp, &start);
	if (!b) {
		follow_step_on(t->tr, t->low, t->f, WAIT_NATIVE);
		return false;
	}
	follow_enter(t->tr, t->low, t->f, block_cpc(sp, b));
	follow_go(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

static bool trap_watched(struct trap *t, struct stop *ev)
{
	if (watchpoints_told(t->tr, t->th, t->f, ev))
		return true;
	follow_run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_collect(struct trap *t, struct stop *ev)
{
	struct region *rg = space_region_at(t->f->space, t->cpc);

	(void)ev;
	t->tr->stats.collect_waits++;
	collect_drain(t->tr, t->th);
	flow_stays(t->f);
	follow_enter(t->tr, t->low, t->f, rg->addr + t->stub.arg);
	follow_go(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

/* The thread goes on behind the callout, if it is where it was, and the code
 * there is too. */
static void go_on_behind(struct trap *t, const struct region *rg, uint64_t born,
			 uint32_t at)
{
	uint8_t *image = follow_image(t->tr, t->low, false);

	if (!image)
		return;
	if (*image_reg(image, IMAGE_RIP) != t->stub.pc) {
		follow_run_on(t->tr, t->low, t->f);
	} else if (rg->born != born) {
		follow_note_puts(t->f, image, t->stub.puts + 1u);
		follow_run_on(t->tr, t->low, t->f);
	} else {
		flow_stays(t->f);
		follow_enter(t->tr, t->low, t->f, rg->addr + at);
		follow_go(t->tr, t->low, RESUME_CONT, 0);
	}
}

/* It goes on behind it once it is resumed. */
static bool stop_behind(struct trap *t, struct stop *ev)
{
	uint8_t *image = follow_image(t->tr, t->low, false);

	if (image && *image_reg(image, IMAGE_RIP) == t->stub.pc)
		follow_note_puts(t->f, image, t->stub.puts + 1u);
	*ev = (struct stop){
		.id = t->th->id,
		.kind = STOP_SIGNAL,
		.signo = SIGTRAP,
		.code = SIGNAL_TRAP,
	};
	return true;
}

static bool trap_callout(struct trap *t, struct stop *ev)
{
	const struct region *rg = space_region_at(t->f->space, t->cpc);
	const struct callout k = rg->callouts[t->stub.arg];
	struct ptid id = t->th->id;
	uint64_t born = rg->born;
	bool stops = callback_callout(t->tr, t->th, &k);

	if (!thread_find(&t->tr->t, id.tid))
		return false;
	if (stops)
		return stop_behind(t, ev);
	go_on_behind(t, rg, born, k.at);
	return false;
}

static bool trap_section(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	uint8_t *image = follow_image(t->tr, t->low, false);

	(void)ev;
	if (!image)
		return false;
	switch (section_begin(sp, t->low, image,
			      *follow_special(t->low, t->tr->fs_base),
			      &t->f->section)) {
	case SECTION_NONE:
		section_not(sp, space_region_at(sp, t->cpc), &t->stub);
		follow_run_on(t->tr, t->low, t->f);
		break;
	case SECTION_OTHER:
		follow_step_on(t->tr, t->low, t->f, WAIT_NATIVE);
		break;
	case SECTION_ARMS:
		t->f->wait = WAIT_SECTION;
		flow_skips(t->tr, t->f, *image_reg(image, IMAGE_RIP));
		t->tr->stats.sections++;
		follow_go(t->tr, t->low, RESUME_CONT, 0);
	}
	return false;
}

static trap_fn *const traps[] = {
	[STUB_EXIT] = trap_exit,     [STUB_INDIRECT] = trap_indirect,
	[STUB_RETURN] = trap_return, [STUB_LEARN] = trap_learn,
	[STUB_NATIVE] = trap_native, [STUB_SYSCALL] = trap_syscall,
	[STUB_STALE] = trap_stale,   [STUB_POINT] = trap_point,
	[STUB_DRAIN] = trap_drain,   [STUB_SECTION] = trap_section,
	[STUB_GATE] = trap_gate,     [STUB_EXCLUDED] = trap_excluded,
	[STUB_TRUST] = trap_trust,   [STUB_CALLOUT] = trap_callout,
	[STUB_COLLECT] = trap_collect, [STUB_WATCH] = trap_watch,
	[STUB_WATCHED] = trap_watched,
};

/*
 * The thread has met the trap at the entry of a block that was dropped: the
 * block before it in the stream falls through to it, or a return's landing
 * does. Neither is to come here again.
 */
static void bypass_dead(struct translator *tr, struct space *sp, uint64_t cpc)
{
	const struct region *rg = space_region_at(sp, cpc);
	struct block *b = rg ? block_dead_at(rg, cpc) : NULL, *now;
	struct block *before = b ? b - 1 : NULL;
	bool lands;

	if (!b)
		return;
	lands = b->return_landing;
	b->return_landing = 0;
	if (before > rg->blocks &&
	    !(before->flags & (BLOCK_DEAD | BLOCK_STEPPED)))
		block_drop(sp, before);
	now = lands ? follow_block(tr, sp, b->pc) : NULL;
	if (now)
		compile_landing(sp, now, true);
}

/* The thread has met a trap in the cache. */
bool follow_take_trap(struct translator *tr, struct thread *th,
		      struct follow *f, struct stop *ev)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);
	struct trap t = { .tr = tr, .th = th, .low = low, .f = f };
	const struct stub *stub;

	if (!image)
		return false;
	tr->stats.stops++;
	th->fresh = 0; /* of registers: those of an earlier stop */
	t.cpc = *image_reg(image, IMAGE_RIP) - 1;
	stub = follow_leave(tr, low, f, true);
	sigtrap_mend(tr, th);
	if (stub) {
		t.stub = *stub;
		return traps[stub->kind](&t, ev);
	}
	tr->stats.stale++;
	bypass_dead(tr, f->space, t.cpc);
	follow_run_on(tr, low, f);
	return false;
}
