/*
 * JSON as it is written (RFC 8259): what lldb has in place of XML. Values are
 * appended one after another; those before which something stands already get
 * their comma by themselves.
 */
#ifndef SERVER_JSON_H
#define SERVER_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

/* A comma, unless out ends with what opens an object or a list, or a name. */
void json_separate(struct buf *out);
/* "name": of an object's member, whose value is appended next. */
void json_name(struct buf *out, const char *name);

void json_member_text(struct buf *out, const char *name, const char *text);
void json_member_number(struct buf *out, const char *name, int64_t v);
void json_member_flag(struct buf *out, const char *name, bool v);

#endif
