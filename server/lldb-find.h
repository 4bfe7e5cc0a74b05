/* Processes by name, as lldb's attach means them: the file name of the
 * program that they run. */
#ifndef SERVER_LLDB_FIND_H
#define SERVER_LLDB_FIND_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the ids, pid_t each, but not our own. */
void lldb_processes_named(const char *name, struct buf *pids);

/* A number is the process of that id. -ESRCH: there is none; -EEXIST: there is
 * more than one; both with text. */
pid_t lldb_find_process(const char *pid_or_name, struct err *e);

#endif
