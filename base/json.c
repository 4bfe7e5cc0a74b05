#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What the byte behind the first may be: neither a character that a shorter
 * form has, nor half of a UTF-16 pair, nor one behind the last, U+10FFFF. */
static bool may_follow(uint8_t first, uint8_t second)
{
	uint8_t lo = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t hi = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return lo <= second && second <= hi;
}

/* How many bytes the character has that begins here; 0: it is none. */
static size_t utf8_length(const uint8_t *p)
{
	size_t n = *p < 0x80   ? 1
		   : *p < 0xc2 ? 0
		   : *p < 0xe0 ? 2
		   : *p < 0xf0 ? 3
		   : *p < 0xf5 ? 4
			       : 0;

	if (n > 1 && !may_follow(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* Scripts before ES2019 take these two for the ends of lines. */
static bool is_separator(const uint8_t *p)
{
	return p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8;
}

static size_t put_character(struct buf *out, const uint8_t *p)
{
	size_t n = utf8_length(p);

	if (n == 3 && is_separator(p)) {
		buf_printf(out, "\\u20%02x", p[2] - 0x80);
		return n;
	}
	if (*p == '"' || *p == '\\')
		buf_printf(out, "\\%c", *p);
	else if (!n || *p < 0x20 || *p == 0x7f || *p == '<')
		buf_printf(out, "\\u%04x", *p);
	else
		buf_put(out, p, n);
	return n ? n : 1;
}

void json_text(struct buf *out, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;

	buf_putc(out, '"');
	while (*p)
		p += put_character(out, p);
	buf_putc(out, '"');
}
