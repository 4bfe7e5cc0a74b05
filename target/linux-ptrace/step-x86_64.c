#include "target/linux-ptrace/step.h"

#include <cpuid.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "arch/x86_64/step.h"
#include "target/linux-ptrace/slot-private.h"
#include "target/linux-ptrace/syscall.h"

#define FLAG_TRAP   0x100u
#define USER_CS	    0x33u /* the kernel's __USER_CS: 64-bit code */
#define REGIONS_MAX 4	  /* near the program, its libraries, what it makes */

static bool has_hypervisor(void)
{
	const unsigned features = 1, hypervisor = 1u << 31;
	unsigned a, b, c, d;

	return __get_cpuid(features, &a, &b, &c, &d) && c & hypervisor;
}

/* Asked once: each time it takes as long as a stop. */
static bool is_virtual(void)
{
#ifdef HOSTILE
	(void)has_hypervisor;
	return true;
#else
	static int known;

	if (!known)
		known = has_hypervisor() ? 1 : -1;
	return known > 0;
#endif
}

static bool is_often(const struct linux_target *lt)
{
#ifdef HOSTILE
	(void)lt;
	return true;
#else
	return lt->affinity.often;
#endif
}

/* No call, job-control stop or thread's beginning has to be left first. */
static bool is_in_code(const struct lwp *lwp)
{
	return lwp->signal_stop ||
	       (!lwp->in_call && !lwp->at_entry && !lwp->at_return &&
		!lwp->return_due && !lwp->listen && !lwp->starting);
}

/* Left to the trap flag: calls and what they leave, forks, signals, and
 * memories of two processes. */
static bool may_step(struct linux_target *lt, struct lwp *lwp)
{
	const struct inferior *inf = inferior_of(lwp->proc);
	const struct user_regs_struct *regs;

	if ((lwp->kind != RESUME_STEP && lwp->kind != RESUME_RANGE) ||
	    !is_in_code(lwp) || lwp->signo || lwp->in_slot || lwp->late ||
	    inf->ghost || (inf->slots && inf->slots->refs > 1) ||
	    memory_owner(lt, lwp->proc) != lwp->proc ||
	    lwp->proc->arch != lt->arch64)
		return false;
	regs = lwp_regs(lwp);
	return regs && regs->cs == USER_CS && !(regs->eflags & FLAG_TRAP) &&
	       !syscall_restarts(lwp);
}

/* Of any instruction, to be quicker: so are debug registers, caught calls and
 * programs that are followed. */
static bool is_worth_it(struct linux_target *lt, struct lwp *lwp)
{
	return is_often(lt) && lwp->signal_stop && !lt->t.traps &&
	       !inferior_of(lwp->proc)->debug_generation &&
	       syscall_request(lt, lwp, false) == PTRACE_CONT;
}

/* --- restartable sequences ----------------------------------------------- */

/*
 * rseq(2): a thread that is in such a sequence is taken out of it at each stop.
 * In a slot the kernel would not know. Where the thread has its area is asked
 * again when it may have made a system call. False: there is no telling.
 */
static bool find_rseq(struct linux_target *lt, struct lwp *lwp)
{
	struct __ptrace_rseq_configuration c = { 0 };

	if (lwp->rseq_at == lt->n_acts)
		return true;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, lwp->tid, sizeof(c), &c) < 0)
		return false;
	lwp->rseq = c.rseq_abi_pointer;
	lwp->rseq_at = lt->n_acts;
	return true;
}

/* The code at pc; 0: none, or the thread is in a restartable sequence. */
static size_t read_code(struct linux_target *lt, struct lwp *lwp, uint64_t pc,
			uint8_t code[X86_INSN_MAX])
{
	const size_t sequence_at = 8; /* struct rseq's rseq_cs */
	uint64_t sequence = 0;
	struct iovec here[2] = { { code, X86_INSN_MAX },
				 { &sequence, sizeof(sequence) } };
	struct iovec there[2] = { { (void *)pc, X86_INSN_MAX } };
	unsigned long n = 1;
	ssize_t got;

	if (!find_rseq(lt, lwp))
		return 0;
	if (lwp->rseq) {
		/* First: the code may end within its 15 bytes. */
		here[0] = here[1];
		here[1] = (struct iovec){ code, X86_INSN_MAX };
		there[1] = there[0];
		there[0] = (struct iovec){ (void *)(lwp->rseq + sequence_at),
					   sizeof(sequence) };
		n = 2;
	}
	got = process_vm_readv(inferior_tid(lwp->proc), here, n, there, n, 0);
	if (n == 2)
		got -= sizeof(sequence);
	return got > 0 && !sequence ? (size_t)got : 0;
}

