/* Strings of JSON. */
#ifndef TRACE_JSON_H
#define TRACE_JSON_H

#include <stdio.h>

/* In quotes; bytes that are no ASCII are written as the characters of the same
 * numbers, so that any bytes make a valid document. It may stand in a page's
 * <script>, too. */
void json_put_string(const char *text, FILE *out);

#endif
