/* Registers, memory and the optional groups, forwarded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/syscalls.h"
#include "translate/conditions.h"
#include "translate/exclude.h"
#include "translate/follow.h"
#include "translate/layer.h"
#include "translate/prints.h"
#include "translate/runs.h"
#include "translate/watchpoints.h"
#include "translate/x87.h"

/* --- registers ----------------------------------------------------------- */

static void copy_set(const struct arch *a, enum regset set, const uint8_t *from,
		     uint8_t *to)
{
	for (unsigned i = 0; i < a->n_regs; i++) {
		const struct regdesc *d = &a->regs[i];

		if (d->regset == set)
			memcpy(to + d->packed_at, from + d->packed_at,
			       d->bits / 8);
	}
}

/* The whole image is copied quicker than its registers one by one. It may be
 * when all that the upper record has is also what the lower one has. */
int wrap_fetch_regs(struct target *t, struct thread *th, enum regset set)
{
	struct thread *lower = lower_thread(th);
	int r;

	follow_rewind(translator_of(t), th);
	r = target_regs_fetch(translator_of(t)->lower, lower, set);
	if (r < 0)
		return r;
	if (!th->dirty && !(th->fresh & ~lower->fresh))
		memcpy(th->regs, lower->regs, th->proc->arch->regs_size);
	else
		copy_set(th->proc->arch, set, lower->regs, th->regs);
	if (follow_of(th))
		x87_show(translator_of(t), th);
	return r;
}

int wrap_store_regs(struct target *t, struct thread *th, enum regset set)
{
	struct thread *lower = lower_thread(th);
	int r;

	if (lower->blocked)
		return -EBUSY;
	follow_rewind(translator_of(t), th);
	r = target_regs_fetch(translator_of(t)->lower, lower, set);
	if (r < 0)
		return r;
	copy_set(th->proc->arch, set, th->regs, lower->regs);
	lower->dirty |= 1u << set;
	return 0;
}

/* --- memory -------------------------------------------------------------- */

ssize_t wrap_read_mem(struct target *t, struct process *p, uint64_t addr,
		      void *buf, size_t len)
{
	ssize_t n = target_read(translator_of(t)->lower, lower_process(p), addr,
				buf, len);

	if (n > 0 && space_of(p))
		exclude_show(p, addr, buf, (size_t)n, true);
	return n;
}

ssize_t wrap_write_mem(struct target *t, struct process *p, uint64_t addr,
		       const void *buf, size_t len)
{
	ssize_t n;
	uint8_t *kept;

	follow_forget(p, addr, len);
	if (!space_of(p))
		return target_write(translator_of(t)->lower, lower_process(p),
				    addr, buf, len);
	kept = xmalloc(len);
	memcpy(kept, buf, len);
	exclude_show(p, addr, kept, len, false);
	n = target_write(translator_of(t)->lower, lower_process(p), addr, kept,
			 len);
	free(kept);
	return n;
}

/* --- points -------------------------------------------------------------- */

static bool is_in_code(const struct point *pt)
{
	return pt->kind == POINT_SW || pt->kind == POINT_HW;
}

static int below(struct target *t, struct process *p, struct point *pt)
{
	if (pt->code)
		pt->code->refs++;
	return target_point_set(translator_of(t)->lower, lower_process(p),
				pt->kind, pt->addr, pt->size, pt->code);
}

/* Conditions and commands are evaluated where the point is met. */
static int point_put(struct target *t, struct process *p, struct point *pt)
{
	int r, held;

	if (is_in_code(pt)) {
		follow_forget(p, pt->addr, 1);
		prints_forget(translator_of(t), p, pt->addr);
		translator_of(t)->has_conditions |= pt->code != NULL;
	}
	r = pt->held ? -ENOSPC : below(t, p, pt);
	if (r == 0 || pt->kind == POINT_SW)
		return r;
	held = point_hold(t, p, pt);
	return held == 0 || held == -E2BIG ? held : r;
}

/* An excluded call returns there, or a function that a thread runs, or a
 * restartable section ends. */
