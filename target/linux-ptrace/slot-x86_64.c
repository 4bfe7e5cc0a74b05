#include "target/linux-ptrace/slot-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"
#include "target/linux-ptrace/gap.h"
#include "target/linux-ptrace/inject.h"

#define REACH 0x7ff00000u /* of a 32-bit displacement, with room to spare */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* --- regions ------------------------------------------------------------- */

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

struct region *slot_region_add(struct linux_target *lt, struct lwp *lwp,
			       struct slots *s, uint64_t pc)
{
	uint64_t base = gap_find(lwp->proc->pid, pc, REGION_SIZE, REACH);
	const uint64_t args[6] = {
		base, REGION_SIZE, PROT_READ | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		(uint64_t)-1
	};
	struct region *r;
	int64_t got;

	if (!base)
		return NULL;
	got = inject_syscall(lt, lwp, SYS_mmap, args);
	debug(POINT, "%d: region of slots at %#" PRIx64 ": %" PRId64,
	      lwp->tid, base, got);
	if ((uint64_t)got != base) {
		s->refused = true;
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->base = base;
	s->regions = xrealloc(s->regions,
			      (s->n_regions + 1) * sizeof(struct region *));
	s->regions[s->n_regions++] = r;
	return r;
}

bool slot_reaches(const struct region *r, uint64_t pc)
{
	return distance(r->base, pc) < REACH;
}

static struct region *region_for(struct linux_target *lt, struct lwp *lwp,
				 struct slots *s, uint64_t pc)
{
	for (size_t i = 0; i < s->n_regions; i++) {
		if (!s->regions[i]->steps &&
		    s->regions[i]->used < SLOTS_IN_REGION &&
		    slot_reaches(s->regions[i], pc))
			return s->regions[i];
	}
	return s->refused ? NULL : slot_region_add(lt, lwp, s, pc);
}

static struct slot *slot_at(const struct slots *s, uint64_t pc)
{
	for (size_t i = 0; s && i < s->n_regions; i++) {
		uint64_t off = pc - s->regions[i]->base;

		if (off < REGION_SIZE)
			return &s->regions[i]->slots[off / SLOT_SIZE];
	}
	return NULL;
}

/* --- slots --------------------------------------------------------------- */

/* The original bytes at a point, as many as can be read. The point may be
 * another process's, which reading does not hide. */
static size_t read_original(struct linux_target *lt, struct process *p,
			    const struct point *pt, uint8_t code[X86_INSN_MAX])
{
	ssize_t n = target_read(&lt->t, p, pt->addr, code, X86_INSN_MAX);

	if (n >= p->arch->trap_len &&
	    !memcmp(code, p->arch->trap, p->arch->trap_len))
		memcpy(code, pt->shadow, p->arch->trap_len);
	return n > 0 ? (size_t)n : 0;
}

static void slot_guard(struct linux_target *lt, struct process *p,
		       const struct slot *slot)
{
	pid_t pid = memory_owner(lt, p)->pid;

	for (unsigned i = 0; i < slot->code.n_points; i++) {
		const struct x86_point *at = &slot->code.points[i];
		struct guard_point gp = { at->pc, at->undo, at->state };

		guardian_point(guardian_of(&lt->t, p), pid,
			       slot->at + at->offset, &gp);
	}
}

bool slot_write(struct linux_target *lt, struct process *p,
		const struct slot *slot)
{
	const struct x86_slot *c = &slot->code;

	if (linux_write_mem(&lt->t, p, slot->at, c->code, c->len) != c->len)
		return false;
	slot_guard(lt, p, slot);
	return true;
}

static struct slot *slot_make(struct linux_target *lt, struct lwp *lwp,
			      uint64_t pc, const uint8_t *code, size_t len)
{
	struct slots *s = inferior_of(lwp->proc)->slots;
	enum x86_mode mode =
		lwp->proc->arch->word == 8 ? X86_MODE_64 : X86_MODE_32;
	struct region *r = region_for(lt, lwp, s, pc);
	struct slot *slot;
	int n;

	if (!r)
		return NULL;
	slot = &r->slots[r->used];
	slot->at = r->base + r->used * SLOT_SIZE;
	n = x86_relocate(code, len, mode, pc, slot->at, &slot->code);
	if (n < 0 || !slot_write(lt, lwp->proc, slot))
		return NULL;
	slot_note_original(slot, code, (size_t)n);
	r->used++;
	map_set(&s->by_pc, pc + 1, slot);
	return slot;
}

void slot_note_original(struct slot *slot, const uint8_t *code, size_t len)
{
	memset(slot->original, 0, sizeof(slot->original));
	memcpy(slot->original, code, len);
}

bool slot_is_current(const struct slot *slot, const uint8_t *code, size_t len)
{
	size_t n = 0;

	while (n < X86_INSN_MAX && n < len && slot->original[n] == code[n])
		n++;
	for (; n < X86_INSN_MAX; n++) {
		if (slot->original[n])
			return false;
	}
	return true;
}

/* Made when first asked for. Regions belong to a memory: that of a vfork child
 * is its parent's, which takes them out again. */
struct slots *slots_of(struct linux_target *lt, struct process *p)
{
	struct inferior *inf = inferior_of(p);
	struct process *owner = memory_owner(lt, p);

