/* A parser by descent: what it has read, it has written. */
#include "agent/source.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/emit.h"
#include "base/mem.h"

#define NESTED_MOST 64

struct type {
	uint8_t bits; /* 0: void */
	bool is_unsigned;
	uint8_t depth; /* how many pointers lead to such a one */
};

struct parser {
	const char *p;
	const struct source_names *names;
	struct buf *code;
	struct err *e;
	unsigned nested;
};

static const struct type plain = { .bits = 64 };

static int binary(struct parser *ps, unsigned level, struct type *out);
static int unary(struct parser *ps, struct type *out);

static int bad(struct parser *ps, const char *why)
{
	return err_set(ps->e, -EINVAL, "%s at `%.40s'", why,
		       *ps->p ? ps->p : "the end");
}

/* --- words ---------------------------------------------------------------- */

static void skip_blanks(struct parser *ps)
{
	while (*ps->p == ' ' || *ps->p == '\t')
		ps->p++;
}

static bool take(struct parser *ps, const char *text)
{
	size_t n = strlen(text);

	skip_blanks(ps);
	if (strncmp(ps->p, text, n))
		return false;
	ps->p += n;
	return true;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* How long the name is that comes next; 0: it is none. */
static size_t name_length(const char *p)
{
	size_t n = 0;

	while (!isdigit((unsigned char)*p) && is_name(p[n]))
		n++;
	return n;
}

static bool is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !memcmp(p, word, n);
}

static bool take_word(struct parser *ps, const char *word)
{
	skip_blanks(ps);
	if (!is_word(ps->p, name_length(ps->p), word))
		return false;
	ps->p += strlen(word);
	return true;
}

/* Behind the backslash: a byte. */
static bool take_escape(const char **p, char *out)
{
	static const char letters[] = "abefnrtv",
			  bytes[] = "\a\b\x1b\f\n\r\t\v";
	const char *at = **p ? strchr(letters, **p) : NULL;
	char digits[4] = { 0 }, *end;
	bool hex = **p == 'x';

	if (at) {
		*out = bytes[at - letters];
		++*p;
		return true;
	}
	if (**p && strchr("\\\"'", **p)) {
		*out = *(*p)++;
		return true;
	}
	memcpy(digits, *p + hex, strnlen(*p + hex, hex ? 2 : 3));
	/* strtoul() takes blanks and signs, too. */
	if (!isxdigit((unsigned char)digits[0]))
		return false;
	*out = (char)strtoul(digits, &end, hex ? 16 : 8);
	*p += (end - digits) + hex;
	return end != digits;
}

int source_text(const char **text, struct buf *out, struct err *e)
{
	const char *p = *text;
	char c;

	if (*p++ != '"')
		return err_set(e, -EINVAL, "a text has \" before it");
	while (*p && *p != '"') {
		c = *p++;
		if (c == '\\' && !take_escape(&p, &c))
			return err_set(e, -EINVAL,
				       "there is no escape `\\%.1s'", p);
		if (!c)
			return err_set(e, -EINVAL, "a text has no zero byte");
		buf_putc(out, c);
	}
	if (*p != '"')
		return err_set(e, -EINVAL, "a text has no \" at its end");
	*text = p + 1;
	return 0;
}

/* --- types ---------------------------------------------------------------- */

static const struct {
	const char *word;
	struct type type;
} types[] = {
	{ "char", { 8, false, 0 } },	  { "short", { 16, false, 0 } },
	{ "int", { 32, false, 0 } },	  { "long", { 64, false, 0 } },
	{ "void", { 0, false, 0 } },	  { "bool", { 8, true, 0 } },
	{ "int8_t", { 8, false, 0 } },	  { "uint8_t", { 8, true, 0 } },
	{ "int16_t", { 16, false, 0 } },  { "uint16_t", { 16, true, 0 } },
	{ "int32_t", { 32, false, 0 } },  { "uint32_t", { 32, true, 0 } },
	{ "int64_t", { 64, false, 0 } },  { "uint64_t", { 64, true, 0 } },
	{ "size_t", { 64, true, 0 } },	  { "intptr_t", { 64, false, 0 } },
	{ "uintptr_t", { 64, true, 0 } },
};

