/*
 * Memory travels as hex in both directions, so both loops do a vector of text
 * at a time. They are written once, in the compiler's generic vectors
 * (base/hex.inc), and built for the baseline and for AVX2 (not in the hostile
 * build, so that both are tested); a plain loop finishes what is left over.
 */
#include "base/hex.h"

#include <stdint.h>
#include <string.h>

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

#define GROUP	   8
#define LOOP(name) name##_base
#define TARGET
#include "base/hex.inc"

#if defined(__x86_64__) && !defined(HOSTILE)

#define GROUP	   16
#define LOOP(name) name##_avx2
#define TARGET	   __attribute__((target("avx2")))
#include "base/hex.inc"

#define CHOOSE(loop, ...)                                          \
	(__builtin_cpu_supports("avx2") ? loop##_avx2(__VA_ARGS__) \
					: loop##_base(__VA_ARGS__))
#else
#define CHOOSE(loop, ...) loop##_base(__VA_ARGS__)
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
