/* `monitor condition`: filters of breakpoints that the client sets. */
#include "server/filters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/source.h"
#include "base/mem.h"
#include "server/location.h"
#include "server/session.h"
#include "target/filter.h"
#include "target/traced.h"

struct condition {
	struct list node;
	int number;
	char *text; /* owned: as it was typed */
	uint64_t lo, hi;
	struct point_filter *filter; /* counted */
};

static void condition_free(struct condition *c)
{
	list_drop(&c->node);
	filter_unref(c->filter);
	free(c->text);
	free(c);
}

/* --- what is typed -------------------------------------------------------- */

static int add_program(struct session *s, struct point_filter *f,
		       struct buf *code)
{
	struct ax_program *p = NULL;
	int r = make_program(s, code, &p);

	if (r < 0)
		return r;
	f->when = xrealloc(f->when, (f->n_when + 1) * sizeof(*f->when));
	f->when[f->n_when++] = p;
	return 0;
}

static int take_if(struct session *s, const char **at, struct point_filter *f,
		   struct buf *code)
{
	int r = take_value_of(s, at, code);

	return r < 0 ? r : add_program(s, f, code);
}

/* streq EXPR "text" */
static int take_streq(struct session *s, const char **at,
		      struct point_filter *f, struct buf *code)
{
	struct buf text = { 0 };
	int r = take_value_of(s, at, code);

	skip_spaces(at);
	if (r == 0)
		r = source_text(at, &text, &s->err);
	if (r == 0)
		r = source_streq(buf_str(&text), text.len, code, &s->err);
	buf_fini(&text);
	return r < 0 ? r : add_program(s, f, code);
}

/* A thread's id, or its name. */
static int take_thread(struct session *s, const char **at,
		       struct point_filter *f, struct buf *code)
{
	struct buf name = { 0 };
	uint64_t tid;
	size_t n;
	int r = 0;

	if (take_decimal(at, &tid)) {
		source_op(code, AX_GETV);
		source_op(code, AX_VARIABLE_THREAD >> 8);
		source_op(code, AX_VARIABLE_THREAD & 0xff);
		source_number(code, tid);
		source_op(code, AX_EQUAL);
		return add_program(s, f, code);
	}
	n = strcspn(*at, " \t");
	if (**at == '"') {
		r = source_text(at, &name, &s->err);
	} else {
		buf_put(&name, *at, n);
		*at += n;
	}
	if (r == 0 && !name.len)
		r = err_set(&s->err, -EINVAL,
			    "which thread? its id, or its name");
	free(f->thread);
	f->thread = xstrdup(buf_str(&name));
	buf_fini(&name);
	return r;
}

static int take_count(struct session *s, const char **at, uint64_t least,
		      uint64_t *out)
{
	const char *was = *at;

	if (take_decimal(at, out) && *out >= least && *out <= INT64_MAX / 4)
		return 0;
	return err_set(&s->err, -EINVAL, "how many? `%.40s' is no number%s",
		       was, least ? " above 0" : "");
}

static int take_clause(struct session *s, const char **at,
		       struct point_filter *f, struct buf *code)
{
	if (take_keyword(at, "ignore"))
		return take_count(s, at, 0, &f->ignore);
	if (take_keyword(at, "every"))
		return take_count(s, at, 1, &f->every);
	if (take_keyword(at, "thread"))
		return take_thread(s, at, f, code);
	if (take_keyword(at, "streq"))
		return take_streq(s, at, f, code);
	if (take_keyword(at, "if"))
		return take_if(s, at, f, code);
	return err_set(&s->err, -EINVAL,
		       "`%.40s' is none of ignore N, every N, thread TID or "
		       "NAME, streq EXPR \"text\", if EXPR",
		       *at);
}

static int take_clauses(struct session *s, const char **at,
			struct point_filter *f)
{
	struct buf code = { 0 };
	int r;

	do {
		r = take_clause(s, at, f, &code);
		skip_spaces(at);
	} while (r == 0 && **at);
	buf_fini(&code);
	return r;
}

/* --- in programs ---------------------------------------------------------- */

static bool is_for(const struct condition *c, enum point_kind kind,
		   uint64_t addr)
{
	return (kind == POINT_SW || kind == POINT_HW) && addr >= c->lo &&
	       addr <= c->hi;
}

