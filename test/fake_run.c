/* How the fake target's threads run: scripted events, reported in order. */
#include <sys/eventfd.h>
#include <unistd.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test/fake_private.h"

struct fake_event *fake_event_add(struct fake *f, const struct stop *s)
{
	struct fake_event *e = xcalloc(1, sizeof(*e));

	e->stop = *s;
	list_add(&f->events, &e->node);
	eventfd_write(f->ready, 1);
	return e;
}

void fake_stop(struct fake *f, const struct stop *s)
{
	fake_event_add(f, s);
}

void fake_arrive(struct fake *f, struct ptid id, uint64_t pc)
{
	struct stop s = { .id = id, .addr = pc };

	fake_event_add(f, &s)->arrival = true;
}

static void log_resume(struct fake *f, struct ptid id, const struct resume *r)
{
	static const char *const name[] = {
		[RESUME_CONT] = "cont",
		[RESUME_STEP] = "step",
		[RESUME_RANGE] = "range",
	};

	buf_printf(&f->log, "resume %x.%x %s %d\n", (unsigned)id.pid,
		   (unsigned)id.tid, name[r->kind], r->signo);
}

static void resume_one(struct fake *f, struct thread *th,
		       const struct resume *r)
{
	struct stop s = { .id = th->id, .kind = STOP_STEP };

	log_resume(f, th->id, r);
	target_regs_flush(&f->target, th);
	th->running = true;
	th->last.kind = STOP_NONE;
	if (r->kind == RESUME_CONT)
		return;
	fake_pc_set(f, th->id.tid,
		    r->kind == RESUME_RANGE ? r->hi
					    : fake_pc(f, th->id.tid) + 1);
	fake_event_add(f, &s);
}

int fake_resume(struct target *t, const struct resume *acts, size_t n)
{
	struct fake *f = fake_of(t);
	struct process *p;
	struct thread *th;

	list_each(p, &t->processes, node) {
		list_each(th, &p->threads, node) {
			const struct resume *r = target_action_for(acts, n, th->id);

			if (r && r->kind == RESUME_STOP && th->running)
				fake_interrupt(t, th->id);
			else if (r && r->kind != RESUME_STOP &&
				 thread_can_resume(th))
				resume_one(f, th, r);
		}
	}
	eventfd_write(f->ready, 1);
	return 0;
}

int fake_interrupt(struct target *t, struct ptid who)
{
	struct process *p;
	struct thread *th;

	list_each(p, &t->processes, node) {
		list_each(th, &p->threads, node) {
			struct stop s = {
				.id = th->id,
				.kind = STOP_SIGNAL,
				.code = who.tid ? INTERRUPT_THREAD
						: INTERRUPT_ANY,
			};

			if (!th->running || !ptid_matches(who, th->id))
				continue;
			fake_event_add(fake_of(t), &s);
			if (who.tid == 0)
				return 0;
		}
	}
	return 0;
}

/* Steps are over at once here: what an interrupt meets is none of them. */
bool fake_only_steps(struct target *t)
{
	(void)t;
	return false;
}

int fake_halt(struct target *t)
{
	struct process *p;
	struct thread *th;

	list_each(p, &t->processes, node)
		list_each(th, &p->threads, node)
			th->running = false;
	buf_puts(&fake_of(t)->log, "halt\n");
	return 0;
}

int fake_event_fd(struct target *t)
{
	return fake_of(t)->ready;
}

/* A thread's events stay in order. */
static bool is_first(struct fake *f, const struct fake_event *e)
{
	struct fake_event *other;

	list_each(other, &f->events, node)
		if (other->stop.id.tid == e->stop.id.tid)
			return other == e;
	return true;
}

static struct fake_event *event_due(struct fake *f)
{
	struct fake_event *e, *found = NULL;

	list_each(e, &f->events, node) {
		struct thread *th = thread_find(&f->target, e->stop.id.tid);

		if (!th || !th->running || !is_first(f, e))
			continue;
		found = e;
#ifndef HOSTILE
		break; /* a hostile build lets the last thread go first */
#endif
	}
	return found;
}

static void event_drop(struct fake_event *e)
{
	list_drop(&e->node);
	free(e->path);
	free(e);
}

/* Does an arrival stop there? Makes the event say how. */
static bool arrival_stops(struct fake *f, struct thread *th, struct stop *s)
{
	struct point *pt = point_find(th->proc, POINT_SW, s->addr, 1);

	s->kind = STOP_SWBREAK;
	if (!pt) {
		pt = point_find(th->proc, POINT_HW, s->addr, 1);
		s->kind = STOP_HWBREAK;
	}
	return pt && pt->inserted && target_point_hit(&f->target, th, pt);
}

/* As the kernel copies memory: what is inserted in it is so in the child. */
static void points_copy(struct process *from, struct process *to)
{
	struct point *pt, *copy;

	list_each(pt, &from->points->list, node) {
		if (pt->kind != POINT_SW)
			continue;
		copy = point_add(to, pt->kind, pt->addr, pt->size);
		copy->inserted = pt->inserted;
		memcpy(copy->shadow, pt->shadow, sizeof(copy->shadow));
		copy->code = pt->code;
		if (copy->code)
			copy->code->refs++;
	}
}

/* The records follow what happened; the stop stays as reported. */
static void take_effect(struct fake *f, struct thread *th, struct fake_event *e)
{
	struct target *t = &f->target;

	th->running = false;
	th->last = e->stop;
	switch (e->stop.kind) {
	case STOP_EXITED:
	case STOP_KILLED:
		process_free(t, th->proc);
		break;
	case STOP_THREAD_EXIT:
		thread_free(t, th);
		break;
	case STOP_EXEC:
		free(th->proc->path);
		th->proc->path = xstrdup(e->path);
		process_execs(t, th->proc, th->id.tid);
		process_execed(t, th->proc);
		break;
	case STOP_SWBREAK:
	case STOP_HWBREAK:
		fake_pc_set(f, th->id.tid, e->stop.addr);
		break;
	case STOP_CLONED:
		fake_thread_add(f, th->id.pid, e->stop.child.tid);
		break;
	case STOP_FORK:
	case STOP_VFORK: {
		struct process *child =
			process_add_untold(t, e->stop.child.pid, f->arch);

		thread_add(t, child, e->stop.child.tid);
		fake_memory_copy(f, e->stop.id.pid, child->pid);
		points_copy(th->proc, child);
		process_tell(t, child);
		break;
	}
	default:
		break;
	}
}

int fake_next_event(struct target *t, struct stop *out, bool patient)
{
	struct fake *f = fake_of(t);
	struct fake_event *e;
	eventfd_t count;

	(void)patient;
	while ((e = event_due(f)) != NULL) {
		struct thread *th = thread_find(t, e->stop.id.tid);
		bool stops;

		if (e->arrival)
			fake_pc_set(f, th->id.tid, e->stop.addr);
		stops = !e->arrival || arrival_stops(f, th, &e->stop);
		if (stops) {
			*out = e->stop;
			take_effect(f, th, e);
		}
		event_drop(e);
		if (stops)
			return 1;
	}
	eventfd_read(f->ready, &count);
	return 0;
}