static bool is_wanted_by_us(const struct process *p, uint64_t pc)
{
	const struct space *sp = space_of(p);

	return (sp &&
		(exclude_returns_to(sp, pc) || section_ends_at(sp, pc))) ||
	       runs_return_to(p, pc);
}

static int point_remove(struct target *t, struct process *p, struct point *pt)
{
	if (is_in_code(pt)) {
		tr_process_of(p)->point_gone = true;
		prints_forget(translator_of(t), p, pt->addr);
		follow_forget(p, pt->addr, 1);
	}
	if (pt->held)
		return point_let_go(t, p, pt);
	if (pt->kind == POINT_SW && is_wanted_by_us(p, pt->addr))
		return target_point_set(translator_of(t)->lower,
					lower_process(p), POINT_SW, pt->addr,
					pt->size, NULL);
	return target_point_clear(translator_of(t)->lower, lower_process(p),
				  pt->kind, pt->addr, pt->size);
}

const struct target_point_ops wrap_point_ops = {
	.insert = point_put,
	.remove = point_remove,
	.renew = point_put,
	.conditions = conditions_choose,
};

/* --- the others ---------------------------------------------------------- */

static ssize_t object_read(struct target *t, struct thread *th,
			   enum object what, uint64_t off, void *buf,
			   size_t len)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->object->read(lower, lower_thread(th), what, off, buf,
					len);
}

static ssize_t object_write(struct target *t, struct thread *th,
			    enum object what, uint64_t off, const void *buf,
			    size_t len)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->object->write(lower, lower_thread(th), what, off,
					 buf, len);
}

const struct target_object_ops wrap_object_ops = {
	.read = object_read,
	.write = object_write,
};

static int catch_syscalls(struct target *t, struct process *p,
			  struct syscall_set *set)
{
	struct target *lower = translator_of(t)->lower;

	process_set_caught(p, syscall_set_ref(set));
	if (set && space_of(p))
		space_use_traps(space_of(p));
	return lower->ops->syscall->catch (lower, lower_process(p), set);
}

const struct target_syscall_ops wrap_syscall_ops = {
	.catch = catch_syscalls,
};

static int dump(struct target *t, struct thread *first, const char *path,
		struct core_result *out, struct err *e)
{
	struct translator *tr = translator_of(t);

	struct thread *th;

	mirror_wishes(tr);
	mirror_registers(tr, first->proc);
	list_each(th, &first->proc->threads, node) {
		follow_rewind(tr, th);
		if (follow_of(th))
			x87_settle(tr, follow_of(th)->space, lower_thread(th));
	}
	return tr->lower->ops->core->dump(tr->lower, lower_thread(first), path,
					  out, e);
}

const struct target_core_ops wrap_core_ops = { .dump = dump };

/* --- system calls --------------------------------------------------------- */

/* Where original code is, which is what the lower target looks for: the thread
 * is brought out of the cache. What it mapped is found as all that is new. */
static int64_t inject(struct target *t, struct thread *th, long nr,
		      const uint64_t args[6])
{
	struct translator *tr = translator_of(t);

	follow_rewind(tr, th);
	return tr->lower->ops->inject->call(tr->lower, lower_thread(th), nr,
					    args);
}

/* The rest of the group is for a layer that translates, and there is none
 * above. */
const struct target_inject_ops wrap_inject_ops = { .call = inject };

/* --- branches that the lower target keeps -------------------------------- */

static int branch_enable(struct target *t, struct thread *th, size_t max,
			 struct err *e)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->branch->enable(lower, lower_thread(th), max, e);
}

static void branch_disable(struct target *t, struct thread *th)
{
	struct target *lower = translator_of(t)->lower;

	lower->ops->branch->disable(lower, lower_thread(th));
}

static size_t branch_kept(struct target *t, struct thread *th)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->branch->kept(lower, lower_thread(th));
}

static int64_t branch_read(struct target *t, struct thread *th,
			   enum branch_read what, struct branch **out)
{
	struct target *lower = translator_of(t)->lower;

	return lower->ops->branch->read(lower, lower_thread(th), what, out);
}

const struct target_branch_ops wrap_branch_ops = {
	.enable = branch_enable,
	.disable = branch_disable,
	.kept = branch_kept,
	.read = branch_read,
};
