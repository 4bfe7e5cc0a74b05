/* The verbs of rules: probe, transform, and what takes them back. */
#include "server/qtrace-rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "translate/disassemble.h"
#include "translate/record.h"
#include "translate/transform.h"

/* --- arguments ----------------------------------------------------------- */

static int bad_expression(struct session *s)
{
	return err_set(&s->err, -EINVAL,
		       "an expression is X<length>,<bytecodes>, both in hex");
}

/* "XLEN,BYTES" */
static int take_code(struct session *s, struct args *a, struct ax_program **out)
{
	int r = take_char(a, 'X') ? take_expression(s, a, out) : -EPROTO;

	return r == -EPROTO ? bad_expression(s) : r;
}

static int take_value(struct session *s, struct args *a, struct rule *r)
{
	if (r->action != ACTION_COLLECT)
		return err_set(&s->err, -EINVAL,
			       "behind that comes ;when=X<length>,<bytecodes> "
			       "or nothing");
	if (r->n_values == VALUES_MAX)
		return err_set(&s->err, -E2BIG, "%d expressions are the most",
			       VALUES_MAX);
	return take_code(s, a, &r->values[r->n_values++]);
}

/* ";XLEN,BYTES" again and again, then ";when=XLEN,BYTES" or nothing. */
static int take_rest_of(struct session *s, struct args *a, struct rule *r)
{
	int got = 0;

	while (got >= 0 && !r->when && take_char(a, ';')) {
		if (take_name(a, "when="))
			got = take_code(s, a, &r->when);
		else
			got = take_value(s, a, r);
	}
	if (got >= 0 && !take_end(a))
		got = bad_expression(s);
	return got;
}

static bool take_text(struct args *a, const char *stops, char *out, size_t size)
{
	struct args word;

	if (!take_word(a, stops, &word) || take_end(&word) ||
	    args_left(&word) >= size)
		return false;
	memcpy(out, word.p, args_left(&word));
	out[args_left(&word)] = '\0';
	return true;
}

/* The current process, which is one that can be followed: rules may be set
 * before it is. */
static int take_owner(struct session *s, struct rule *r)
{
	struct process *p = session_process(s);

	if (!p)
		return err_set(&s->err, -ESRCH,
			       "no program is running: an address is of one");
	r->pid = p->pid;
	return 0;
}

/* --- call probes --------------------------------------------------------- */

static int take_probe(struct session *s, struct args *a, struct rule *r)
{
	r->is_probe = true;
	r->action = ACTION_COLLECT;
	if (!take_hex(a, &r->lo) || (!take_end(a) && *a->p != ';'))
		return err_set(&s->err, -EINVAL,
			       "where? ADDR in hex, then "
			       ";X<length>,<bytecodes>");
	r->hi = r->lo + 1;
	return take_owner(s, r);
}

/* --- transformer rules --------------------------------------------------- */

static int take_one_match(struct session *s, struct args *a, struct rule *r,
			  struct disassembler *d)
{
	if (take_name(a, "mnemonic=")) {
		if (!take_text(a, "&;", r->mnemonic, sizeof(r->mnemonic)) ||
		    !disassembler_has_mnemonic(d, r->mnemonic))
			return err_set(&s->err, -EINVAL,
				       "capstone knows no such mnemonic");
		return 0;
	}
	if (take_name(a, "group=")) {
		if (!take_text(a, "&;", r->group, sizeof(r->group)) ||
		    !disassembler_has_group(d, r->group))
			return err_set(
				&s->err, -EINVAL,
				"capstone knows no such group: try call, "
				"jump, ret, int");
		return 0;
	}
	if (take_range(a, &r->lo, &r->hi))
		return take_owner(s, r);
	return err_set(&s->err, -EINVAL,
		       "which instructions? ADDR,LEN or mnemonic=NAME or "
		       "group=NAME, or several with & between");
}

static int take_match(struct session *s, struct args *a, struct rule *r)
{
	struct disassembler *d = disassembler_new();
	int got;

	do {
		got = take_one_match(s, a, r, d);
	} while (got >= 0 && take_char(a, '&'));
	disassembler_free(d);
	return got;
}

static const char *const actions[] = {
	[ACTION_COUNT] = "count", [ACTION_COLLECT] = "collect",
	[ACTION_SKIP] = "skip",	  [ACTION_STOP] = "stop",
	[ACTION_SET] = "set",
};

