/*
 * What the kernel tells of a followed thread's signal, and what the cache has
 * to do with it: private to translate/. See sigaction(2).
 */
#ifndef TRANSLATE_SIGINFO_H
#define TRANSLATE_SIGINFO_H

#include "translate/layer.h"

struct follow;

/*
 * The image's pc is in the cache. A thread that is behind the first byte of a
 * block that was dropped may have met the trap there, or have executed an
 * instruction that is one byte long: the stop says which. What it says may be
 * of an earlier place, if the thread has been sent on and not run yet; so there
 * has to be a boundary right before the pc, too.
 */
bool siginfo_trapped(struct translator *tr, struct thread *low,
		     const struct space *sp, uint64_t pc);

/* A filter's SIGSYS tells where the call was: right before the pc. The thread
 * has been rewound. */
void siginfo_mend_call(struct translator *tr, struct thread *low,
		       struct follow *f);

/* A fault of the thread, which has been rewound: a block that compares its
 * bytes did not find one, as its file has become shorter. It is dropped, and
 * what is there still is to be executed before the fault. */
bool siginfo_misses_bytes(struct translator *tr, struct thread *low,
			  struct follow *f);

/* Has the instruction that the thread is at caused its signal? */
bool siginfo_is_fault(struct translator *tr, struct thread *low);

#endif
