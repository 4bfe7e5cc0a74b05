/* Which expressions are compiled, and how long their code may be. */
#include "translate/x86_64/expression.h"

#include <string.h>

#include "agent/program.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

#define BYTES_LEAST 176 /* saving and restoring */
#define BYTES_EACH  34	/* of one operation, at most ... */
#define BYTES_MORE  12	/* ... but of those that may fail otherwise */

static const uint8_t plain[] = {
	AX_ADD,		  AX_SUB,	 AX_MUL,	  AX_BIT_AND,
	AX_BIT_OR,	  AX_BIT_XOR,	 AX_EQUAL,	  AX_LESS_SIGNED,
	AX_LSH,		  AX_RSH_SIGNED, AX_BIT_NOT,	  AX_LOG_NOT,
	AX_LESS_UNSIGNED, AX_EXT,	 AX_RSH_UNSIGNED, AX_REF8,
	AX_REF16,	  AX_REF32,	 AX_REF64,	  AX_ZERO_EXT,
	AX_CONST8,	  AX_CONST16,	 AX_CONST32,	  AX_CONST64,
	AX_DUP,		  AX_POP,	 AX_SWAP,	  AX_PICK,
	AX_ROT,		  AX_GOTO,	 AX_IF_GOTO,	  AX_DIV_SIGNED,
	AX_DIV_UNSIGNED,  AX_REM_SIGNED, AX_REM_UNSIGNED,
};

bool expression_prints(const struct ax_program *p, size_t n)
{
	const struct ax_insn *i = &p->insns[n];

	return i->op == AX_PRINTF && i->depth != AX_DEAD;
}

static bool is_compiled(const struct ax_program *p, size_t n,
			enum expression_use use)
{
	const struct ax_insn *i = &p->insns[n];

	if (i->depth == AX_DEAD)
		return true;
	if (i->depth >= WIN_VALUES_MAX)
		return false;
	if (i->op == AX_REG)
		return i->imm <= IMAGE_RIP;
	if (i->op == AX_GETV)
		return i->imm == AX_VARIABLE_THREAD;
	if (i->op == AX_END)
		return use != EXPRESSION_VALUE || i->depth > 0;
	if (i->op == AX_PRINTF)
		return use == EXPRESSION_PRINTS && expression_prints(p, n);
	if (expression_trace(p, n))
		return use == EXPRESSION_TRACES;
	return memchr(plain, i->op, sizeof(plain));
}

bool expression_goes_back(const struct ax_program *p, size_t n)
{
	const struct ax_insn *i = &p->insns[n];

	return (i->op == AX_GOTO || i->op == AX_IF_GOTO) &&
	       i->depth != AX_DEAD && i->target <= n;
}

static bool is_jumped_to(const struct ax_program *p, size_t n)
{
	for (size_t i = 0; i < p->n_insns; i++) {
		if ((p->insns[i].op == AX_GOTO ||
		     p->insns[i].op == AX_IF_GOTO) &&
		    p->insns[i].target == n)
			return true;
	}
	return false;
}

/* gdb has a number right before each trace. */
uint64_t expression_trace(const struct ax_program *p, size_t n)
{
	const struct ax_insn *i = &p->insns[n];

	if (i->op == AX_TRACE_QUICK || i->op == AX_TRACE16)
		return i->imm;
	if (i->op != AX_TRACE || !n || i[-1].op < AX_CONST8 ||
	    i[-1].op > AX_CONST64 || is_jumped_to(p, n))
		return 0;
	return i[-1].imm;
}

static bool may_fail(const struct ax_program *p, size_t n)
{
	const struct ax_insn *i = &p->insns[n];

	return (i->op >= AX_DIV_SIGNED && i->op <= AX_REM_UNSIGNED) ||
	       expression_goes_back(p, n);
}

size_t expression_size_for(const struct ax_program *p, enum expression_use use)
{
	size_t size = BYTES_LEAST;

	if (p->n_insns > EXPRESSION_INSNS)
		return 0;
	for (size_t n = 0; n < p->n_insns; n++) {
		if (!is_compiled(p, n, use))
			return 0;
		size += BYTES_EACH + (may_fail(p, n) ? BYTES_MORE : 0);
	}
	return size;
}

size_t expression_size(const struct ax_program *p)
{
	return expression_size_for(p, EXPRESSION_VALUE);
}
