#include "rsp/binary.h"

#include "rsp/span.h"

void buf_put_escaped(struct buf *b, const void *data, size_t n)
{
	char *p;

	if (!n)
		return;
	p = buf_reserve(b, 2 * n + SPAN_SLACK);
	b->len += span_escape(p, data, n);
}