	if (!inf->slots && owner != p)
		inf->slots = slots_share(slots_of(lt, owner), true);
	if (!inf->slots) {
		inf->slots = xcalloc(1, sizeof(*inf->slots));
		inf->slots->refs = 1;
	}
	return inf->slots;
}

static struct slot *slot_for(struct linux_target *lt, struct lwp *lwp,
			     const struct point *pt)
{
	struct slots *s = slots_of(lt, lwp->proc);
	uint8_t code[X86_INSN_MAX];
	uint64_t pc = pt->addr;
	struct slot *slot;
	size_t len;

	len = read_original(lt, lwp->proc, pt, code);
	slot = map_find(&s->by_pc, pc + 1);
	if (slot && slot_is_current(slot, code, len))
		return slot;
	return slot_make(lt, lwp, pc, code, len);
}

/* --- stepping over ------------------------------------------------------- */

static void run_process_on(struct linux_target *lt, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			lwp_run_on(lt, lwp_of(th));
	}
}

static void step_in_place(struct linux_target *lt, struct lwp *lwp,
			  const struct point *pt)
{
	struct process *p = lwp->proc;
	const struct arch *a = p->arch;
	uint64_t addr = pt->addr;
	pid_t tid = lwp->tid;
	int status, r;
	bool there;

	lwps_halt(lt, p);
	there = linux_exchange_mem(&lt->t, p, addr, a->trap, pt->shadow,
				   a->trap_len) == 1;
	r = lwp_step_wait(lt, lwp, &status);
	if (r < 0)
		return;
	if (there)
		linux_write_mem(&lt->t, p, addr, a->trap, a->trap_len);
	lwp->in_slot = true;
	status_take(lt, tid, status, false);
	run_process_on(lt, p);
}

/* A point over a trap of the program's own: that would report it, which is
 * just what stepping over is not to do. */
static void skip_trap(struct linux_target *lt, struct lwp *lwp,
		      const struct point *pt)
{
	lwp_set_pc(lwp, pt->addr + lwp->proc->arch->trap_len);
	if (lwp->kind == RESUME_CONT)
		lwp_run_on(lt, lwp);
	else
		lwp_set_pending(lt, lwp, STOP_STEP);
}

void slot_step_over(struct linux_target *lt, struct lwp *lwp,
		    const struct point *pt)
{
	struct slot *slot;

	if (!memcmp(pt->shadow, lwp->proc->arch->trap,
		    lwp->proc->arch->trap_len)) {
		skip_trap(lt, lwp, pt);
		return;
	}
	/* A handler runs first, and must not return into a slot. */
	if (lwp->signo) {
		lwp_run_on(lt, lwp);
		return;
	}
	slot = slot_for(lt, lwp, pt);
	if (!slot) {
		step_in_place(lt, lwp, pt);
		return;
	}
	lwp_set_pc(lwp, slot->at);
	/* Unless it is to stop behind the instruction it leaves by itself. */
	lwp->in_slot = lwp->kind != RESUME_CONT;
	lwp_run(lt, lwp, lwp->in_slot);
}

static void leave_by(struct lwp *lwp, const struct x86_point *at)
{
	lwp_set_pc(lwp, at->pc);
	if (at->state == X86_POINT_SYSCALLED) {
		lwp->regs.rcx = at->pc;
		lwp->regs_dirty = true;
	} else if (at->undo) {
		lwp->regs.rsp += at->undo;
		lwp->regs_dirty = true;
	}
}

