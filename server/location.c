#include "server/location.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/source.h"
#include "base/mem.h"
#include "server/packet.h"
#include "server/session.h"

void skip_spaces(const char **text)
{
	*text += strspn(*text, " \t");
}

static bool ends_word(char c)
{
	return !c || c == ' ' || c == '\t';
}

bool take_keyword(const char **text, const char *word)
{
	size_t n = strlen(word);

	skip_spaces(text);
	if (strncmp(*text, word, n) || !ends_word((*text)[n]))
		return false;
	*text += n;
	skip_spaces(text);
	return true;
}

bool take_decimal(const char **text, uint64_t *v)
{
	char *end;

	skip_spaces(text);
	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*v = strtoull(*text, &end, 10);
	if (errno || !ends_word(*end))
		return false;
	*text = end;
	skip_spaces(text);
	return true;
}

/* --- places --------------------------------------------------------------- */

static int take_address(struct session *s, const char **text, uint64_t *lo)
{
	char *end;

	errno = 0;
	*lo = strtoull(*text, &end, 0);
	if (errno || end == *text || !ends_word(*end))
		return err_set(&s->err, -EINVAL, "`%.40s' is no address",
			       *text);
	*text = end;
	return 0;
}

int take_location(struct session *s, const char **text, uint64_t *lo,
		  uint64_t *hi)
{
	const char *begin;
	char *name;
	size_t n;
	int r;

	skip_spaces(text);
	begin = *text;
	if (*begin == '*' || isdigit((unsigned char)*begin)) {
		*text += *begin == '*';
		r = take_address(s, text, lo);
		*hi = *lo;
		return r;
	}
	begin += *begin == '\'';
	n = strcspn(begin, begin > *text ? "'" : " \t");
	name = xstrndup(begin, n);
	r = n ? function_find(s, name, lo, hi) : -EINVAL;
	if (r < 0)
		err_set(&s->err, r,
			n ? "there is no function `%s'; an address "
			    "is 0x... or *0x..."
			  : "where? a function, 0x... or *0x...",
			name);
	free(name);
	*text = begin + n + (begin > *text && begin[n]);
	return r;
}

/* --- values --------------------------------------------------------------- */

struct alias {
	const char *name, *means;
};

static const struct alias aliases[] = {
	{ "arg1", "rdi" }, { "arg2", "rsi" }, { "arg3", "rdx" },
	{ "arg4", "rcx" }, { "arg5", "r8" },  { "arg6", "r9" },
	{ "pc", "rip" },   { "sp", "rsp" },   { "fp", "rbp" },
};

static bool find_exactly(const struct arch *a, const char *name, size_t len,
			 unsigned *number, unsigned *bits)
{
	for (unsigned i = 0; i < a->n_regs; i++) {
		const struct regdesc *d = &a->regs[i];

		if (strlen(d->name) != len || memcmp(d->name, name, len) ||
		    d->bits > 64)
			continue;
		*number = i;
		*bits = d->bits;
		return true;
	}
	return false;
}

/* eax is the lower half of rax, and r8d of r8. */
static bool find_half(const struct arch *a, const char *name, size_t len,
		      unsigned *number, unsigned *bits)
{
	char whole[8];

	if (len < 3 || len >= sizeof(whole))
		return false;
	memcpy(whole, name, len);
	if (whole[0] == 'e')
		whole[0] = 'r';
	else if (whole[len - 1] == 'd')
		len--;
	else
		return false;
	if (whole[0] != 'r' || !find_exactly(a, whole, len, number, bits))
		return false;
	*bits = 32;
	return true;
}

static bool find_register(void *user, const char *name, size_t len,
			  unsigned *number, unsigned *bits)
{
	const struct arch *a = ((const struct process *)user)->arch;

	if (find_exactly(a, name, len, number, bits) ||
	    find_half(a, name, len, number, bits))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		const struct alias *as = &aliases[i];

		if (strlen(as->name) == len && !memcmp(as->name, name, len))
			return find_exactly(a, as->means, strlen(as->means),
					    number, bits);
	}
	return false;
}

/* "X<length>,<bytecodes>" */
static int take_bytecodes(struct session *s, const char **text,
			  struct buf *code)
{
	struct args a = args_of(*text + 1, strlen(*text + 1));
	uint8_t *program;
	uint64_t len;
	int r;

	if (!take_hex(&a, &len) || !take_char(&a, ',') || !len ||
	    len > AX_CODE_MAX || args_left(&a) < 2 * len)
		return err_set(&s->err, -EINVAL,
			       "an agent expression is "
			       "X<length>,<bytecodes>, both in hex");
	program = xmalloc(len);
	r = take_bytes(&a, program, len)
		    ? source_append(program, len, code, &s->err)
		    : err_set(&s->err, -EINVAL, "bytecodes are hex digits");
	free(program);
	*text = a.p;
	skip_spaces(text);
	return r;
}

int take_value_of(struct session *s, const char **text, struct buf *code)
{
	struct source_names names = { find_register, session_process(s) };

	if (!names.user)
		return err_set(&s->err, -ESRCH,
			       "no program is running: registers are of one");
	skip_spaces(text);
	if ((*text)[0] == 'X' && isxdigit((unsigned char)(*text)[1]))
		return take_bytecodes(s, text, code);
	return source_compile(text, &names, code, &s->err);
}

int make_program(struct session *s, struct buf *code, struct ax_program **out)
{
	int r;

	source_op(code, AX_END);
	r = ax_load(out, (const uint8_t *)code->data, code->len, &s->err);
	buf_reset(code);
	return r;
}
