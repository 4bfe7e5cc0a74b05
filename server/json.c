#include "server/json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

void json_separate(struct buf *out)
{
	if (out->len && !strchr("[{:,", out->data[out->len - 1]))
		buf_putc(out, ',');
}

void json_name(struct buf *out, const char *name)
{
	json_separate(out);
	json_text(out, name);
	buf_putc(out, ':');
}

/* How many bytes of the character that begins here, or 0: RFC 3629. What is
 * longer than need be, or a surrogate, is not looked at: readers of file names
 * get the bytes that there are. */
static size_t utf8_length(const uint8_t *p)
{
	size_t n = *p < 0xc2   ? 0
		   : *p < 0xe0 ? 2
		   : *p < 0xf0 ? 3
		   : *p < 0xf5 ? 4
			       : 0;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

void json_text(struct buf *out, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n;

	buf_putc(out, '"');
	for (; *p; p += n) {
		n = *p < 0x80 ? 1 : utf8_length(p);
		if (*p == '"' || *p == '\\')
			buf_printf(out, "\\%c", *p);
		else if (*p < 0x20 || !n)
			buf_printf(out, "\\u%04x", *p);
		else
			buf_put(out, p, n);
		n += !n;
	}
	buf_putc(out, '"');
}

void json_member_text(struct buf *out, const char *name, const char *text)
{
	json_name(out, name);
	json_text(out, text);
}

void json_member_number(struct buf *out, const char *name, int64_t v)
{
	json_name(out, name);
	buf_printf(out, "%" PRId64, v);
}

void json_member_flag(struct buf *out, const char *name, bool v)
{
	json_name(out, name);
	buf_puts(out, v ? "true" : "false");
}
