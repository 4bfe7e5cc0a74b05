#include <endian.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/format.h"
#include "agent/program.h"

struct run {
	const struct ax_program *p;
	const struct ax_env *env;
	int steps;	/* that jumps back may still repeat */
	size_t printed; /* bytes */
};

static double to_double(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static uint64_t to_bits(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

static uint64_t truncate_double(double d)
{
	/* -2^63 and 2^63 are doubles; a NaN fails both comparisons */
	if (d >= -0x1p63 && d < 0x1p63)
		return (uint64_t)(int64_t)d;
	return (uint64_t)INT64_MIN;
}

static uint64_t shift_left(uint64_t a, uint64_t n)
{
	return n < 64 ? a << n : 0;
}

static uint64_t shift_right(uint64_t a, uint64_t n)
{
	return n < 64 ? a >> n : 0;
}

static uint64_t shift_right_signed(uint64_t a, uint64_t n)
{
	return (uint64_t)((int64_t)a >> (n < 64 ? n : 63));
}

static uint64_t sign_extend(uint64_t v, unsigned n)
{
	return n ? (uint64_t)((int64_t)(v << (64 - n)) >> (64 - n)) : 0;
}

static uint64_t zero_extend(uint64_t v, unsigned n)
{
	return n < 64 ? v & (((uint64_t)1 << n) - 1) : v;
}

static uint64_t quotient(uint64_t a, uint64_t b)
{
	/* INT64_MIN / -1 traps on x86; negation wraps */
	if (b == UINT64_MAX)
		return -a;
	return (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t remainder_of(uint64_t a, uint64_t b)
{
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static int fetch(const struct ax_env *env, uint64_t *slot, size_t len)
{
	uint64_t v = 0;
	int rc = env->mem(env->user, *slot, &v, len);

	*slot = le64toh(v);
	return rc;
}

static int fetch_float(const struct ax_env *env, uint64_t *slot)
{
	float f;
	int rc = env->mem(env->user, *slot, &f, sizeof(f));

	if (!rc)
		*slot = to_bits((double)f);
	return rc;
}

static int fetch_long_double(const struct ax_env *env, uint64_t *slot)
{
	long double d = 0;
	int rc = env->mem(env->user, *slot, &d, 10);

	if (!rc)
		*slot = to_bits((double)d);
	return rc;
}

static int trace(const struct ax_env *env, uint64_t addr, uint64_t len,
		 bool to_nul)
{
	return env->trace ? env->trace(env->user, addr, len, to_nul) : -ENOSYS;
}

static int print(struct run *r, const struct ax_insn *in, const uint64_t *sp)
{
	const struct ax_env *env = r->env;
	struct buf out = { 0 };
	int rc;

	if (!env->print)
		return -ENOSYS;
	/* on top the function and the channel, below the first argument */
	rc = format_put(r->p->formats[in->imm], sp - 3, env,
			AX_PRINT_MAX - r->printed, &out);
	r->printed += out.len;
	if (!rc)
		rc = env->print(env->user, buf_str(&out), out.len);
	buf_fini(&out);
	return rc;
}

static int run_float(const struct ax_insn *in, uint64_t *sp)
{
	double a = in->op == (AX_FLOAT_OP | AX_LOG_NOT) ? 0 : to_double(sp[-2]);
	double b = to_double(sp[-1]);

	switch (in->op & ~AX_FLOAT_OP) {
	case AX_ADD:
		sp[-2] = to_bits(a + b);
		break;
	case AX_SUB:
		sp[-2] = to_bits(a - b);
		break;
	case AX_MUL:
		sp[-2] = to_bits(a * b);
		break;
	case AX_DIV_SIGNED:
		sp[-2] = to_bits(a / b);
		break;
	case AX_EQUAL:
		sp[-2] = a == b;
		break;
	case AX_LESS_SIGNED:
		sp[-2] = a < b;
		break;
	case AX_LOG_NOT:
		sp[-1] = b == 0;
		break;
	}
	return 0;
}

/*
 * What conditions seldom hold. sp is above the top; results go where the
 * bytecode leaves them, and the caller moves sp.
 */
static int run_rare(struct run *r, const struct ax_insn *in, uint64_t *sp)
{
	const struct ax_env *env = r->env;

	switch (in->op) {
	case AX_REF_FLOAT:
		return fetch_float(env, &sp[-1]);
	case AX_REF_DOUBLE:
		return fetch(env, &sp[-1], sizeof(double));
	case AX_REF_LONG_DOUBLE:
		return fetch_long_double(env, &sp[-1]);
	case AX_L_TO_D:
		sp[-1] = to_bits((double)(int64_t)sp[-1]);
		return 0;
	case AX_D_TO_L:
		sp[-1] = truncate_double(to_double(sp[-1]));
		return 0;
	case AX_TRACE:
		return trace(env, sp[-2], sp[-1], false);
	case AX_TRACENZ:
		return trace(env, sp[-2], sp[-1], true);
	case AX_TRACE_QUICK:
	case AX_TRACE16:
		return trace(env, sp[-1], in->imm, false);
	case AX_TRACEV:
		return env->tracev ? env->tracev(env->user, (unsigned)in->imm)
				   : -ENOSYS;
	case AX_GETV:
		return env->getv ? env->getv(env->user, (unsigned)in->imm,
					     (int64_t *)sp)
				 : -ENOSYS;
	case AX_SETV:
		return env->setv ? env->setv(env->user, (unsigned)in->imm,
					     (int64_t)sp[-1])
				 : -ENOSYS;
	case AX_PRINTF:
		return print(r, in, sp);
	default:
		return run_float(in, sp);
	}
}

static void rotate(uint64_t *sp)
{
	uint64_t c = sp[-1];

	sp[-1] = sp[-2];
	sp[-2] = sp[-3];
	sp[-3] = c;
}

static void swap(uint64_t *sp)
{
	uint64_t b = sp[-1];

	sp[-1] = sp[-2];
	sp[-2] = b;
}

static int finish(const struct ax_insn *in, const uint64_t *sp, int64_t *result)
{
	if (!result)
		return 0;
	if (!in->depth)
		return -ENODATA;
	*result = (int64_t)sp[-1];
	return 0;
}

/*
 * Only what is repeated is charged, at the jump back that repeats it: without
 * those a program takes at most one step a bytecode.
 */
static bool may_jump(struct run *r, const struct ax_insn *from,
		     const struct ax_insn *to)
{
	if (to > from)
		return true;
	r->steps -= (int)(from - to) + 1;
	return r->steps >= 0;
}

/* b is the top and goes, a below it is replaced. */
#define BINARY(op, value)                       \
	case op: {                              \
		uint64_t b = *--sp, a = sp[-1]; \
		sp[-1] = (uint64_t)(value);     \
		break;                          \
	}
#define DIVISION(op, value)                     \
	case op: {                              \
		uint64_t b = *--sp, a = sp[-1]; \
		if (!b)                         \
			return -EDOM;           \
		sp[-1] = (value);               \
		break;                          \
	}
#define UNARY(op, value)                    \
	case op: {                          \
		uint64_t a = sp[-1];        \
		sp[-1] = (uint64_t)(value); \
		break;                      \
	}
#define PUSH(op, value)        \
	case op:               \
		*sp = (value); \
		sp++;          \
		break;
#define MOVE(op, effect)  \
	case op:          \
		(effect); \
		break;
#define CALL(op, call)             \
	case op:                   \
		rc = (call);       \
		if (rc < 0)        \
			return rc; \
		break;

/* The verifier has seen to it that nothing here needs a check of the stack. */
static int run(struct run *r, int64_t *result)
{
	const struct ax_env *env = r->env;
	const struct ax_insn *const insns = r->p->insns, *in, *next = insns;
	uint64_t stack[AX_DEPTH_MAX], *sp = stack; /* above the top */
	int rc;

	for (;;) {
		in = next++;
		switch (in->op) {
		/* clang-format off */
		BINARY(AX_ADD, a + b)
		BINARY(AX_SUB, a - b)
		BINARY(AX_MUL, a * b)
		DIVISION(AX_DIV_SIGNED, quotient(a, b))
		DIVISION(AX_DIV_UNSIGNED, a / b)
		DIVISION(AX_REM_SIGNED, remainder_of(a, b))
		DIVISION(AX_REM_UNSIGNED, a % b)
		BINARY(AX_LSH, shift_left(a, b))
		BINARY(AX_RSH_SIGNED, shift_right_signed(a, b))
		BINARY(AX_RSH_UNSIGNED, shift_right(a, b))
		BINARY(AX_BIT_AND, a & b)
		BINARY(AX_BIT_OR, a | b)
		BINARY(AX_BIT_XOR, a ^ b)
		BINARY(AX_EQUAL, a == b)
		BINARY(AX_LESS_SIGNED, (int64_t)a < (int64_t)b)
		BINARY(AX_LESS_UNSIGNED, a < b)
		UNARY(AX_LOG_NOT, !a)
		UNARY(AX_BIT_NOT, ~a)
		UNARY(AX_EXT, sign_extend(a, (unsigned)in->imm))
		UNARY(AX_ZERO_EXT, zero_extend(a, (unsigned)in->imm))
		PUSH(AX_CONST8 ... AX_CONST64, in->imm)
		PUSH(AX_DUP, sp[-1])
		PUSH(AX_PICK, sp[-1 - (int)in->imm])
		MOVE(AX_POP, sp--)
		MOVE(AX_SWAP, swap(sp))
		MOVE(AX_ROT, rotate(sp))
		CALL(AX_REF8 ... AX_REF64,
		     fetch(env, &sp[-1], (size_t)1 << (in->op - AX_REF8)))
		CALL(AX_REG, env->reg(env->user, (unsigned)in->imm, sp++))
		/* clang-format on */
		case AX_IF_GOTO:
			if (!*--sp)
				break;
			/* fall through */
		case AX_GOTO:
			next = &insns[in->target];
			if (!may_jump(r, in, next))
				return -ETIMEDOUT;
			break;
		case AX_END:
			return finish(in, sp, result);
		default:
			rc = run_rare(r, in, sp);
			if (rc < 0)
				return rc;
			sp = stack + next->depth;
		}
	}
}

int ax_eval(const struct ax_program *p, const struct ax_env *env,
	    int64_t *result)
{
	struct run r = { .p = p, .env = env, .steps = AX_STEPS_MAX };

	return run(&r, result);
}