/* --- slots --------------------------------------------------------------- */

static bool anyone_is_inside(const struct process *p)
{
	const struct thread *th;

	list_each(th, &p->threads, node) {
		if (lwp_of(th)->in_slot)
			return true;
	}
	return false;
}

/* All of its slots are free again. */
static void clear_region(struct linux_target *lt, struct process *p,
			 struct slots *s, struct region *r)
{
	for (unsigned i = 0; i < r->used; i++) {
		struct slot *slot = &r->slots[i];
		uint64_t key = slot->code.points[0].pc + 1;

		if (map_find(&s->by_step, key) == slot)
			map_drop(&s->by_step, key);
	}
	r->used = 0;
	guardian_points_gone(guardian_of(&lt->t, p), p->pid, r->base,
			     r->base + REGION_SIZE);
}

static bool has_room(struct linux_target *lt, struct process *p,
		     struct slots *s, struct region *r)
{
	if (r->used == SLOTS_IN_REGION && !anyone_is_inside(p))
		clear_region(lt, p, s, r);
	return r->used < SLOTS_IN_REGION;
}

static struct region *region_near(struct linux_target *lt, struct lwp *lwp,
				  struct slots *s, uint64_t pc)
{
	struct region *r;
	unsigned n = 0;

	for (size_t i = 0; i < s->n_regions; i++) {
		r = s->regions[i];
		n += r->steps;
		if (r->steps && slot_reaches(r, pc))
			return has_room(lt, lwp->proc, s, r) ? r : NULL;
	}
	if (n == REGIONS_MAX || s->refused || s->step_refused)
		return NULL;
	r = slot_region_add(lt, lwp, s, pc);
	if (r)
		r->steps = true;
	s->step_refused = !r;
	return r;
}

static struct slot *make(struct linux_target *lt, struct lwp *lwp,
			 struct slots *s, uint64_t pc, const uint8_t *code,
			 size_t len)
{
	struct region *r;
	struct slot *slot;
	int n;

	r = region_near(lt, lwp, s, pc);
	if (!r)
		return NULL;
	slot = &r->slots[r->used];
	slot->at = r->base + r->used * SLOT_SIZE;
	n = x86_step_slot(code, len, pc, slot->at, &slot->code);
	if (n < 0 || !slot_write(lt, lwp->proc, slot))
		return NULL;
	slot_note_original(slot, code, (size_t)n);
	r->used++;
	map_set(&s->by_step, pc + 1, slot);
	return slot;
}

static struct slot *slot_for(struct linux_target *lt, struct lwp *lwp,
			     uint64_t pc, const uint8_t *code, size_t len)
{
	struct slots *s = slots_of(lt, lwp->proc);
	struct slot *slot = map_find(&s->by_step, pc + 1);

	if (slot && slot_is_current(slot, code, len))
		return slot;
	return make(lt, lwp, s, pc, code, len);
}

bool step_by_slot(struct linux_target *lt, struct lwp *lwp)
{
	uint8_t code[X86_INSN_MAX];
	struct slot *slot;
	uint64_t pc;
	size_t len;

	if (!is_virtual() || !may_step(lt, lwp))
		return false;
	slot_leave(lwp);
	pc = lwp_pc(lwp);
	len = read_code(lt, lwp, pc, code);
	if (!len || (!is_worth_it(lt, lwp) && !x86_step_is_emulated(code, len)))
		return false;
	slot = slot_for(lt, lwp, pc, code, len);
	if (!slot)
		return false;
	lwp_set_pc(lwp, slot->at);
	lwp->in_slot = true;
	lwp->step_pc = 0;
	return true;
}

bool step_has_ended(struct lwp *lwp)
{
	const struct x86_point *at = lwp->in_slot ? slot_point(lwp) : NULL;

	return at && at->state == X86_POINT_STEPPED;
}
