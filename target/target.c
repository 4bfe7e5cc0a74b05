/*
 * What every target shares: the register cache, memory as the program sees
 * it, and points with their conditions.
 */
#include "target/target.h"

#include <errno.h>
#include <string.h>

#include "agent/ax.h"
#include "base/log.h"
#include "base/mem.h"
#include "target/filter.h"

void target_init(struct target *t, const struct target_ops *ops)
{
	*t = (struct target){ .ops = ops };
	list_init(&t->processes);
	sigemptyset(&t->pass_signals);
	/* gdb's default, for clients that do not say. */
	sigfillset(&t->program_signals);
	sigdelset(&t->program_signals, SIGTRAP);
	sigdelset(&t->program_signals, SIGINT);
}

void target_fini(struct target *t)
{
	struct process *p, *next;

	list_each_safe(p, next, &t->processes, node)
		process_free(t, p);
	map_fini(&t->threads);
}

/* --- memory -------------------------------------------------------------- */

enum mask_way { HIDE, KEEP };

/*
 * HIDE: what buf, read at addr, shows of an inserted breakpoint becomes what
 * it covers; what the program has written over one stays. KEEP: what buf is
 * about to write over one goes into its shadow, and the breakpoint stays in
 * buf.
 */
static void mask_point(const struct arch *a, struct point *pt, uint64_t addr,
		       uint8_t *buf, size_t len, enum mask_way way)
{
	for (unsigned i = 0; i < a->trap_len; i++) {
		uint64_t at = pt->addr + i - addr;

		if (at >= len)
			continue;
		if (way == HIDE) {
			if (buf[at] == a->trap[i])
				buf[at] = pt->shadow[i];
			continue;
		}
		pt->shadow[i] = buf[at];
		if (pt->twin)
			pt->twin[i] = buf[at];
		buf[at] = a->trap[i];
	}
}

static bool overlaps(const struct arch *a, const struct point *pt,
		     uint64_t addr, size_t len)
{
	return pt->kind == POINT_SW && pt->inserted &&
	       (pt->addr - addr < len || addr - pt->addr < a->trap_len);
}

/* Small ranges look each address up; large ones go over the points. */
static void mask_points(struct process *p, uint64_t addr, uint8_t *buf,
			size_t len, enum mask_way way)
{
	const struct arch *a = p->arch;
	uint64_t first = addr - (a->trap_len - 1u);
	size_t span = len + a->trap_len - 1u;
	struct point *pt;

	if (!p->points->sw.count)
		return;
	if (span < p->points->sw.count) {
		for (size_t i = 0; i < span; i++) {
			pt = map_find(&p->points->sw, first + i + 1);
			if (pt && pt->inserted)
				mask_point(a, pt, addr, buf, len, way);
		}
		return;
	}
	list_each(pt, &p->points->list, node) {
		if (overlaps(a, pt, addr, len))
			mask_point(a, pt, addr, buf, len, way);
	}
}

ssize_t target_read(struct target *t, struct process *p, uint64_t addr,
		    void *buf, size_t len)
{
	ssize_t n = t->ops->read_mem(t, p, addr, buf, len);

	if (n > 0)
		mask_points(p, addr, buf, (size_t)n, HIDE);
	debug(MEMORY, "%s: read %d %#lx %zu: %zd", t->ops->name, p->pid, addr,
	      len, n);
	return n;
}

int target_read_all(struct target *t, struct process *p, uint64_t addr,
		    void *buf, size_t len)
{
	ssize_t n = target_read(t, p, addr, buf, len);

	return n == (ssize_t)len ? 0 : -EFAULT;
}

bool target_has_trap(struct target *t, struct process *p, uint64_t addr)
{
	const struct point *pt = point_find(p, POINT_SW, addr, 0);
	uint8_t now[ARCH_TRAP_MAX];
	const struct arch *a = p->arch;

	return pt && pt->inserted &&
	       t->ops->read_mem(t, p, addr, now, a->trap_len) == a->trap_len &&
	       !memcmp(now, a->trap, a->trap_len);
}

