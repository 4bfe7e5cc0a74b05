#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "target/linux-ptrace/diagnose.h"

#define GAIN "run tracestub as root, or: setcap cap_sys_ptrace=ep tracestub"

/* Each row: if this explains it, says so and returns true. In order: what no
 * right could change, then our lack of rights, the most certain first. */
typedef bool explain_fn(const struct attach_facts *f, struct err *e);

__attribute__((format(printf, 3, 4))) static bool
say(const struct attach_facts *f, struct err *e, const char *fmt, ...)
{
	char why[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (f->name[0])
		err_set(e, 0, "cannot attach to process %d (%s): %s",
			(int)f->pid, f->name, why);
	else
		err_set(e, 0, "cannot attach to process %d: %s", (int)f->pid,
			why);
	return true;
}

/* "max (1000)", or the number alone. */
static const char *user_name(char *out, size_t size, uid_t uid)
{
	struct passwd pw, *found = NULL;
	char space[4096];

	getpwuid_r(uid, &pw, space, sizeof(space), &found);
	if (found)
		snprintf(out, size, "%s (%u)", found->pw_name, uid);
	else
		snprintf(out, size, "%u", uid);
	return out;
}

static bool no_process(const struct attach_facts *f, struct err *e)
{
	if (f->state)
		return false;
	if (f->hidden)
		return say(f, e,
			   "it belongs to another user, and /proc does "
			   "not show it to us (hidepid): %s",
			   GAIN);
	return say(f, e,
		   "there is no such process here (in a container, "
		   "use the pid that it has in there)");
}

static bool a_thread(const struct attach_facts *f, struct err *e)
{
	if (f->tgid == f->pid)
		return false;
	return say(f, e, "that is a thread of process %d (%s): attach to %d",
		   (int)f->tgid, f->leader_name, (int)f->tgid);
}

static bool ourselves(const struct attach_facts *f, struct err *e)
{
	if (f->pid != f->self)
		return false;
	return say(f, e, "that is tracestub itself");
}

static bool a_zombie(const struct attach_facts *f, struct err *e)
{
	if (f->state != 'Z' && f->state != 'X')
		return false;
	return say(f, e,
		   "it has exited, and is a zombie until its parent, "
		   "process %d (%s), asks for its status",
		   (int)f->ppid, f->parent_name);
}

static bool a_kernel_thread(const struct attach_facts *f, struct err *e)
{
	if (!f->kernel)
		return false;
	return say(f, e, "it is a kernel thread, which nobody can trace");
}

static bool already_traced(const struct attach_facts *f, struct err *e)
{
	if (!f->tracer)
		return false;
	if (f->tracer == f->self)
		return say(f, e, "tracestub is tracing it already");
	return say(f, e,
		   "process %d (%s) is tracing it already: detach or "
		   "end that first",
		   (int)f->tracer, f->tracer_name);
}

static bool own_filter(const struct attach_facts *f, struct err *e)
{
	if (!f->filtered)
		return false;
	return say(f, e,
		   "a seccomp filter on tracestub forbids ptrace: "
		   "start the container with --cap-add=SYS_PTRACE "
		   "--security-opt seccomp=unconfined");
}

static bool yama_forbids_all(const struct attach_facts *f, struct err *e)
{
	if (f->yama < 3)
		return false;
	return say(f, e,
		   "kernel.yama.ptrace_scope is %d: nobody may attach "
		   "until a reboot with another setting; start the "
		   "program under tracestub instead",
		   f->yama);
}

static bool has_other_ids(const struct attach_facts *f)
{
	for (size_t i = 0; i < 3; i++)
		if (f->uid[i] != f->our_uid || f->gid[i] != f->our_gid)
			return true;
	return false;
}

/* Without the capability all six ids must be ours. */
static bool other_user(const struct attach_facts *f, struct err *e)
{
	char real[80], effective[80], ours[80];

	if (f->our_cap || !has_other_ids(f))
		return false;
	user_name(real, sizeof(real), f->uid[0]);
	user_name(effective, sizeof(effective), f->uid[1]);
	user_name(ours, sizeof(ours), f->our_uid);
	if (f->uid[0] != f->uid[1])
		return say(f, e,
			   "it is a set-uid program, started by %s and "
			   "running as %s: %s",
			   real, effective, GAIN);
	if (f->uid[0] != f->our_uid)
		return say(f, e,
			   "it belongs to user %s, tracestub runs as "
			   "%s: %s",
			   real, ours, GAIN);
	return say(f, e,
		   "its group ids are %u/%u/%u, that of tracestub is "
		   "%u: %s",
		   f->gid[0], f->gid[1], f->gid[2], f->our_gid, GAIN);
}

/* Nor, without the capability, any other that we have not. */
static bool more_capable(const struct attach_facts *f, struct err *e)
{
	if (f->our_cap || !f->more_caps)
		return false;
	return say(f, e,
		   "it has capabilities that tracestub has not (see CapPrm in "
		   "/proc/%d/status): " GAIN, (int)f->pid);
}

static bool not_dumpable(const struct attach_facts *f, struct err *e)
{
	if (f->our_cap || f->proc_owner == f->uid[1])
		return false;
	return say(f, e,
		   "it may not be dumped (it has changed its ids, has "
		   "capabilities or an unreadable executable, or called "
		   "prctl PR_SET_DUMPABLE): %s",
		   GAIN);
}

static bool yama_wants_root(const struct attach_facts *f, struct err *e)
{
	if (f->yama != 2 || f->our_cap)
		return false;
	return say(f, e,
		   "kernel.yama.ptrace_scope is 2: only with "
		   "CAP_SYS_PTRACE: %s",
		   GAIN);
}

static bool yama_wants_child(const struct attach_facts *f, struct err *e)
{
	if (f->yama != 1 || f->our_cap || f->descendant)
		return false;
	return say(f, e,
		   "kernel.yama.ptrace_scope is 1 and it was not "
		   "started by tracestub: sysctl kernel.yama."
		   "ptrace_scope=0, or %s",
		   GAIN);
}

static bool other_userns(const struct attach_facts *f, struct err *e)
{
	if (f->same_userns)
		return false;
	return say(f, e,
		   "it is in another user namespace, where our rights "
		   "are worth nothing: run tracestub inside its "
		   "container, or as root outside of all");
}

static bool confined(const struct attach_facts *f, struct err *e)
{
	if (!f->label[0])
		return false;
	return say(f, e,
		   "a security profile confines it, %s: run tracestub "
		   "under the same, or without (--security-opt "
		   "apparmor=unconfined)",
		   f->label);
}

static explain_fn *const facts_of_life[] = {
	no_process, a_thread,	     ourselves,
	a_zombie,   a_kernel_thread, already_traced,
};

static explain_fn *const refusals[] = {
	own_filter,	 yama_forbids_all, other_user,	 not_dumpable,
	more_capable,	 yama_wants_root,  yama_wants_child, other_userns,
	confined,
};

static bool explain_by(explain_fn *const *rows, size_t n,
		       const struct attach_facts *f, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i](f, e))
			return true;
	return false;
}

int attach_facts_explain(const struct attach_facts *f, int errnum,
			 struct err *e)
{
	bool refused = errnum == EPERM || errnum == EACCES ||
		       (errnum == ENOSYS && f->filtered);

	if (explain_by(facts_of_life, ARRAY_SIZE(facts_of_life), f, e))
		return -errnum;
	if (refused && explain_by(refusals, ARRAY_SIZE(refusals), f, e))
		return -errnum;
	if (refused)
		say(f, e,
		    "%s, for no reason that can be seen from here "
		    "(a security module? see dmesg)",
		    strerror(errnum));
	else
		say(f, e, "%s", strerror(errnum));
	return -errnum;
}

int diagnose_attach(pid_t pid, int errnum, struct err *e)
{
	struct attach_facts f;

	attach_facts_gather(&f, pid);
	return attach_facts_explain(&f, errnum, e);
}
