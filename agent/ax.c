#include "agent/ax.h"

#include <stdlib.h>

#include "agent/format.h"
#include "agent/program.h"
#include "base/mem.h"

#define NO_INSN (-1)

struct op_info {
	const char *name; /* NULL: no such bytecode */
	uint8_t operand, pops, pushes;
};

static const struct op_info op_infos[AX_FLOAT_OP] = {
#define AX_OP(id, name, code, operand, pops, pushes) \
	[code] = { name, operand, pops, pushes },
#include "agent/ops.def"
#undef AX_OP
};

/* Those that a float prefix gives another meaning. */
static const bool has_float_form[AX_FLOAT_OP] = {
	[AX_ADD] = true,	 [AX_SUB] = true,   [AX_MUL] = true,
	[AX_DIV_SIGNED] = true,	 [AX_EQUAL] = true, [AX_LOG_NOT] = true,
	[AX_LESS_SIGNED] = true,
};

/* One ax_load() under way. */
struct loader {
	const uint8_t *code;
	size_t len, pos;
	struct ax_program *p;
	int32_t *index;	 /* of the instruction at a byte, or NO_INSN */
	uint32_t *start; /* byte of an instruction, for messages */
	uint16_t *work;	 /* instructions whose successors are to be seen */
	size_t n_work;
	bool ends;
	struct err *e;
};

static const struct op_info *insn_info(const struct ax_insn *in)
{
	return &op_infos[in->op & ~AX_FLOAT_OP];
}