static bool take_type_word(struct parser *ps, struct type *t, bool *sized)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!take_word(ps, types[i].word))
			continue;
		/* short int, long int: the int says nothing. */
		if (!*sized || types[i].type.bits != 32) {
			t->bits = types[i].type.bits;
			t->is_unsigned |= types[i].type.is_unsigned;
		}
		*sized = true;
		return true;
	}
	return false;
}

/* False: no type comes next, and nothing was taken. */
static bool take_type(struct parser *ps, struct type *t)
{
	bool any = false, sized = false;

	*t = (struct type){ .bits = 32 };
	for (;; any = true) {
		if (take_word(ps, "unsigned"))
			t->is_unsigned = true;
		else if (!take_word(ps, "signed") && !take_word(ps, "const") &&
			 !take_type_word(ps, t, &sized))
			break;
	}
	while (any) {
		if (take(ps, "*"))
			t->depth += t->depth < UINT8_MAX;
		else if (!take_word(ps, "const"))
			break;
	}
	return any;
}

/* What it points to, or what is its element. */
static struct type pointed_to(struct type t)
{
	if (!t.depth)
		return plain;
	t.depth--;
	return t;
}

static unsigned bytes_of(struct type t)
{
	return t.depth ? 8 : t.bits ? t.bits / 8u : 1;
}

static bool goes_unsigned(struct type t)
{
	return t.depth || (t.is_unsigned && t.bits == 64);
}

static void narrow(struct parser *ps, struct type t)
{
	if (!t.depth && t.bits && t.bits < 64)
		emit_byte(ps->code, t.is_unsigned ? AX_ZERO_EXT : AX_EXT,
			  t.bits);
}

/* The address on top becomes what is there. */
static int load(struct parser *ps, struct type *t)
{
	static const uint8_t ops[] = {
		[1] = AX_REF8, [2] = AX_REF16, [4] = AX_REF32, [8] = AX_REF64
	};

	*t = pointed_to(*t);
	if (!t->depth && !t->bits)
		return bad(ps, "a void * points to nothing that has a value");
	source_op(ps->code, ops[bytes_of(*t)]);
	if (!t->is_unsigned)
		narrow(ps, *t);
	return 0;
}

/* --- what stands alone ---------------------------------------------------- */

static int number(struct parser *ps)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(ps->p, &end, 0);
	if (errno)
		return bad(ps, "a number has 64 bits at most");
	while (*end && strchr("uUlL", *end))
		end++;
	if (is_name(*end) || *end == '.')
		return bad(ps, "that is no whole number");
	ps->p = end;
	source_number(ps->code, v);
	return 0;
}

static int character(struct parser *ps)
{
	const char *p = ps->p + 1;
	char c = *p ? *p++ : '\0';

	if ((c == '\\' && !take_escape(&p, &c)) || *p != '\'')
		return bad(ps, "a character stands between two '");
	ps->p = p + 1;
	source_number(ps->code, (uint64_t)(int64_t)c);
	return 0;
}

/* Behind its name. */
static int string_compared(struct parser *ps)
{
	struct buf text = { 0 };
	struct type t;
	int r;

	if (!take(ps, "("))
		return bad(ps, "streq(POINTER, \"text\"), but no ( is");
	r = binary(ps, 0, &t);
	if (r == 0 && !take(ps, ","))
		r = bad(ps, "streq(POINTER, \"text\"), but no , is");
	skip_blanks(ps);
	if (r == 0)
		r = source_text(&ps->p, &text, ps->e);
	if (r == 0 && !take(ps, ")"))
		r = bad(ps, "streq(POINTER, \"text\"), but no ) is");
	if (r == 0)
		r = source_streq(text.data ? text.data : "", text.len, ps->code,
				 ps->e);
	buf_fini(&text);
	return r;
}

static int name(struct parser *ps)
{
	const char *at = ps->p + (*ps->p == '$');
	size_t n = name_length(at);
	unsigned reg, bits;

	if (is_word(at, n, "streq") || is_word(at, n, "_streq")) {
		ps->p = at + n;
		return string_compared(ps);
	}
	if (is_word(at, n, "tid")) {
		emit_word(ps->code, AX_GETV, AX_VARIABLE_THREAD);
	} else if (n && ps->names->reg(ps->names->user, at, n, &reg, &bits)) {
		emit_word(ps->code, AX_REG, reg);
		if (bits < 64)
			emit_byte(ps->code, AX_EXT, bits);
	} else {
		return bad(ps, "there is no such register");
	}
	ps->p = at + n;
	return 0;
}

