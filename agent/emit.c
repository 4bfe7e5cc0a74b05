#include "agent/emit.h"

#include <errno.h>

static void put_big(struct buf *code, uint64_t v, unsigned bytes)
{
	while (bytes--)
		buf_putc(code, (char)(v >> 8 * bytes));
}

void source_op(struct buf *code, unsigned op)
{
	buf_putc(code, (char)op);
}

void emit_byte(struct buf *code, unsigned op, unsigned operand)
{
	source_op(code, op);
	put_big(code, operand, 1);
}

void emit_word(struct buf *code, unsigned op, unsigned operand)
{
	source_op(code, op);
	put_big(code, operand, 2);
}

void source_number(struct buf *code, uint64_t v)
{
	unsigned bytes = v >> 32 ? 8 : v >> 16 ? 4 : v >> 8 ? 2 : 1;

	source_op(code, bytes == 8   ? AX_CONST64
			: bytes == 4 ? AX_CONST32
			: bytes == 2 ? AX_CONST16
				     : AX_CONST8);
	put_big(code, v, bytes);
}

size_t emit_jump(struct buf *code, unsigned op)
{
	emit_word(code, op, 0);
	return code->len - 2;
}

void emit_here(struct buf *code, size_t jump)
{
	code->data[jump] = (char)(code->len >> 8);
	code->data[jump + 1] = (char)code->len;
}

/* --- programs of others --------------------------------------------------- */

int source_append(const uint8_t *program, size_t len, struct buf *code,
		  struct err *e)
{
	static const uint8_t operands[256] = {
#define AX_OP(id, name, code, operand, pops, pushes) [code] = operand + 1,
#include "agent/ops.def"
#undef AX_OP
	};
	size_t base = code->len, at = 0, n;

	if (!len || base + len > SOURCE_CODE_MAX)
		return err_set(e, -EINVAL, "that expression is too long");
	for (; at < len - 1; at += n) {
		uint8_t op = program[at];

		n = op == AX_FLOAT ? 2 : operands[op];
		if (!n || at + n > len - 1 || op == AX_END || op == AX_PRINTF)
			break;
		buf_put(code, program + at, n);
		if (op != AX_GOTO && op != AX_IF_GOTO)
			continue;
		n = (size_t)(program[at + 1] << 8 | program[at + 2]) + base;
		code->data[code->len - 2] = (char)(n >> 8);
		code->data[code->len - 1] = (char)n;
		n = 3;
	}
	if (at != len - 1 || program[at] != AX_END)
		return err_set(e, -EINVAL,
			       "that is no agent expression with a value");
	return 0;
}

/* --- strings -------------------------------------------------------------- */

/*
 * Eight bytes of the text, the first one lowest; p is on the stack, and is
 * behind them then. Returns the jump of those that are others, with p and one
 * more value there.
 *
 *	w
 * 1:	pick 1  ref8  pick 1  255 bit_and  sub  if_goto others
 *	8 rsh_unsigned  swap  1 add  swap  dup  if_goto 1
 *	pop
 */
static size_t compare_word(struct buf *code, const char *text, size_t n)
{
	uint64_t w = 0;
	size_t again, others;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)(uint8_t)text[i] << 8 * i;
	source_number(code, w);
	again = code->len;
	emit_byte(code, AX_PICK, 1);
	source_op(code, AX_REF8);
	emit_byte(code, AX_PICK, 1);
	source_number(code, 255);
	source_op(code, AX_BIT_AND);
	source_op(code, AX_SUB);
	others = emit_jump(code, AX_IF_GOTO);
	source_number(code, 8);
	source_op(code, AX_RSH_UNSIGNED);
	source_op(code, AX_SWAP);
	source_number(code, 1);
	source_op(code, AX_ADD);
	source_op(code, AX_SWAP);
	source_op(code, AX_DUP);
	emit_word(code, AX_IF_GOTO, (unsigned)again);
	source_op(code, AX_POP);
	return others;
}

/* A byte is read only if those before it are right: so nothing is read behind
 * a shorter string. */
int source_streq(const char *text, size_t len, struct buf *code, struct err *e)
{
	size_t others[SOURCE_TEXT_MAX / 8 + 1], n = 0, end;

	if (len > SOURCE_TEXT_MAX || code->len > SOURCE_CODE_MAX)
		return err_set(e, -E2BIG, "that text is too long");
	for (size_t i = 0; i < len; i += 8)
		others[n++] =
			compare_word(code, text + i, len - i < 8 ? len - i : 8);
	source_op(code, AX_REF8);
	source_op(code, AX_LOG_NOT);
	if (!n)
		return 0;
	end = emit_jump(code, AX_GOTO);
	while (n)
		emit_here(code, others[--n]);
	source_op(code, AX_POP);
	source_op(code, AX_POP);
	source_number(code, 0);
	emit_here(code, end);
	return 0;
}
