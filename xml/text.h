/*
 * Text that comes from a debuggee, inside a document; private to xml/. Such
 * text is any bytes; a document is UTF-8 of the characters that XML 1.0
 * allows. What goes in otherwise (a control character, a byte that is not
 * part of well-formed UTF-8) is replaced, byte by byte:
 *
 *	TEXT_SHOWN	by U+FFFD, for text that people look at
 *	TEXT_PATH	by U+10FF00 + byte, which xml_path_decode() undoes
 */
#ifndef XML_TEXT_H
#define XML_TEXT_H

#include "base/buf.h"

enum text_kind { TEXT_SHOWN, TEXT_PATH };

/* Escaped, for an attribute between double quotes or for an element. */
void text_put(struct buf *out, const char *s, enum text_kind kind);

/* ' name="value"'; the same with decimal digits, or with 0x and hex. */
void attr_put(struct buf *out, const char *name, const char *value,
	      enum text_kind kind);
void attr_put_dec(struct buf *out, const char *name, unsigned v);
void attr_put_hex(struct buf *out, const char *name, uint64_t v);

#endif
