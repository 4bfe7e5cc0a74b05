#include "translate/blocked.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "translate/trail.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

/* A thread that nobody follows any more, or a space that could not be taken
 * out of its memory. */
struct blocked {
	struct list node; /* in translator.blocked */
	pid_t pid, tid;
	struct space *space; /* counted */
	uint64_t pc;	     /* 0: it is where it should be */
	uint64_t gs_base;
};

/* --- while it is followed ------------------------------------------------ */

/* It has made its call, from the cache. */
static uint64_t original_pc(struct translator *tr, struct thread *low,
			    const struct follow *f)
{
	const uint8_t *image = follow_image(tr, low, false);
	const struct trail *tl;
	const struct mark *m;
	uint64_t cpc;

	if (!image)
		return 0;
	cpc = *image_reg(low->regs, IMAGE_RIP);
	tl = trails_at(f->space->trails, cpc);
	m = tl ? trail_mark(tl, (uint32_t)(cpc - tl->addr)) : NULL;
	return m ? m->pc : 0;
}

void blocked_rewind(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);

	if (f->in_cache && !f->blocked_pc)
		f->blocked_pc = original_pc(tr, lower_thread(th), f);
}

/* What a system call leaves in rcx is the pc behind it. */
static void put(const struct translator *tr, struct thread *th, uint64_t pc,
		uint64_t gs_base)
{
	*image_reg(th->regs, IMAGE_RIP) = pc;
	*image_reg(th->regs, IMAGE_RCX) = pc;
	*follow_special(th, tr->gs_base) = gs_base;
}

void blocked_show(struct translator *tr, struct thread *th)
{
	const struct follow *f = follow_of(th);

	if (f && f->blocked_pc)
		put(tr, th, f->blocked_pc, f->gs_base);
}

void blocked_end(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);

	blocked_settle(tr, low);
	if (!f->blocked_pc)
		return;
	if (follow_image(tr, low, true))
		put(tr, low, f->blocked_pc, f->gs_base);
	f->blocked_pc = 0;
	f->in_cache = false;
}

/* --- afterwards ---------------------------------------------------------- */

static void keep(struct translator *tr, struct thread *th, struct follow *f)
{
	struct blocked *b = xcalloc(1, sizeof(*b));

	b->pid = th->proc->pid;
	b->tid = th->id.tid;
	b->space = f->space;
	b->space->refs++;
	b->pc = f->blocked_pc;
	b->gs_base = f->gs_base;
	list_add(&tr->blocked, &b->node);
}

bool blocked_keep(struct translator *tr, struct process *p, bool space)
{
	bool kept = false;
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (!follow_of(th)->blocked_pc && !space)
			continue;
		keep(tr, th, follow_of(th));
		kept = true;
	}
	return kept;
}

bool blocked_has(const struct translator *tr, pid_t pid)
{
	const struct blocked *b;

	list_each(b, &tr->blocked, node) {
		if (b->pid == pid)
			return true;
	}
	return false;
}

static void drop(struct blocked *b)
{
	list_drop(&b->node);
	space_unref(b->space);
	free(b);
}

static void settle(struct translator *tr, struct blocked *b, struct thread *low)
{
	const uint8_t *image = follow_image(tr, low, false);

	if (b->pc && image &&
	    space_region_at(b->space, *image_reg(low->regs, IMAGE_RIP))) {
		put(tr, low, b->pc, b->gs_base);
		low->dirty |= 1u << REGSET_GENERAL;
		target_regs_flush(tr->lower, low);
	}
	if (b->space->refs == 1) {
		space_unmap(b->space, low);
		trails_unguard(b->space, low->proc);
	}
	drop(b);
}

void blocked_settle(struct translator *tr, struct thread *low)
{
	struct blocked *b, *next;

	list_each_safe(b, next, &tr->blocked, node) {
		if (b->tid == low->id.tid)
			settle(tr, b, low);
	}
}

void blocked_forget(struct translator *tr, pid_t pid)
{
	struct blocked *b, *next;

	list_each_safe(b, next, &tr->blocked, node) {
		if (b->pid == pid)
			drop(b);
	}
}

void blocked_leave(void *user, struct process *low)
{
	struct thread *th;

	list_each(th, &low->threads, node)
		blocked_settle(user, th);
}
