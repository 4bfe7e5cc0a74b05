/*
 * Processes of this machine as lldb lists them: what /proc says of each
 * (proc(5)), and which of them qfProcessInfo asks for.
 */
#ifndef SERVER_LLDB_PROCESS_H
#define SERVER_LLDB_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "rsp/args.h"

struct process_facts {
	pid_t parent, tracer;
	int uid, euid, gid, egid;
	char path[PATH_MAX]; /* of its program; "" where that is not to be
			      * seen */
	unsigned word;	     /* bytes of a pointer; 0: not known */
};

/* -ESRCH. */
int process_facts_read(struct process_facts *f, pid_t pid);

/* Its arguments, each in hex, with dashes between them. */
void process_args_put(struct buf *out, pid_t pid);

/* KEY:VALUE;... Keys: name (hex), name_match, pid, parent_pid, uid, gid, euid,
 * egid, all_users, triple. */
struct process_wanted {
	char *name; /* owned; NULL: any */
	enum {
		MATCH_EQUALS,
		MATCH_STARTS_WITH,
		MATCH_ENDS_WITH,
		MATCH_CONTAINS,
		MATCH_REGEX,
	} match;
	bool all_users; /* else those of our own effective user */
	long pid, parent, uid, gid, euid, egid; /* -1: any */
};

/* -EPROTO. Without it, for the caller to process_wanted_fini(). */
int process_wanted_take(struct process_wanted *w, struct args *a);
void process_wanted_fini(struct process_wanted *w);
/* Nobody else traces it, nor is it we. */
bool process_is_wanted(const struct process_wanted *w, pid_t pid);

#endif
