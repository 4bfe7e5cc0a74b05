/*
 * A followed thread: in and out of the cache, what its traps and stops mean and
 * how it goes on. What concerns its process as a whole is in process.c.
 */
#include "translate/follow.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "translate/block.h"
#include "translate/exclude.h"
#include "translate/gate.h"
#include "translate/ring.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

/* --- registers ----------------------------------------------------------- */

/* The lower thread's general registers, to be read and, with dirty, changed.
 * NULL: it is gone. */
static uint8_t *image_of(struct translator *tr, struct thread *low, bool dirty)
{
	uint64_t pc;

	if (target_reg_u64(tr->lower, low, low->proc->arch->pc, &pc) < 0)
		return NULL;
	if (dirty)
		low->dirty |= 1u << REGSET_GENERAL;
	return low->regs;
}

static uint64_t *special(struct thread *low, unsigned regno)
{
	return (uint64_t *)(void *)(low->regs +
				    low->proc->arch->regs[regno].packed_at);
}

static int resume_low(struct translator *tr, struct thread *low,
		      enum resume_kind kind, int signo)
{
	struct resume act = { .who = low->id, .kind = kind, .signo = signo };

	return target_resume(tr->lower, &act, 1);
}

/* --- into the cache and out of it ---------------------------------------- */

/*
 * The image's pc is in the cache. A thread that is behind the first byte of a
 * block that was dropped may have met the trap there, or have executed an
 * instruction that is one byte long: the stop says which.
 */
static bool has_trapped(struct translator *tr, struct thread *low)
{
	const struct target_object_ops *object = tr->lower->ops->object;
	siginfo_t si = { 0 };

	return object &&
	       object->read(tr->lower, low, OBJ_SIGINFO, 0, &si, sizeof(si)) ==
		       sizeof(si) &&
	       si.si_signo == SIGTRAP && si.si_code == SI_KERNEL;
}

static const struct stub *leave_cache(struct translator *tr, struct thread *low,
				      struct follow *f, bool trapped)
{
	uint8_t *image = image_of(tr, low, true);
	const struct stub *stub = NULL;
	int r;

	f->in_cache = false;
	if (!image)
		return NULL;
	f->space->by = low;
	r = rewind_image(f->space, window_page(f->space, f->window), image,
			 trapped, &stub);
	if (r < 0)
		debug(SESSION, "%d: no way back from %#lx (%d)", low->id.tid,
		      *image_reg(image, IMAGE_RIP), r);
	*special(low, tr->gs_base) = f->gs_base;
	tr->stats.rewinds++;
	return stub;
}

void follow_rewind(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	bool trapped;

	if (!f || !f->in_cache)
		return;
	trapped = has_trapped(tr, low);
	leave_cache(tr, low, f, trapped);
	tr_thread_of(th)->trap_owed = trapped;
}

static void enter_at(struct translator *tr, struct thread *low,
		     struct follow *f, uint64_t cpc)
{
	uint8_t *image = image_of(tr, low, true);

	if (!image)
		return;
	f->gs_base = *special(low, tr->gs_base);
	memcpy(window_page(f->space, f->window) + WIN_GS, &f->gs_base,
	       sizeof(f->gs_base));
	*special(low, tr->gs_base) = window_addr(f->space, f->window);
	*image_reg(image, IMAGE_RIP) = cpc;
	f->in_cache = true;
	f->excluded = false;
	tr->stats.entries++;
}

/* The original instruction runs by itself. */
static void step_native(struct translator *tr, struct thread *low,
			struct follow *f, enum follow_wait why)
{
	f->wait = why;
	tr->stats.native_steps++;
	resume_low(tr, low, RESUME_STEP, 0);
}

/* The kernel is to make the call before the pc again, or a signal's handler
 * comes first: both go by a pc behind the instruction. */
static bool restarts_call(const struct translator *tr, struct thread *low,
			  uint8_t *image)
{
	int64_t r = (int64_t)*image_reg(image, IMAGE_RAX);

	return (int64_t)*special(low, tr->orig_rax) >= 0 &&
	       (r == -512 || r == -513 || r == -514 || r == -516);
}

