/*
 * Breakpoints and watchpoints: Z and z (gdb manual, "Packets", z0). What
 * follows the address and the kind:
 *
 *	;X LEN,HEX X LEN,HEX ...	conditions, of which one has to hold
 *	;cmds:PERSIST,X LEN,HEX ...	commands to run instead of a stop
 */
#include <stdlib.h>

#include "agent/ax.h"
#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"

int take_expression(struct session *s, struct args *a, struct ax_program **out)
{
	uint8_t *code;
	uint64_t len;
	int r;

	if (!take_hex(a, &len) || !take_char(a, ',') || !len ||
	    len > AX_CODE_MAX || args_left(a) < 2 * len)
		return -EPROTO;
	code = xmalloc(len);
	r = take_bytes(a, code, len) ? ax_load(out, code, len, &s->err)
				     : -EPROTO;
	free(code);
	return r;
}

static int take_expressions(struct session *s, struct args *a,
			    struct ax_program ***list, size_t *n)
{
	int r = 0;

	while (r >= 0 && take_char(a, 'X')) {
		struct ax_program *prog = NULL;

		r = take_expression(s, a, &prog);
		if (r < 0)
			break;
		*list = xrealloc(*list, (*n + 1) * sizeof(**list));
		(*list)[(*n)++] = prog;
	}
	return r;
}

static int take_code_lists(struct session *s, struct args *a,
			   struct point_code *c)
{
	uint64_t persist;
	int r = 0;

	while (r >= 0 && take_char(a, ';')) {
		if (take_name(a, "cmds:")) {
			if (!take_hex_max(a, 1, &persist) || !take_char(a, ','))
				return -EPROTO;
			c->persist = persist;
			r = take_expressions(s, a, &c->command, &c->n_command);
		} else {
			r = take_expressions(s, a, &c->cond, &c->n_cond);
		}
	}
	if (r >= 0 && !take_end(a))
		r = -EPROTO;
	return r;
}

/* *out is NULL when the packet has neither conditions nor commands. */
static int take_code(struct session *s, struct args *a, enum point_kind kind,
		     struct point_code **out)
{
	int r;

	*out = NULL;
	if (take_end(a))
		return 0;
	if (kind != POINT_SW && kind != POINT_HW)
		return err_set(&s->err, -EINVAL,
			       "watchpoints take no conditions");
	*out = point_code_new();
	r = take_code_lists(s, a, *out);
	if (r < 0)
		point_code_unref(*out);
	return r;
}

struct place {
	enum point_kind kind;
	uint64_t addr;
	unsigned size;
};

static int take_place(struct args *a, struct place *pl)
{
	uint64_t kind, size;

	if (!take_hex(a, &kind) || !take_char(a, ',') ||
	    !take_hex(a, &pl->addr) || !take_char(a, ',') ||
	    !take_hex_max(a, 1 << 20, &size))
		return -EPROTO;
	if (kind > POINT_ACCESS)
		return -ENOTSUP;
	pl->kind = (enum point_kind)kind;
	pl->size = kind <= POINT_HW ? 1 : (unsigned)size;
	return 0;
}

int pk_point_set(struct session *s, struct args *a, struct buf *out)
{
	struct point_code *code;
	struct place pl;
	int r;

	r = take_place(a, &pl);
	if (r >= 0)
		r = take_code(s, a, pl.kind, &code);
	if (r < 0)
		return r;
	code = condition_attach(s, pl.kind, pl.addr, code);
	r = traced_point_ask(s->target, session_process(s), pl.kind, pl.addr,
			     pl.size, code);
	if (r == -ENOSPC)
		return err_set(&s->err, r,
			       "the CPU's four debug registers are in use");
	if (r == -E2BIG)
		return err_set(&s->err, r, "there are too many watchpoints");
	if (r == -ENODEV)
		return err_set(&s->err, r,
			       "this machine's debug registers do nothing, and "
			       "the program cannot be followed for it, or "
			       "some threads only, or its translated code is "
			       "not active");
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* Taking out what is not there is no error: it may have gone with an exec. But
 * lldb wants to hear of it. */
int pk_point_clear(struct session *s, struct args *a, struct buf *out)
{
	struct place pl;
	int r;

	r = take_place(a, &pl);
	if (r < 0)
		return r;
	r = traced_point_unask(s->target, session_process(s), pl.kind, pl.addr,
			       pl.size);
	if (r < 0 && (r != -ENOENT || s->lldb.on))
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}
