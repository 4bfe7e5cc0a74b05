/* qXfer: objects that the client reads (and writes) in pieces. */
#ifndef SERVER_XFER_H
#define SERVER_XFER_H

#include "base/buf.h"

struct session;

/* ;qXfer:OBJECT:read+ for every object that there is. */
void xfer_put_features(const struct session *s, struct buf *out);

#endif
