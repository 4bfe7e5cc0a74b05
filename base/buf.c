#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (!b->data || b->cap - b->len < n) {
		size_t cap = b->cap ? b->cap : 256;

		while (cap - b->len < n)
			cap *= 2;
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
	if (n)
		memcpy(buf_reserve(b, n), data, n);
	b->len += n;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	buf_reserve(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_put_hex(struct buf *b, const void *data, size_t n)
{
	hex_encode(buf_reserve(b, 2 * n), data, n);
	b->len += 2 * n;
}

void buf_put_hex_str(struct buf *b, const char *s)
{
	buf_put_hex(b, s, strlen(s));
}

void buf_put_num(struct buf *b, uint64_t v)
{
	unsigned digits = v ? (unsigned)(67 - __builtin_clzll(v)) / 4 : 1;
	char *p = buf_reserve(b, 16);

	for (unsigned i = digits; i-- > 0; v >>= 4)
		p[i] = "0123456789abcdef"[v & 15];
	b->len += digits;
}

char *buf_str(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return b->data;
}
