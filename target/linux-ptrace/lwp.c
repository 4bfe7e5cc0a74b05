/* The records of processes and kernel threads. */
#include "target/linux-ptrace/lwp.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/slot.h"

struct process *inferior_add(struct linux_target *lt, pid_t pid)
{
	struct process *p = process_add_untold(&lt->t, pid, lt->arch64);
	struct inferior *inf = xcalloc(1, sizeof(*inf));

	inf->mem_fd = -1;
	p->priv = inf;
	return p;
}

static struct process *owner_among(const struct list *processes,
				   const struct process *p)
{
	struct process *o;

	list_each(o, processes, node) {
		if (o->points == p->points && !inferior_of(o)->shares_memory)
			return o;
	}
	return NULL;
}

struct process *memory_owner(struct linux_target *lt, struct process *p)
{
	struct process *o = NULL;

	if (inferior_of(p)->shares_memory)
		o = owner_among(&lt->t.processes, p);
	if (inferior_of(p)->shares_memory && !o)
		o = owner_among(&lt->ghosts, p);
	return o ? o : p;
}

void inferior_drop(struct linux_target *lt, struct process *p)
{
	struct inferior *inf = inferior_of(p);
	struct lwp *leader = lwp_find(lt, p->pid);
	struct thread *th, *next;

	memory_leave(lt, p);
	guardian_forget(guardian_of(&lt->t, p), p->pid);
	if (leader && !leader->th)
		lwp_drop(lt, leader);
	list_each_safe(th, next, &p->threads, node)
		lwp_drop(lt, lwp_of(th));
	if (inf->mem_fd >= 0)
		close(inf->mem_fd);
	slots_free(inf->slots);
	free(inf);
	process_free(&lt->t, p);
}

/* A program's class is in the first bytes of its file: e_ident[EI_CLASS]. */
static bool program_is_32bit(pid_t tid)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, ident, sizeof(ident)) != sizeof(ident))
		ident[EI_CLASS] = 0;
	close(fd);
	return ident[EI_CLASS] == ELFCLASS32;
}

pid_t inferior_tid(const struct process *p)
{
	if (list_empty(&p->threads))
		return p->pid;
	return list_entry(p->threads.next, struct thread, node)->id.tid;
}

static void read_path(struct process *p)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", inferior_tid(p));
	n = readlink(link, path, sizeof(path));
	free(p->path);
	p->path = xstrndup(path, n > 0 ? (size_t)n : 0);
}

void inferior_examine(struct linux_target *lt, struct process *p)
{
	process_set_arch(p, program_is_32bit(inferior_tid(p)) ? lt->arch32 :
								  lt->arch64);
	read_path(p);
}

void inferior_examine_new(struct linux_target *lt, struct process *p)
{
	struct lwp *lwp = lwp_find(lt, p->pid);

	process_set_arch(p, lwp_is_32bit(lwp) ? lt->arch32 : lt->arch64);
	read_path(p);
}

struct lwp *lwp_find(const struct linux_target *lt, pid_t tid)
{
	return map_find(&lt->lwps, (uint64_t)tid);
}

struct lwp *lwp_add(struct linux_target *lt, struct process *p, pid_t tid)
{
	struct lwp *lwp = lwp_add_untold(lt, p, tid);

	thread_tell(&lt->t, lwp->th);
	return lwp;
}

struct lwp *lwp_add_untold(struct linux_target *lt, struct process *p,
			   pid_t tid)
{
	struct lwp *lwp = xcalloc(1, sizeof(*lwp));

	lwp->tid = tid;
	lwp->proc = p;
	lwp->th = thread_add_untold(&lt->t, p, tid);
	lwp->th->priv = lwp;
	lwp->th->running = true;
	lt->n_running++;
	list_add(&lt->moving, &lwp->node);
	lt->n_moving++;
	list_add(&lt->running, &lwp->running_node);
	list_init(&lwp->pending_node);
	list_init(&lwp->status_node);
	list_init(&lwp->left_node);
	map_set(&lt->lwps, (uint64_t)tid, lwp);
	return lwp;
}

void lwp_hide(struct linux_target *lt, struct lwp *lwp)
{
	lwp_set_running(lt, lwp, false);
	lwp_clear_pending(lwp);
	thread_free(&lt->t, lwp->th);
	lwp->th = NULL;
}

void lwp_drop(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->th)
		lwp_hide(lt, lwp);
	lwp_clear_pending(lwp);
	if (!lwp->stopped)
		lt->n_moving--;
	list_drop(&lwp->node);
	list_drop(&lwp->status_node);
	list_drop(&lwp->left_node);
	map_drop(&lt->lwps, (uint64_t)lwp->tid);
	guardian_call_gone(lwp->call_guard);
	guardian_signal_end(lwp->signal_guard);
	lwp_see(lwp, NULL);
	free(lwp->xsave);
	free(lwp);
}

/* What could be seen of it is not all that it has. */
static void set_blocked(struct thread *th, bool blocked)
{
	if (th->blocked)
		th->fresh = th->dirty = 0;
	th->blocked = blocked;
}

void lwp_set_stopped(struct linux_target *lt, struct lwp *lwp)
{
	if (lwp->stopped)
		return;
	lwp->stopped = true;
	lt->n_moving--;
	list_drop(&lwp->node);
	list_add(&lt->settled, &lwp->node);
	if (lwp->th)
		set_blocked(lwp->th, false);
}

void lwp_set_moving(struct linux_target *lt, struct lwp *lwp)
{
	list_drop(&lwp->left_node);
	if (!lwp->stopped)
		return;
	lwp->stopped = lwp->harmless = false;
	lwp->seen_stopped = false;
	lt->n_acts += !lwp->stepped && !lwp->in_slot;
	lt->n_moving++;
	list_drop(&lwp->node);
	list_add(&lt->moving, &lwp->node);
}

void lwp_set_running(struct linux_target *lt, struct lwp *lwp, bool running)
{
	if (!lwp->th || lwp->th->running == running)
		return;
	lwp->th->running = running;
	set_blocked(lwp->th,
		    !running && !lwp->stopped && lwp->waits_for_vfork);
	lt->n_running += running ? 1 : (size_t)-1;
	list_drop(&lwp->running_node);
	if (running)
		list_add(&lt->running, &lwp->running_node);
}

void lwp_set_pending(struct linux_target *lt, struct lwp *lwp,
		     enum stop_kind kind)
{
	lwp->pending = (struct stop){
		.id = { lwp->proc->pid, lwp->tid },
		.kind = kind,
	};
	list_drop(&lwp->pending_node);
	list_add(&lt->pending, &lwp->pending_node);
}

void lwp_clear_pending(struct lwp *lwp)
{
	lwp->pending.kind = STOP_NONE;
	list_drop(&lwp->pending_node);
}
