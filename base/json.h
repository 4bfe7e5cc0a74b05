/* Strings of JSON (RFC 8259). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/*
 * Appends the text in quotes. Its bytes up to the zero may be any: those that
 * are no UTF-8 (RFC 3629) become the characters of their numbers, so that the
 * document is valid. It may stand in a page's <script>, too.
 */
void json_text(struct buf *out, const char *text);

#endif