/* "set,REG,XLEN,BYTES": a general register, or the flags. */
static int take_set(struct session *s, struct args *a, struct rule *r)
{
	const struct process *p = session_process(s);

	if (!take_char(a, ',') ||
	    !take_text(a, ",;", r->reg_name, sizeof(r->reg_name)) ||
	    !take_char(a, ','))
		return err_set(&s->err, -EINVAL,
			       "set what? set,REG,X<length>,<bytecodes>");
	for (r->reg = 0; p && r->reg < p->arch->n_regs; r->reg++) {
		if (strcmp(p->arch->regs[r->reg].name, r->reg_name) ||
		    p->arch->regs[r->reg].bits > 64)
			continue;
		r->n_values = 1;
		return take_code(s, a, &r->values[0]);
	}
	return err_set(&s->err, -EINVAL,
		       "no register of up to 64 bits is "
		       "called %s here",
		       r->reg_name);
}

static int take_action(struct session *s, struct args *a, struct rule *r)
{
	char name[16];

	if (take_char(a, ';') && take_text(a, ",;", name, sizeof(name))) {
		for (unsigned i = 0; i < ARRAY_SIZE(actions); i++) {
			if (strcmp(name, actions[i]))
				continue;
			r->action = (enum action)i;
			return i == ACTION_SET ? take_set(s, a, r) : 0;
		}
	}
	return err_set(&s->err, -EINVAL,
		       "what is to be done? ;count, collect, skip, stop or "
		       "set,REG,X<length>,<bytecodes>");
}

static int take_rule(struct session *s, struct args *a, struct rule *r)
{
	int got = take_match(s, a, r);

	return got < 0 ? got : take_action(s, a, r);
}

/* --- verbs --------------------------------------------------------------- */

typedef int rule_fn(struct session *s, struct args *a, struct rule *r);

static int add(struct session *s, struct args *a, struct buf *out, rule_fn *fn)
{
	struct rule *r = xcalloc(1, sizeof(*r));
	int got = fn(s, a, r);

	if (got >= 0)
		got = take_rest_of(s, a, r);
	if (got < 0) {
		rule_free(r);
		return got;
	}
	rules_add(qtrace_of(s), r);
	buf_printf(out, "id=%x;", (unsigned)r->id);
	return 0;
}

static int drop(struct session *s, struct args *a, struct buf *out,
		bool is_probe)
{
	uint64_t id;

	if (!take_hex_max(a, INT32_MAX, &id) || !take_end(a))
		return err_set(&s->err, -EINVAL, "which one? ID in hex");
	if (rules_drop(qtrace_of(s), (int)id, is_probe) < 0)
		return err_set(&s->err, -ENOENT, "there is no %s %lx",
			       is_probe ? "probe" : "rule", id);
	buf_puts(out, "OK");
	return 0;
}

int verb_probe(struct session *s, struct args *a, struct buf *out)
{
	return add(s, a, out, take_probe);
}

int verb_unprobe(struct session *s, struct args *a, struct buf *out)
{
	return drop(s, a, out, true);
}

int verb_transform(struct session *s, struct args *a, struct buf *out)
{
	return add(s, a, out, take_rule);
}

int verb_untransform(struct session *s, struct args *a, struct buf *out)
{
	return drop(s, a, out, false);
}

static void put_match(const struct rule *r, struct buf *out)
{
	const char *between = "";

	if (r->hi) {
		buf_printf(out, "%lx,%lx", r->lo, r->hi - r->lo);
		between = "&";
	}
	if (r->mnemonic[0]) {
		buf_printf(out, "%smnemonic=%s", between, r->mnemonic);
		between = "&";
	}
	if (r->group[0])
		buf_printf(out, "%sgroup=%s", between, r->group);
}

int verb_rules(struct session *s, struct args *a, struct buf *out)
{
	const struct rule *r;

	if (!take_end(a))
		return -EPROTO;
	qtrace_catch_up(qtrace_of(s));
	list_each(r, &qtrace_of(s)->rules, node) {
		buf_printf(out, "id=%x,%s,", (unsigned)r->id,
			   r->is_probe ? "probe" : actions[r->action]);
		if (r->action == ACTION_SET)
			buf_printf(out, "%s,", r->reg_name);
		put_match(r, out);
		buf_printf(out, ",hits=%lx,failed=%lx", r->hits, r->failed);
		if (r->left_out)
			buf_printf(out, ",left-out=%lx", r->left_out);
		buf_putc(out, ';');
	}
	return 0;
}
