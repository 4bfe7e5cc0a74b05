/* Names as other processes see them: the file service is compared with what
 * was put into the other root. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/fsview.h"
#include "server/hostio.h"
#include "test/unit/deny.h"
#include "test/unit/folder.h"

#define NOBODY 65534

static void file_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int lowest_free_fd(void)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/*
 * A process stands in the other root and waits; another, in the server's
 * place and the circumstances of the case, tries the operations on it and
 * exits with 1 after the first check that fails.
 */
struct view {
	pid_t pid;
	const char *prefix; /* of the files in that view */
};

#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "line %d: %s, errno %d\n", __LINE__, \
				#cond, errno);                               \
			return 1;                                            \
		}                                                            \
	} while (0)

static void layout_make(const char *dir, const char *prefix)
{
	char path[128], to[128];

	snprintf(path, sizeof(path), "%s/only-there", dir);
	file_put(path, "inside");
	snprintf(path, sizeof(path), "%s/absolute", dir);
	snprintf(to, sizeof(to), "%s/only-there", prefix);
	assert_int_equal(symlink(to, path), 0);
	snprintf(path, sizeof(path), "%s/up", dir);
	snprintf(to, sizeof(to), "../../../../../../..%s/only-there", prefix);
	assert_int_equal(symlink(to, path), 0);
	snprintf(path, sizeof(path), "%s/open-to-all", dir);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(chmod(path, 01777), 0);
	chmod(dir, 0755);
}

static const char *in(const struct view *v, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", v->prefix, name);
	return path;
}

static int check_reads(struct hostio *h, const struct view *v)
{
	static const char *const names[] = { "only-there", "absolute", "up" };
	struct stat st;
	char buf[16];
	int f;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		f = hostio_open(h, in(v, names[i]), O_RDONLY, 0);
		CHECK(f >= 0);
		CHECK(hostio_pread(h, f, buf, sizeof(buf), 0) == 6);
		CHECK(!memcmp(buf, "inside", 6));
		CHECK(fcntl(h->fds[f], F_GETFD) & FD_CLOEXEC);
		CHECK(hostio_close(h, f) == 0);
		CHECK(hostio_stat(h, in(v, names[i]), &st) == 0);
		CHECK(S_ISREG(st.st_mode) && st.st_size == 6);
	}
	CHECK(hostio_lstat(h, in(v, "absolute"), &st) == 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK(hostio_readlink(h, in(v, "absolute"), buf, 5) == 5);
	CHECK(hostio_readlink(h, in(v, "only-there"), buf, 5) == -EINVAL);
	CHECK(hostio_open(h, in(v, "none"), O_RDONLY, 0) == -ENOENT);
	return 0;
}

static int check_writes(struct hostio *h, const struct view *v)
{
	const char *name = "open-to-all/new";
	int f = hostio_open(h, in(v, name), O_RDWR | O_CREAT, 0600);

	CHECK(f >= 0);
	CHECK(hostio_pwrite(h, f, "x", 1, 0) == 1);
	CHECK(hostio_close(h, f) == 0);
	CHECK(hostio_unlink(h, in(v, name)) == 0);
	CHECK(hostio_unlink(h, in(v, name)) == -ENOENT);
	return 0;
}

/* Not the view's /proc, which may be missing or of other pids. */
static int check_proc(struct hostio *h, const struct view *v)
{
	char path[64], want[64], got[64];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)v->pid);
	n = hostio_readlink(h, path, got, sizeof(got));
	CHECK(n > 0 && n == readlink(path, want, sizeof(want)));
	CHECK(!memcmp(got, want, n));
	snprintf(path, sizeof(path), "//proc//%d/task/%d/comm", (int)v->pid,
		 (int)v->pid);
	f = hostio_open(h, path, O_RDONLY, 0);
	CHECK(f >= 0);
	CHECK(hostio_pread(h, f, got, sizeof(got), 0) > 0);
	CHECK(hostio_close(h, f) == 0);
	return 0;
}

