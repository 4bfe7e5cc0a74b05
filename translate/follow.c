/*
 * A followed thread: in and out of the cache, what its traps and stops mean and
 * how it goes on. What concerns its process as a whole is in process.c.
 */
#include "translate/trap.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "translate/block.h"
#include "translate/call.h"
#include "translate/callback.h"
#include "translate/collects.h"
#include "translate/conditions.h"
#include "translate/exclude.h"
#include "translate/flows.h"
#include "translate/gate.h"
#include "translate/history.h"
#include "translate/ring.h"
#include "translate/runs.h"
#include "translate/siginfo.h"
#include "translate/stop.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/callee.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

/* --- registers ----------------------------------------------------------- */

uint8_t *follow_image(struct translator *tr, struct thread *low, bool dirty)
{
	uint64_t pc;

	if (target_reg_u64(tr->lower, low, low->proc->arch->pc, &pc) < 0)
		return NULL;
	if (dirty)
		low->dirty |= 1u << REGSET_GENERAL;
	return low->regs;
}

uint64_t *follow_special(struct thread *low, unsigned regno)
{
	return (uint64_t *)(void *)(low->regs +
				    low->proc->arch->regs[regno].packed_at);
}

int follow_go(struct translator *tr, struct thread *low, enum resume_kind kind,
	      int signo)
{
	struct resume act = { .who = low->id, .kind = kind, .signo = signo };

	return target_resume(tr->lower, &act, 1);
}

void follow_commit(struct translator *tr, struct thread *low)
{
	const struct target_guard_ops *guard = tr->lower->ops->guard;

	if (guard)
		guard->commit(tr->lower, low);
	else
		target_regs_flush(tr->lower, low);
}

/* --- into the cache and out of it ---------------------------------------- */

/* By a stub's signal. To the kernel the thread is in a system call then, which
 * must not become one that restarts. */
static bool is_at_stop(const struct space *sp, uint64_t pc)
{
	const struct trail *tl = trails_at(sp->trails, pc);

	return tl && trail_is_stopped(tl, pc);
}

/* Does a thread that has come to it leave the cache at that instruction? */
static bool is_left(const struct stub *stub)
{
	return stub->kind != STUB_LEARN && stub->kind != STUB_DRAIN &&
	       stub->kind != STUB_SECTION && stub->kind != STUB_CALLOUT &&
	       stub->kind != STUB_COLLECT && stub->kind != STUB_WATCH;
}

static uint32_t *selector(struct translator *tr, struct thread *low)
{
	return (uint32_t *)(void *)follow_special(low, tr->gs);
}

static void gs_of_program(struct translator *tr, struct thread *low,
			  struct follow *f)
{
	*follow_special(low, tr->gs_base) = f->gs_base;
	if (f->gs)
		*selector(tr, low) = f->gs;
	f->gs = 0;
}

static void gs_of_window(struct translator *tr, struct thread *low,
			 struct follow *f)
{
	uint8_t *window = window_page(f->space, f->window);

	f->gs_base = *follow_special(low, tr->gs_base);
	f->gs = has_fsgsbase() ? 0 : *selector(tr, low);
	memcpy(window + WIN_GS, &f->gs_base, sizeof(f->gs_base));
	memcpy(window + WIN_GS_SELECTOR, &f->gs, sizeof(f->gs));
	*follow_special(low, tr->gs_base) = window_addr(f->space, f->window);
	if (f->gs)
		*selector(tr, low) = 0;
}

const struct stub *follow_leave(struct translator *tr, struct thread *low,
				struct follow *f, bool trapped)
{
	uint8_t *image = follow_image(tr, low, true);
	const struct stub *stub = NULL;
	bool handled; /* by what the stub has brought it here for */
	unsigned puts;
	uint64_t cpc;
	int r = 0;

