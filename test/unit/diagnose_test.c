/* Refusals are provoked, and the errno is the kernel's own: what is said
 * must name the cause. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/diagnose.h"

#define NOBODY 65534

static char tmp[64];

static void expect(const struct err *e, const char *part)
{
	if (!strstr(e->text, part))
		print_message("said: %s\n", e->text);
	assert_non_null(strstr(e->text, part));
	assert_null(strchr(e->text, '\n'));
}

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("needs root\n");
	skip();
}

/* Runs fn in a child and waits until it has told that it is ready. */
static pid_t child_run(void (*fn)(void))
{
	int ready[2];
	char c;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		if (fn)
			fn();
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
	if (status)
		print_message("status %x\n", status);
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
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(77);
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
		.pid = 7,	  .tgid = 7,	   .state = 'S',
		.self = 8,	  .uid = { 5, 5, 5 }, .gid = { 5, 5, 5 },
		.our_uid = 5,	  .our_gid = 5,	   .proc_owner = 5,
		.same_userns = true, .yama = 1,
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
	assert_int_equal(f.our_cap, !geteuid());
	attach_facts_gather(&f, 1);
	assert_false(f.descendant);
	child_end(child);
}

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", tmp, name);
	return path;
}

static const char *put(const char *name, const void *data, size_t n,
		       mode_t mode)
{
	const char *path = at(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, data, n), n);
	close(fd);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* The exec is real; e is what a child told of its failure. */
static void launch_as(void (*as_whom)(void), const char *path, struct err *e)
{
	char *argv[] = { (char *)path, NULL };
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		if (as_whom)
			as_whom();
		memset(e, 0, sizeof(*e));
		if (strchr(path, '/'))
			execv(path, argv);
		else
			execvpe(path, argv, environ);
		if (diagnose_launch(path, errno, e) >= 0)
			_exit(3);
		_exit(write(fds[1], e, sizeof(*e)) != sizeof(*e));
	}
	close(fds[1]);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], e, sizeof(*e)), sizeof(*e));
	close(fds[0]);
}

static void launch_says(const char *path, const char *what)
{
	struct err e;

	launch_as(NULL, path, &e);
	expect(&e, what);
}

static void program_missing(void **state)
{
	char path[200];

	(void)state;
	launch_says(at("none"), ": it does not exist");
	snprintf(path, sizeof(path), "%s/none/prog", tmp);
	launch_says(path, "there is no directory");
	put("file", "", 0, 0755);
	snprintf(path, sizeof(path), "%s/file/prog", tmp);
	launch_says(path, "is not a directory");
	launch_says("no-such-command-anywhere", "in no directory of PATH");
	assert_int_equal(symlink("nowhere", at("dangling")), 0);
	launch_says(at("dangling"), "symbolic link to nowhere, which does not");
	assert_int_equal(symlink("loop", at("loop")), 0);
	launch_says(at("loop"), "leads back to itself");
}

static void program_in_cwd(void **state)
{
	int home = open(".", O_RDONLY | O_CLOEXEC);

	(void)state;
	put("right-here", "#!/bin/sh\n", 10, 0755);
	assert_int_equal(chdir(tmp), 0);
	launch_says("right-here", "put ./ before");
	assert_int_equal(fchdir(home), 0);
	close(home);
}

static void program_not_executable(void **state)
{
	struct err e;
	char path[200];

	(void)state;
	launch_says(tmp, "it is a directory");
	launch_says(put("plain", "#!/bin/sh\n", 10, 0644), "chmod +x");
	launch_says("/dev/null", "not a regular file");
	need_root();
	launch_as(be_nobody, put("for-root", "#!/bin/sh\n", 10, 0700), &e);
	expect(&e, "may not be executed by user 65534 (mode 700, owner 0)");
	assert_int_equal(mkdir(at("closed"), 0700), 0);
	put("closed/prog", "#!/bin/sh\n", 10, 0755);
	snprintf(path, sizeof(path), "%s/closed/prog", tmp);
	launch_as(be_nobody, path, &e);
	snprintf(path, sizeof(path),
		 "search the directory %s/closed (mode 700, owner 0)", tmp);
	expect(&e, path);
}

