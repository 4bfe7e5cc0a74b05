/*
 * Binary data in payloads (gdb manual, "Binary Data"): the bytes # $ * }
 * travel as } and the byte xor 0x20. frame_feed() undoes this in all that
 * arrives; on the way out only a handler knows which part of its reply the
 * client will unescape.
 */
#ifndef RSP_BINARY_H
#define RSP_BINARY_H

#include "base/buf.h"

void buf_put_escaped(struct buf *b, const void *data, size_t n);

#endif
