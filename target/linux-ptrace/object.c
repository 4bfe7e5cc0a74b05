/* Objects that a client transfers whole: the aux vector, a stop's siginfo. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/siginfo.h"

/* All that there is, as far as it fits: such a file gives a page at a time, and
 * writes it anew for who begins in the middle. */
static ssize_t proc_read(pid_t tid, const char *name, uint64_t off, void *buf,
			 size_t len)
{
	char path[32], *out = buf;
	size_t done = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		n = pread(fd, out + done, len - done, (off_t)(off + done));
		if (n > 0)
			done += (size_t)n;
	} while (n > 0 && done < len);
	if (n < 0 && !done)
		n = -errno;
	close(fd);
	return done ? (ssize_t)done : n;
}

static_assert(sizeof(siginfo_t) == SIGINFO_SIZE, "both layouts are as long");

/* A stop of our making has no signal. What gdb and its server stop a thread
 * with is SIGSTOP, and so it is told. */
static void hide_interrupt(siginfo_t *si)
{
	if (si->si_signo == SIGTRAP &&
	    si->si_code == (SIGTRAP | PTRACE_EVENT_STOP << 8))
		*si = (siginfo_t){
			.si_signo = SIGSTOP,
			.si_code = SI_KERNEL,
		};
}

/* As the program has it: its own layout, as bytes. */
static int siginfo_fetch(struct target *t, const struct thread *th,
			 uint8_t image[static SIGINFO_SIZE])
{
	const struct lwp *lwp = lwp_of(th);
	siginfo_t si;

	/* Of a stop that the thread has left we have it: see idle.c. */
	if (lwp->own_siginfo)
		si = lwp->siginfo;
	else if (ptrace(PTRACE_GETSIGINFO, th->id.tid, 0, &si) < 0)
		return -errno;
	hide_interrupt(&si);
	if (th->proc->arch == linux_of(t)->arch32)
		siginfo_to_i386(&si, image);
	else
		memcpy(image, &si, sizeof(si));
	return 0;
}

static int siginfo_store(struct target *t, const struct thread *th,
			 const uint8_t image[static SIGINFO_SIZE])
{
	struct lwp *lwp = lwp_of(th);
	siginfo_t si;

	if (th->proc->arch == linux_of(t)->arch32)
		siginfo_from_i386(image, &si);
	else
		memcpy(&si, image, sizeof(si));
	if (lwp->own_siginfo) {
		lwp->siginfo = si;
		return 0;
	}
	return ptrace(PTRACE_SETSIGINFO, th->id.tid, 0, &si) < 0 ? -errno : 0;
}

static ssize_t object_read(struct target *t, struct thread *th,
			   enum object what, uint64_t off, void *buf,
			   size_t len)
{
	pid_t pid = inferior_tid(th->proc);
	uint8_t image[SIGINFO_SIZE];
	int r;

	if (what == OBJ_AUXV)
		return proc_read(pid, "auxv", off, buf, len);
	if (what == OBJ_MAPS)
		return proc_read(pid, "maps", off, buf, len);
	if (what == OBJ_CMDLINE)
		return proc_read(pid, "cmdline", off, buf, len);
	if (what == OBJ_PAGEMAP)
		return proc_read(pid, "pagemap", off, buf, len);
	if (what == OBJ_PERSONALITY)
		return proc_read(th->id.tid, "personality", off, buf, len);
	if (what != OBJ_SIGINFO)
		return -ENOTSUP;
	r = siginfo_fetch(t, th, image);
	if (r < 0)
		return r;
	if (off >= sizeof(image))
		return 0;
	if (len > sizeof(image) - off)
		len = sizeof(image) - off;
	memcpy(buf, image + off, len);
	return (ssize_t)len;
}

static ssize_t object_write(struct target *t, struct thread *th,
			    enum object what, uint64_t off, const void *buf,
			    size_t len)
{
	uint8_t image[SIGINFO_SIZE];
	int r;

	if (what != OBJ_SIGINFO)
		return -ENOTSUP;
	if (off > sizeof(image) || len > sizeof(image) - off)
		return -EINVAL;
	r = siginfo_fetch(t, th, image);
	if (r < 0)
		return r;
	memcpy(image + off, buf, len);
	r = siginfo_store(t, th, image);
	return r < 0 ? r : (ssize_t)len;
}

/* The name may be another file's by now, or seen from another root. It is
 * opened once it is known to be the one: others may do something at that. */
static int open_mapped(struct target *t, const char *name, uint64_t dev,
		       uint64_t inode)
{
	int found = open(name, O_PATH | O_CLOEXEC), fd = -ENOENT;
	char path[32];
	struct stat st;

	(void)t;
	if (found < 0)
		return -ENOENT;
	if (fstat(found, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_dev == dev && st.st_ino == inode) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
		/* Nor is whoever has a lease of it waited for. */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		fd = fd < 0 ? -errno : fd;
	}
	close(found);
	return fd;
}

const struct target_object_ops linux_object_ops = {
	.read = object_read,
	.write = object_write,
	.open_mapped = open_mapped,
};
