/* `monitor condition` and `monitor logpoint` as verbs, for scripts: these have
 * compiled expressions, and want the answer for themselves. */
#include "server/filters.h"
#include "server/qtrace.h"

typedef int text_fn(struct session *s, const char *line, struct buf *out);

static int run(struct session *s, struct args *a, struct buf *out, text_fn *fn)
{
	struct buf line = { 0 };
	int r;

	buf_put(&line, a->p, args_left(a));
	a->p = a->end;
	r = fn(s, buf_str(&line), out);
	buf_fini(&line);
	if (r == 0 && !out->len)
		buf_puts(out, "OK");
	return r;
}

int verb_condition(struct session *s, struct args *a, struct buf *out)
{
	return run(s, a, out, condition_command);
}

int verb_logpoint(struct session *s, struct args *a, struct buf *out)
{
	return run(s, a, out, logpoint_command);
}
