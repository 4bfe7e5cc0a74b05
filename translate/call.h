/*
 * Watched system calls, when they have been made: private to translate/.
 */
#ifndef TRANSLATE_CALL_H
#define TRANSLATE_CALL_H

#include "translate/follow.h"

/* What the call is about that the lower thread is at the entry of: the kernel
 * has its number elsewhere than before. */
struct watch call_look(struct translator *tr, struct thread *low,
		       struct space *sp);

/*
 * The upper thread has made the call that w is about, or has been kept from it:
 * what it may have changed is forgotten. The whole cache is dropped if that is
 * what it takes: then all threads were stopped for a moment, and th still is.
 */
void call_end(struct translator *tr, struct thread *th, struct space *sp,
	      struct watch *w);

#endif
