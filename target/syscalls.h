/*
 * Which system calls a client wants to be told of: all, or some by number.
 * A set never changes; processes share it, as a forked child has its
 * parent's, and the last to leave frees it.
 */
#ifndef TARGET_SYSCALLS_H
#define TARGET_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syscall_set {
	unsigned refs;
	bool all;
	size_t n;
	uint32_t *numbers; /* owned, ascending */
};

/* With a single reference. numbers are copied, in any order; NULL: all. */
struct syscall_set *syscall_set_new(const uint32_t *numbers, size_t n);

/* NULL is the set of none. */
struct syscall_set *syscall_set_ref(struct syscall_set *s);
void syscall_set_unref(struct syscall_set *s);
bool syscall_set_has(const struct syscall_set *s, uint32_t number);

#endif
