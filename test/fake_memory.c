/* The fake target's memory, and the points that are put into it. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "test/fake_private.h"

static struct fake_range *range_find(struct fake_process *p, uint64_t addr)
{
	struct fake_range *r;

	list_each(r, &p->ranges, node)
		if (addr - r->addr < r->len)
			return r;
	return NULL;
}

/* Newest first in the list, so that it hides what it covers. */
void fake_memory_add(struct fake *f, pid_t pid, uint64_t addr, const void *data,
		     size_t len)
{
	struct fake_process *p = fake_process_find(f, pid);
	struct fake_range *r = xcalloc(1, sizeof(*r));

	r->addr = addr;
	r->len = len;
	r->data = xcalloc(len + 1, 1);
	if (data)
		memcpy(r->data, data, len);
	list_add(p->ranges.next, &r->node);
}

void fake_memory_copy(struct fake *f, pid_t from, pid_t to)
{
	struct fake_process *p = fake_process_find(f, from);
	struct fake_range *r;

	for (r = list_entry(p->ranges.prev, struct fake_range, node);
	     &r->node != &p->ranges;
	     r = list_entry(r->node.prev, struct fake_range, node))
		fake_memory_add(f, to, r->addr, r->data, r->len);
}

/* Byte by byte: ranges are few, may touch and may overlap. */
static ssize_t move(struct target *t, struct process *p, uint64_t addr,
		    uint8_t *to, const uint8_t *from, size_t len)
{
	struct fake_process *fp = fake_process_find(fake_of(t), p->pid);
	size_t i;

	for (i = 0; i < len; i++) {
		struct fake_range *r = range_find(fp, addr + i);

		if (!r)
			break;
		if (to)
			to[i] = r->data[addr + i - r->addr];
		else
			r->data[addr + i - r->addr] = from[i];
	}
	return i || !len ? (ssize_t)i : -EIO;
}

ssize_t fake_read_mem(struct target *t, struct process *p, uint64_t addr,
		      void *buf, size_t len)
{
	return move(t, p, addr, buf, NULL, len);
}

ssize_t fake_write_mem(struct target *t, struct process *p, uint64_t addr,
		       const void *buf, size_t len)
{
	return move(t, p, addr, NULL, buf, len);
}

static void log_point(struct fake *f, const char *verb, struct process *p,
		      const struct point *pt)
{
	static const char *const name[] = {
		[POINT_SW] = "sw",	   [POINT_HW] = "hw",
		[POINT_WRITE] = "write",   [POINT_READ] = "read",
		[POINT_ACCESS] = "access",
	};

	buf_printf(&f->log, "%s %x %s %lx %x\n", verb, (unsigned)p->pid,
		   name[pt->kind], (unsigned long)pt->addr, pt->size);
}

static int insert_sw(struct target *t, struct process *p, struct point *pt)
{
	const struct arch *a = fake_of(t)->arch;

	if (fake_read_mem(t, p, pt->addr, pt->shadow, a->trap_len) !=
	    a->trap_len)
		return -EIO;
	fake_write_mem(t, p, pt->addr, a->trap, a->trap_len);
	return 0;
}

static int insert(struct target *t, struct process *p, struct point *pt)
{
	struct fake *f = fake_of(t);
	int err = 0;

	if (pt->kind == POINT_SW)
		err = insert_sw(t, p, pt);
	else if (f->hw_points == FAKE_HW_POINTS)
		err = -ENOSPC;
	else
		f->hw_points++;
	if (err)
		return err;
	pt->inserted = true;
	log_point(f, "insert", p, pt);
	return 0;
}

/* Memory that has changed since then is not the point's. */
static void take_out_sw(struct target *t, struct process *p,
			const struct point *pt)
{
	const struct arch *a = fake_of(t)->arch;
	uint8_t now[ARCH_TRAP_MAX];

	fake_read_mem(t, p, pt->addr, now, a->trap_len);
	if (!memcmp(now, a->trap, a->trap_len))
		fake_write_mem(t, p, pt->addr, pt->shadow, a->trap_len);
}

static int take_out(struct target *t, struct process *p, struct point *pt)
{
	struct fake *f = fake_of(t);

	if (pt->kind == POINT_SW)
		take_out_sw(t, p, pt);
	else
		f->hw_points--;
	pt->inserted = false;
	log_point(f, "remove", p, pt);
	return 0;
}

const struct target_point_ops fake_point_ops = {
	.insert = insert,
	.remove = take_out,
};
