/* Code of which nothing is recorded, and that runs natively where it can. */
#include "server/qtrace.h"

#include <errno.h>
#include <string.h>

#include "translate/record.h"

struct excluded_code {
	uint64_t lo, len;
	char glob[256]; /* "": it is a range */
};

static bool take_glob(struct args *a, char *glob, size_t size)
{
	struct args word;

	if (!take_name(a, "module=") || !take_word(a, ";", &word) ||
	    take_end(&word) || args_left(&word) >= size)
		return false;
	memcpy(glob, word.p, args_left(&word));
	glob[args_left(&word)] = '\0';
	return true;
}

static int take_code(struct session *s, struct args *a, struct excluded_code *c)
{
	*c = (struct excluded_code){ .lo = 0 };
	if (take_glob(a, c->glob, sizeof(c->glob)))
		return 0;
	if (take_hex(a, &c->lo) && take_char(a, ',') && take_hex(a, &c->len) &&
	    c->len && c->lo + c->len > c->lo)
		return 0;
	return err_set(&s->err, -EINVAL,
		       "which code? START,LEN in hex, or module=GLOB");
}

/* Ranges are the current process's, modules everybody's. */
static int exclude_code(struct session *s, const struct excluded_code *c,
			enum exclusion how)
{
	struct process *p = session_process(s);
	int r = all_stand(s);

	if (r < 0)
		return r;
	if (c->glob[0]) {
		r = translate_exclude_modules(s->target, c->glob, how);
		return r == 0 ? 0
			      : err_set(&s->err, r,
					"there are %d globs already",
					TRANSLATE_GLOBS_MAX);
	}
	if (!p || !translate_space(p))
		return err_set(&s->err, -ESRCH,
			       "the process is not followed: a range is of one "
			       "that is");
	if (how == INCLUDED &&
	    translate_include(s->target, p, c->lo, c->lo + c->len) < 0)
		return err_set(&s->err, -ENOENT,
			       "no such range was excluded: give the same one");
	if (how != INCLUDED)
		translate_exclude(s->target, p, c->lo, c->lo + c->len,
				  how == EXCLUDED_TRANSPARENTLY);
	return 0;
}

int verb_exclude(struct session *s, struct args *a, struct buf *out)
{
	enum exclusion how = EXCLUDED;
	struct excluded_code c;
	int r = take_code(s, a, &c);

	if (r >= 0 && take_name(a, ";transparent=1"))
		how = EXCLUDED_TRANSPARENTLY;
	else if (r >= 0)
		take_name(a, ";transparent=0");
	if (r >= 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL,
			    "behind the code comes ;transparent=1 or nothing");
	if (r >= 0)
		r = exclude_code(s, &c, how);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}

int verb_include(struct session *s, struct args *a, struct buf *out)
{
	struct excluded_code c;
	int r = take_code(s, a, &c);

	if (r >= 0 && !take_end(a))
		r = err_set(&s->err, -EINVAL, "include takes the code alone");
	if (r >= 0)
		r = exclude_code(s, &c, INCLUDED);
	if (r >= 0)
		buf_puts(out, "OK");
	return r;
}
