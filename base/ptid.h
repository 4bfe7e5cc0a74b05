/*
 * Who: a thread of a process, or a pattern over them. In a pattern, 0 means
 * any one of them (the client leaves the choice to us) and -1 all.
 */
#ifndef BASE_PTID_H
#define BASE_PTID_H

#include <stdbool.h>
#include <sys/types.h>

struct ptid {
	pid_t pid, tid;
};

static inline bool ptid_equal(struct ptid a, struct ptid b)
{
	return a.pid == b.pid && a.tid == b.tid;
}

/* Does the pattern cover the thread id? */
static inline bool ptid_matches(struct ptid pattern, struct ptid id)
{
	return (pattern.pid <= 0 || pattern.pid == id.pid) &&
	       (pattern.tid <= 0 || pattern.tid == id.tid);
}

#endif