const struct x86_point *slot_point(struct lwp *lwp)
{
	const struct slots *s = inferior_of(lwp->proc)->slots;
	struct user_regs_struct *regs = s ? lwp_regs(lwp) : NULL;
	struct slot *slot;

	if (!regs)
		return NULL;
	slot = slot_at(s, regs->rip);
	return slot ? x86_slot_point(&slot->code, regs->rip - slot->at) : NULL;
}

bool slot_step_done(struct linux_target *lt, struct lwp *lwp)
{
	const struct x86_point *at = slot_point(lwp);

	if (at && at->state == X86_POINT_INSIDE) {
		lwp_run(lt, lwp, true);
		return false;
	}
	if (at)
		leave_by(lwp, at);
	lwp->in_slot = false;
	return true;
}

/* A fault's address is shown as the original's too. */
static void mend_siginfo(struct lwp *lwp, uint64_t from, uint64_t to)
{
	siginfo_t si;

	if (!lwp->signal_stop ||
	    ptrace(PTRACE_GETSIGINFO, lwp->tid, 0, &si) < 0 ||
	    si.si_code <= 0 || (uintptr_t)si.si_addr != from)
		return;
	if (si.si_signo != SIGILL && si.si_signo != SIGFPE &&
	    si.si_signo != SIGTRAP)
		return;
	si.si_addr = (void *)(uintptr_t)to;
	ptrace(PTRACE_SETSIGINFO, lwp->tid, 0, &si);
}

void slot_leave(struct lwp *lwp)
{
	const struct x86_point *at = slot_point(lwp);
	const struct point *pt;

	if (!at)
		return;
	mend_siginfo(lwp, lwp->regs.rip, at->pc);
	leave_by(lwp, at);
	lwp->in_slot = false;
	/* Behind the instruction: a breakpoint there was not met yet. */
	if (at->offset && at->state != X86_POINT_INSIDE)
		return;
	pt = point_find(lwp->proc, POINT_SW, lwp->regs.rip, 0);
	lwp_see(lwp, pt ? pt->code : NULL);
}

/* --- sharing and removal ------------------------------------------------- */

struct slots *slots_share(struct slots *s, bool same_memory)
{
	struct slots *copy;

	if (!s)
		return NULL;
	if (same_memory) {
		s->refs++;
		return s;
	}
	copy = xcalloc(1, sizeof(*copy));
	copy->refs = 1;
	copy->regions = xcalloc(s->n_regions, sizeof(struct region *));
	copy->n_regions = s->n_regions;
	for (size_t i = 0; i < s->n_regions; i++) {
		copy->regions[i] = xmalloc(sizeof(struct region));
		*copy->regions[i] = *s->regions[i];
	}
	return copy;
}

static struct lwp *lwp_to_inject(struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (lwp_of(th)->stopped && !lwp_of(th)->dead)
			return lwp_of(th);
	}
	return NULL;
}

void slots_remove(struct linux_target *lt, struct process *p)
{
	struct inferior *inf = inferior_of(p);
	struct thread *th;
	struct lwp *lwp;

	if (!inf->slots)
		return;
	list_each(th, &p->threads, node) {
		slot_leave(lwp_of(th));
		/* We may die when the slots are gone. */
		if (lwp_of(th)->stopped)
			lwp_regs_flush(lwp_of(th));
	}
	lwp = lwp_to_inject(p);
	if (p->points->refs > 1 || !lwp)
		return;
	for (size_t i = 0; i < inf->slots->n_regions; i++) {
		const uint64_t args[6] = { inf->slots->regions[i]->base,
					   REGION_SIZE };

		inject_syscall(lt, lwp, SYS_munmap, args);
	}
	slots_free(inf->slots);
	inf->slots = NULL;
}

uint64_t slots_in(const struct slots *s, uint64_t lo, uint64_t hi,
		  uint64_t *end)
{
	uint64_t first = hi;

	for (size_t i = 0; s && i < s->n_regions; i++) {
		uint64_t base = s->regions[i]->base;

		if (base >= first || base + REGION_SIZE <= lo)
			continue;
		first = base > lo ? base : lo;
		*end = base + REGION_SIZE < hi ? base + REGION_SIZE : hi;
	}
	return first;
}

void slots_free(struct slots *s)
{
	if (!s || --s->refs)
		return;
	for (size_t i = 0; i < s->n_regions; i++)
		free(s->regions[i]);
	free(s->regions);
	map_fini(&s->by_pc);
	map_fini(&s->by_step);
	free(s);
}
