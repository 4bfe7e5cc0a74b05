/* Objects that a client transfers whole: the aux vector, a stop's siginfo. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "target/linux-ptrace/lwp.h"

static ssize_t auxv_read(struct process *p, uint64_t off, void *buf,
			 size_t len)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", inferior_tid(p));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, buf, len, (off_t)off);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

static ssize_t object_read(struct target *t, struct thread *th,
			   enum object what, uint64_t off, void *buf,
			   size_t len)
{
	siginfo_t si;

	(void)t;
	if (what == OBJ_AUXV)
		return auxv_read(th->proc, off, buf, len);
	if (what != OBJ_SIGINFO)
		return -ENOTSUP;
	if (ptrace(PTRACE_GETSIGINFO, th->id.tid, 0, &si) < 0)
		return -errno;
	if (off >= sizeof(si))
		return 0;
	if (len > sizeof(si) - off)
		len = sizeof(si) - off;
	memcpy(buf, (char *)&si + off, len);
	return (ssize_t)len;
}

static ssize_t object_write(struct target *t, struct thread *th,
			    enum object what, uint64_t off, const void *buf,
			    size_t len)
{
	siginfo_t si;

	(void)t;
	if (what != OBJ_SIGINFO)
		return -ENOTSUP;
	if (off > sizeof(si) || len > sizeof(si) - off)
		return -EINVAL;
	if (ptrace(PTRACE_GETSIGINFO, th->id.tid, 0, &si) < 0)
		return -errno;
	memcpy((char *)&si + off, buf, len);
	if (ptrace(PTRACE_SETSIGINFO, th->id.tid, 0, &si) < 0)
		return -errno;
	return (ssize_t)len;
}

const struct target_object_ops linux_object_ops = {
	.read = object_read,
	.write = object_write,
};
