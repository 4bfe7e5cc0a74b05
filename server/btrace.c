/*
 * Branch history: gdb's `record btrace`, for a target that keeps branches. All
 * of it is of the current thread; gdb asks for each of a program's threads.
 */
#include "server/btrace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/branch.h"
#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"
#include "xml/xml.h"

/* What gdb asks for at first. */
#define BYTES_DEFAULT 0x10000

static const struct target_branch_ops *branch_ops(const struct session *s)
{
	return s->target->ops->branch;
}

/* --- on and off ---------------------------------------------------------- */

/* A size in bytes is advice: a target has its own least and most. */
int pk_btrace_size(struct session *s, struct args *a, struct buf *out)
{
	uint64_t bytes;

	take_name(a, "0x");
	if (!take_hex(a, &bytes) || !take_end(a))
		return err_set(&s->err, -EINVAL, "size=BYTES, in hex");
	s->branch_bytes = bytes;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* gdbserver wants a single thread too. */
static struct thread *the_thread(struct session *s)
{
	struct thread *th = s->general.tid > 0 ? session_thread(s) : NULL;

	if (!th)
		err_set(&s->err, -EINVAL, "Must select a single thread.");
	return th;
}

int pk_btrace_bts(struct session *s, struct args *a, struct buf *out)
{
	uint64_t bytes = s->branch_bytes ? s->branch_bytes : BYTES_DEFAULT;
	struct thread *th = the_thread(s);
	int r;

	(void)a;
	if (!th)
		return -EINVAL;
	r = branch_ops(s)->enable(s->target, th, bytes / sizeof(struct branch),
				  &s->err);
	if (r >= 0)
		buf_puts(out, "OK");
	return r < 0 ? r : REPLY_NOW;
}

int pk_btrace_off(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = the_thread(s);

	(void)a;
	if (!th)
		return -EINVAL;
	if (!branch_ops(s)->kept(s->target, th))
		return err_set(&s->err, -EINVAL, "Branch tracing not enabled.");
	branch_ops(s)->disable(s->target, th);
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* --- documents ----------------------------------------------------------- */

/* The thread, if its branches are kept. */
static struct thread *kept_thread(struct session *s)
{
	struct thread *th = the_thread(s);

	if (!th || branch_ops(s)->kept(s->target, th))
		return th;
	err_set(&s->err, -EINVAL, "Btrace not enabled.");
	return NULL;
}

static bool find_read(const char *annex, enum branch_read *what)
{
	static const char *const names[] = {
		[BRANCH_ALL] = "all",
		[BRANCH_NEW] = "new",
		[BRANCH_DELTA] = "delta",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(annex, names[i]))
			continue;
		*what = (enum branch_read)i;
		return true;
	}
	return false;
}

int make_btrace(struct session *s, const char *annex, struct buf *out)
{
	struct thread *th = kept_thread(s);
	struct branch *all = NULL;
	enum branch_read what;
	int64_t n;

	if (!th)
		return -EINVAL;
	if (th->running)
		return err_set(&s->err, -EBUSY, "the thread is running");
	if (!find_read(annex, &what))
		return err_set(&s->err, -EINVAL, "Bad annex.");
	n = branch_ops(s)->read(s->target, th, what, &all);
	if (n == -EOVERFLOW)
		return err_set(&s->err, -EOVERFLOW, "Overflow.");
	if (n >= 0)
		xml_btrace_put(out, all, (size_t)n);
	free(all);
	return n < 0 ? (int)n : 0;
}

int make_btrace_conf(struct session *s, const char *annex, struct buf *out)
{
	struct thread *th = kept_thread(s);

	if (!th)
		return -EINVAL;
	if (*annex)
		return -ENOENT;
	xml_btrace_conf_put(out, branch_ops(s)->kept(s->target, th) *
					 sizeof(struct branch));
	return 0;
}
