/*
 * Every loop is a template around a judge, which looks at 32 bytes and
 * returns a bit for each that is special. There is a set of judges for plain
 * C, for SSE2 (the baseline of x86-64) and for AVX2, and every template is
 * built once with the best set known at compile time and once for AVX2 (not
 * in the hostile build, so that both are tested).
 *
 * The data is copied before it is judged: a vector with nothing in it, the
 * common case, costs a load, a store and one branch.
 */
#include "rsp/span.h"

#include <stdbool.h>
#include <string.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#define LANE	 32
#define TEMPLATE static inline __attribute__((always_inline))

/* LANE bytes anywhere, moved by the widest instruction there is. */
typedef char lane __attribute__((vector_size(LANE), aligned(1), may_alias));

typedef uint32_t judge_fn(const char *p);

struct judges {
	judge_fn *escape;   /* # $ * } */
	judge_fn *plain;    /* # $ * */
	judge_fn *unescape; /* # $ } */
	/*
	 * # $ *, and three equal bytes at an even place: there are such in
	 * any four equal ones. Looks at LANE + 1 bytes.
	 */
	judge_fn *copy;
};

#ifdef __SSE2__

TEMPLATE __m128i load16(const char *p)
{
	return _mm_loadu_si128((const void *)p);
}

TEMPLATE __m128i equal16(__m128i v, char c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

TEMPLATE __m128i frame16(__m128i v)
{
	return _mm_or_si128(equal16(v, '#'), equal16(v, '$'));
}

TEMPLATE __m128i star16(__m128i v)
{
	return _mm_or_si128(frame16(v), equal16(v, '*'));
}

TEMPLATE uint32_t mask16(__m128i low, __m128i high)
{
	return (uint32_t)_mm_movemask_epi8(low) |
	       (uint32_t)_mm_movemask_epi8(high) << 16;
}

TEMPLATE __m128i escape16(const char *p)
{
	return _mm_or_si128(star16(load16(p)), equal16(load16(p), '}'));
}

TEMPLATE __m128i unescape16(const char *p)
{
	return _mm_or_si128(frame16(load16(p)), equal16(load16(p), '}'));
}

TEMPLATE __m128i copy16(const char *p)
{
	return _mm_or_si128(star16(load16(p)),
			    _mm_cmpeq_epi16(load16(p), load16(p + 1)));
}

TEMPLATE uint32_t judge_escape(const char *p)
{
	return mask16(escape16(p), escape16(p + 16));
}

TEMPLATE uint32_t judge_plain(const char *p)
{
	return mask16(star16(load16(p)), star16(load16(p + 16)));
}

TEMPLATE uint32_t judge_unescape(const char *p)
{
	return mask16(unescape16(p), unescape16(p + 16));
}

TEMPLATE uint32_t judge_copy(const char *p)
{
	return mask16(copy16(p), copy16(p + 16));
}

#else

TEMPLATE uint32_t judge_among(const char *p, const char *set)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < LANE; i++)
		mask |= (uint32_t)(p[i] && strchr(set, p[i])) << i;
	return mask;
}

TEMPLATE uint32_t judge_escape(const char *p)
{
	return judge_among(p, "#$*}");
}

TEMPLATE uint32_t judge_plain(const char *p)
{
	return judge_among(p, "#$*");
}

TEMPLATE uint32_t judge_unescape(const char *p)
{
	return judge_among(p, "#$}");
}

TEMPLATE uint32_t judge_copy(const char *p)
{
	uint32_t mask = judge_among(p, "#$*");

	for (unsigned i = 0; i < LANE; i += 2) {
		if (p[i] == p[i + 1] && p[i] == p[i + 2])
			mask |= 3u << i;
	}
	return mask;
}

#endif

static const struct judges base = { judge_escape, judge_plain, judge_unescape,
				    judge_copy };

/* The judgement of the last n <= LANE bytes, beyond which nothing is read. */
TEMPLATE uint32_t judge_tail(judge_fn *judge, const char *src, size_t n)
{
	char pad[LANE + 1] = { 0 };

	memcpy(pad, src, n);
	return judge(pad) & (uint32_t)(((uint64_t)1 << n) - 1);
}

/* Copies up to the first special byte. */
TEMPLATE size_t until_special(char *dst, const char *src, size_t n,
			      judge_fn *judge)
{
	uint32_t mask;
	size_t i = 0;

	for (; n - i > LANE; i += LANE) {
		*(lane *)(dst + i) = *(const lane *)(src + i);
		mask = judge(src + i);
		if (mask)
			return i + (unsigned)__builtin_ctz(mask);
	}
	memcpy(dst + i, src + i, n - i);
	mask = judge_tail(judge, src + i, n - i);
	return mask ? i + (unsigned)__builtin_ctz(mask) : n;
}

TEMPLATE size_t escape_each(char *dst, const char *src, size_t n,
			    judge_fn *judge)
{
	size_t in = 0, out = 0;

	for (;;) {
		size_t len = until_special(dst + out, src + in, n - in, judge);

		in += len;
		out += len;
		if (in == n)
			return out;
		dst[out++] = '}';
		dst[out++] = src[in++] ^ 0x20;
	}
}

TEMPLATE size_t escape(char *dst, const char *src, size_t n,
		       const struct judges *j)
{
	return escape_each(dst, src, n, j->escape);
}

TEMPLATE size_t plain(char *dst, const char *src, size_t n,
		      const struct judges *j)
{
	return escape_each(dst, src, n, j->plain);
}

