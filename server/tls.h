/*
 * Addresses of thread-local variables, for qGetTLSAddr (gdb manual, "General
 * Query Packets"), without libthread_db and without asking the client for
 * symbols: from the debuggee's memory alone.
 *
 * The program's own variables lie at a place that the ABI fixes, whatever the
 * C library (U. Drepper, "ELF Handling For Thread-Local Storage", variant
 * II). For those of shared libraries glibc and musl are understood.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stdint.h>

#include "base/err.h"

struct process;
struct target;

/*
 * thread_pointer: what %fs:0 (x86-64: the fs_base register) or %gs:0 (i386:
 *	the base of the segment that gs selects, PTRACE_GET_THREAD_AREA with
 *	gs >> 3) lies at in the thread.
 * lm: address of the struct link_map of the module that the variable belongs
 *	to; 0: the program itself.
 * offset: of the variable in that module's thread-local block.
 *
 * 0 and *addr, or an error with text:
 *	-EAGAIN	the thread has not allocated that module's block yet, which it
 *		does when it first uses it
 *	-ENOENT	the module has no thread-local storage
 *	-ENOSYS	a shared library under a C library that is neither of the two
 *	others	memory that cannot be read or does not make sense
 *
 * Limit: with glibc before 2.34, which does not export what is needed to
 * tell, a thread that used a library that has been closed since may get that
 * block's address for the library that inherited its module number.
 */
int tls_address(struct target *t, struct process *p, uint64_t thread_pointer,
		uint64_t lm, uint64_t offset, uint64_t *addr, struct err *e);

#endif
