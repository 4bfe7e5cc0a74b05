/* Branches of the fake's threads: what a script says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test/fake_private.h"

static struct fake_thread *fake_thread(struct target *t,
				       const struct thread *th)
{
	return fake_thread_find(fake_of(t), th->id.tid);
}

static int enable(struct target *t, struct thread *th, size_t max,
		  struct err *e)
{
	struct fake_thread *own = fake_thread(t, th);

	if (own->branches_kept)
		return err_set(e, -EALREADY, "Btrace already enabled.");
	own->branches_kept = max;
	buf_printf(&fake_of(t)->log, "branches %x on %zx\n", (unsigned)own->tid,
		   max);
	return 0;
}

static void disable(struct target *t, struct thread *th)
{
	struct fake_thread *own = fake_thread(t, th);

	own->branches_kept = 0;
	buf_printf(&fake_of(t)->log, "branches %x off\n", (unsigned)own->tid);
}

static size_t kept(struct target *t, struct thread *th)
{
	return fake_thread(t, th)->branches_kept;
}

static int64_t read_branches(struct target *t, struct thread *th,
			     enum branch_read what, struct branch **out)
{
	static const char *const names[] = { "all", "new", "delta" };
	struct fake_thread *own = fake_thread(t, th);

	buf_printf(&fake_of(t)->log, "branches %x %s\n", (unsigned)own->tid,
		   names[what]);
	*out = NULL;
	if (own->n_branches < 0)
		return own->n_branches;
	*out = xcalloc((size_t)own->n_branches + 1, sizeof(**out));
	memcpy(*out, own->branches, (size_t)own->n_branches * sizeof(**out));
	return own->n_branches;
}

const struct target_branch_ops fake_branch_ops = {
	.enable = enable,
	.disable = disable,
	.kept = kept,
	.read = read_branches,
};
