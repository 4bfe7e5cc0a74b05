/*
 * Any arguments through any sequence of takers: the first half of the input
 * chooses them, the second is what they read. A taker that refuses has not
 * moved; one that takes has moved forward and not past the end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rsp/args.h"

#define MAX_STRING 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int ok)
{
	if (!ok)
		abort();
}

static bool take_number(struct args *a, uint8_t op)
{
	uint64_t v = 0, max = op & 0x80 ? 0xffff : UINT64_MAX;
	bool ok = take_hex_max(a, max, &v);

	check(!ok || v <= max);
	return ok;
}

static bool take_id(struct args *a)
{
	struct ptid id = { 0, 0 };
	bool ok = take_ptid(a, &id);

	check(!ok || (id.pid >= -1 && id.tid >= -1));
	return ok;
}

static bool take_string(struct args *a)
{
	char *s;
	size_t left = args_left(a);

	if (!take_hex_string(a, MAX_STRING, &s))
		return false;
	check(strlen(s) <= MAX_STRING);
	check(left - args_left(a) == 2 * strlen(s));
	free(s);
	return true;
}

static bool take_list_word(struct args *a)
{
	struct args word;
	const char *p = a->p;

	if (!take_word(a, ",;:", &word))
		return false;
	check(word.p == p && word.end == a->p);
	check(take_end(a) || strchr(",;:", *a->p));
	return true;
}

static bool take(struct args *a, uint8_t op)
{
	uint8_t bytes[16];

	switch (op % 7) {
	case 0:
		return take_number(a, op);
	case 1:
		return take_id(a);
	case 2:
		return take_string(a);
	case 3:
		return take_list_word(a);
	case 4:
		return take_bytes(a, bytes, op >> 4);
	case 5:
		return take_char(a, ",;:."[op >> 6]);
	default:
		return take_name(a, op & 0x80 ? "read" : "p");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t ops = n / 2;
	char *text = malloc(n - ops + 1);
	struct args a = args_of(text, n - ops), rest;

	memcpy(text, data + ops, n - ops);
	for (size_t i = 0; i < ops; i++) {
		struct args before = a;
		bool ok = take(&a, data[i]);

		check(a.end == before.end);
		check(ok ? a.p >= before.p && a.p <= a.end : a.p == before.p);
	}
	rest = take_rest(&a);
	check(take_end(&a) && args_left(&rest) <= n);
	free(text);
	return 0;
}
