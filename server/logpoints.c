/* `monitor logpoint`: breakpoints that print to the client, and do not stop. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/source.h"
#include "base/mem.h"
#include "server/filters.h"
#include "server/location.h"
#include "server/session.h"
#include "target/traced.h"

#define ARGUMENTS_MOST 32
#define FORMAT_MOST    8000
#define CODE_BYTES     16u

struct logpoint {
	struct list node;
	int number;
	char *text; /* owned: as it was typed */
	uint64_t addr;
	struct point_code *code; /* counted */
	uint8_t there[CODE_BYTES]; /* the program's code at addr */
	size_t n_there;
};

/* --- what is typed -------------------------------------------------------- */

/* "FORMAT", with its escapes, as agent/format.h takes it. */
static int take_format(struct session *s, const char **at, const char **format,
		       size_t *len)
{
	const char *p = *at;

	if (*p++ != '"')
		return err_set(&s->err, -EINVAL,
			       "what is to be printed? \"FORMAT\" [EXPR, ...]");
	*format = p;
	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	*len = (size_t)(p - *format);
	if (*p != '"')
		return err_set(&s->err, -EINVAL,
			       "the format has no \" at its end");
	if (*len > FORMAT_MOST)
		return err_set(&s->err, -E2BIG, "that format is too long");
	*at = p + 1;
	skip_spaces(at);
	return 0;
}

/* Where each argument begins: the last one is to be computed first. */
static int find_arguments(struct session *s, const char **at,
			  const char *begins[ARGUMENTS_MOST], unsigned *n)
{
	struct buf code = { 0 };
	int r = 0;

	while (r == 0 && **at && strncmp(*at, "if ", 3)) {
		if (*n == ARGUMENTS_MOST) {
			r = err_set(&s->err, -E2BIG, "%d values are the most",
				    ARGUMENTS_MOST);
			break;
		}
		begins[(*n)++] = *at;
		r = take_value_of(s, at, &code);
		if (**at == ',')
			++*at;
		skip_spaces(at);
		buf_reset(&code);
	}
	buf_fini(&code);
	return r;
}

/* Function and channel are on top of the arguments, and say nothing. */
static void put_printf(struct buf *code, unsigned n, const char *format,
		       size_t len)
{
	source_number(code, 0);
	source_number(code, 0);
	source_op(code, AX_PRINTF);
	source_op(code, n);
	source_op(code, (unsigned)(len + 1) >> 8);
	source_op(code, (unsigned)(len + 1) & 0xff);
	buf_put(code, format, len);
	buf_putc(code, '\0');
}

static int take_print(struct session *s, const char **at,
		      struct ax_program **out)
{
	const char *begins[ARGUMENTS_MOST], *format = "";
	struct buf code = { 0 };
	unsigned n = 0;
	size_t len = 0;
	int r = take_format(s, at, &format, &len);

	if (r == 0)
		r = find_arguments(s, at, begins, &n);
	for (unsigned i = n; r == 0 && i; i--)
		r = take_value_of(s, &begins[i - 1], &code);
	if (r == 0) {
		put_printf(&code, n, format, len);
		r = make_program(s, &code, out);
	}
	buf_fini(&code);
	return r;
}

static int take_condition(struct session *s, const char **at,
			  struct ax_program **out)
{
	struct buf code = { 0 };
	int r = take_value_of(s, at, &code);

	if (r == 0)
		r = make_program(s, &code, out);
	buf_fini(&code);
	skip_spaces(at);
	if (r == 0 && **at)
		r = err_set(&s->err, -EINVAL, "nothing comes behind that: `%s'",
			    *at);
	return r;
}

static int take_code(struct session *s, const char *at, struct point_code *c)
{
	int r;

	c->console = true;
	c->command = xcalloc(1, sizeof(*c->command));
	r = take_print(s, &at, &c->command[0]);
	c->n_command = r == 0;
	if (r < 0 || !take_keyword(&at, "if"))
		return r;
	c->cond = xcalloc(1, sizeof(*c->cond));
	r = take_condition(s, &at, &c->cond[0]);
	c->n_cond = c->cond[0] != NULL;
	return r;
}

/* --- in programs ---------------------------------------------------------- */

static size_t read_code(struct session *s, struct process *p, uint64_t addr,
			uint8_t code[CODE_BYTES])
{
	ssize_t n = target_read(s->target, p, addr, code, CODE_BYTES);

	return n > 0 ? (size_t)n : 0;
}

/* In another program that address may be amid an instruction. */
static void put_in(struct session *s, struct process *p, struct logpoint *l)
{
	uint8_t code[CODE_BYTES];
	size_t n = read_code(s, p, l->addr, code);

	if (n && n == l->n_there && !memcmp(code, l->there, n))
		log_point_set(s->target, p, l->addr, l->code);
}

void logpoints_begin(struct session *s, struct process *p)
{
	struct logpoint *l;

	list_each(l, &s->filters.logpoints, node)
		put_in(s, p, l);
}

static void logpoint_free(struct session *s, struct logpoint *l)
{
	struct process *p;

	list_drop(&l->node);
	list_each(p, &s->target->processes, node)
		log_point_set(s->target, p, l->addr, NULL);
	point_code_unref(l->code);
	free(l->text);
	free(l);
}

void logpoints_end(struct session *s)
{
	struct logpoint *l, *next;

	list_each_safe(l, next, &s->filters.logpoints, node)
		logpoint_free(s, l);
	buf_reset(&s->filters.text);
	s->filters.lost = 0;
}

