#include "target/process.h"

#include <stdlib.h>

#include "agent/ax.h"
#include "base/mem.h"
#include "target/filter.h"
#include "target/syscalls.h"
#include "target/target.h"

struct process *process_find(const struct target *t, pid_t pid)
{
	struct process *p;

	list_each(p, &t->processes, node) {
		if (p->pid == pid)
			return p;
	}
	return NULL;
}

static void points_unref(struct process *p)
{
	struct point *pt, *next;

	if (!p->points || --p->points->refs)
		return;
	list_each_safe(pt, next, &p->points->list, node)
		point_free(p, pt);
	map_fini(&p->points->sw);
	free(p->points);
}

void process_set_points(struct process *p, struct process *of)
{
	points_unref(p);
	if (of) {
		p->points = of->points;
		p->points->refs++;
		return;
	}
	p->points = xcalloc(1, sizeof(*p->points));
	p->points->refs = 1;
	list_init(&p->points->list);
}

void process_set_caught(struct process *p, struct syscall_set *caught)
{
	syscall_set_unref(p->caught);
	p->caught = caught;
}

struct process *process_add(struct target *t, pid_t pid,
			    const struct arch *arch)
{
	struct process *p = process_add_untold(t, pid, arch);

	process_tell(t, p);
	return p;
}

struct process *process_add_untold(struct target *t, pid_t pid,
				   const struct arch *arch)
{
	struct process *p = xcalloc(1, sizeof(*p));

	p->untold = true;
	p->pid = pid;
	p->image = ++t->images;
	p->arch = arch;
	list_init(&p->threads);
	process_set_points(p, NULL);
	list_add(&t->processes, &p->node);
	return p;
}

void process_tell(struct target *t, struct process *p)
{
	struct thread *th;

	p->untold = false;
	if (t->watcher && !p->watched)
		t->watcher->process_added(t->watcher_user, p);
	p->watched = true;
	list_each(th, &p->threads, node) {
		if (!th->untold)
			thread_tell(t, th);
	}
}

static void thread_unwatch(struct target *t, struct thread *th)
{
	if (t->watcher && th->watched)
		t->watcher->thread_gone(t->watcher_user, th);
	th->watched = false;
}

static void process_unwatch(struct target *t, struct process *p)
{
	if (t->watcher && p->watched)
		t->watcher->process_gone(t->watcher_user, p);
	p->watched = false;
}

void process_hide(struct target *t, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node)
		thread_unwatch(t, th);
	process_unwatch(t, p);
	p->untold = true;
}

void process_execs(struct target *t, struct process *p, pid_t tid)
{
	if (t->watcher && p->watched)
		t->watcher->process_execs(t->watcher_user, p, tid);
}

void process_execed(struct target *t, struct process *p)
{
	p->image = ++t->images;
	if (t->watcher && p->watched)
		t->watcher->process_execed(t->watcher_user, p);
}

void process_set_arch(struct process *p, const struct arch *arch)
{
	struct thread *th;

	if (arch == p->arch)
		return;
	p->arch = arch;
	list_each(th, &p->threads, node) {
		free(th->regs);
		th->regs = NULL;
		th->fresh = th->dirty = 0;
	}
}

void process_free(struct target *t, struct process *p)
{
	struct thread *th, *next;

	list_each_safe(th, next, &p->threads, node)
		thread_free(t, th);
	process_unwatch(t, p);
	points_unref(p);
	process_set_caught(p, NULL);
	list_drop(&p->node);
	free(p->path);
	free(p);
}

struct thread *thread_find(const struct target *t, pid_t tid)
{
	return tid > 0 ? map_find(&t->threads, (uint64_t)tid) : NULL;
}

struct thread *thread_add(struct target *t, struct process *p, pid_t tid)
{
	struct thread *th = thread_add_untold(t, p, tid);

	thread_tell(t, th);
	return th;
}

struct thread *thread_add_untold(struct target *t, struct process *p,
				 pid_t tid)
{
	struct thread *th = xcalloc(1, sizeof(*th));

	th->id = (struct ptid){ p->pid, tid };
	th->untold = true;
	th->proc = p;
	list_add(&p->threads, &th->node);
	map_set(&t->threads, (uint64_t)tid, th);
	return th;
}

void thread_tell(struct target *t, struct thread *th)
{
	th->untold = false;
	if (th->watched || !th->proc->watched)
		return;
	th->watched = true;
	if (t->watcher)
		t->watcher->thread_added(t->watcher_user, th);
}

void thread_free(struct target *t, struct thread *th)
{
	thread_unwatch(t, th);
	list_drop(&th->node);
	map_drop(&t->threads, (uint64_t)th->id.tid);
	point_code_unref(th->logged);
	filter_unref(th->counted);
	free(th->regs);
	free(th->traced);
	free(th);
}

struct thread *thread_next(const struct target *t, const struct thread *th)
{
	const struct list *at = th ? th->node.next : NULL;
	const struct list *node = th ? &th->proc->node : &t->processes;

