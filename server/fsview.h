/*
 * Files as a process sees them: inside its root directory and its mount
 * namespace (a container's, a chroot's), with absolute symbolic links
 * resolved in there.
 *
 * Ways in, in this order:
 *  - it sees what we see: plain system calls;
 *  - openat2(2) with RESOLVE_IN_ROOT under /proc/PID/root: needs no privilege
 *    beyond that of reading /proc/PID, which a tracer has;
 *  - a child process that enters the namespace with setns(2), or chroots to
 *    /proc/PID/root, and sends back the descriptor: where openat2 is missing
 *    or filtered, or the path leads through a magic link.
 *
 * A name that is not found in there and begins with the root's own path is
 * tried without that: /proc/PID/maps and exe name the files of a process in a
 * chroot as we see them.
 *
 * /proc/NUMBER... is always our own /proc: the ids that a client knows are of
 * our pid namespace, and mean other processes, or none, in a container's.
 */
#ifndef SERVER_FSVIEW_H
#define SERVER_FSVIEW_H

#include <sys/types.h>

/*
 * open(2) as process pid sees path; pid 0 is our own view. O_CLOEXEC is
 * added. A relative path is relative to that root, or for our own view to
 * our working directory. Returns a descriptor, the caller's, or -errno.
 */
int fsview_open(pid_t pid, const char *path, int flags, mode_t mode);

#endif
