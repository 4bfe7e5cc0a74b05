#include "xml/text.h"

#include <stdbool.h>
#include <string.h>

#include "xml/xml.h"

#define REPLACEMENT 0xfffd
#define RAW_BYTE    0x10ff00 /* + byte */

/* The bits of the first byte that are part of the character, by length. */
static const uint8_t lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };

/* The smallest character that needs so many bytes. */
static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

static unsigned lead_length(uint8_t c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* XML 1.0, production 2. */
static bool is_char(uint32_t c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r';
	return c < 0xd800 || (c > 0xdfff && c < 0xfffe) ||
	       (c > 0xffff && c < 0x110000);
}

/* Length of the character at s, or 0 if there is none that XML allows. */
static unsigned char_take(const char *s, uint32_t *ch)
{
	const uint8_t *p = (const uint8_t *)s;
	unsigned n = lead_length(p[0]);
	uint32_t c = p[0] & lead_mask[n];

	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	*ch = c;
	return n && c >= least[n] && is_char(c) ? n : 0;
}

static void char_put(struct buf *out, uint32_t c)
{
	if (c >= 0x10000) {
		buf_putc(out, (char)(0xf0 | c >> 18));
		buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
	} else {
		buf_putc(out, (char)(0xe0 | c >> 12));
	}
	buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

static bool stands_for_byte(uint32_t c)
{
	return c >= RAW_BYTE;
}

/* What would end an attribute or an element, and the white space that a
 * parser turns into blanks in attributes. */
static const char *const escapes[256] = {
	['"'] = "&quot;", ['&'] = "&amp;",	['<'] = "&lt;",
	['>'] = "&gt;",	  ['\t'] = "&#9;",	['\n'] = "&#10;",
	['\r'] = "&#13;",
};

/*
 * One character of s, in such that XML allows; its length. For TEXT_PATH,
 * characters that stand for bytes are themselves taken for bytes, so that no
 * two paths look the same.
 */
static unsigned special_put(struct buf *out, const char *s,
			    enum text_kind kind)
{
	uint8_t byte = (uint8_t)*s;
	uint32_t c;
	unsigned n = char_take(s, &c);

	if (!n || (kind == TEXT_PATH && stands_for_byte(c))) {
		char_put(out, kind == TEXT_PATH ? RAW_BYTE + byte
						: REPLACEMENT);
		return 1;
	}
	if (escapes[byte])
		buf_puts(out, escapes[byte]);
	else
		buf_put(out, s, n);
	return n;
}

/* Needs neither escaping nor a look at what follows. */
static const bool
	plain[256] = {
		[' ' ... '!'] = true, ['#' ... '%'] = true,
		['\'' ... ';'] = true, ['='] = true,
		['?' ... '~'] = true,
	};

void text_put(struct buf *out, const char *s, enum text_kind kind)
{
	while (*s) {
		size_t n = 0;

		while (plain[(uint8_t)s[n]])
			n++;
		buf_put(out, s, n);
		s += n;
		if (*s)
			s += special_put(out, s, kind);
	}
}

static void attr_begin(struct buf *out, const char *name)
{
	size_t n = strlen(name);
	char *p = buf_reserve(out, n + 3);

	*p++ = ' ';
	memcpy(p, name, n);
	memcpy(p + n, "=\"", 2);
	out->len += n + 3;
}

void attr_put(struct buf *out, const char *name, const char *value,
	      enum text_kind kind)
{
	attr_begin(out, name);
	text_put(out, value, kind);
	buf_putc(out, '"');
}

void attr_put_dec(struct buf *out, const char *name, unsigned v)
{
	char digits[12];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	attr_begin(out, name);
	buf_put(out, digits + i, sizeof(digits) - i);
	buf_putc(out, '"');
}

void attr_put_hex(struct buf *out, const char *name, uint64_t v)
{
	attr_begin(out, name);
	buf_put(out, "0x", 2);
	buf_put_num(out, v);
	buf_putc(out, '"');
}

bool xml_path_decode(char *path)
{
	char *to = path;
	uint32_t c;
	unsigned n;

	for (const char *s = path; *s; s += n ? n : 1) {
		n = char_take(s, &c);
		if (n && c == RAW_BYTE)
			return false;
	}
	for (const char *s = path; *s; s += n ? n : 1) {
		n = char_take(s, &c);
		if (n && stands_for_byte(c)) {
			*to++ = (char)(c - RAW_BYTE);
			continue;
		}
		memmove(to, s, n ? n : 1);
		to += n ? n : 1;
	}
	*to = '\0';
	return true;
}
