/* Launching: each exec really fails, with the kernel's errno: what is said
 * must name the cause. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "test/unit/diagnosed.h"
#include "test/unit/folder.h"

static void be_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(77);
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
	skip_if_refused(status);
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
	snprintf(path, sizeof(path), "%s",
		 put("s5", "#!/bin/none\n", 12, 0755));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_missing),
		cmocka_unit_test(program_in_cwd),
		cmocka_unit_test(program_not_executable),
		cmocka_unit_test(scripts),
		cmocka_unit_test(not_programs),
		cmocka_unit_test(elf_files),
		cmocka_unit_test(noexec_mount),
		cmocka_unit_test(open_for_writing),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_drop);
}