bool logpoint_has_met(struct session *s, struct thread *th)
{
	const struct logpoint *l;
	uint64_t pc;

	if (list_empty(&s->filters.logpoints) ||
	    th->last.kind != STOP_SWBREAK ||
	    target_reg_u64(s->target, th, th->proc->arch->pc, &pc) < 0)
		return false;
	list_each(l, &s->filters.logpoints, node) {
		if (l->addr == pc)
			return true;
	}
	return false;
}

/* --- the command ---------------------------------------------------------- */

static int list(struct session *s, struct buf *out)
{
	const struct process *p = session_process(s);
	const struct logpoint *l;

	list_each(l, &s->filters.logpoints, node)
		buf_printf(out, "%d  %s\n    at 0x%" PRIx64 "%s\n", l->number,
			   l->text, l->addr,
			   p && !log_point_is_at(p, l->addr)
				   ? ", where this program has other code"
				   : "");
	if (list_empty(&s->filters.logpoints))
		buf_puts(out, "There are no logpoints.\n");
	return 0;
}

static int delete (struct session *s, const char *at)
{
	struct logpoint *l, *next;
	bool all = !*at, any = all;
	uint64_t number = 0;

	if (!all && (!take_decimal(&at, &number) || *at))
		return err_set(&s->err, -EINVAL,
			       "which one? `%.40s' is no number", at);
	list_each_safe(l, next, &s->filters.logpoints, node) {
		if (!all && (uint64_t)l->number != number)
			continue;
		any = true;
		logpoint_free(s, l);
	}
	return any ? 0
		   : err_set(&s->err, -ENOENT, "there is no logpoint %" PRIu64,
			     number);
}

static void drop_same(struct session *s, uint64_t addr)
{
	struct logpoint *l, *next;

	list_each_safe(l, next, &s->filters.logpoints, node) {
		if (l->addr == addr)
			logpoint_free(s, l);
	}
}

static int insert(struct session *s, const char *line, uint64_t addr,
		  struct point_code *code, struct buf *out)
{
	struct process *p = session_process(s);
	struct logpoint *l;
	int r;

	r = log_point_set(s->target, p, addr, code);
	if (r < 0)
		return err_set(&s->err, r,
			       "no logpoint can be at 0x%" PRIx64 ": %s", addr,
			       strerror(-r));
	drop_same(s, addr);
	l = xcalloc(1, sizeof(*l));
	l->n_there = read_code(s, p, addr, l->there);
	l->number = ++s->filters.last_logpoint;
	l->text = xstrdup(line);
	l->addr = addr;
	l->code = code;
	code->refs++;
	list_add(&s->filters.logpoints, &l->node);
	list_each(p, &s->target->processes, node)
		put_in(s, p, l);
	buf_printf(out, "Logpoint %d at 0x%" PRIx64 "\n", l->number, addr);
	return 0;
}

static int add(struct session *s, const char *line, struct buf *out)
{
	struct point_code *code;
	const char *at = line;
	uint64_t lo, hi;
	int r = take_location(s, &at, &lo, &hi);

	if (r < 0)
		return r;
	if (!session_process(s))
		return err_set(&s->err, -ESRCH, "no program is running");
	skip_spaces(&at);
	code = point_code_new();
	r = take_code(s, at, code);
	if (r == 0)
		r = insert(s, line, lo, code, out);
	point_code_unref(code);
	return r;
}

int logpoint_command(struct session *s, const char *line, struct buf *out)
{
	const char *at = line;

	skip_spaces(&at);
	if (!*at)
		return list(s, out);
	if (take_keyword(&at, "delete"))
		return delete (s, at);
	return add(s, at, out);
}

/* --- text ----------------------------------------------------------------- */

#define KEPT_MOST   (16u << 20) /* of text that cannot be sent yet */
#define UNSENT_MOST (4u << 20)	/* that the client has yet to take */
#define PIECE	    2048u

/* gdb takes output while it waits for a stop; in non-stop mode it takes none.
 */
static bool is_told_nothing(const struct session *s)
{
	return !s->link || s->refused || (s->nonstop.on && !s->lldb.on);
}

void logpoint_print(struct session *s, const char *text, size_t len)
{
	struct filters *f = &s->filters;

	if (is_told_nothing(s)) {
		fwrite(text, 1, len, stdout);
		fflush(stdout);
	} else if (f->text.len + len > KEPT_MOST) {
		f->lost += len;
	} else {
		buf_put(&f->text, text, len);
	}
}

static void put_lost(struct filters *f)
{
	if (f->lost)
		buf_printf(&f->text,
			   "(%" PRIu64 " bytes of logpoints are lost: there "
			   "were more than are taken)\n",
			   f->lost);
	f->lost = 0;
}

void logpoints_flush(struct session *s, bool all)
{
	struct filters *f = &s->filters;
	size_t at = 0, n;

	if (!f->text.len || is_told_nothing(s) || !session_expects_events(s))
		return;
	if (all)
		put_lost(f);
	for (; at < f->text.len && (all || link_unsent(s->link) < UNSENT_MOST);
	     at += n) {
		n = f->text.len - at < PIECE ? f->text.len - at : PIECE;
		terminal_tell(s, f->text.data + at, n);
	}
	memmove(f->text.data, f->text.data + at, f->text.len - at);
	f->text.len -= at;
	if (!f->text.len)
		put_lost(f);
}
