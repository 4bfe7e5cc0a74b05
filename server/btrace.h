/* Branch history as qXfer shows it: gdb's manual, "Branch Trace Format" and
 * "Branch Trace Configuration Format". */
#ifndef SERVER_BTRACE_H
#define SERVER_BTRACE_H

#include "base/buf.h"

struct session;

/* Of the current thread, to be read from offset 0. */
int make_btrace(struct session *s, const char *annex, struct buf *out);
int make_btrace_conf(struct session *s, const char *annex, struct buf *out);

#endif
