/*
 * Excluded code: private to translate/.
 *
 * A call into it, direct, indirect or by way of a PLT, stops at a stub in place
 * of the callee; the thread then runs the original code, with the original
 * return address on its stack, up to a breakpoint at that address, and enters
 * the cache again. Two stops a call, and nothing that the program or an
 * unwinder could see on a stack.
 *
 * The breakpoints stay until the process is followed no more: so a thread that
 * left excluded code by longjmp or an exception is caught at the next of them.
 * Excluded code that is come to without a call (ld.so at its start; behind a
 * signal's handler), or by one that cannot return (that of main's caller), is
 * translated as any, with what it calls.
 * What excluded code calls runs natively as it does.
 */
#ifndef TRANSLATE_EXCLUDE_H
#define TRANSLATE_EXCLUDE_H

#include "translate/cache.h"

struct follow;

bool is_excluded(struct space *sp, uint64_t pc);

/* The rewound thread is at the first instruction of excluded code. False: it
 * has not come by a call. True: it can be set going there. */
bool exclude_enter(struct translator *tr, struct thread *low, struct space *sp);

/* Is pc a return address of an excluded call? */
bool exclude_returns_to(const struct space *sp, uint64_t pc);

/* The breakpoints go, from memory that by's process has; those that the layer
 * above has set, on the upper process, stay. */
void exclude_end(struct space *sp, struct process *up);

/* Is the block for pc a stub? It is until somebody has come to it by no call
 * from followed code; then it is translated for all. */
bool exclude_stops_at(struct space *sp, uint64_t pc);
void exclude_not(struct space *sp, const struct stub *stub);

#endif
