/*
 * Pages whose writers wait for us: userfaultfd(2) in its synchronous mode. The
 * debuggee makes the descriptor, which is bound to its memory, we fetch it
 * (pidfd_getfd(2)), and all that follows is ioctls of ours: nothing is
 * injected, and /proc/PID/maps and mprotect(2) know nothing of it. When the
 * descriptor is closed, by our death too, whoever waits goes on and all pages
 * are free to write.
 */
#include "target/linux-ptrace/protect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/linux-ptrace/inject.h"
#include "target/target.h"

/* Pages that are not there yet are protected too; since Linux 6.4. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif

static int64_t make_there(struct target *t, struct thread *th)
{
	const uint64_t args[6] = { O_CLOEXEC | O_NONBLOCK };

	return linux_inject_ops.call(t, th, SYS_userfaultfd, args);
}

static int fetch(pid_t pid, int remote)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd, e;

	if (pidfd < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, remote, 0);
	e = errno;
	close(pidfd);
	return fd < 0 ? -e : fd;
}

static int agree(int fd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_UNPOPULATED,
	};

	return ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : fd;
}

/* A memory as a file: /proc/PID/mem, of whatever process. */
static bool is_memory(const char *link)
{
	size_t n = strlen(link);

	return !strncmp(link, "/proc/", 6) && n > 4 &&
	       !strcmp(link + n - 4, "/mem");
}

static bool has_memory_open(pid_t pid)
{
	char path[64], link[64];
	struct dirent *d;
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		found = is_memory(link);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int make(struct target *t, struct thread *th, struct err *e)
{
	pid_t pid = th->proc->pid;
	int64_t remote;
	int fd, r;

	if (has_memory_open(pid))
		return err_set(e, -EBUSY, "%d has a memory open as a file",
			       pid);
	remote = make_there(t, th);
	if (remote < 0)
		return err_set(e, (int)remote,
			       "thread %d cannot make a userfaultfd: %s",
			       th->id.tid, strerror((int)-remote));
	fd = fetch(pid, (int)remote);
	linux_inject_ops.call(t, th, SYS_close,
			      (const uint64_t[6]){ (uint64_t)remote });
	if (fd < 0)
		return err_set(e, fd, "cannot fetch a descriptor of %d: %s",
			       pid, strerror(-fd));
	r = agree(fd);
	if (r >= 0)
		return r;
	close(fd);
	return err_set(e, r, "no write protection by userfaultfd: %s",
		       strerror(-r));
}

static int watch(int fd, uint64_t addr, uint64_t len)
{
	struct uffdio_register r = {
		.range = { addr, len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(fd, UFFDIO_REGISTER, &r) < 0 ? -errno : 0;
}

/* EAGAIN: the memory is being mapped anew. */
static int protect(int fd, uint64_t addr, uint64_t len, uint64_t mode)
{
	struct uffdio_writeprotect w = { { addr, len }, mode };
	int r;

	do {
		r = ioctl(fd, UFFDIO_WRITEPROTECT, &w);
	} while (r < 0 && errno == EAGAIN);
	return r < 0 ? -errno : 0;
}

static int arm(int fd, uint64_t addr, uint64_t len)
{
	return protect(fd, addr, len, UFFDIO_WRITEPROTECT_MODE_WP);
}

static int disarm(int fd, uint64_t addr, uint64_t len)
{
	struct uffdio_range range = { addr, len };
	int r = protect(fd, addr, len, 0);

	/* What is unmapped by now has its waiters woken all the same. */
	if (r < 0)
		ioctl(fd, UFFDIO_WAKE, &range);
	return r;
}

static int take(int fd, uint64_t *addr)
{
	struct uffd_msg m;
	ssize_t n;

	do {
		n = read(fd, &m, sizeof(m));
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
	} while (n != sizeof(m) || m.event != UFFD_EVENT_PAGEFAULT);
	*addr = m.arg.pagefault.address;
	return 1;
}

const struct target_protect_ops linux_protect_ops = {
	.make = make,
	.watch = watch,
	.arm = arm,
	.disarm = disarm,
	.take = take,
};
