/* qXfer: objects that the client reads (and writes) in pieces. */
#ifndef SERVER_XFER_H
#define SERVER_XFER_H

#include <stdbool.h>
#include <stddef.h>

#include <stdint.h>

#include "base/buf.h"
#include "rsp/args.h"

struct session;

/* name is "qXfer:OBJECT" of an object that there is. */
bool xfer_is_object(const char *name, size_t len);

/* ;qXfer:OBJECT:read+ for every object that there is. */
void xfer_put_features(const struct session *s, struct buf *out);

/* Makes the object's document in s->document, unless this is the next piece of
 * the one that is there. An error may have a text in s->err. */
int xfer_document(struct session *s, const char *object,
		  const struct args *annex, uint64_t off);

/* The target description of the current process; annex is "target.xml". */
int make_features(struct session *s, const char *annex, struct buf *out);

/* The objects as Markdown, for doc/packets.md. */
void xfer_print(struct buf *out);

#endif