static int in_brackets(struct parser *ps, struct type *out)
{
	int r;

	if (++ps->nested > NESTED_MOST)
		return bad(ps, "too many are nested");
	r = binary(ps, 0, out);
	ps->nested--;
	if (r == 0 && !take(ps, ")"))
		r = bad(ps, "a ) is missing");
	return r;
}

static int primary(struct parser *ps, struct type *out)
{
	*out = plain;
	skip_blanks(ps);
	if (isdigit((unsigned char)*ps->p))
		return number(ps);
	if (*ps->p == '\'')
		return character(ps);
	if (*ps->p == '$' || name_length(ps->p))
		return name(ps);
	if (take(ps, "("))
		return in_brackets(ps, out);
	return bad(ps, "a number, a register or a ( is missing");
}

/* The number on top times what t's elements have. */
static void scale(struct parser *ps, struct type t)
{
	unsigned bytes = bytes_of(pointed_to(t));

	if (t.depth && bytes > 1) {
		source_number(ps->code, bytes);
		source_op(ps->code, AX_MUL);
	}
}

static int postfix(struct parser *ps, struct type *out)
{
	struct type index;
	int r = primary(ps, out);

	while (r == 0 && take(ps, "[")) {
		if (!out->depth)
			*out = (struct type){ .bits = 64, .depth = 1 };
		r = binary(ps, 0, &index);
		if (r == 0 && !take(ps, "]"))
			r = bad(ps, "a ] is missing");
		if (r < 0)
			break;
		scale(ps, *out);
		source_op(ps->code, AX_ADD);
		r = load(ps, out);
	}
	return r;
}

static int cast(struct parser *ps, struct type to, struct type *out)
{
	int r;

	if (!take(ps, ")"))
		return bad(ps, "a ) is missing");
	if (!to.depth && !to.bits)
		return bad(ps, "nothing is void but what a void * points to");
	r = unary(ps, out);
	if (r == 0)
		narrow(ps, to);
	*out = to;
	return r;
}

static int sign(struct parser *ps, char op, struct type *out)
{
	int r;

	if (op == '-')
		source_number(ps->code, 0);
	r = unary(ps, out);
	if (r < 0 || op == '+')
		return r;
	source_op(ps->code, op == '-'	? AX_SUB
			    : op == '~' ? AX_BIT_NOT
					: AX_LOG_NOT);
	*out = op != '!' && goes_unsigned(*out)
		       ? (struct type){ .bits = 64, .is_unsigned = true }
		       : plain;
	return 0;
}

static int unary_in(struct parser *ps, struct type *out)
{
	const char *before;
	struct type to;
	int r;

	skip_blanks(ps);
	before = ps->p;
	if (*ps->p && strchr("-+!~", *ps->p))
		return sign(ps, *ps->p++, out);
	if (take(ps, "*")) {
		r = unary(ps, out);
		return r < 0 ? r : load(ps, out);
	}
	if (take(ps, "(") && take_type(ps, &to))
		return cast(ps, to, out);
	ps->p = before;
	return postfix(ps, out);
}

static int unary(struct parser *ps, struct type *out)
{
	int r;

	if (++ps->nested > NESTED_MOST)
		return bad(ps, "too many are nested");
	r = unary_in(ps, out);
	ps->nested--;
	return r;
}

/* --- two of them ---------------------------------------------------------- */

static const struct operation {
	char text[3];
	uint8_t level;
	uint8_t op, op_unsigned;
	bool swapped, negated, compares;
} operators[] = {
	{ "||", 1, 0, 0, false, false, true },
	{ "&&", 2, 0, 0, false, false, true },
	{ "==", 6, AX_EQUAL, AX_EQUAL, false, false, true },
	{ "!=", 6, AX_EQUAL, AX_EQUAL, false, true, true },
	{ "<=", 7, AX_LESS_SIGNED, AX_LESS_UNSIGNED, true, true, true },
	{ ">=", 7, AX_LESS_SIGNED, AX_LESS_UNSIGNED, false, true, true },
	{ "<<", 8, AX_LSH, AX_LSH, false, false, false },
	{ ">>", 8, AX_RSH_SIGNED, AX_RSH_UNSIGNED, false, false, false },
	{ "<", 7, AX_LESS_SIGNED, AX_LESS_UNSIGNED, false, false, true },
	{ ">", 7, AX_LESS_SIGNED, AX_LESS_UNSIGNED, true, false, true },
	{ "|", 3, AX_BIT_OR, AX_BIT_OR, false, false, false },
	{ "^", 4, AX_BIT_XOR, AX_BIT_XOR, false, false, false },
	{ "&", 5, AX_BIT_AND, AX_BIT_AND, false, false, false },
	{ "+", 9, AX_ADD, AX_ADD, false, false, false },
	{ "-", 9, AX_SUB, AX_SUB, false, false, false },
	{ "*", 10, AX_MUL, AX_MUL, false, false, false },
	{ "/", 10, AX_DIV_SIGNED, AX_DIV_UNSIGNED, false, false, false },
	{ "%", 10, AX_REM_SIGNED, AX_REM_UNSIGNED, false, false, false },
};

