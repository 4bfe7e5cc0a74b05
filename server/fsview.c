#include "server/fsview.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a helper child may take: an automounter or a dead file server must
 * not stop the whole server. */
#define HELPER_SECONDS 5

static int open_plain(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags, mode);

	return fd < 0 ? -errno : fd;
}

/* /proc/NUMBER, and anything under it. */
static bool path_is_proc_pid(const char *path)
{
	const char *p = path;

	p += strspn(p, "/");
	if (p == path || strncmp(p, "proc/", 5))
		return false;
	p += 4;
	p += strspn(p, "/");
	if (!strspn(p, "0123456789"))
		return false;
	p += strspn(p, "0123456789");
	return *p == '/' || !*p;
}

static int proc_open(pid_t pid, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return open_plain(path, flags | O_CLOEXEC, 0);
}

static int proc_readlink(const char *who, const char *what, char *out,
			 size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/%s", who, what);
	n = readlink(path, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = 0;
	return 0;
}

static bool same_mount_ns(pid_t pid)
{
	char who[16], theirs[64], ours[64];

	snprintf(who, sizeof(who), "%d", (int)pid);
	return !proc_readlink(who, "ns/mnt", theirs, sizeof(theirs)) &&
	       !proc_readlink("self", "ns/mnt", ours, sizeof(ours)) &&
	       !strcmp(theirs, ours);
}

/* The mount matters too: a chroot to a bind mount of / has other mounts
 * under it. Kernels before 5.8 do not tell it. */
static bool same_directory(int fd, const char *path)
{
	const unsigned want = STATX_INO | STATX_MNT_ID;
	struct statx a = { 0 }, b = { 0 };

	if (statx(fd, "", AT_EMPTY_PATH, want, &a) ||
	    statx(AT_FDCWD, path, 0, want, &b))
		return false;
	return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
	       a.stx_dev_minor == b.stx_dev_minor &&
	       a.stx_mnt_id == b.stx_mnt_id;
}

static int open_in_root(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT,
	};
	long fd;

	/* EAGAIN: something on the way was renamed while we passed "..". */
	for (int tries = 0; tries < 16; tries++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

/* Errors that may speak of openat2 and not of the file: a container's filter
 * answers EPERM, and magic links are ELOOP or EXDEV under RESOLVE_IN_ROOT. */
static bool is_openat2_refusal(int err)
{
	return err == -ENOSYS || err == -EPERM || err == -ELOOP ||
	       err == -EXDEV || err == -EAGAIN;
}

/* One int, the descriptor's errno or 0, and the descriptor beside it. */
union fd_control {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

static void fd_send(int sock, int fd)
{
	union fd_control control = { 0 };
	int err = fd < 0 ? fd : 0;
	struct iovec iov = { &err, sizeof(err) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static int fd_receive(int sock)
{
	union fd_control control = { 0 };
	int err = 0, fd;
	struct iovec iov = { &err, sizeof(err) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(err))
		return -EIO;
	if (err)
		return err;
	if (control.head.cmsg_type != SCM_RIGHTS ||
	    control.head.cmsg_len != CMSG_LEN(sizeof(int)))
		return -EIO;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

/* Of the two ways one is enough: chroot alone also crosses into another
 * mount namespace. */
static int view_enter(int mntns, int root)
{
	int entered;

	entered = mntns < 0 ? mntns : setns(mntns, CLONE_NEWNS) ? -errno : 0;
	if (root < 0)
		return entered;
	return fchdir(root) || chroot(".") ? -errno : 0;
}

/* The owner of a rootless container gets the rights for the rest by joining
 * its user namespace. Root may lose some by that, so it comes second. */
static int view_enter_any(pid_t pid, int root)
{
	int mntns = proc_open(pid, "ns/mnt", O_RDONLY);
	int userns = proc_open(pid, "ns/user", O_RDONLY);
	int err = view_enter(mntns, root);

	if (err == -EPERM && userns >= 0 && !setns(userns, CLONE_NEWUSER))
		err = view_enter(mntns, root);
	return err;
}

/* The child shares nothing that it could hurt: it only enters, opens, sends
 * and is gone. */
__attribute__((noreturn)) static void helper_main(int sock, pid_t pid, int root,
						  const char *path, int flags,
						  mode_t mode)
{
	sigset_t none;
	int err;

	/* The default action of the alarm is what bounds us. */
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(HELPER_SECONDS);
	err = view_enter_any(pid, root);
	fd_send(sock, err ? err : open_plain(path, flags, mode));
	_exit(0);
}

static int open_by_helper(pid_t pid, int root, const char *path, int flags,
			  mode_t mode)
{
	int pair[2], fd;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child = fork();
	if (child == 0)
		helper_main(pair[1], pid, root, path, flags, mode);
	close(pair[1]);
	fd = child < 0 ? -errno : fd_receive(pair[0]);
	close(pair[0]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int open_in_view(pid_t pid, int root, const char *path, int flags,
			mode_t mode)
{
	int fd;

	if (root >= 0) {
		if (same_mount_ns(pid) && same_directory(root, "/"))
			return open_plain(path, flags, mode);
		fd = open_in_root(root, path, flags, mode);
		if (fd >= 0 || !is_openat2_refusal(fd))
			return fd;
	}
	return open_by_helper(pid, root, path, flags, mode);
}

/* The part of a name of ours that is below the process's root, or NULL. */
static const char *path_inside(pid_t pid, const char *path)
{
	char who[16], root[PATH_MAX];
	size_t n;

	snprintf(who, sizeof(who), "%d", (int)pid);
	if (proc_readlink(who, "root", root, sizeof(root)))
		return NULL;
	n = strlen(root);
	if (n < 2 || strncmp(path, root, n) || path[n] != '/')
		return NULL;
	return path + n;
}

int fsview_open(pid_t pid, const char *path, int flags, mode_t mode)
{
	const char *inside;
	int root, fd;

	flags |= O_CLOEXEC;
	if (pid == 0 || pid == getpid() || path_is_proc_pid(path))
		return open_plain(path, flags, mode);
	root = proc_open(pid, "root", O_PATH | O_DIRECTORY);
	if (root == -ENOENT || root == -ESRCH)
		return root;
	fd = open_in_view(pid, root, path, flags, mode);
	inside = fd == -ENOENT ? path_inside(pid, path) : NULL;
	if (inside)
		fd = open_in_view(pid, root, inside, flags, mode);
	if (root >= 0)
		close(root);
	return fd;
}