/* Where in the cache a thread is that has left the call before pc. */
static uint64_t behind_call(struct space *sp, uint64_t pc)
{
	struct block *b = compile(sp, pc - 2);
	const struct trail *tl = b ? sp->regions[b->region]->trail : NULL;

	for (uint32_t at = b ? b->entry : 0; b && at < b->entry + 256; at++) {
		const struct mark *m = trail_mark(tl, at);

		if (m && m->rewind & REWIND_CALLED)
			return tl->addr + at;
	}
	return 0;
}

static struct block *block_for(struct translator *tr, struct space *sp,
			       uint64_t pc)
{
	struct block *b = compile(sp, pc);

	/* Where there can be no region a flush makes none. */
	if (b || !space_region(sp, pc, NULL))
		return b;
	process_flush(tr, sp);
	return compile(sp, pc);
}

/*
 * The program has asked for a trap after each instruction: they are its own
 * ones. The processor sees to it; what a call changes is seen to here.
 */
static void run_stepping(struct translator *tr, struct thread *low,
			 struct follow *f, uint8_t *image)
{
	uint8_t code[2];

	if (target_read_all(tr->lower, low->proc, *image_reg(image, IMAGE_RIP),
			    code, 2) == 0 &&
	    code[0] == 0x0f && code[1] == 0x05) {
		f->watch = watch_call(f->space, image);
		f->wait = WAIT_CALL;
	}
	tr->stats.native_steps++;
	resume_low(tr, low, RESUME_CONT, 0);
}

static void run_excluded(struct translator *tr, struct thread *low,
			 struct follow *f)
{
	f->excluded = true;
	f->wait = WAIT_EXCLUDED;
	resume_low(tr, low, RESUME_CONT, 0);
}

/* A rewound thread goes on in the cache; native steps and excluded code
 * apart. */
static void run_on(struct translator *tr, struct thread *low, struct follow *f)
{
	uint8_t *image = image_of(tr, low, false);
	struct block *b;
	uint64_t pc, cpc;

	if (!image)
		return;
	f->space->by = low;
	if (*image_flags(image) & FLAG_STEPS) {
		run_stepping(tr, low, f, image);
		return;
	}
	pc = *image_reg(image, IMAGE_RIP);
	if (f->excluded && is_excluded(f->space, pc)) {
		run_excluded(tr, low, f);
		return;
	}
	if (restarts_call(tr, low, image)) {
		cpc = behind_call(f->space, pc);
	} else {
		b = block_for(tr, f->space, pc);
		cpc = b ? block_cpc(f->space, b) : 0;
	}
	if (!cpc) {
		step_native(tr, low, f, WAIT_NATIVE);
		return;
	}
	enter_at(tr, low, f, cpc);
	resume_low(tr, low, RESUME_CONT, 0);
}

/* --- traps of translated code -------------------------------------------- */

struct trap {
	struct translator *tr;
	struct thread *th, *low;
	struct follow *f;
	struct stub stub; /* a copy: stubs move */
	uint64_t cpc;
};

/* Returns true for what the layer above is to be told; *ev says what. */
typedef bool trap_fn(struct trap *t, struct stop *ev);

static bool trap_exit(struct trap *t, struct stop *ev)
{
	(void)ev;
	t->tr->stats.exits++;
	run_on(t->tr, t->low, t->f);
	return false;
}

static void land(struct trap *t, bool is_return)
{
	struct space *sp = t->f->space;
	uint8_t *image = image_of(t->tr, t->low, false);
	struct block *b;

	if (!image)
		return;
	b = block_for(t->tr, sp, *image_reg(image, IMAGE_RIP));
	if (b && !region_has_room(sp->regions[b->region])) {
		process_flush(t->tr, sp);
		b = block_for(t->tr, sp, *image_reg(image, IMAGE_RIP));
	}
	if (b)
		compile_landing(sp, b, is_return);
	run_on(t->tr, t->low, t->f);
}