static void scripts(void **state)
{
	char text[200], path[128];

	(void)state;
	launch_says(put("s1", "#!/no/such\n", 11, 0755),
		    "its interpreter /no/such cannot be there");
	launch_says(put("s2", "#!/bin/none -x\n", 15, 0755),
		    "its interpreter /bin/none does not exist");
	launch_says(put("s3", "#!/bin/sh\r\necho\r\n", 17, 0755),
		    "carriage return");
	launch_says(put("s4", "#! \n", 4, 0755), "empty #! line");
	/* The kernel follows scripts of scripts, and so do we. */
	snprintf(path, sizeof(path), "%s", put("s5", "#!/bin/none\n", 12,
					       0755));
	snprintf(text, sizeof(text), "#!%s\n", path);
	launch_says(put("s6", text, strlen(text), 0755),
		    "its interpreter /bin/none does not exist");
	snprintf(text, sizeof(text), "#!%s\n", at("s7"));
	launch_says(put("s7", text, strlen(text), 0755), "more than 5 deep");
}

static void not_programs(void **state)
{
	(void)state;
	launch_says(put("e1", "", 0, 0755), "it is empty");
	launch_says(put("e2", "hello", 5, 0755), "neither an ELF program");
	launch_says(put("e3", "\177ELF", 4, 0755), "neither an ELF program");
}

/* This very program, made different. */
static void elf_files(void **state)
{
	char *self, *hit;
	size_t n = 0;
	FILE *f = fopen("/proc/self/exe", "re");
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fileno(f), &st), 0);
	self = xmalloc(st.st_size);
	n = fread(self, 1, st.st_size, f);
	fclose(f);
	hit = memmem(self, n, "/lib64/ld-linux", 15);
	assert_non_null(hit);
	memcpy(hit, "/lib64/ld-nonux", 15);
	launch_says(put("x1", self, n, 0755),
		    "its interpreter /lib64/ld-nonux-x86-64.so.2 does not");
	self[18] = (char)183;
	launch_says(put("x2", self, n, 0755), "is a program for aarch64");
	self[5] = 2;
	memcpy(self + 16, "\0\2\0\25", 4);
	launch_says(put("x3", self, n, 0755), "is a program for ppc64");
	self[5] = 1;
	memcpy(self + 16, "\1\0\76\0", 4);
	launch_says(put("x4", self, n, 0755), "ELF file but not a program");
	free(self);
}

static void be_in_noexec(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(tmp, tmp, NULL, MS_BIND, NULL) ||
	    mount(tmp, tmp, NULL, MS_BIND | MS_REMOUNT | MS_NOEXEC, NULL))
		_exit(77);
}

static void noexec_mount(void **state)
{
	struct err e;

	(void)state;
	need_root();
	launch_as(be_in_noexec, put("n1", "#!/bin/sh\n", 10, 0755), &e);
	expect(&e, "mounted noexec");
}

static void open_for_writing(void **state)
{
	const char *path = put("busy", "#!/bin/sh\n", 10, 0755);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)state;
	launch_says(path, "open for writing");
	close(fd);
}

static int tmp_make(void **state)
{
	(void)state;
	snprintf(tmp, sizeof(tmp), "/tmp/diagnose_test.XXXXXX");
	if (!mkdtemp(tmp))
		return -1;
	return chmod(tmp, 0755);
}

static int tmp_drop(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", tmp);
	return system(cmd);
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
		cmocka_unit_test(program_missing),
		cmocka_unit_test(program_in_cwd),
		cmocka_unit_test(program_not_executable),
		cmocka_unit_test(scripts),
		cmocka_unit_test(not_programs),
		cmocka_unit_test(elf_files),
		cmocka_unit_test(noexec_mount),
		cmocka_unit_test(open_for_writing),
	};

	prctl(PR_SET_NAME, "diagnose_test");
	return cmocka_run_group_tests(tests, tmp_make, tmp_drop);
}
