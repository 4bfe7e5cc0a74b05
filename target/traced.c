#include "target/traced.h"

#include <stdlib.h>

#include "target/filter.h"

/* What is at an address, taken apart. Codes are counted where one is held for
 * longer than that. */
struct layers {
	bool told, asked;
	struct point_code *code; /* what the client asked for, or NULL */
	struct point_code *log;	 /* NULL: there is no logpoint */
};

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

static struct layers layers_at(const struct process *p, uint64_t addr)
{
	const struct point *pt = at(p, addr);
	struct layers l = { .told = is_traced(pt) };
	struct point_code *c = pt ? pt->code : NULL;

	l.asked = l.told ? c->asked : pt != NULL;
	l.code = l.told ? c->asked_code : c;
	c = l.code;
	if (c && c->console) {
		l.log = c;
		l.asked = false;
		l.code = NULL;
	} else if (c && c->log) {
		l.log = c->log;
		l.code = c->asked_code;
	}
	return l;
}

/* A new one each time: copies of the point in forked processes have another.
 * code is taken over. */
static struct point_code *over(const struct layers *l, bool asked,
			       struct point_code *code)
{
	struct point_code *c = point_code_new();

	c->told = l->told;
	c->log = l->told ? NULL : code_ref(l->log);
	c->asked = asked;
	c->asked_code = code;
	return c;
}

/* l->code is taken over, and none of its other parts. */
static int put(struct target *t, struct process *p, uint64_t addr,
	       struct layers l)
{
	struct point_code *c = l.code;
	struct layers below = { .log = l.log };
	bool asked = l.asked || l.log;

	if (l.log)
		c = l.asked ? over(&below, true, c) : code_ref(l.log);
	if (l.told)
		c = over(&l, asked, c);
	else if (!asked)
		return target_point_clear(t, p, POINT_SW, addr, 1);
	return target_point_set(t, p, POINT_SW, addr, 1, c);
}

/* Is there anything but what the client has asked for? */
static bool has_others(const struct layers *l)
{
	return l->told || l->log;
}

/* --- the client's --------------------------------------------------------- */

int traced_point_ask(struct target *t, struct process *p, enum point_kind kind,
		     uint64_t addr, unsigned size, struct point_code *code)
{
	struct layers l = layers_at(p, addr);

	if (kind != POINT_SW || !has_others(&l))
		return target_point_set(t, p, kind, addr, size, code);
	l.asked = true;
	l.code = code;
	return put(t, p, addr, l);
}

int traced_point_unask(struct target *t, struct process *p,
		       enum point_kind kind, uint64_t addr, unsigned size)
{
	struct layers l = layers_at(p, addr);

	if (kind != POINT_SW || !has_others(&l))
		return target_point_clear(t, p, kind, addr, size);
	l.asked = false;
	l.code = NULL;
	return put(t, p, addr, l);
}

void traced_points_unask(struct target *t, struct process *p)
{
	struct point *pt, *next;

	list_each_safe(pt, next, &p->points->list, node)
		traced_point_unask(t, p, pt->kind, pt->addr, pt->size);
}

static struct point_code *filtered(struct point_code *code,
				   struct point_filter *f)
{
	if (!code)
		code = point_code_new();
	else
		code->refs++;
	filter_unref(code->filter);
	code->filter = f;
	if (f)
		f->refs++;
	return code;
}

void traced_point_filter(struct target *t, struct process *p,
			 enum point_kind kind, uint64_t addr,
			 struct point_filter *f)
{
	struct layers l = layers_at(p, addr);
	struct point *pt;

	if (kind == POINT_SW) {
		if (!l.asked)
			return;
		l.code = filtered(l.code, f);
		put(t, p, addr, l);
		return;
	}
	pt = point_find(p, kind, addr, 1);
	if (pt)
		target_point_set(t, p, kind, addr, 1, filtered(pt->code, f));
}

/* --- the tracer's, and logpoints ------------------------------------------ */

int traced_point_add(struct target *t, struct process *p, uint64_t addr)
{
	struct layers l = layers_at(p, addr);

	if (l.told)
		return 0;
	l.told = true;
	code_ref(l.code);
	return put(t, p, addr, l);
}

int traced_point_drop(struct target *t, struct process *p, uint64_t addr)
{
	struct layers l = layers_at(p, addr);

	if (!l.told)
		return 0;
	l.told = false;
	code_ref(l.code);
	return put(t, p, addr, l);
}

void traced_points_drop(struct target *t, struct process *p)
{
	struct point *pt, *next;

	list_each_safe(pt, next, &p->points->list, node) {
		if (is_traced(pt))
			traced_point_drop(t, p, pt->addr);
	}
}

int log_point_set(struct target *t, struct process *p, uint64_t addr,
		  struct point_code *log)
{
	struct layers l = layers_at(p, addr);

	if (!log && !l.log)
		return 0;
	l.log = log;
	code_ref(l.code);
	return put(t, p, addr, l);
}

bool log_point_is_at(const struct process *p, uint64_t addr)
{
	return layers_at(p, addr).log;
}

bool point_is_traced(const struct process *p, uint64_t addr)
{
	return is_traced(at(p, addr));
}

bool traced_point_is_asked(const struct process *p, uint64_t addr)
{
	return layers_at(p, addr).asked;
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
