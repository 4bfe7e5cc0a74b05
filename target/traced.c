#include "target/traced.h"

static struct point *at(const struct process *p, uint64_t addr)
{
	return point_find(p, POINT_SW, addr, 1);
}

static bool is_traced(const struct point *pt)
{
	return pt && pt->code && pt->code->told;
}

static struct point_code *code_ref(struct point_code *c)
{
	if (c)
		c->refs++;
	return c;
}

/* A new one each time: copies of the point in forked processes have another. */
static int set(struct target *t, struct process *p, uint64_t addr, bool asked,
	       struct point_code *asked_code)
{
	struct point_code *c = point_code_new();

	c->told = true;
	c->asked = asked;
	c->asked_code = asked_code;
	return target_point_set(t, p, POINT_SW, addr, 1, c);
}

int traced_point_ask(struct target *t, struct process *p, enum point_kind kind,
		     uint64_t addr, unsigned size, struct point_code *code)
{
	if (kind == POINT_SW && is_traced(at(p, addr)))
		return set(t, p, addr, true, code);
	return target_point_set(t, p, kind, addr, size, code);
}

int traced_point_unask(struct target *t, struct process *p,
		       enum point_kind kind, uint64_t addr, unsigned size)
{
	if (kind == POINT_SW && is_traced(at(p, addr)))
		return set(t, p, addr, false, NULL);
	return target_point_clear(t, p, kind, addr, size);
}

void traced_points_unask(struct target *t, struct process *p)
{
	struct point *pt, *next;

	list_each_safe(pt, next, &p->points->list, node)
		traced_point_unask(t, p, pt->kind, pt->addr, pt->size);
}

int traced_point_add(struct target *t, struct process *p, uint64_t addr)
{
	const struct point *pt = at(p, addr);

	if (is_traced(pt))
		return 0;
	return set(t, p, addr, pt, pt ? code_ref(pt->code) : NULL);
}

int traced_point_drop(struct target *t, struct process *p, uint64_t addr)
{
	const struct point *pt = at(p, addr);

	if (!is_traced(pt))
		return 0;
	if (!pt->code->asked)
		return target_point_clear(t, p, POINT_SW, addr, 1);
	return target_point_set(t, p, POINT_SW, addr, 1,
				code_ref(pt->code->asked_code));
}

void traced_points_drop(struct target *t, struct process *p)
{
	struct point *pt, *next;

	list_each_safe(pt, next, &p->points->list, node) {
		if (is_traced(pt))
			traced_point_drop(t, p, pt->addr);
	}
}

bool point_is_traced(const struct process *p, uint64_t addr)
{
	return is_traced(at(p, addr));
}

bool traced_point_is_asked(const struct process *p, uint64_t addr)
{
	const struct point *pt = at(p, addr);

	return pt && (!is_traced(pt) || pt->code->asked);
}

bool traced_point_stops(struct target *t, struct thread *th, uint64_t addr)
{
	const struct point *pt = at(th->proc, addr);

	/* It may have been taken out since: the client takes a stop that it
	 * does not know for a false one. */
	if (!is_traced(pt))
		return true;
	return pt->code->asked && point_code_stops(t, th, pt->code->asked_code);
}