TEMPLATE size_t unescape(char *dst, const char *src, size_t n, size_t *used,
			 const struct judges *j)
{
	size_t in = 0, out = 0;

	for (;;) {
		size_t len =
			until_special(dst + out, src + in, n - in, j->unescape);

		in += len;
		out += len;
		if (n - in < 2 || src[in] != '}' || src[in + 1] == '#' ||
		    src[in + 1] == '$')
			break;
		dst[out++] = src[in + 1] ^ 0x20;
		in += 2;
	}
	*used = in;
	return out;
}

/* In words, so that no copy of it mixes vectors of two kinds. */
TEMPLATE size_t equal(const char *src, size_t n)
{
	uint64_t want = (uint8_t)*src * 0x0101010101010101u, w[4];
	size_t i = 1;

	for (; n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(w, src + i, sizeof(w));
		if ((w[0] ^ want) | (w[1] ^ want) | (w[2] ^ want) |
		    (w[3] ^ want))
			break;
	}
	while (i < n && src[i] == *src)
		i++;
	return i;
}

/*
 * The judge tells of three equal bytes, and at even places only: the
 * run may begin a byte earlier, and may be too short.
 */
TEMPLATE size_t copy(char *dst, const char *src, size_t n,
		     const struct judges *j)
{
	size_t i = 0, run;

	for (;;) {
		i += until_special(dst + i, src + i, n - i, j->copy);
		if (i == n || src[i] == '#' || src[i] == '$' || src[i] == '*')
			return i;
		i -= i > 0 && src[i - 1] == src[i];
		run = equal(src + i, n - i);
		if (run >= SPAN_RUN)
			return i;
		memcpy(dst + i, src + i, run);
		i += run;
	}
}

#if defined(__SSE2__) && !defined(HOSTILE)

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load32(const char *p)
{
	return _mm256_loadu_si256((const void *)p);
}

/*
 * Bytes equal to what the table holds for their low four bits. Zero, which a
 * shuffle also makes of bytes above 0x7f, must not find itself: the entry
 * for 0 is 1.
 */
AVX2 static inline __m256i among32(__m256i v, char at_10, char at_13)
{
	__m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
		1, 0, 0, '#', '$', 0, 0, 0, 0, 0, at_10, 0, 0, at_13, 0, 0));

	return _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, v), v);
}

AVX2 static inline uint32_t avx2_escape(const char *p)
{
	return (uint32_t)_mm256_movemask_epi8(among32(load32(p), '*', '}'));
}

AVX2 static inline uint32_t avx2_plain(const char *p)
{
	return (uint32_t)_mm256_movemask_epi8(among32(load32(p), '*', 0));
}

AVX2 static inline uint32_t avx2_unescape(const char *p)
{
	return (uint32_t)_mm256_movemask_epi8(among32(load32(p), 0, '}'));
}

AVX2 static inline uint32_t avx2_copy(const char *p)
{
	__m256i v = load32(p);
	__m256i run = _mm256_cmpeq_epi16(v, load32(p + 1));

	return (uint32_t)_mm256_movemask_epi8(
		_mm256_or_si256(run, among32(v, '*', 0)));
}

static const struct judges wide = { avx2_escape, avx2_plain, avx2_unescape,
				    avx2_copy };

AVX2 static size_t escape_avx2(char *dst, const char *src, size_t n)
{
	return escape(dst, src, n, &wide);
}

AVX2 static size_t plain_avx2(char *dst, const char *src, size_t n)
{
	return plain(dst, src, n, &wide);
}

AVX2 static size_t unescape_avx2(char *dst, const char *src, size_t n,
				 size_t *used)
{
	return unescape(dst, src, n, used, &wide);
}

AVX2 static size_t copy_avx2(char *dst, const char *src, size_t n)
{
	return copy(dst, src, n, &wide);
}

#define CHOOSE(loop, ...)                                          \
	(__builtin_cpu_supports("avx2") ? loop##_avx2(__VA_ARGS__) \
					: loop(__VA_ARGS__, &base))
#else
#define CHOOSE(loop, ...) loop(__VA_ARGS__, &base)
#endif

size_t span_escape(char *dst, const char *src, size_t n)
{
	return CHOOSE(escape, dst, src, n);
}

size_t span_plain(char *dst, const char *src, size_t n)
{
	return CHOOSE(plain, dst, src, n);
}

size_t span_unescape(char *dst, const char *src, size_t n, size_t *used)
{
	return CHOOSE(unescape, dst, src, n, used);
}

size_t span_copy(char *dst, const char *src, size_t n)
{
	return CHOOSE(copy, dst, src, n);
}

size_t span_equal(const char *src, size_t n)
{
	return equal(src, n);
}

uint8_t span_sum(const char *src, size_t n)
{
	uint64_t sum = 0;
	size_t i = 0;

#ifdef __SSE2__
	__m128i zero = _mm_setzero_si128(), a = zero, b = zero;

	for (; n - i >= 32; i += 32) {
		a = _mm_add_epi64(a, _mm_sad_epu8(load16(src + i), zero));
		b = _mm_add_epi64(b, _mm_sad_epu8(load16(src + i + 16), zero));
	}
	a = _mm_add_epi64(a, b);
	sum = (uint64_t)_mm_cvtsi128_si64(a) +
	      (uint64_t)_mm_cvtsi128_si64(_mm_srli_si128(a, 8));
#endif
	for (; i < n; i++)
		sum += (uint8_t)src[i];
	return (uint8_t)sum;
}
