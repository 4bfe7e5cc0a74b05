/* Attaching: refusals are provoked, and the errno is the kernel's own: what
 * is said must name the cause. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "test/unit/deny.h"
#include "test/unit/diagnosed.h"

/* Runs fn in a child and waits until it has told that it is ready. */
static pid_t child_run(void (*fn)(void))
{
	int ready[2];
	char c;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		close(ready[0]);
		if (fn)
			fn();
		/* now, because a change of uid undoes it */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return child;
}

static void child_end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Seizes pid in a child that has done as_whom() first, and tells what
 * diagnose_attach() makes of the errno. */
static void attach_as(void (*as_whom)(void), pid_t pid, struct err *e)
{
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		if (as_whom)
			as_whom();
		memset(e, 0, sizeof(*e));
		if (!ptrace(PTRACE_SEIZE, pid, NULL, NULL))
			_exit(2);
		if (diagnose_attach(pid, errno, e) >= 0)
			_exit(3);
		_exit(write(fds[1], e, sizeof(*e)) != sizeof(*e));
	}
	close(fds[1]);
	waitpid(child, &status, 0);
	skip_if_refused(status);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], e, sizeof(*e)), sizeof(*e));
	close(fds[0]);
}

static void be_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(77);
}

static void be_nobody_dumpable(void)
{
	be_nobody();
	prctl(PR_SET_DUMPABLE, 1);
}

static void be_filtered(void)
{
	deny(SYS_ptrace, DENY_ANY, EPERM);
}

static void no_such_process(void **state)
{
	struct err e;
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	waitpid(gone, NULL, 0);
	attach_as(NULL, gone, &e);
	expect(&e, "no such process");
	assert_int_equal(diagnose_attach(-5, ESRCH, &e), -ESRCH);
	expect(&e, "no such process");
	assert_int_equal(diagnose_attach(gone, ESRCH, NULL), -ESRCH);
}

static void zombie(void **state)
{
	struct err e;
	siginfo_t info;
	pid_t dead = fork();

	(void)state;
	if (dead == 0)
		_exit(0);
	waitid(P_PID, dead, &info, WEXITED | WNOWAIT);
	attach_as(NULL, dead, &e);
	waitpid(dead, NULL, 0);
	expect(&e, "zombie");
	expect(&e, "(diagnose_test)");
}

static void kernel_thread(void **state)
{
	struct err e;

	(void)state;
	if (access("/proc/2/comm", F_OK)) {
		print_message("no kernel threads in this pid namespace\n");
		skip();
	}
	attach_as(NULL, 2, &e);
	expect(&e, "(kthreadd): it is a kernel thread");
}

static void traced_by_another(void **state)
{
	struct err e;
	char who[64];
	pid_t child = child_run(NULL);

	(void)state;
	assert_int_equal(ptrace(PTRACE_SEIZE, child, NULL, NULL), 0);
	attach_as(NULL, child, &e);
	snprintf(who, sizeof(who), "process %d (diagnose_test) is tracing it",
		 (int)getpid());
	expect(&e, who);
	assert_int_equal(ptrace(PTRACE_SEIZE, child, NULL, NULL), -1);
	diagnose_attach(child, errno, &e);
	expect(&e, "tracestub is tracing it already");
	child_end(child);
}

static void *thread_wait(void *ready)
{
	*(pid_t *)ready = syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

static void not_a_leader(void **state)
{
	volatile pid_t tid = 0;
	pthread_t th;
	struct err e;
	char want[64];

	(void)state;
	pthread_create(&th, NULL, thread_wait, (void *)&tid);
	while (!tid)
		sched_yield();
	diagnose_attach(tid, EPERM, &e);
	snprintf(want, sizeof(want), "a thread of process %d (diagnose_test)",
		 (int)getpid());
	expect(&e, want);
	diagnose_attach(getpid(), EPERM, &e);
	expect(&e, "tracestub itself");
	pthread_cancel(th);
	pthread_join(th, NULL);
}

static void another_user(void **state)
{
	struct err e;
	pid_t child = child_run(NULL);

	(void)state;
	need_root();
	attach_as(be_nobody, child, &e);
	expect(&e, "belongs to user root (0), tracestub runs as nobody");
	expect(&e, "setcap");
	child_end(child);
}

/* Real and effective ids differ. */
static void go_set_uid(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, 0, 0))
		_exit(77);
}

