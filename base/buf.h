/*
 * A growing run of bytes. Zero-initialised is empty. Embedded by its owner,
 * who calls buf_fini(); pointers into it hold until the next call that
 * appends.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, cap;
};

void buf_fini(struct buf *b);

/* Forgets the contents, keeps the memory. */
static inline void buf_reset(struct buf *b)
{
	b->len = 0;
}

/* Room for n more bytes at the end, which buf_reserve() returns. */
char *buf_reserve(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Each byte as two lower-case hex digits. */
void buf_put_hex(struct buf *b, const void *data, size_t n);

/* The text of s as hex digits, as the protocol carries names. */
void buf_put_hex_str(struct buf *b, const char *s);

/* A number as hex digits without leading zeros: %lx, but quick. */
void buf_put_num(struct buf *b, uint64_t v);

/* A zero byte after the contents, not counted in len; returns data. */
char *buf_str(struct buf *b);

#endif
