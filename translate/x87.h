/*
 * Where the last x87 instruction was: the processor keeps its address, which
 * is one in the cache. Private to translate/.
 */
#ifndef TRANSLATE_X87_H
#define TRANSLATE_X87_H

#include "target/target.h"

struct space;
struct translator;

/* An upper thread's copy of the registers, which the layer above is to see. */
void x87_show(const struct translator *tr, struct thread *th);

/*
 * A stopped lower thread's registers themselves, before the cache is gone or
 * it leaves for good: once they are flushed nothing in there points to it.
 */
void x87_settle(struct translator *tr, const struct space *sp,
		struct thread *low);

#endif