/* The newest one counts. */
static struct condition *find(struct session *s, enum point_kind kind,
			      uint64_t addr)
{
	struct condition *c, *last = NULL;

	list_each(c, &s->filters.conditions, node) {
		if (is_for(c, kind, addr))
			last = c;
	}
	return last;
}

struct point_code *condition_attach(struct session *s, enum point_kind kind,
				    uint64_t addr, struct point_code *code)
{
	const struct condition *c = find(s, kind, addr);

	if (!c)
		return code;
	if (!code)
		code = point_code_new();
	code->filter = c->filter;
	code->filter->refs++;
	return code;
}

/* Breakpoints that are there already; returns how many. */
static unsigned apply(struct session *s, uint64_t lo, uint64_t hi)
{
	struct point *pt, *next;
	struct process *p;
	unsigned n = 0;

	list_each(p, &s->target->processes, node) {
		list_each_safe(pt, next, &p->points->list, node) {
			const struct condition *c = find(s, pt->kind, pt->addr);

			if (pt->addr < lo || pt->addr > hi ||
			    pt->kind > POINT_HW)
				continue;
			n++;
			traced_point_filter(s->target, p, pt->kind, pt->addr,
					    c ? c->filter : NULL);
		}
	}
	return n;
}

/* --- the command ---------------------------------------------------------- */

static int list(struct session *s, struct buf *out)
{
	const struct condition *c;

	list_each(c, &s->filters.conditions, node) {
		buf_printf(out, "%d  %s\n    at 0x%" PRIx64, c->number, c->text,
			   c->lo);
		if (c->hi != c->lo)
			buf_printf(out, " to 0x%" PRIx64, c->hi);
		buf_printf(out, ": %" PRIu64 " hits, %" PRIu64 " stops\n",
			   filter_hits(c->filter), c->filter->stops);
	}
	if (list_empty(&s->filters.conditions))
		buf_puts(out, "There are no conditions.\n");
	return 0;
}

static int delete (struct session *s, const char *at)
{
	struct condition *c, *next;
	bool all = !*at, any = all;
	uint64_t number = 0, lo, hi;

	if (!all && (!take_decimal(&at, &number) || *at))
		return err_set(&s->err, -EINVAL,
			       "which one? `%.40s' is no number", at);
	list_each_safe(c, next, &s->filters.conditions, node) {
		if (!all && (uint64_t)c->number != number)
			continue;
		any = true;
		lo = c->lo;
		hi = c->hi;
		condition_free(c);
		apply(s, lo, hi);
	}
	return any ? 0
		   : err_set(&s->err, -ENOENT, "there is no condition %" PRIu64,
			     number);
}

/* One takes the place of another of the same place. */
static void drop_same(struct session *s, uint64_t lo, uint64_t hi)
{
	struct condition *c, *next;

	list_each_safe(c, next, &s->filters.conditions, node) {
		if (c->lo == lo && c->hi == hi)
			condition_free(c);
	}
}

static int add(struct session *s, const char *line, struct buf *out)
{
	struct condition *c;
	struct point_filter *f;
	const char *at = line;
	uint64_t lo, hi;
	unsigned n;
	int r = take_location(s, &at, &lo, &hi);

	if (r < 0)
		return r;
	f = filter_new();
	r = take_clauses(s, &at, f);
	if (r < 0) {
		filter_unref(f);
		return r;
	}
	drop_same(s, lo, hi);
	c = xcalloc(1, sizeof(*c));
	c->number = ++s->filters.last_condition;
	c->text = xstrdup(line);
	c->lo = lo;
	c->hi = hi;
	c->filter = f;
	list_add(&s->filters.conditions, &c->node);
	n = apply(s, lo, hi);
	buf_printf(out, "Condition %d at 0x%" PRIx64 "%s\n", c->number, lo,
		   n ? "" : ": no breakpoint is there yet");
	return 0;
}

int condition_command(struct session *s, const char *line, struct buf *out)
{
	const char *at = line;

	skip_spaces(&at);
	if (!*at)
		return list(s, out);
	if (take_keyword(&at, "delete"))
		return delete (s, at);
	return add(s, at, out);
}

void filters_init(struct filters *f)
{
	list_init(&f->conditions);
	list_init(&f->logpoints);
}

void filters_fini(struct filters *f)
{
	struct condition *c, *next;

	list_each_safe(c, next, &f->conditions, node)
		condition_free(c);
	buf_fini(&f->text);
}
