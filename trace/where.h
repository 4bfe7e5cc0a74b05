/* Places for people to read. */
#ifndef TRACE_WHERE_H
#define TRACE_WHERE_H

#include "base/buf.h"
#include "trace/story.h"

/*
 * Appends `fib+0x1c (hello.c:10)`: function, and the line's file without its
 * folders where it is known; without symbols `hello+0x1149`, the module and the
 * address in its file; of code of no file `0x7f...`.
 */
void where_put(struct buf *out, struct story *s, uint64_t place);

/* Behind the last slash. */
const char *path_name(const char *path);

#endif