	f->in_cache = false;
	if (!image)
		return NULL;
	f->space->by = low;
	cpc = *image_reg(image, IMAGE_RIP) - trapped;
	puts = rewind_puts(f->space, cpc, window_page(f->space, f->window),
			   image);
	if (is_at_stop(f->space, *image_reg(image, IMAGE_RIP)))
		*follow_special(low, tr->orig_rax) = UINT64_MAX;
	/* In an excluded call, with its registers. */
	if (space_region_at(f->space, *image_reg(image, IMAGE_RIP)))
		r = rewind_image(f->space, window_page(f->space, f->window),
				 image, trapped, &stub);
	if (r < 0)
		debug(SESSION, "%d: no way back from %#lx (%d)", low->id.tid,
		      *image_reg(image, IMAGE_RIP), r);
	exclude_settle(tr, low, f);
	gs_of_program(tr, low, f);
	flow_left(f, cpc, stub, *image_reg(image, IMAGE_RIP));
	handled = trapped && stub && !is_left(stub);
	/* Before it has met the point there, be it at the entry of a block that
	 * has gone since. */
	if (!puts && (stub ? stub->kind == STUB_POINT
			   : trapped || follow_meets_point(f, image)))
		follow_keep_puts(f, image);
	else
		follow_note_puts(f, image, handled ? 0 : puts);
	tr->stats.rewinds++;
	return stub;
}

void follow_rewind(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	struct tr_thread *tt = tr_thread_of(th);
	uint8_t *image;
	bool trapped;

	if (!f || !f->in_cache || tr_process_of(th->proc)->has_execed)
		return;
	image = follow_image(tr, low, false);
	/* One that is owed a trap has been rewound from it, and has not run
	 * since. Excluded code, in the cheap form, has traps of its own. */
	trapped = image && !tt->trap_owed &&
		  siginfo_trapped(tr, low, f->space,
				  *image_reg(image, IMAGE_RIP));
	follow_leave(tr, low, f, trapped);
	tt->trap_owed |= trapped;
}

void follow_enter(struct translator *tr, struct thread *low, struct follow *f,
		  uint64_t cpc)
{
	uint8_t *image = follow_image(tr, low, true);

	if (!image)
		return;
	gs_of_window(tr, low, f);
	*image_reg(image, IMAGE_RIP) = cpc;
	flow_entered(tr, f, cpc);
	f->in_cache = true;
	f->excluded = false;
	tr->stats.entries++;
}

/* The kernel is to make the call before the pc again, or a signal's handler
 * comes first: both go by a pc behind the instruction. */
bool follow_restarts_call(const struct translator *tr, struct thread *low,
			  uint8_t *image)
{
	int64_t r = (int64_t)*image_reg(image, IMAGE_RAX);

	return (int64_t)*follow_special(low, tr->orig_rax) >= 0 &&
	       (r == -512 || r == -513 || r == -514 || r == -516);
}

struct block *follow_block(struct translator *tr, struct space *sp, uint64_t pc)
{
	struct block *b = sp->worn ? NULL : compile(sp, pc);

	if (b || !process_make_room(tr, sp, pc))
		return b;
	b = compile(sp, pc);
	if (b)
		return b;
	/* The tables are full. */
	process_flush(tr, sp);
	return compile(sp, pc);
}

/* Where in the cache a thread is that has left the call before pc. */
static uint64_t behind_call(struct translator *tr, struct space *sp,
			    uint64_t pc)
{
	struct block *b = follow_block(tr, sp, pc - 2);
	const struct trail *tl = b ? sp->regions[b->region]->trail : NULL;

	for (uint32_t at = b ? b->entry : 0; b && at < b->entry + 256; at++) {
		struct mark m;

		if (trail_mark(tl, at, &m) && m.rewind & REWIND_CALLED)
			return tl->addr + at;
	}
	return 0;
}

uint64_t follow_place(struct translator *tr, struct thread *low,
		      struct follow *f, uint8_t *image)
{
	uint64_t pc = *image_reg(image, IMAGE_RIP);
	struct compile_start start = { .pc = pc, .at_point = true };
	const struct point *pt;
	struct block *b;