/* As /proc/PID/maps would have it. */
static int check_outer_name(struct hostio *h, const struct view *v)
{
	char root[64] = "", path[128];
	int f;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)v->pid);
	CHECK(readlink(path, root, sizeof(root) - 1) > 0);
	snprintf(path, sizeof(path), "%s%s", strcmp(root, "/") ? root : "",
		 in(v, "only-there"));
	f = hostio_open(h, path, O_RDONLY, 0);
	CHECK(f >= 0);
	CHECK(hostio_close(h, f) == 0);
	return 0;
}

static int check_view(const struct view *v)
{
	struct hostio h = { 0 };
	int failed, before = lowest_free_fd();

	CHECK(hostio_setfs(&h, v->pid) == 0);
	failed = check_reads(&h, v) || check_writes(&h, v) ||
		 check_proc(&h, v) || check_outer_name(&h, v);
	hostio_fini(&h);
	CHECK(lowest_free_fd() == before);
	CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
	return failed;
}

static void become(uid_t uid)
{
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		_exit(77);
	/* Lost with the change of id, and /proc entries with it. */
	prctl(PR_SET_DUMPABLE, 1);
}

/* The server's side: 0, or 1 with a line on stderr. */
static int run_checker(const struct view *v, uid_t uid, int denied)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		become(uid);
		if (denied)
			deny(SYS_openat2, DENY_ANY, denied);
		_exit(check_view(v));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Its child stands in the view; enter() returns false if that may not be. */
static pid_t run_dweller(bool (*enter)(void))
{
	int fds[2];
	char ok = 0;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ok = enter();
		if (write(fds[1], &ok, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &ok, 1) != 1)
		ok = 0;
	close(fds[0]);
	if (ok)
		return child;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	print_message("not permitted here: %s\n", strerror(errno));
	skip();
	return -1;
}

static bool enter_chroot(void)
{
	return !chdir(tmp) && !chroot("chroot") && !chdir("/");
}

static bool enter_mounts(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", at("mounts"), "tmpfs", 0, NULL))
		return false;
	layout_make(at("mounts"), at("mounts"));
	return true;
}

static bool enter_userns(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY) ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	return enter_chroot() && !prctl(PR_SET_DUMPABLE, 1);
}

static void try_view(bool (*enter)(void), const char *prefix, uid_t uid)
{
	struct view v;
	int failed;

	if (geteuid()) {
		print_message("needs root\n");
		skip();
	}
	v.pid = run_dweller(enter);
	v.prefix = prefix;
	failed = run_checker(&v, uid, 0);
	/* A kernel without it, and a container's filter. */
	failed |= run_checker(&v, uid, ENOSYS) << 1;
	failed |= run_checker(&v, uid, EPERM) << 2;
	kill(v.pid, SIGKILL);
	waitpid(v.pid, NULL, 0);
	assert_int_equal(failed, 0);
	assert_int_equal(fsview_open(v.pid, "/", O_RDONLY, 0), -ENOENT);
}

static void view_of_chroot(void **state)
{
	(void)state;
	mkdir(at("chroot"), 0755);
	layout_make(at("chroot"), "");
	try_view(enter_chroot, "", 0);
}

static void view_of_mount_namespace(void **state)
{
	char prefix[128];

	(void)state;
	mkdir(at("mounts"), 0755);
	snprintf(prefix, sizeof(prefix), "%s", at("mounts"));
	try_view(enter_mounts, prefix, 0);
}

/* A rootless container, looked into by its owner. */
static void view_of_user_namespace(void **state)
{
	(void)state;
	try_view(enter_userns, "", NOBODY);
}

static bool enter_nothing(void)
{
	layout_make(at("same"), at("same"));
	return true;
}

static void view_like_ours(void **state)
{
	char prefix[128];

	(void)state;
	mkdir(at("same"), 0755);
	snprintf(prefix, sizeof(prefix), "%s", at("same"));
	try_view(enter_nothing, prefix, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(view_of_chroot),
		cmocka_unit_test(view_of_mount_namespace),
		cmocka_unit_test(view_of_user_namespace),
		cmocka_unit_test(view_like_ours),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_drop);
}
