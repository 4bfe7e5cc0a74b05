/* The 32-bit layout of a siginfo: struct compat_siginfo of the kernel. */
#ifndef TARGET_LINUX_PTRACE_SIGINFO_H
#define TARGET_LINUX_PTRACE_SIGINFO_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define SIGINFO_SIZE 128 /* of both layouts */

/* What a field's 32 bits cannot hold is cut off; padding is zero. */
void siginfo_to_i386(const siginfo_t *si, uint8_t out[static SIGINFO_SIZE]);
void siginfo_from_i386(const uint8_t in[static SIGINFO_SIZE], siginfo_t *si);

#endif
