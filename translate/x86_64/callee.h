/*
 * What a call into excluded code can come to, told from its instructions:
 * private to translate/.
 *
 * A callee is plain if everything that it can execute until it returns is
 * known: its own code and that of all that it calls, in files' pages that
 * nobody may write, with no branch through a register, nothing that is done to
 * the stack pointer but what compilers do, no look at the return address, no
 * %gs, and no system call that we have to see. Then nobody can look at its
 * return address before it returns: no unwinder, no setjmp(), nobody who wants
 * to know who called. String functions are like that; what takes a callback,
 * may be cancelled or goes through a table of methods is not.
 *
 * Return addresses that are looked for by pointers into the stack, as by a
 * collector of garbage, are not found out; those of the kernel's making are, as
 * a signal's frame is: see exclude.h.
 */
#ifndef TRANSLATE_X86_64_CALLEE_H
#define TRANSLATE_X86_64_CALLEE_H

#include "translate/cache.h"

enum callee {
	CALLEE_UNKNOWN = 1, /* it may do anything */
	CALLEE_PLAIN,
	/* It makes system calls that are watched, or that make threads or
	 * processes: a function around one, or all is known of it. */
	CALLEE_CALLS,
	CALLEE_NOTED, /* nobody has looked yet */
};

/* Something calls it, or jumps there through a pointer. Of most code nobody
 * says so, and then it is not worth a look. */
void callee_note(struct space *sp, uint64_t pc);
bool callee_is_noted(const struct space *sp, uint64_t pc);

/* Of the code at pc, with its return address on top of the stack. It is
 * remembered until code somewhere changes. */
enum callee callee_at(struct space *sp, uint64_t pc);
void callees_forget(struct space *sp);

#endif