/* A complaint about the instruction i. */
#define refuse(l, i, fmt, ...)                                      \
	err_set((l)->e, -EINVAL, "agent expression, byte %u: " fmt, \
		(unsigned)(l)->start[i], ##__VA_ARGS__)

static bool take_number(struct loader *l, unsigned bytes, uint64_t *out)
{
	uint64_t v = 0;

	if (l->len - l->pos < bytes)
		return false;
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | l->code[l->pos++];
	*out = v;
	return true;
}

static int take_format(struct loader *l, struct ax_insn *in, size_t i)
{
	struct ax_program *p = l->p;
	struct ax_format *f;
	struct err why = { "" };
	uint64_t len;

	if (!take_number(l, 2, &len) || l->len - l->pos < len)
		return refuse(l, i, "printf is cut short");
	if (!len || l->code[l->pos + len - 1])
		return refuse(l, i, "the format has no zero at its end");
	f = format_new((const char *)l->code + l->pos, len - 1,
		       (unsigned)in->imm, &why);
	if (!f)
		return refuse(l, i, "%s", why.text);
	p->formats =
		xrealloc(p->formats, (p->n_formats + 1) * sizeof(*p->formats));
	in->imm = p->n_formats;
	p->formats[p->n_formats++] = f;
	l->pos += len;
	return 0;
}

/* The byte after a float prefix. */
static int take_float_op(struct loader *l, struct ax_insn *in, size_t i)
{
	uint8_t op;

	if (l->pos == l->len)
		return refuse(l, i, "float with nothing behind it");
	op = l->code[l->pos++];
	if (op >= AX_FLOAT_OP || !has_float_form[op])
		return refuse(l, i, "bytecode 0x%02x has no float form", op);
	in->op = AX_FLOAT_OP | op;
	return 0;
}

static int decode_insn(struct loader *l, size_t i)
{
	struct ax_insn *in = &l->p->insns[i];
	uint8_t op = l->code[l->pos];
	const struct op_info *info;

	l->index[l->pos] = (int32_t)i;
	l->start[i] = (uint32_t)l->pos++;
	*in = (struct ax_insn){ .op = op, .depth = AX_DEAD };
	if (op >= AX_FLOAT_OP || !op_infos[op].name)
		return refuse(l, i, "unknown bytecode 0x%02x", op);
	info = &op_infos[op];
	if (!take_number(l, info->operand, &in->imm))
		return refuse(l, i, "%s is cut short", info->name);
	if (op == AX_FLOAT)
		return take_float_op(l, in, i);
	if (op == AX_PRINTF)
		return take_format(l, in, i);
	if ((op == AX_EXT || op == AX_ZERO_EXT) && in->imm > 64)
		in->imm = 64;
	return 0;
}

static int decode(struct loader *l)
{
	for (size_t i = 0; i < l->len; i++)
		l->index[i] = NO_INSN;
	while (l->pos < l->len) {
		int rc = decode_insn(l, l->p->n_insns);

		if (rc)
			return rc;
		l->p->n_insns++;
	}
	return 0;
}

static int resolve_jumps(struct loader *l)
{
	for (size_t i = 0; i < l->p->n_insns; i++) {
		struct ax_insn *in = &l->p->insns[i];

		if (in->op != AX_GOTO && in->op != AX_IF_GOTO)
			continue;
		if (in->imm >= l->len || l->index[in->imm] == NO_INSN)
			return refuse(l, i,
				      "%s to %u, where no bytecode begins",
				      insn_info(in)->name, (unsigned)in->imm);
		in->target = (uint16_t)l->index[in->imm];
	}
	return 0;
}

/* There is a way from the instruction i to to, with depth values. */
static int reach(struct loader *l, size_t i, size_t to, unsigned depth)
{
	struct ax_insn *in;

	if (to == l->p->n_insns)
		return refuse(l, i, "nothing follows, an end is missing");
	in = &l->p->insns[to];
	if (in->depth == AX_DEAD) {
		in->depth = (uint16_t)depth;
		l->work[l->n_work++] = (uint16_t)to;
		return 0;
	}
	if (in->depth != depth)
		return refuse(l, to, "%u or %u values on the stack", in->depth,
			      depth);
	return 0;
}

/* How many values the instruction needs, and the depth that it leaves. */
static unsigned stack_effect(const struct ax_program *p,
			     const struct ax_insn *in, unsigned *after)
{
	const struct op_info *info = insn_info(in);
	unsigned pops = info->pops, gone = pops;

	if (in->op == AX_PICK)
		pops = (unsigned)in->imm + 1;
	if (in->op == AX_PRINTF)
		pops = gone = info->pops + format_args(p->formats[in->imm]);
	*after = in->depth - gone + info->pushes;
	return pops;
}

static int follow(struct loader *l, size_t i)
{
	const struct ax_insn *in = &l->p->insns[i];
	unsigned after, needs = stack_effect(l->p, in, &after);
	int rc = 0;

	if (in->depth < needs)
		return refuse(l, i, "%s needs %u values, the stack holds %u",
			      insn_info(in)->name, needs, in->depth);
	if (after > AX_DEPTH_MAX)
		return refuse(l, i, "over %u values on the stack",
			      AX_DEPTH_MAX);
	if (in->op == AX_END) {
		l->ends = true;
		return 0;
	}
	if (in->op == AX_GOTO || in->op == AX_IF_GOTO)
		rc = reach(l, i, in->target, after);
	if (!rc && in->op != AX_GOTO)
		rc = reach(l, i, i + 1, after);
	return rc;
}

/* Each instruction enters the list once, so this is linear. */
static int verify_stack(struct loader *l)
{
	int rc = reach(l, 0, 0, 0);

	while (!rc && l->n_work)
		rc = follow(l, l->work[--l->n_work]);
	if (!rc && !l->ends)
		return err_set(l->e, -EINVAL,
			       "agent expression: it cannot reach an end");
	return rc;
}

static int load(struct loader *l)
{
	int rc = decode(l);

	if (!rc)
		rc = resolve_jumps(l);
	return rc ? rc : verify_stack(l);
}

int ax_load(struct ax_program **out, const uint8_t *code, size_t len,
	    struct err *e)
{
	struct loader l = { .code = code, .len = len, .e = e };
	int rc;

	if (!len)
		return err_set(e, -EINVAL, "agent expression: it is empty");
	if (len > AX_CODE_MAX)
		return err_set(e, -E2BIG,
			       "agent expression: %zu bytes, over %u", len,
			       AX_CODE_MAX);
	l.p = xcalloc(1, sizeof(*l.p));
	l.p->insns = xcalloc(len, sizeof(*l.p->insns));
	l.index = xcalloc(len, sizeof(*l.index));
	l.start = xcalloc(len, sizeof(*l.start));
	l.work = xcalloc(len, sizeof(*l.work));
	rc = load(&l);
	free(l.index);
	free(l.start);
	free(l.work);
	if (rc) {
		ax_free(l.p);
		return rc;
	}
	l.p->insns = xrealloc(l.p->insns, l.p->n_insns * sizeof(*l.p->insns));
	*out = l.p;
	return 0;
}

void ax_free(struct ax_program *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_formats; i++)
		format_free(p->formats[i]);
	free(p->formats);
	free(p->insns);
	free(p);
}
