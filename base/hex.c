/*
 * Memory travels as hex in both directions, so both loops do 16 bytes at a
 * time. They are written once, in the compiler's generic vectors, and built
 * for the baseline and for AVX2 (not in the hostile build, so that both are
 * tested); a plain loop finishes what is left over.
 */
#include "base/hex.h"

#include <stdint.h>
#include <string.h>

#define GROUP	 16
#define TEMPLATE static inline __attribute__((always_inline))

typedef uint8_t bytes __attribute__((vector_size(GROUP)));
typedef uint8_t chars __attribute__((vector_size(2 * GROUP)));
typedef uint16_t pairs __attribute__((vector_size(2 * GROUP)));

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Returns the bytes done, whole groups. */
TEMPLATE size_t encode_groups(char *out, const uint8_t *in, size_t n)
{
	size_t i;

	for (i = 0; n - i >= GROUP; i += GROUP) {
		bytes b;
		pairs p;
		chars c;

		memcpy(&b, in + i, sizeof(b));
		p = __builtin_convertvector(b, pairs);
		c = (chars)((p >> 4 | p << 8) & 0x0f0f);
		c += '0' + ((chars)(c > 9) & ('a' - '0' - 10));
		memcpy(out + 2 * i, &c, sizeof(c));
	}
	return i;
}

/* Returns the bytes done, or n + 1 when a digit was none. */
TEMPLATE size_t decode_groups(uint8_t *out, const char *in, size_t n)
{
	chars good = { 0 };
	uint64_t all[4];
	size_t i;

	good = ~good;
	for (i = 0; n - i >= GROUP; i += GROUP) {
		chars c, num, alpha, is_num;
		pairs p;
		bytes b;

		memcpy(&c, in + 2 * i, sizeof(c));
		num = c - '0';
		alpha = (c | 0x20) - 'a';
		is_num = (chars)(num < 10);
		good &= is_num | (chars)(alpha < 6);
		p = (pairs)((is_num & num) | (~is_num & (alpha + 10)));
		b = __builtin_convertvector(p << 4 | p >> 8, bytes);
		memcpy(out + i, &b, sizeof(b));
	}
	memcpy(all, &good, sizeof(all));
	return ~(all[0] & all[1] & all[2] & all[3]) ? n + 1 : i;
}

#if defined(__x86_64__) && !defined(HOSTILE)

__attribute__((target("avx2"))) static size_t
encode_avx2(char *out, const uint8_t *in, size_t n)
{
	return encode_groups(out, in, n);
}

__attribute__((target("avx2"))) static size_t
decode_avx2(uint8_t *out, const char *in, size_t n)
{
	return decode_groups(out, in, n);
}

#define CHOOSE(loop, ...)                                          \
	(__builtin_cpu_supports("avx2") ? loop##_avx2(__VA_ARGS__) \
					: loop##_groups(__VA_ARGS__))
#else
#define CHOOSE(loop, ...) loop##_groups(__VA_ARGS__)
#endif

void hex_encode(char *out, const void *in, size_t n)
{
	const uint8_t *p = in;

	for (size_t i = CHOOSE(encode, out, p, n); i < n; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
}

bool hex_decode(void *out, const char *in, size_t n)
{
	uint8_t *p = out;
	size_t i = CHOOSE(decode, p, in, n);

	for (; i < n; i++) {
		int hi = hex_digit(in[2 * i]), lo = hex_digit(in[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return i == n;
}
