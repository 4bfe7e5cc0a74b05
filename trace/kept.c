#include "trace/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/events.h"

#define FIRST 64 /* events that a thread's ring begins with */

void kept_clear(struct kept *k)
{
	for (size_t i = 0; i < k->n_threads; i++) {
		free(k->threads[i]->all);
		free(k->threads[i]);
	}
	for (size_t i = 0; i < k->n_modules; i++)
		free(k->modules[i].path);
	free(k->threads);
	free(k->modules);
	map_fini(&k->by_id);
	*k = (struct kept){ .per_thread = k->per_thread, .stops = k->stops };
}

/* --- events -------------------------------------------------------------- */

static struct kept_thread *thread_of(struct kept *k, struct ptid who)
{
	uint64_t key = (uint64_t)(uint32_t)who.pid << 32 | (uint32_t)who.tid;
	struct kept_thread *th = map_find(&k->by_id, key);

	if (th)
		return th;
	th = xcalloc(1, sizeof(*th));
	th->id = who;
	map_set(&k->by_id, key, th);
	k->threads =
		xrealloc(k->threads, (k->n_threads + 1) * sizeof(*k->threads));
	k->threads[k->n_threads++] = th;
	return th;
}

/* It has not begun to be a ring yet. False: it is as large as it may be. */
static bool grow(struct kept *k, struct kept_thread *th)
{
	const uint64_t size = sizeof(*th->all);
	size_t cap = th->cap ? 2 * th->cap : FIRST;

	if (cap > k->per_thread / size)
		cap = k->per_thread / size;
	if (th->first || cap <= th->cap ||
	    k->bytes + (cap - th->cap) * size > KEPT_MOST)
		return false;
	k->bytes += (cap - th->cap) * size;
	th->all = xrealloc(th->all, cap * size);
	th->cap = cap;
	return true;
}

static void put(struct kept *k, struct kept_thread *th,
		const struct translate_event *e)
{
	if (th->n < th->cap || grow(k, th)) {
		th->all[th->n++] = *e;
		return;
	}
	th->lost++;
	if (k->stops || !th->cap)
		return;
	th->all[th->first] = *e;
	th->first = (th->first + 1) % th->cap;
}

void kept_put(void *user, struct ptid who, const struct translate_event *all,
	      size_t n)
{
	struct kept_thread *th = thread_of(user, who);

	for (size_t i = 0; i < n; i++)
		put(user, th, &all[i]);
}

/* --- modules ------------------------------------------------------------- */

struct adding {
	struct kept *k;
	pid_t pid;
};

static void add_module(void *user, const struct translate_module *m)
{
	struct adding *a = user;
	struct kept *k = a->k;
	struct kept_module *known = k->modules;

	for (size_t i = 0; i < k->n_modules; i++, known++) {
		if (known->pid != a->pid || known->base != m->base ||
		    strcmp(known->path, m->path))
			continue;
		if (known->size < m->size)
			known->size = m->size;
		return;
	}
	k->modules =
		xrealloc(k->modules, (k->n_modules + 1) * sizeof(*k->modules));
	k->modules[k->n_modules++] =
		(struct kept_module){ a->pid, xstrdup(m->path), m->base,
				      m->size, m->offset };
}

void kept_modules(struct kept *k, pid_t pid, const struct space *sp)
{
	struct adding a = { k, pid };

	translate_modules_each(sp, add_module, &a);
}

/* --- text ---------------------------------------------------------------- */

static void write_thread(const struct kept_thread *th, FILE *f)
{
	size_t newer = th->n - th->first;

	events_write(f, th->id, th->all + th->first, newer);
	events_write(f, th->id, th->all, th->first);
}

void kept_write(const struct kept *k, FILE *f)
{
	for (size_t i = 0; i < k->n_modules; i++)
		fprintf(f, "# module %d %#lx %#lx %s\n", k->modules[i].pid,
			k->modules[i].base, k->modules[i].size,
			k->modules[i].path);
	for (size_t i = 0; i < k->n_threads; i++) {
		if (k->threads[i]->lost)
			fprintf(f, "# lost %d %lu\n", k->threads[i]->id.tid,
				k->threads[i]->lost);
	}
	for (size_t i = 0; i < k->n_threads; i++)
		write_thread(k->threads[i], f);
}

void kept_write_maps(const struct kept *k, FILE *f)
{
	for (size_t i = 0; i < k->n_modules; i++) {
		const struct kept_module *m = &k->modules[i];

		fprintf(f, "%d %lx %lx %lx %s\n", m->pid, m->base, m->size,
			m->offset, m->path);
	}
}
