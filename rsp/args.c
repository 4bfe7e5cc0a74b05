#include "rsp/args.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"

bool take_char(struct args *a, char c)
{
	if (take_end(a) || *a->p != c)
		return false;
	a->p++;
	return true;
}

bool take_name(struct args *a, const char *name)
{
	size_t len = strlen(name);

	if (args_left(a) < len || memcmp(a->p, name, len))
		return false;
	a->p += len;
	return true;
}

bool take_hex(struct args *a, uint64_t *v)
{
	return take_hex_max(a, UINT64_MAX, v);
}

bool take_hex_max(struct args *a, uint64_t max, uint64_t *v)
{
	const char *p = a->p;
	uint64_t sum = 0;
	int digit;

	for (; p < a->end && (digit = hex_digit(*p)) >= 0; p++)
		sum = sum << 4 | (unsigned)digit;
	if (p == a->p || p - a->p > 16 || sum > max)
		return false;
	a->p = p;
	*v = sum;
	return true;
}

bool take_bytes(struct args *a, void *buf, size_t n)
{
	if (args_left(a) / 2 < n || !hex_decode(buf, a->p, n))
		return false;
	a->p += 2 * n;
	return true;
}

bool take_word(struct args *a, const char *stops, struct args *word)
{
	const char *p = a->p;

	*word = (struct args){ p, p };
	if (take_end(a))
		return false;
	while (p < a->end && (!*p || !strchr(stops, *p)))
		p++;
	*word = (struct args){ a->p, p };
	a->p = p;
	return true;
}

static bool take_id(struct args *a, pid_t *id)
{
	uint64_t v;

	if (take_name(a, "-1")) {
		*id = -1;
		return true;
	}
	if (!take_hex_max(a, INT_MAX, &v))
		return false;
	*id = (pid_t)v;
	return true;
}

bool take_ptid(struct args *a, struct ptid *id)
{
	struct args at = *a;
	struct ptid got = { 0, -1 };

	if (take_char(&at, 'p')) {
		if (!take_id(&at, &got.pid))
			return false;
		if (take_char(&at, '.') && !take_id(&at, &got.tid))
			return false;
		if (got.pid == -1 && got.tid > 0)
			return false;
	} else {
		if (!take_id(&at, &got.tid))
			return false;
		got.pid = got.tid == -1 ? -1 : 0;
	}
	*a = at;
	*id = got;
	return true;
}

bool take_hex_string(struct args *a, size_t max, char **s)
{
	size_t len = 0;
	char *text;

	while (len < args_left(a) && hex_digit(a->p[len]) >= 0)
		len++;
	if (len % 2 || len / 2 > max)
		return false;
	text = xmalloc(len / 2 + 1);
	hex_decode(text, a->p, len / 2);
	text[len / 2] = '\0';
	if (strlen(text) != len / 2) {
		free(text);
		return false;
	}
	a->p += len;
	*s = text;
	return true;
}

struct args take_rest(struct args *a)
{
	struct args rest = *a;

	a->p = a->end;
	return rest;
}
