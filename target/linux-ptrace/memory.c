/*
 * Memory of a process. process_vm_readv() is the quickest and copies
 * straight; /proc/PID/mem reaches what protections forbid (PROT_NONE, writes
 * to text) and is bound to the address space it was opened on, so exec
 * closes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/linux-ptrace/lwp.h"

static int mem_fd(struct process *p)
{
	struct inferior *inf = inferior_of(p);
	char path[32];

	if (inf->mem_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", inferior_tid(p));
		inf->mem_fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return inf->mem_fd;
}

ssize_t linux_read_mem(struct target *t, struct process *p, uint64_t addr,
		       void *buf, size_t len)
{
	struct iovec here = { buf, len };
	struct iovec there = { (void *)(uintptr_t)addr, len };
	size_t done = 0;
	ssize_t n;

	(void)t;
	n = process_vm_readv(inferior_tid(p), &here, 1, &there, 1, 0);
	if (n > 0)
		done = (size_t)n;
	while (done < len) {
		n = pread64(mem_fd(p), (char *)buf + done, len - done,
			    (off64_t)(addr + done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done || !len ? (ssize_t)done : -EFAULT;
}

ssize_t linux_write_mem(struct target *t, struct process *p, uint64_t addr,
			const void *buf, size_t len)
{
	struct iovec here = { (void *)(uintptr_t)buf, len };
	struct iovec there = { (void *)(uintptr_t)addr, len };
	size_t done = 0;
	ssize_t n;

	(void)t;
	/* Small writes mostly go to text, which only the file can reach. */
	if (len > 256) {
		n = process_vm_writev(inferior_tid(p), &here, 1, &there, 1, 0);
		if (n > 0)
			done = (size_t)n;
	}
	while (done < len) {
		n = pwrite64(mem_fd(p), (const char *)buf + done, len - done,
			     (off64_t)(addr + done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done || !len ? (ssize_t)done : -EFAULT;
}