	if (follow_restarts_call(tr, low, image))
		return behind_call(tr, f->space, pc);
	if (follow_goes_over(tr, low) || (*image_flags(image) & FLAG_RESUMES &&
					  follow_has_hw_point(tr, low, pc))) {
		start.puts = follow_puts(f, image);
		pt = process_point_of(f->space, pc);
		follow_pass(f, pt ? pt->code : NULL);
		b = follow_block_behind(tr, f->space, &start);
	} else {
		b = follow_block_for(tr, f, image);
	}
	return b ? block_cpc(f->space, b) : 0;
}

void follow_run_on(struct translator *tr, struct thread *low, struct follow *f)
{
	uint8_t *image = follow_image(tr, low, false);
	struct thread *th = upper_thread(tr, low);
	uint64_t pc, cpc;

	if (!image)
		return;
	if (th && run_returned(th, *image_reg(image, IMAGE_RIP))) {
		if (!run_finish(tr, th) ||
		    !(image = follow_image(tr, low, false)))
			return;
	}
	if (f->space->inactive) {
		flow_is_freed(tr, low, f);
		follow_run_natively(tr, low);
		return;
	}
	f->space->by = low;
	if (follow_is_in_entry(tr, low)) {
		follow_make_call(tr, low, f);
		return;
	}
	if (*image_flags(image) & FLAG_STEPS) {
		follow_run_stepping(tr, low, f, image);
		return;
	}
	pc = *image_reg(image, IMAGE_RIP);
	if (f->excluded && is_excluded(f->space, pc) &&
	    !misses_nothing(f->space)) {
		follow_run_excluded(tr, low, f);
		return;
	}
	cpc = follow_place(tr, low, f, image);
	if (!cpc) {
		follow_step(tr, low, f, WAIT_NATIVE);
		return;
	}
	follow_enter(tr, low, f, cpc);
	follow_go(tr, low, RESUME_CONT, 0);
}

/* --- events -------------------------------------------------------------- */

/* What the thread did by itself may have changed code. */
static void end_wait(struct translator *tr, struct thread *th, struct follow *f)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);
	bool called = f->wait == WAIT_CALL;

	f->wait = WAIT_NONE;
	if (!called)
		return;
	if (image && f->watch.steps) {
		*image_flags(image) |= FLAG_STEPS;
		low->dirty |= 1u << REGSET_GENERAL;
	}
	call_end(tr, th, f->space, &f->watch);
}

/* A trap from before the thread was rewound. It has done nothing since, and a
 * signal that it is to take is still due. */
static void swallow_trap(struct translator *tr, struct thread *th,
			 struct follow *f)
{
	struct resume act = f->asked;

	tr_thread_of(th)->trap_owed = false;
	if (f->wait != WAIT_NONE)
		act.kind = follow_step_kind(f);
	follow_go_natively(tr, lower_thread(th), &act);
}

/* At a breakpoint of ours and of nobody else's. */
static bool end_section(struct translator *tr, struct thread *th,
			struct follow *f)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);
	uint64_t pc = image ? *image_reg(image, IMAGE_RIP) : 0;

	f->wait = WAIT_NONE;
	if (!section_ends_at(f->space, pc) ||
	    point_find(th->proc, POINT_SW, pc, 0) ||
	    f->asked.kind != RESUME_CONT)
		return false;
	run_prepare(tr, th);
	follow_run_on(tr, low, f);
	return true;
}

/* What interrupts a section is the kernel's to restart. */
static bool is_in_section(struct translator *tr, struct thread *low,
			  const struct follow *f)
{
	uint8_t *image = follow_image(tr, low, false);
	uint64_t pc = image ? *image_reg(image, IMAGE_RIP) : 0;

	return f->wait == WAIT_SECTION && pc >= f->section.lo &&
	       pc < f->section.hi;
}

