/* What a layer above does through the guardian: struct target_guard_ops. */
#ifndef TARGET_LINUX_PTRACE_GUARD_H
#define TARGET_LINUX_PTRACE_GUARD_H

#include "target/target.h"

extern const struct target_guard_ops linux_guard_ops;

#endif
