/*
 * Why the kernel refused, in one line for a person, with the remedy. An errno
 * alone does not tell; these look at /proc, at our own rights and at the file
 * after the fact, and say the first thing that explains the error. They
 * change nothing.
 */
#ifndef TARGET_LINUX_PTRACE_DIAGNOSE_H
#define TARGET_LINUX_PTRACE_DIAGNOSE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Both take the errno of what failed and return it negative, e filled. */

/* PTRACE_SEIZE of pid. */
int diagnose_attach(pid_t pid, int errnum, struct err *e);

/* execve() of path, looked up in PATH when it has no slash. */
int diagnose_launch(const char *path, int errnum, struct err *e);

/* The two steps of diagnose_attach(), which a test can stand between. */

/* Who may trace whom: ptrace(2), "Ptrace access mode checking". */
struct attach_facts {
	pid_t pid, tgid, ppid, tracer;
	char state;	  /* as in /proc/PID/status; 0: no such process */
	bool hidden;	  /* it exists, but /proc does not show it */
	bool kernel;	  /* a kernel thread */
	bool descendant;  /* of ours */
	bool same_userns; /* as ours */
	uid_t uid[3];	  /* real, effective, saved */
	gid_t gid[3];
	uid_t proc_owner; /* of its /proc files: not uid[1] unless dumpable */
	char name[32], leader_name[32], parent_name[32], tracer_name[32];
	char label[64]; /* its security module's confinement, or "" */
	pid_t self;
	uid_t our_uid;
	gid_t our_gid;
	bool our_cap;  /* CAP_SYS_PTRACE is effective */
	bool more_caps; /* it is permitted capabilities that we are not */
	bool filtered; /* a seccomp filter of ours refuses ptrace */
	int yama;      /* kernel.yama.ptrace_scope, 0 without yama */
};

void attach_facts_gather(struct attach_facts *f, pid_t pid);
int attach_facts_explain(const struct attach_facts *f, int errnum,
			 struct err *e);

#endif