/* An excluded call returns: its ret was not told. */
static bool take_return(struct translator *tr, struct thread *th,
			struct follow *f, struct stop *ev)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);

	if (!image ||
	    !exclude_returns_to(f->space, *image_reg(image, IMAGE_RIP)))
		return false;
	ring_drain(tr, th, true);
	f->depth -= f->excluded;
	f->excluded = false;
	if (f->asked.kind != RESUME_CONT) {
		ev->kind = STOP_STEP;
		return false;
	}
	follow_run_on(tr, low, f);
	return true;
}

/* One that it was about to make when calls began to be caught: since then stubs
 * make none. */
static bool is_stubs_call(struct translator *tr, struct thread *low,
			  struct follow *f)
{
	uint8_t *image = f->in_cache ? follow_image(tr, low, false) : NULL;

	if (!image || !is_at_stop(f->space, *image_reg(image, IMAGE_RIP)))
		return false;
	follow_go(tr, low, RESUME_CONT, 0);
	return true;
}

/* A string instruction is there, which may have made some of its turns: it is
 * within no copy, be there something put before it. */
static bool between_turns(struct space *sp, const struct trail *tl,
			  uint64_t cpc, struct mark *m)
{
	return trail_mark(tl, (uint32_t)(cpc - tl->addr), m) && !m->rewind &&
	       !m->undo && check_repeats(sp, m->pc);
}

/*
 * A watchpoint was met. It is told behind the instruction, be the next one a
 * jump that was left out. Within its copy it is executed itself, and meets it
 * again: true, that is not told. A string instruction goes on from its own pc,
 * where no breakpoint in a debug register is met any more.
 */
static bool watch_again(struct translator *tr, struct thread *low,
			struct follow *f)
{
	uint8_t *image = f->in_cache ? follow_image(tr, low, false) : NULL;
	uint64_t cpc = image ? *image_reg(image, IMAGE_RIP) : 0, behind;
	const struct trail *tl = trails_at(f->space->trails, cpc);
	bool turns, within, passed;
	struct mark m;

	if (!tl)
		return false;
	f->space->by = low;
	turns = between_turns(f->space, tl, cpc, &m);
	/* Else the watchpoint is of the instruction before it. */
	passed = turns && m.puts & PUTS_PASSED;
	within = !turns && trail_is_within(tl, (uint32_t)(cpc - tl->addr));
	behind = rewind_behind(f->space, tl, cpc);
	follow_leave(tr, low, f, false);
	if (passed && follow_has_hw_point(tr, low, *image_reg(image, IMAGE_RIP)))
		*image_flags(image) |= FLAG_RESUMES;
	if (within)
		follow_step_on(tr, low, f, WAIT_NATIVE);
	else if (behind)
		*image_reg(image, IMAGE_RIP) = behind;
	if (!within && behind)
		flow_stops_short(f, cpc, behind);
	return within;
}

bool follow_event(struct translator *tr, struct thread *th, struct stop *ev)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	enum follow_wait wait = f->wait;
	bool waited = wait != WAIT_NONE;

	if (tr_thread_of(th)->trap_owed && ev->kind == STOP_SIGNAL &&
	    ev->code == SIGNAL_TRAP) {
		swallow_trap(tr, th, f);
		return false;
	}
	flow_has_stopped(tr, low, f, ev->kind == STOP_STEP);
	if (waited && wait != WAIT_SECTION && !follow_is_in_entry(tr, low))
		end_wait(tr, th, f);
	if (ev->kind == STOP_STEP)
		sigtrap_mend(tr, th);
	else if (!f->in_cache)
		watchpoints_forget(f);
	switch (ev->kind) {
	case STOP_SIGNAL:
		return follow_take_signal(tr, th, f, ev);
	case STOP_STEP:
		if (watchpoints_told(tr, th, f, ev)) {
			follow_forget_puts(f, false);
			return true;
		}
		if (follow_steps_on(tr, low, f, ev))
			return false;
		if (!waited || f->asked.kind != RESUME_CONT)
			return true;
		if (wait != WAIT_SIGNAL)
			follow_forget_puts(f, false);
		follow_run_on(tr, low, f);
		return false;
	case STOP_WATCH:
		return !watch_again(tr, low, f);
	case STOP_SYSCALL_ENTRY:
	case STOP_SYSCALL_RETURN:
		return !is_stubs_call(tr, low, f);
	case STOP_SWBREAK:
		if (f->in_cache)
			follow_leave(tr, low, f, false);
		return !take_return(tr, th, f, ev) && !end_section(tr, th, f);
	default:
		return true;
	}
}