static void set_uid_program(void **state)
{
	struct err e;
	pid_t child;

	(void)state;
	need_root();
	child = child_run(go_set_uid);
	attach_as(be_nobody, child, &e);
	expect(&e, "set-uid program, started by nobody (65534) and running "
		   "as root (0)");
	child_end(child);
}

static void undumpable(void **state)
{
	struct err e;
	pid_t child;

	(void)state;
	need_root();
	/* Changed ids have done it. */
	child = child_run(be_nobody);
	attach_as(be_nobody, child, &e);
	expect(&e, "it may not be dumped");
	child_end(child);
}

static void filter_of_ours(void **state)
{
	struct err e;
	pid_t child = child_run(NULL);

	(void)state;
	attach_as(be_filtered, child, &e);
	expect(&e, "seccomp filter on tracestub forbids ptrace");
	child_end(child);
}

static void be_user_namespace_root(void)
{
	be_nobody_dumpable();
	if (unshare(CLONE_NEWUSER))
		_exit(77);
}

/* All capabilities, but only in there. */
static void user_namespace(void **state)
{
	struct err e;
	pid_t child;

	(void)state;
	need_root();
	child = child_run(be_nobody_dumpable);
	attach_as(be_user_namespace_root, child, &e);
	expect(&e, "another user namespace");
	child_end(child);
}

/* Yama may not be in this kernel: the facts are made up. */
static void yama_scopes(void **state)
{
	struct attach_facts f = {
		.pid = 7,
		.tgid = 7,
		.state = 'S',
		.self = 8,
		.uid = { 5, 5, 5 },
		.gid = { 5, 5, 5 },
		.our_uid = 5,
		.our_gid = 5,
		.proc_owner = 5,
		.same_userns = true,
		.yama = 1,
	};
	struct err e;

	(void)state;
	assert_int_equal(attach_facts_explain(&f, EPERM, &e), -EPERM);
	expect(&e, "ptrace_scope is 1");
	expect(&e, "sysctl kernel.yama.ptrace_scope=0");
	f.yama = 2;
	attach_facts_explain(&f, EPERM, &e);
	expect(&e, "ptrace_scope is 2");
	f.yama = 3;
	attach_facts_explain(&f, EPERM, &e);
	expect(&e, "ptrace_scope is 3");
	f.our_cap = true;
	attach_facts_explain(&f, EPERM, &e);
	expect(&e, "ptrace_scope is 3");
	f.yama = 2;
	attach_facts_explain(&f, EPERM, &e);
	expect(&e, "no reason that can be seen");
	f.our_cap = false;
	f.yama = 1;
	f.descendant = true;
	attach_facts_explain(&f, EPERM, &e);
	expect(&e, "no reason that can be seen");
	strcpy(f.label, "docker-default (enforce)");
	attach_facts_explain(&f, EACCES, &e);
	expect(&e, "docker-default");
	attach_facts_explain(&f, EIO, &e);
	expect(&e, strerror(EIO));
	f.state = 0;
	f.hidden = true;
	attach_facts_explain(&f, ESRCH, &e);
	expect(&e, "hidepid");
}

static bool have_cap_ptrace(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2] = { 0 };

	assert_int_equal(syscall(SYS_capget, &head, caps), 0);
	return caps[0].effective >> CAP_SYS_PTRACE & 1;
}

static void facts_of_a_child(void **state)
{
	struct attach_facts f;
	pid_t child = child_run(NULL);

	(void)state;
	attach_facts_gather(&f, child);
	assert_int_equal(f.ppid, getpid());
	assert_true(f.descendant && f.same_userns && !f.kernel);
	assert_false(f.filtered || f.hidden);
	assert_string_equal(f.name, "diagnose_test");
	assert_int_equal(f.uid[2], geteuid());
	assert_int_equal(f.our_cap, have_cap_ptrace());
	attach_facts_gather(&f, 1);
	assert_false(f.descendant);
	child_end(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_such_process),
		cmocka_unit_test(zombie),
		cmocka_unit_test(kernel_thread),
		cmocka_unit_test(traced_by_another),
		cmocka_unit_test(not_a_leader),
		cmocka_unit_test(another_user),
		cmocka_unit_test(set_uid_program),
		cmocka_unit_test(undumpable),
		cmocka_unit_test(filter_of_ours),
		cmocka_unit_test(user_namespace),
		cmocka_unit_test(yama_scopes),
		cmocka_unit_test(facts_of_a_child),
	};

	prctl(PR_SET_NAME, "diagnose_test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
