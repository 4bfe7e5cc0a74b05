/*
 * Memory in common with a debuggee: a memfd of its own making, since ours
 * could not be handed to it. Its name has to be in its memory for that call;
 * a stack may end anywhere, or be in use below, so a page is mapped for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/linux-ptrace/inject.h"
#include "target/linux-ptrace/share.h"

#define PAGE 4096u

static int64_t call(struct target *t, struct thread *th, long nr, uint64_t a,
		    uint64_t b)
{
	const uint64_t args[6] = { a, b };

	return linux_inject_ops.call(t, th, nr, args);
}

/* The name's address, or an error. */
static int64_t page_map(struct target *t, struct thread *th, const char *name)
{
	const uint64_t args[6] = { 0, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1 };
	size_t len = strlen(name) + 1;
	int64_t at;

	if (len > PAGE)
		return -ENAMETOOLONG;
	at = linux_inject_ops.call(t, th, SYS_mmap, args);
	if (at < 0 || linux_write_mem(t, th->proc, (uint64_t)at, name, len) ==
			      (ssize_t)len)
		return at;
	at = call(t, th, SYS_munmap, (uint64_t)at, PAGE);
	return at < 0 ? at : -EFAULT;
}

static int64_t make_named(struct target *t, struct thread *th, uint64_t at)
{
	return call(t, th, SYS_memfd_create, at,
		    MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/* The debuggee's descriptor, or an error. */
static int64_t make_there(struct target *t, struct thread *th, const char *name,
			  uint64_t room)
{
	size_t len = strlen(name) + 1;
	int64_t at, fd, r;

	if (room &&
	    linux_write_mem(t, th->proc, room, name, len) == (ssize_t)len)
		return make_named(t, th, room);
	at = page_map(t, th, name);
	if (at < 0)
		return at;
	fd = make_named(t, th, (uint64_t)at);
	r = fd == -ESRCH ? fd : call(t, th, SYS_munmap, (uint64_t)at, PAGE);
	return r < 0 ? r : fd;
}

/* Another thread may have put something else there by now: what has no seals
 * is no file of ours. */
static int open_here(pid_t tid, int remote, uint64_t size)
{
	char path[64];
	int fd, e;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tid, remote);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_GET_SEALS) >= 0 && ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	e = errno;
	close(fd);
	return -e;
}

static int make(struct target *t, struct thread *th, const char *name,
		uint64_t at, uint64_t size, int *remote, struct err *e)
{
	pid_t tid = th->id.tid;
	int64_t there = make_there(t, th, name, at);
	int fd;

	if (there < 0)
		return err_set(e, (int)there,
			       "thread %d cannot make memory to share: %s", tid,
			       strerror((int)-there));
	fd = open_here(tid, (int)there, size);
	if (fd < 0) {
		call(t, th, SYS_close, (uint64_t)there, 0);
		return err_set(e, fd,
			       "cannot share %" PRIu64
			       " bytes with thread %d: %s",
			       size, tid, strerror(-fd));
	}
	*remote = (int)there;
	return fd;
}

const struct target_share_ops linux_share_ops = {
	.make = make,
};
