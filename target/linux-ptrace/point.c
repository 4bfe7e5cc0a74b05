/* Breakpoints in memory; what needs debug registers goes to debugreg.c. */
#include <errno.h>
#include <string.h>

#include "target/linux-ptrace/lwp.h"

static int sw_insert(struct target *t, struct process *p, struct point *pt)
{
	const struct arch *a = p->arch;
	ssize_t n;

	n = linux_read_mem(t, p, pt->addr, pt->shadow, a->trap_len);
	if (n == a->trap_len)
		n = linux_write_mem(t, p, pt->addr, a->trap, a->trap_len);
	if (n != a->trap_len)
		return -EFAULT;
	pt->inserted = true;
	return 0;
}

static int sw_remove(struct target *t, struct process *p, struct point *pt)
{
	const struct arch *a = p->arch;
	uint8_t now[ARCH_TRAP_MAX];

	pt->inserted = false;
	if (linux_read_mem(t, p, pt->addr, now, a->trap_len) != a->trap_len)
		return -EFAULT;
	/* Memory mapped anew since then is not ours to change. */
	if (memcmp(now, a->trap, a->trap_len))
		return 0;
	if (linux_write_mem(t, p, pt->addr, pt->shadow, a->trap_len) !=
	    a->trap_len)
		return -EFAULT;
	return 0;
}

static int insert(struct target *t, struct process *p, struct point *pt)
{
	if (pt->kind == POINT_SW)
		return sw_insert(t, p, pt);
	return debugreg_insert(t, p, pt);
}

static int remove_point(struct target *t, struct process *p, struct point *pt)
{
	if (pt->kind == POINT_SW)
		return sw_remove(t, p, pt);
	debugreg_remove(p, pt);
	return 0;
}

const struct target_point_ops linux_point_ops = {
	.insert = insert,
	.remove = remove_point,
};