static const struct operation *take_operator(struct parser *ps, unsigned level)
{
	skip_blanks(ps);
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		const struct operation *o = &operators[i];

		if (strncmp(ps->p, o->text, strlen(o->text)))
			continue;
		if (o->level <= level)
			return NULL;
		ps->p += strlen(o->text);
		return o;
	}
	return NULL;
}

/*
 * The left side is on top.	&&	if_goto 1; 0; goto 2; 1: right; 2:
 *				||	if_goto 1; right; goto 2; 1: 1; 2:
 */
static int either_or_both(struct parser *ps, const struct operation *o)
{
	bool both = o->level == 2;
	size_t holds = emit_jump(ps->code, AX_IF_GOTO), end;
	struct type right;
	int r = 0;

	if (both)
		source_number(ps->code, 0);
	else
		r = binary(ps, o->level, &right);
	if (r == 0 && !both) {
		source_op(ps->code, AX_LOG_NOT);
		source_op(ps->code, AX_LOG_NOT);
	}
	end = emit_jump(ps->code, AX_GOTO);
	emit_here(ps->code, holds);
	if (!both) {
		source_number(ps->code, 1);
	} else {
		r = binary(ps, o->level, &right);
		source_op(ps->code, AX_LOG_NOT);
		source_op(ps->code, AX_LOG_NOT);
	}
	emit_here(ps->code, end);
	return r;
}

/* Of sums a pointer is one, and what two are apart is a number of bytes; else
 * what is unsigned wins. */
static struct type type_of(const struct operation *o, struct type a,
			   struct type b)
{
	struct type t = plain;

	if (o->compares)
		return plain;
	if (o->level == 9 && a.depth)
		return b.depth ? plain : a;
	t.is_unsigned = goes_unsigned(a) || goes_unsigned(b);
	return t;
}

static int both_sides(struct parser *ps, const struct operation *o,
		      struct type *left)
{
	struct type right;
	bool is_unsigned;
	int r;

	r = binary(ps, o->level, &right);
	if (r < 0)
		return r;
	if (o->level == 9 && left->depth && !right.depth)
		scale(ps, *left);
	is_unsigned =
		goes_unsigned(*left) || (o->level != 8 && goes_unsigned(right));
	if (o->swapped)
		source_op(ps->code, AX_SWAP);
	source_op(ps->code, is_unsigned ? o->op_unsigned : o->op);
	if (o->negated)
		source_op(ps->code, AX_LOG_NOT);
	*left = type_of(o, *left, right);
	return 0;
}

/* As far as operators of more than that level go. */
static int binary(struct parser *ps, unsigned level, struct type *out)
{
	const struct operation *o;
	int r = unary(ps, out);

	while (r == 0 && (o = take_operator(ps, level))) {
		if (ps->code->len > SOURCE_CODE_MAX)
			return err_set(ps->e, -E2BIG,
				       "that expression is too long");
		if (o->level > 2) {
			r = both_sides(ps, o, out);
			continue;
		}
		r = either_or_both(ps, o);
		*out = plain;
	}
	return r;
}

int source_compile(const char **text, const struct source_names *names,
		   struct buf *code, struct err *e)
{
	struct parser ps = { .p = *text, .names = names, .code = code, .e = e };
	struct type t;
	int r = binary(&ps, 0, &t);

	skip_blanks(&ps);
	if (r == 0 && *ps.p == '=')
		r = bad(&ps, "nothing is assigned here, compare by ==,");
	if (r == 0 && code->len > SOURCE_CODE_MAX)
		r = err_set(e, -E2BIG, "that expression is too long");
	*text = ps.p;
	return r;
}