static bool any_overlap(struct process *p, uint64_t addr, size_t len)
{
	struct point *pt;

	if (!p->points->sw.count)
		return false;
	list_each(pt, &p->points->list, node) {
		if (overlaps(p->arch, pt, addr, len))
			return true;
	}
	return false;
}

ssize_t target_write(struct target *t, struct process *p, uint64_t addr,
		     const void *buf, size_t len)
{
	uint8_t part[4096];
	size_t done = 0;
	ssize_t n = 0;

	debug(MEMORY, "%s: write %d %#lx %zu", t->ops->name, p->pid, addr, len);
	if (!any_overlap(p, addr, len))
		return t->ops->write_mem(t, p, addr, buf, len);
	while (done < len) {
		size_t want = len - done;

		if (want > sizeof(part))
			want = sizeof(part);
		memcpy(part, (const uint8_t *)buf + done, want);
		mask_points(p, addr + done, part, want, KEEP);
		n = t->ops->write_mem(t, p, addr + done, part, want);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done ? (ssize_t)done : n;
}

int target_resume(struct target *t, const struct resume *acts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		debug(RESUME, "%d.%d: kind %d, signal %d, %#lx-%#lx",
		      acts[i].who.pid, acts[i].who.tid, acts[i].kind,
		      acts[i].signo, acts[i].lo, acts[i].hi);
	return t->ops->resume(t, acts, n);
}

const struct resume *target_action_for(const struct resume *acts, size_t n,
				       struct ptid id)
{
	for (size_t i = 0; i < n; i++) {
		if (ptid_matches(acts[i].who, id))
			return &acts[i];
	}
	return NULL;
}

bool target_actions_meet(const struct resume *acts, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++) {
		if (acts[i].who.pid <= 0 || acts[i].who.pid == pid)
			return true;
	}
	return false;
}

bool target_actions_step(const struct resume *acts, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++) {
		if ((acts[i].who.pid <= 0 || acts[i].who.pid == pid) &&
		    acts[i].kind != RESUME_STEP)
			return false;
	}
	return true;
}

int target_place_conditions(struct target *t, const char *place)
{
	static const char *const names[] = {
		[CONDITIONS_AUTO] = "auto",
		[CONDITIONS_SERVER] = "server",
		[CONDITIONS_COMPILED] = "compiled",
	};

	if (!t->ops->point || !t->ops->point->conditions)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(place, names[i]))
			continue;
		t->ops->point->conditions(t, (enum condition_place)i);
		return 0;
	}
	return -EINVAL;
}

static void thread_changed(struct target *t, struct thread *th)
{
	if (t->ops->thread_changed)
		t->ops->thread_changed(t, th);
}

void target_thread_options(struct target *t, struct thread *th,
			   unsigned options)
{
	th->options = options;
	thread_changed(t, th);
}

void target_thread_untold(struct target *t, struct thread *th, bool untold)
{
	th->untold = untold;
	thread_changed(t, th);
}

/* --- registers ----------------------------------------------------------- */

int target_regs_fetch(struct target *t, struct thread *th, enum regset set)
{
	int r;

	if (th->fresh >> set & 1)
		return 0;
	if (!th->regs)
		th->regs = xcalloc(1, th->proc->arch->regs_size);
	r = t->ops->fetch_regs(t, th, set);
	if (r >= 0)
		th->fresh |= 1u << set;
	return r;
}

int target_reg_read(struct target *t, struct thread *th, unsigned regno,
		    void *buf)
{
	const struct arch *a = th->proc->arch;
	const struct regdesc *d;
	int r;

	if (regno >= a->n_regs)
		return -EINVAL;
	d = &a->regs[regno];
	r = target_regs_fetch(t, th, d->regset);
	if (r < 0)
		return r;
	memcpy(buf, th->regs + d->packed_at, d->bits / 8);
	return 0;
}