bool follow_settle(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);

	if (is_in_section(tr, low, f))
		return false;
	flow_has_stopped(tr, low, f, false);
	if (f->wait != WAIT_NONE && !follow_is_in_entry(tr, low))
		end_wait(tr, th, f);
	return true;
}

/* --- resuming ------------------------------------------------------------ */

int follow_resume(struct translator *tr, struct thread *th,
		  const struct resume *act)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	struct resume own = *act;

	own.who = low->id;
	if (act->kind == RESUME_STOP)
		return target_resume(tr->lower, &own, 1);
	f->asked = *act;
	f->asked.over = act->over && !act->signo;
	f->asked.signo = 0;
	if (low->blocked || f->wait == WAIT_VFORK)
		return target_resume(tr->lower, &own, 1);
	/* What it was to do by itself was over, or is to begin again, when the
	 * thread was halted. */
	follow_settle(tr, th);
	if (act->kind != RESUME_CONT || f->space->inactive) {
		follow_rewind(tr, th);
		follow_goes_natively(tr, th);
		if (act->kind != RESUME_CONT)
			follow_note_step(tr, low, f);
		own.kind = follow_kind(tr, low, f, act);
		watchpoints_note(tr, low, f, false);
		flow_goes(tr, low, f, own.kind, act->signo);
		return follow_go_natively(tr, low, &own);
	}
	if ((f->in_cache || is_in_section(tr, low, f)) && !act->signo)
		return follow_go(tr, low, RESUME_CONT, 0);
	follow_rewind(tr, th);
	if (tr->has_conditions)
		conditions_go_behind(tr, th);
	f->asked.over &= !act->signo;
	if (act->signo)
		follow_deliver(tr, th, f, act->signo);
	else
		follow_run_on(tr, low, f);
	return 0;
}

/* --- beginning and end --------------------------------------------------- */

int follow_begin(struct translator *tr, struct thread *th, struct space *sp,
		 struct thread *by, struct err *e)
{
	struct follow *f = xcalloc(1, sizeof(*f));

	sp->by = by;
	f->window = window_new(sp, e);
	if (f->window < 0) {
		free(f);
		tr->stats.refused++;
		return -ENOMEM;
	}
	f->space = sp;
	sp->refs++;
	stop_prepare(tr, lower_thread(th), window_page(sp, f->window));
	f->asked = tr_thread_of(th)->asked;
	history_begin(th, sp);
	flow_log_begin(f, th);
	mirror_follow(tr, th, f);
	tr->stats.threads++;
	return 0;
}

void follow_end(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);

	if (!f)
		return;
	ring_drain(tr, th, true);
	collect_drain(tr, th);
	flow_log_end(tr, f, f->in_cache);
	mirror_follow(tr, th, NULL);
	follow_pass(f, NULL);
	tr_thread_of(th)->lent = false;
	window_free(f->space, f->window);
	free(f->touched);
	space_unref(f->space);
	free(f);
}

void follow_forget(struct process *p, uint64_t addr, uint64_t len)
{
	struct space *sp = space_of(p);

	if (!sp)
		return;
	callees_forget(sp);
	map_fini(&sp->trusted);
	blocks_drop(sp, addr, addr + len);
	gates_disarm(sp, addr, addr + len);
	space_remapped(sp);
}
