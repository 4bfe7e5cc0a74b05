/* struct target's protect group: see target/target.h. */
#ifndef TARGET_LINUX_PTRACE_PROTECT_H
#define TARGET_LINUX_PTRACE_PROTECT_H

extern const struct target_protect_ops linux_protect_ops;

#endif
