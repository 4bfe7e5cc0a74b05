/* Memory in common with a debuggee. */
#ifndef TARGET_LINUX_PTRACE_SHARE_H
#define TARGET_LINUX_PTRACE_SHARE_H

#include "target/target.h"

extern const struct target_share_ops linux_share_ops;

#endif
