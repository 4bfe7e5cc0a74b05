/* qXfer: objects that the client reads (and writes) in pieces. */
#ifndef SERVER_XFER_H
#define SERVER_XFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct session;

/* name is "qXfer:OBJECT" of an object that there is. */
bool xfer_is_object(const char *name, size_t len);

/* ;qXfer:OBJECT:read+ for every object that there is. */
void xfer_put_features(const struct session *s, struct buf *out);

/* The objects as Markdown, for doc/packets.md. */
void xfer_print(struct buf *out);

#endif
