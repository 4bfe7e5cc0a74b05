/* Breakpoints in memory; what needs debug registers goes to debugreg.c. */
#include <errno.h>
#include <string.h>

#include "target/linux-ptrace/lwp.h"

static void sw_unguard(struct target *t, struct process *p, struct point *pt)
{
	guardian_trap_gone(guardian_of(t, p), pt->twin);
	pt->twin = NULL;
}

static int sw_insert(struct target *t, struct process *p, struct point *pt)
{
	const struct arch *a = p->arch;
	ssize_t n;

	n = linux_read_mem(t, p, pt->addr, pt->shadow, a->trap_len);
	if (n != a->trap_len)
		return -EFAULT;
	pt->twin = guardian_trap(guardian_of(t, p),
				 memory_owner(linux_of(t), p)->pid, a, pt->addr,
				 pt->shadow);
	n = linux_write_mem(t, p, pt->addr, a->trap, a->trap_len);
	if (n != a->trap_len) {
		sw_unguard(t, p, pt);
		return -EFAULT;
	}
	pt->inserted = true;
	return 0;
}

/*
 * Was it taken from another process as well, which wants it? Then the page is
 * one that both map: a writable shared mapping (others cannot be written).
 */
static bool taken_from_other(struct target *t, struct process *p,
			     const struct point *pt)
{
	uint8_t now[ARCH_TRAP_MAX];
	const struct arch *a = p->arch;
	const struct point *theirs;
	struct process *q;

	/* gdb writes one itself where its calls return to. */
	if (!memcmp(pt->shadow, a->trap, a->trap_len))
		return false;
	list_each(q, &t->processes, node) {
		theirs = q == p ? NULL : point_find(q, POINT_SW, pt->addr, 0);
		if (theirs && theirs->inserted &&
		    linux_read_mem(t, q, pt->addr, now, a->trap_len) ==
			    a->trap_len &&
		    !memcmp(now, pt->shadow, a->trap_len))
			return true;
	}
	return false;
}

static int sw_take_out(struct target *t, struct process *p, struct point *pt)
{
	const struct arch *a = p->arch;
	int r;

	pt->inserted = false;
	/* Memory mapped anew since then is not ours to change. */
	r = linux_exchange_mem(t, p, pt->addr, a->trap, pt->shadow,
			       a->trap_len);
	if (r <= 0)
		return r;
	if (!taken_from_other(t, p, pt))
		return 0;
	linux_write_mem(t, p, pt->addr, a->trap, a->trap_len);
	inferior_of(p)->shares_pages = true;
	return -EBUSY;
}

static int sw_remove(struct target *t, struct process *p, struct point *pt)
{
	int r = sw_take_out(t, p, pt);

	if (r != -EBUSY)
		sw_unguard(t, p, pt);
	return r;
}

/* Debug registers can be set in stopped threads only. */
static void reach_running(struct linux_target *lt, struct process *p)
{
	struct thread *th;

	lwps_halt(lt, p);
	list_each(th, &p->threads, node) {
		if (th->running)
			lwp_run_on(lt, lwp_of(th));
	}
}

static int insert(struct target *t, struct process *p, struct point *pt)
{
	int r;

	if (pt->kind == POINT_SW)
		return sw_insert(t, p, pt);
	r = debugreg_insert(t, p, pt);
	if (r >= 0)
		reach_running(linux_of(t), p);
	return r;
}

static int remove_point(struct target *t, struct process *p, struct point *pt)
{
	if (pt->kind == POINT_SW)
		return sw_remove(t, p, pt);
	debugreg_remove(p, pt);
	reach_running(linux_of(t), p);
	return 0;
}

const struct target_point_ops linux_point_ops = {
	.insert = insert,
	.remove = remove_point,
};