int target_reg_write(struct target *t, struct thread *th, unsigned regno,
		     const void *buf)
{
	const struct arch *a = th->proc->arch;
	const struct regdesc *d;
	int r;

	if (regno >= a->n_regs)
		return -EINVAL;
	d = &a->regs[regno];
	r = target_regs_fetch(t, th, d->regset);
	if (r < 0)
		return r;
	memcpy(th->regs + d->packed_at, buf, d->bits / 8);
	th->dirty |= 1u << d->regset;
	return 0;
}

const uint8_t *target_regs_all(struct target *t, struct thread *th)
{
	for (unsigned set = 0; set < N_REGSETS; set++) {
		if (target_regs_fetch(t, th, set) < 0)
			return NULL;
	}
	return th->regs;
}

int target_regs_write_all(struct target *t, struct thread *th,
			  const uint8_t *regs)
{
	const struct arch *a = th->proc->arch;

	if (!target_regs_all(t, th))
		return -ESRCH;
	for (unsigned i = 0; i < a->n_regs; i++) {
		const struct regdesc *d = &a->regs[i];
		size_t n = d->bits / 8u;

		if (!memcmp(th->regs + d->packed_at, regs + d->packed_at, n))
			continue;
		memcpy(th->regs + d->packed_at, regs + d->packed_at, n);
		th->dirty |= 1u << d->regset;
	}
	return 0;
}

int target_reg_u64(struct target *t, struct thread *th, unsigned regno,
		   uint64_t *v)
{
	const struct arch *a = th->proc->arch;

	if (regno >= a->n_regs || a->regs[regno].bits > 64)
		return -EINVAL;
	*v = 0;
	return target_reg_read(t, th, regno, v);
}

int target_regs_flush(struct target *t, struct thread *th)
{
	int r = 0;

	for (unsigned set = 0; th->dirty; set++) {
		uint32_t bit = 1u << set;
		int e = th->dirty & bit ? t->ops->store_regs(t, th, set) : 0;

		th->dirty &= ~bit;
		if (e < 0)
			r = e;
	}
	th->fresh = 0;
	return r;
}

/* --- points -------------------------------------------------------------- */

static int point_take_out(struct target *t, struct process *p,
			  struct point *pt)
{
	enum point_kind kind = pt->kind;
	uint64_t addr = pt->addr;
	unsigned size = pt->size;
	int r = t->ops->point->remove(t, p, pt);

	debug(POINT, "%s: remove %d kind %d %#lx: %d", t->ops->name, p->pid,
	      kind, addr, r);
	/* An exec that was met meanwhile has taken it along. */
	pt = point_find(p, kind, addr, size);
	if (pt)
		point_free(p, pt);
	return r;
}

/* A library that was unloaded took its breakpoints along, and the client does
 * not say so: it just sets them again when the library is back. */
static bool trap_is_there(struct target *t, struct process *p,
			  const struct point *pt)
{
	const struct arch *a = p->arch;
	uint8_t now[ARCH_TRAP_MAX];

	return t->ops->read_mem(t, p, pt->addr, now, a->trap_len) ==
		       a->trap_len &&
	       !memcmp(now, a->trap, a->trap_len);
}

static int point_renew(struct target *t, struct process *p, struct point *pt)
{
	int r = t->ops->point->renew ? t->ops->point->renew(t, p, pt) : 0;

	if (r < 0)
		point_free(p, pt);
	return r;
}

