/*
 * Excluded code: private to translate/.
 *
 * Nothing of it is recorded. Beside that there are two forms.
 *
 * The cheap form takes no stop. A callee of which it is known that nobody looks
 * at its return address (callee.h) runs natively. A call of it, direct,
 * indirect or by way of a PLT, comes to a block in its place that puts the
 * return address aside, in the thread's window, and leaves one of the cache;
 * the callee runs with our base of gs and returns to excluded_return
 * (routine.c), which goes on as any return. All other callees are translated,
 * with what they call: so unwinders, longjmp(), callbacks, and system calls
 * that have to be seen find what they find in any translated code, and
 * callbacks are recorded.
 *
 * A thread has at most one such call under way, as nothing that it runs calls
 * back. A debugger is shown the original address. When the thread stops there,
 * and is to be seen or to take a signal, its stack is put right, and it goes on
 * from there translated; the guardian puts it right too (orphan.c).
 *
 * The transparent form runs every callee natively, and takes two stops a call.
 * One is at a stub in the callee's place; the thread then runs the original
 * code, with the original return address on its stack, up to a breakpoint at
 * that address, and enters the cache again. The breakpoints stay until the
 * process is followed no more: so a thread that left excluded code by longjmp
 * or an exception is caught at the next of them. What excluded code calls runs
 * natively as it does. Translated are functions that make a system call which
 * has to be watched, or threads or processes (CALLEE_CALLS); and excluded code
 * that is come to without a call (ld.so at its start; behind a signal's
 * handler), or by one that cannot return (that of main's caller), with what it
 * calls.
 */
#ifndef TRANSLATE_EXCLUDE_H
#define TRANSLATE_EXCLUDE_H

#include "translate/cache.h"

struct follow;

enum exclusion exclusion_of(struct space *sp, uint64_t pc);
static inline bool is_excluded(struct space *sp, uint64_t pc)
{
	return exclusion_of(sp, pc) != INCLUDED;
}

/* Of a module, by its path. */
enum exclusion exclude_module(const struct translator *tr, const char *path);
void exclude_fini(struct translator *tr);

/* The thread has left the cache: if it has made a call in the cheap form that
 * has not returned, its stack becomes what it would be natively. */
void exclude_settle(struct translator *tr, struct thread *low,
		    struct follow *f);

/*
 * What memory holds, and what a debugger is shown, where return addresses have
 * been put aside. read: buf was read from there, and becomes what is shown.
 * Otherwise it is about to be written, and becomes what the memory gets.
 */
void exclude_show(struct process *up, uint64_t addr, void *buf, size_t len,
		  bool read);

/* The rewound thread is at the first instruction of excluded code. False: it
 * has not come by a call. True: it can be set going there. */
bool exclude_enter(struct translator *tr, struct thread *low, struct space *sp);

/* Is pc a return address of an excluded call? */
bool exclude_returns_to(const struct space *sp, uint64_t pc);

/* The breakpoints go, from memory that by's process has; those that the layer
 * above has set, on the upper process, stay. */
void exclude_end(struct space *sp, struct process *up);

/* Does the block for pc lead to original code? In the transparent form it does
 * until somebody has come to it by no call
 * from followed code; then it is translated for all. */
bool exclude_is_native(struct space *sp, uint64_t pc);
void exclude_not(struct space *sp, const struct stub *stub);

#endif
