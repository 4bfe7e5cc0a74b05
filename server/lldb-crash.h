/* A signal in words, as lldb shows it: "signal SIGSEGV: address not mapped to
 * object (fault address: 0x0)". */
#ifndef SERVER_LLDB_CRASH_H
#define SERVER_LLDB_CRASH_H

#include "base/buf.h"

struct session;
struct stop;

/* Of a stop for a signal: by the siginfo of its thread; nothing for signals
 * that say no more than their number, which lldb names itself. */
void lldb_describe_signal(struct session *s, const struct stop *st,
			  struct buf *out);

#endif