static bool trap_indirect(struct trap *t, struct stop *ev)
{
	(void)ev;
	t->tr->stats.indirect_misses++;
	land(t, false);
	return false;
}

static bool trap_return(struct trap *t, struct stop *ev)
{
	(void)ev;
	t->tr->stats.return_misses++;
	land(t, true);
	return false;
}

static bool trap_learn(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	uint8_t *image = image_of(t->tr, t->low, false);
	struct region *rg = space_region_at(sp, t->cpc);
	uint64_t target = 0;
	uint32_t at;

	(void)ev;
	t->tr->stats.learned++;
	if (!image)
		return false;
	branch_target(sp, image, *special(t->low, t->tr->fs_base), &target);
	at = compile_learn(sp, rg, t->stub.arg, target);
	enter_at(t->tr, t->low, t->f, rg->addr + at);
	resume_low(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

static bool trap_native(struct trap *t, struct stop *ev)
{
	(void)ev;
	step_native(t->tr, t->low, t->f, WAIT_NATIVE);
	return false;
}

static bool trap_syscall(struct trap *t, struct stop *ev)
{
	struct region *rg = space_region_at(t->f->space, t->cpc);
	uint8_t *image = image_of(t->tr, t->low, false);

	(void)ev;
	if (!image)
		return false;
	t->tr->stats.syscalls_watched++;
	t->f->watch = watch_call(t->f->space, image);
	if (t->f->watch.way == WATCH_PLAIN) {
		enter_at(t->tr, t->low, t->f, rg->addr + t->stub.arg);
		resume_low(t->tr, t->low, RESUME_CONT, 0);
		return false;
	}
	if (t->f->watch.way == WATCH_RETURN)
		t->tr->stats.native_returns++;
	else
		t->tr->stats.native_syscalls++;
	step_native(t->tr, t->low, t->f, WAIT_CALL);
	return false;
}

static bool trap_stale(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	struct block *b = block_find(sp, t->stub.pc);

	(void)ev;
	t->tr->stats.stale++;
	if (b && block_index(sp, b) == t->stub.arg)
		block_drop(sp, b);
	run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_gate(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	const struct block *b = &sp->blocks[t->stub.arg];

	(void)ev;
	t->tr->stats.gates++;
	sp->by = t->low;
	gates_renew(sp, b->pc, b->pc + b->length);
	run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_point(struct trap *t, struct stop *ev)
{
	struct space *sp = t->f->space;
	const struct point *pt = process_point(t->th->proc, t->stub.pc);
	struct block *b;

	if (pt && target_point_hit(&t->tr->t, t->th, pt)) {
		*ev = (struct stop){
			.id = t->th->id,
			.kind = pt->kind == POINT_HW ? STOP_HWBREAK
						     : STOP_SWBREAK,
		};
		return true;
	}
	b = pt ? compile_behind_point(sp, t->stub.pc) : NULL;
	if (pt && !b) {
		process_flush(t->tr, sp);
		b = compile_behind_point(sp, t->stub.pc);
	}
	if (!b) {
		run_on(t->tr, t->low, t->f);
		return false;
	}
	enter_at(t->tr, t->low, t->f, block_cpc(sp, b));
	resume_low(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

static bool trap_excluded(struct trap *t, struct stop *ev)
{
	(void)ev;
	if (exclude_enter(t->tr, t->low, t->f->space)) {
		run_excluded(t->tr, t->low, t->f);
		return false;
	}
	exclude_not(t->f->space, &t->stub);
	run_on(t->tr, t->low, t->f);
	return false;
}

static bool trap_drain(struct trap *t, struct stop *ev)
{
	struct region *rg = space_region_at(t->f->space, t->cpc);

	(void)ev;
	t->tr->stats.drains++;
	ring_drain(t->tr, t->th, true);
	enter_at(t->tr, t->low, t->f, rg->addr + t->stub.arg);
	resume_low(t->tr, t->low, RESUME_CONT, 0);
	return false;
}

static bool trap_section(struct trap *t, struct stop *ev)
{
	uint8_t *image = image_of(t->tr, t->low, false);

	(void)ev;
	if (!image)
		return false;
	switch (section_begin(t->f->space, t->low, image,
			      *special(t->low, t->tr->fs_base),
			      &t->f->section)) {
	case SECTION_NONE:
		run_on(t->tr, t->low, t->f);
		break;
	case SECTION_OTHER:
		step_native(t->tr, t->low, t->f, WAIT_NATIVE);
		break;
	case SECTION_ARMS:
		t->f->wait = WAIT_SECTION;
		t->tr->stats.sections++;
		resume_low(t->tr, t->low, RESUME_CONT, 0);
	}
	return false;
}

static trap_fn *const traps[] = {
	[STUB_EXIT] = trap_exit,     [STUB_INDIRECT] = trap_indirect,
	[STUB_RETURN] = trap_return, [STUB_LEARN] = trap_learn,
	[STUB_NATIVE] = trap_native, [STUB_SYSCALL] = trap_syscall,
	[STUB_STALE] = trap_stale,   [STUB_POINT] = trap_point,
	[STUB_DRAIN] = trap_drain,   [STUB_SECTION] = trap_section,
	[STUB_GATE] = trap_gate,
	[STUB_EXCLUDED] = trap_excluded,
};

/*
 * The thread has met the trap at the entry of a block that was dropped: the
 * block before it in the stream falls through to it, or a return's landing
 * does. Neither is to come here again.
 */
static void bypass_dead(struct translator *tr, struct space *sp, uint64_t cpc)
{
	const struct region *rg = space_region_at(sp, cpc);
	struct block *b = rg ? block_dead_at(sp, rg, cpc) : NULL, *now;
	struct block *before = b ? b - 1 : NULL;
	bool lands;

	if (!b)
		return;
	lands = b->return_landing;
	b->return_landing = 0;
	if (block_index(sp, before) && before->region == b->region &&
	    !(before->flags & (BLOCK_DEAD | BLOCK_STEPPED)))
		block_drop(sp, before);
	now = lands ? block_for(tr, sp, b->pc) : NULL;
	if (now)
		compile_landing(sp, now, true);
}

/* The thread has met a trap in the cache. */
static bool take_trap(struct translator *tr, struct thread *th,
		      struct follow *f, struct stop *ev)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = image_of(tr, low, false);
	struct trap t = { .tr = tr, .th = th, .low = low, .f = f };
	const struct stub *stub;

	if (!image)
		return false;
	tr->stats.stops++;
	th->fresh = 0; /* of registers: those of an earlier stop */
	t.cpc = *image_reg(image, IMAGE_RIP) - 1;
	stub = leave_cache(tr, low, f, true);
	sigtrap_mend(tr, th);
	if (stub) {
		t.stub = *stub;
		return traps[stub->kind](&t, ev);
	}
	tr->stats.stale++;
	bypass_dead(tr, f->space, t.cpc);
	run_on(tr, low, f);
	return false;
}

/* --- events -------------------------------------------------------------- */

static void deliver(struct translator *tr, struct thread *th, struct follow *f,
		    int signo)
{
	struct thread *low = lower_thread(th);

	signo = sigtrap_deliver(tr, th, signo);
	f->wait = WAIT_SIGNAL;
	tr->stats.signals++;
	tr->stats.native_signals++;
	resume_low(tr, low, RESUME_STEP, signo);
}

/* A filter's SIGSYS tells where the call was: right before the pc. */
static void mend_call_address(struct translator *tr, struct thread *low,
			      struct follow *f)
{
	const struct target_object_ops *object = tr->lower->ops->object;
	uint8_t *image = image_of(tr, low, false);
	siginfo_t si = { 0 };

	if (!object || !image ||
	    object->read(tr->lower, low, OBJ_SIGINFO, 0, &si, sizeof(si)) !=
		    sizeof(si) ||
	    !space_region_at(f->space, (uintptr_t)si.si_call_addr))
		return;
	si.si_call_addr = (void *)(uintptr_t)*image_reg(image, IMAGE_RIP);
	object->write(tr->lower, low, OBJ_SIGINFO, 0, &si, sizeof(si));
}

static bool take_signal(struct translator *tr, struct thread *th,
			struct follow *f, struct stop *ev)
{
	struct thread *low = lower_thread(th);

	if (ev->signo == SIGTRAP && ev->code == SIGNAL_TRAP)
		return take_trap(tr, th, f, ev);
	if (!ev->signo)
		return true;
	if (f->in_cache)
		leave_cache(tr, low, f, false);
	if (ev->signo == SIGSYS)
		mend_call_address(tr, low, f);
	if (f->asked.kind != RESUME_CONT ||
	    sigismember(&tr->t.pass_signals, ev->signo) != 1)
		return true;
	deliver(tr, th, f, ev->signo);
	return false;
}

static void range_changed(struct space *sp, const struct watch *w)
{
	/* Another thread may have had it looked up before the call. */
	space_remapped(sp);
	if (w->lo >= w->hi)
		return;
	gates_open(sp, w->lo, w->hi);
	if (w->stays)
		blocks_drop_fixed(sp, w->lo, w->hi);
	else
		blocks_drop(sp, w->lo, w->hi);
}

/* What the thread did by itself may have changed code. */
static void end_wait(struct translator *tr, struct thread *low,
		     struct follow *f)
{
	struct watch *w = &f->watch;
	uint8_t *image = image_of(tr, low, false);
	bool called;

	if (f->wait == WAIT_CALL && w->way == WATCH_NATIVE && image) {
		f->space->by = low;
		if (w->by_result) {
			w->lo = *image_reg(image, IMAGE_RAX);
			w->hi += w->lo;
		}
		range_changed(f->space, w);
		range_changed(f->space, &(struct watch){ .lo = w->also_lo,
							 .hi = w->also_hi });
	}
	if (f->wait == WAIT_CALL && w->steps && image) {
		*image_flags(image) |= FLAG_STEPS;
		low->dirty |= 1u << REGSET_GENERAL;
	}
	called = f->wait == WAIT_CALL;
	f->wait = WAIT_NONE;
	if (called && w->way == WATCH_NATIVE && image)
		space_find(f->space, 0);
	if (called && f->space->outdated)
		process_flush(tr, f->space);
}

/* A trap from before the thread was rewound. It has done nothing since, and a
 * signal that it is to take is still due. */
static void swallow_trap(struct translator *tr, struct thread *th,
			 struct follow *f)
{
	struct resume act = f->asked;

	tr_thread_of(th)->trap_owed = false;
	act.who = th->id;
	if (f->wait != WAIT_NONE)
		act.kind = RESUME_STEP;
	target_resume(tr->lower, &act, 1);
}

bool follow_is_trap(void *user, struct thread *low, uint64_t addr)
{
	struct translator *tr = user;
	struct thread *th = upper_thread(tr, low);
	const struct follow *f = th ? follow_of(th) : NULL;

	return f && f->in_cache && space_region_at(f->space, addr);
}

/* At a breakpoint of ours and of nobody else's. */
static bool end_section(struct translator *tr, struct thread *th,
			struct follow *f)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = image_of(tr, low, false);
	uint64_t pc = image ? *image_reg(image, IMAGE_RIP) : 0;

	f->wait = WAIT_NONE;
	if (!section_ends_at(f->space, pc) ||
	    point_find(th->proc, POINT_SW, pc, 0) ||
	    f->asked.kind != RESUME_CONT)
		return false;
	run_on(tr, low, f);
	return true;
}

/* What interrupts a section is the kernel's to restart. */
static bool is_in_section(struct translator *tr, struct thread *low,
			  const struct follow *f)
{
	uint8_t *image = image_of(tr, low, false);
	uint64_t pc = image ? *image_reg(image, IMAGE_RIP) : 0;

	return f->wait == WAIT_SECTION && pc >= f->section.lo &&
	       pc < f->section.hi;
}

/* An excluded call returns: its ret was not told. */
static bool take_return(struct translator *tr, struct thread *th,
			struct follow *f, struct stop *ev)
{
	struct thread *low = lower_thread(th);
	uint8_t *image = f->in_cache ? NULL : image_of(tr, low, false);

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
	run_on(tr, low, f);
	return true;
}

bool follow_event(struct translator *tr, struct thread *th, struct stop *ev)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	bool waited = f->wait != WAIT_NONE;

	if (tr_thread_of(th)->trap_owed && ev->kind == STOP_SIGNAL &&
	    ev->code == SIGNAL_TRAP) {
		swallow_trap(tr, th, f);
		return false;
	}
	if (ev->kind == STOP_STEP)
		sigtrap_mend(tr, th);
	if (waited && f->wait != WAIT_SECTION)
		end_wait(tr, low, f);
	switch (ev->kind) {
	case STOP_SIGNAL:
		return take_signal(tr, th, f, ev);
	case STOP_STEP:
		if (!waited || f->asked.kind != RESUME_CONT)
			return true;
		run_on(tr, low, f);
		return false;
	case STOP_SWBREAK:
		return !take_return(tr, th, f, ev) && !end_section(tr, th, f);
	default:
		return true;
	}
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
	f->asked.signo = 0;
	/* What it was to do by itself was over, or is to begin again, when the
	 * thread was halted. */
	if (f->wait != WAIT_NONE)
		end_wait(tr, low, f);
	if (act->kind != RESUME_CONT) {
		follow_rewind(tr, th);
		return target_resume(tr->lower, &own, 1);
	}
	if ((f->in_cache || is_in_section(tr, low, f)) && !act->signo)
		return resume_low(tr, low, RESUME_CONT, 0);
	follow_rewind(tr, th);
	if (act->signo)
		deliver(tr, th, f, act->signo);
	else
		run_on(tr, low, f);
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
	f->asked.kind = RESUME_CONT;
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
	mirror_follow(tr, th, NULL);
	window_free(f->space, f->window);
	space_unref(f->space);
	free(f);
}

void follow_rewind_child(struct translator *tr, const struct follow *parent,
			 struct thread *low)
{
	struct follow f = *parent;
	uint8_t *image = image_of(tr, low, false);

	if (image && space_region_at(f.space, *image_reg(image, IMAGE_RIP)))
		leave_cache(tr, low, &f, false);
}

/* Whose window a thread has in its gs base. */
static const struct follow *follow_with_window(struct process *p, uint64_t addr)
{
	const struct follow *f;
	struct thread *th;

	list_each(th, &p->threads, node) {
		f = follow_of(th);
		if (f && window_addr(f->space, f->window) == addr)
			return f;
	}
	return NULL;
}

static void rewind_unborn(struct translator *tr, struct process *p,
			  struct thread *low)
{
	const struct thread *th = upper_thread(tr, low);
	const struct follow *parent;

	if ((th && follow_of(th)) || low->running || !image_of(tr, low, false))
		return;
	parent = follow_with_window(p, *special(low, tr->gs_base));
	if (!parent)
		return;
	follow_rewind_child(tr, parent, low);
	target_regs_flush(tr->lower, low);
}

void follow_rewind_unborn(struct translator *tr, struct process *p)
{
	struct process *low = lower_process(p), *q;
	struct thread *th;

	list_each(q, &tr->lower->processes, node) {
		if (q != low && !q->untold)
			continue;
		list_each(th, &q->threads, node)
			rewind_unborn(tr, p, th);
	}
}

void follow_forget(struct process *p, uint64_t addr, uint64_t len)
{
	struct space *sp = space_of(p);

	if (!sp)
		return;
	blocks_drop(sp, addr, addr + len);
	gates_disarm(sp, addr, addr + len);
	space_remapped(sp);
}