	while (!at || at == &list_entry(node, struct process, node)->threads) {
		const struct process *p;

		node = node->next;
		if (node == &t->processes)
			return NULL;
		p = list_entry(node, struct process, node);
		at = p->untold ? &p->threads : p->threads.next;
	}
	return list_entry(at, struct thread, node);
}

struct thread *thread_match(const struct target *t, struct ptid pattern)
{
	struct thread *th, *any = NULL;

	if (pattern.tid > 0) {
		th = thread_find(t, pattern.tid);
		return th && ptid_matches(pattern, th->id) ? th : NULL;
	}
	for (th = thread_next(t, NULL); th; th = thread_next(t, th)) {
		if (!ptid_matches(pattern, th->id))
			continue;
		if (!th->running)
			return th;
		if (!any)
			any = th;
	}
	return any;
}

struct point *point_find(const struct process *p, enum point_kind kind,
			 uint64_t addr, unsigned size)
{
	struct point *pt;

	if (kind == POINT_SW)
		return map_find(&p->points->sw, addr + 1);
	list_each(pt, &p->points->list, node) {
		if (pt->kind == kind && pt->addr == addr && pt->size == size)
			return pt;
	}
	return NULL;
}

struct point *point_add(struct process *p, enum point_kind kind, uint64_t addr,
			unsigned size)
{
	struct point *pt = xcalloc(1, sizeof(*pt));

	pt->kind = kind;
	pt->addr = addr;
	pt->size = size;
	list_add(&p->points->list, &pt->node);
	if (kind == POINT_SW) {
		map_set(&p->points->sw, addr + 1, pt);
		p->points->had_sw = true;
	}
	return pt;
}

void point_free(struct process *p, struct point *pt)
{
	if (pt->kind == POINT_SW)
		map_drop(&p->points->sw, pt->addr + 1);
	list_drop(&pt->node);
	point_code_unref(pt->code);
	free(pt);
}

static void programs_free(struct ax_program **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ax_free(v[i]);
	free(v);
}

struct point_code *point_code_new(void)
{
	struct point_code *c = xcalloc(1, sizeof(*c));

	c->refs = 1;
	return c;
}

void point_code_unref(struct point_code *c)
{
	if (!c || --c->refs)
		return;
	programs_free(c->cond, c->n_cond);
	programs_free(c->command, c->n_command);
	point_code_unref(c->asked_code);
	point_code_unref(c->log);
	filter_unref(c->filter);
	free(c);
}

static struct point_code *untold(struct point_code *c)
{
	while (c && c->told)
		c = c->asked_code;
	return c;
}

/* What is seen to first of all that the client has there. */
static struct point_code *first_of(struct point_code *c)
{
	c = untold(c);
	return c && c->log ? c->log : c;
}

/* ... of what it has asked for beside a logpoint, or NULL. */
static struct point_filter *filter_of(struct point_code *c)
{
	c = untold(c);
	c = c && c->log ? c->asked_code : c;
	return c ? c->filter : NULL;
}

static struct point_code *logpoint_of(struct point_code *c)
{
	c = first_of(c);
	return c && c->console ? c : NULL;
}

static void set_logged(struct thread *th, struct point_code *code)
{
	if (code)
		code->refs++;
	point_code_unref(th->logged);
	th->logged = code;
}

static void set_counted(struct thread *th, struct point_filter *f, uint64_t at)
{
	if (f)
		f->refs++;
	filter_unref(th->counted);
	th->counted = f;
	th->counted_at = at;
}

void thread_hand_logged(struct thread *to, struct thread *from)
{
	set_logged(to, from->logged);
	set_logged(from, NULL);
	set_counted(to, from->counted, from->counted_at);
	set_counted(from, NULL, 0);
	to->counts = from->counts;
}

void thread_keep_logged(struct thread *th, const struct point *pt)
{
	if (th->counted && !(pt && pt->addr == th->counted_at))
		set_counted(th, NULL, 0);
	if (th->logged && !(pt && (pt->code == th->logged ||
				   first_of(pt->code) == th->logged)))
		set_logged(th, NULL);
}

bool point_code_logs_as(struct point_code *now, struct point_code *before)
{
	struct point_code *log = logpoint_of(now);

	return log && log == logpoint_of(before);
}

bool thread_takes_counted(struct thread *th, const struct point_filter *f)
{
	bool counted = th->counted && th->counted == f;

	set_counted(th, NULL, 0);
	return counted;
}

void thread_note_logged(struct thread *th, const struct point *pt,
			struct point_code *before)
{
	struct point_filter *f = filter_of(before);

	if (point_code_logs_as(pt->code, before))
		set_logged(th, logpoint_of(pt->code));
	if (f && f == filter_of(pt->code) && th->counts)
		set_counted(th, f, pt->addr);
}

void thread_note_met(struct thread *th, const struct point *pt,
		     struct point_code *before)
{
	if (pt->code == before)
		set_logged(th, pt->code);
	else
		thread_note_logged(th, pt, before);
}
