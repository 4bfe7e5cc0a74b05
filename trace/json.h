/* Strings of JSON, in files. */
#ifndef TRACE_JSON_H
#define TRACE_JSON_H

#include <stdio.h>

/* json_text() of base/json.h. */
void json_put_string(const char *text, FILE *out);

#endif
