/*
 * The loops over bulk data, several bytes a cycle. Private to the codec.
 * None reads past src + n; each may write up to SPAN_SLACK bytes past what
 * it returns, because whole vectors are stored before it is known what is
 * in them.
 */
#ifndef RSP_SPAN_H
#define RSP_SPAN_H

#include <stddef.h>
#include <stdint.h>

#define SPAN_SLACK 32

/* The checksum: all bytes, modulo 256. */
uint8_t span_sum(const char *src, size_t n);

/* Escapes # $ * and }. At most 2 * n bytes come out; returns how many. */
size_t span_escape(char *dst, const char *src, size_t n);

/* The same of # $ and * alone, in what is escaped already or needs no more. */
size_t span_plain(char *dst, const char *src, size_t n);

/*
 * Undoes escapes up to # or $, or up to a } whose second byte is not there
 * or is one of the two. Returns how many bytes came out, *used how many went
 * in.
 */
size_t span_unescape(char *dst, const char *src, size_t n, size_t *used);

/*
 * Copies up to # $ or *, or up to the first of at least SPAN_RUN equal bytes.
 * Returns how many.
 */
#define SPAN_RUN 4
size_t span_copy(char *dst, const char *src, size_t n);

/* How many of the n >= 1 bytes equal the first, from the first on. */
size_t span_equal(const char *src, size_t n);

#endif
