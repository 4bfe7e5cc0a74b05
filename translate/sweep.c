#include "translate/sweep.h"

#include <stdlib.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/mem.h"
#include "translate/layer.h"
#include "translate/maps.h"
#include "translate/x86_64/rewind.h"

#define STACK_MOST (8u << 20)
#define CHUNK	   65536u

static bool leads_there(const struct maps *m, uint64_t word)
{
	return maps_is_ours(maps_find(m, word));
}

static bool has_word(const struct maps *m, const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (leads_there(m, words[i]))
			return true;
	}
	return false;
}

/* What cannot be read is not known. */
static bool is_stack_free(struct translator *tr, struct process *low,
			  const struct maps *m, uint64_t sp)
{
	const struct map_range *stack = maps_find(m, sp);
	uint64_t *words, at = sp & ~UINT64_C(7), end;
	bool is_free = stack && stack->hi - at <= STACK_MOST;

	end = stack ? stack->hi : at;
	words = xmalloc(CHUNK);
	while (is_free && at < end) {
		uint64_t n = end - at < CHUNK ? end - at : CHUNK;

		is_free = target_read_all(tr->lower, low, at, words, n) == 0 &&
			  !has_word(m, words, n / 8);
		at += n;
	}
	free(words);
	return is_free;
}

static bool is_thread_free(struct translator *tr, struct thread *low,
			   const struct maps *m)
{
	uint64_t rip, gs;

	if (low->running ||
	    target_reg_u64(tr->lower, low, low->proc->arch->pc, &rip) < 0 ||
	    target_reg_u64(tr->lower, low, tr->gs_base, &gs) < 0)
		return false;
	return !leads_there(m, gs) &&
	       !has_word(m, image_reg(low->regs, 0), IMAGE_RIP + 1) &&
	       is_stack_free(tr, low->proc, m,
			     *image_reg(low->regs, IMAGE_RSP));
}

static bool are_threads_free(struct translator *tr, struct process *p,
			     const struct maps *m)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (!is_thread_free(tr, lower_thread(th), m))
			return false;
	}
	return true;
}

static size_t count_leftovers(const struct maps *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += maps_is_ours(&m->all[i]);
	return n;
}

void sweep_leftovers(struct translator *tr, struct process *p,
		     struct thread *by)
{
	const struct target_inject_ops *inject = tr->lower->ops->inject;
	struct maps m = { 0 };

	if (maps_read(&m, tr->lower, by) < 0 || !count_leftovers(&m) ||
	    !are_threads_free(tr, p, &m)) {
		maps_fini(&m);
		return;
	}
	for (size_t i = 0; i < m.n; i++) {
		const struct map_range *r = &m.all[i];

		if (maps_is_ours(r))
			inject->call(tr->lower, by, SYS_munmap,
				     (uint64_t[6]){ r->lo, r->hi - r->lo });
	}
	debug(SESSION, "%d: %zu mappings of an earlier server are gone", p->pid,
	      count_leftovers(&m));
	maps_fini(&m);
}