int target_point_set(struct target *t, struct process *p, enum point_kind kind,
		     uint64_t addr, unsigned size, struct point_code *code)
{
	struct point *pt = point_find(p, kind, addr, size);
	int r;

	if (!t->ops->point) {
		point_code_unref(code);
		return -ENOTSUP;
	}
	if (pt && kind == POINT_SW && !t->ops->point->renew &&
	    !trap_is_there(t, p, pt)) {
		point_take_out(t, p, pt);
		pt = NULL;
	}
	if (pt) {
		point_code_unref(pt->code);
		pt->code = code;
		return point_renew(t, p, pt);
	}
	pt = point_add(p, kind, addr, size);
	pt->code = code;
	r = t->ops->point->insert(t, p, pt);
	debug(POINT, "%s: insert %d kind %d %#lx: %d", t->ops->name, p->pid,
	      kind, addr, r);
	if (r < 0)
		point_free(p, pt);
	return r;
}

int target_point_clear(struct target *t, struct process *p,
		       enum point_kind kind, uint64_t addr, unsigned size)
{
	struct point *pt = point_find(p, kind, addr, size);

	if (!t->ops->point)
		return -ENOTSUP;
	return pt ? point_take_out(t, p, pt) : -ENOENT;
}

void target_points_drop(struct target *t, struct process *p)
{
	struct point *pt, *next;

	list_each_safe(pt, next, &p->points->list, node)
		point_take_out(t, p, pt);
}

int target_hit_reg(void *user, unsigned regno, uint64_t *v)
{
	const struct target_hit *h = user;

	return target_reg_u64(h->t, h->th, regno, v);
}

int target_hit_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	const struct target_hit *h = user;

	return target_read_all(h->t, h->th->proc, addr, buf, len);
}

int target_hit_variable(void *user, unsigned number, int64_t *v)
{
	const struct target_hit *h = user;

	if (number != AX_VARIABLE_THREAD)
		return -ENOSYS;
	*v = h->th->id.tid;
	return 0;
}

struct hit {
	struct target_hit at;
	const struct point_code *code;
};

static int hit_print(void *user, const char *text, size_t len)
{
	const struct hit *h = user;
	struct target *t = h->at.t;

	if (t->print)
		t->print(t->print_user, h->code->console, text, len);
	return 0;
}

/* The client tests again whatever is reported: an expression that cannot be
 * evaluated counts as true. */
static bool conditions_hold(const struct point_code *c,
			    const struct ax_env *env)
{
	bool hold = !c->n_cond;
	int64_t v;

	for (size_t i = 0; !hold && i < c->n_cond; i++)
		hold = ax_eval(c->cond[i], env, &v) < 0 || v;
	return hold;
}

static bool code_stops(struct target *t, struct thread *th,
		       struct point_code *c)
{
	struct hit hit = { { t, th }, c };
	const struct ax_env env = {
		.reg = target_hit_reg,
		.mem = target_hit_mem,
		.getv = target_hit_variable,
		.print = hit_print,
		.user = &hit,
	};
	int64_t v;

	if (c->filter)
		th->counts = false;
	if (!conditions_hold(c, &env) || !filter_stops(t, th, c->filter)) {
		t->n_false++;
		c->n_false++;
		return false;
	}
	if (!c->n_command)
		return true;
	for (size_t i = 0; i < c->n_command; i++)
		ax_eval(c->command[i], &env, &v);
	t->n_false++;
	c->n_false++;
	return false;
}

bool point_code_stops(struct target *t, struct thread *th,
		      struct point_code *c)
{
	struct point_code *asked;
	bool met, logged, counted;

	if (!c)
		return true;
	asked = c->log ? c->asked_code : c;
	met = th->logged == c;
	logged = c->log && th->logged == c->log;
	counted = thread_takes_counted(th, asked ? asked->filter : NULL);
	/* Once: what comes next is another arrival. */
	point_code_unref(th->logged);
	th->logged = NULL;
	if (met)
		return false;
	if (c->log && !logged)
		code_stops(t, th, c->log);
	return !asked || (!counted && code_stops(t, th, asked));
}

bool target_point_hit(struct target *t, struct thread *th,
		      const struct point *pt)
{
	return (pt->code && pt->code->told) ||
	       point_code_stops(t, th, pt->code);
}
