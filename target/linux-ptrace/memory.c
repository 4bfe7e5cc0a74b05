/*
 * Memory of a process. process_vm_readv() is the quickest and copies
 * straight; /proc/PID/mem reaches what protections forbid (PROT_NONE, writes
 * to text) and is bound to the address space it was opened on, so exec
 * closes it. To open it costs more than all else that is done to a child of
 * fork() that is let go at once: ptrace() reaches a word as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
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

/*
 * A word is written as a whole: nobody else may write next to the bytes that
 * it is about, so all that we trace stand still.
 */
static bool can_poke(const struct linux_target *lt, struct process *p,
		     uint64_t addr, size_t len)
{
	const struct lwp *lwp = lwp_find(lt, inferior_tid(p));

	return inferior_of(p)->mem_fd < 0 && !lt->n_moving && lwp &&
	       lwp->stopped && addr % sizeof(long) + len <= sizeof(long);
}

static int exchange_poking(pid_t tid, uint64_t addr, const uint8_t *was,
			   const uint8_t *now, size_t len)
{
	size_t at = addr % sizeof(long);
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, tid, addr - at, 0);
	if (errno)
		return -EFAULT;
	if (memcmp((char *)&word + at, was, len))
		return 0;
	memcpy((char *)&word + at, now, len);
	return ptrace(PTRACE_POKEDATA, tid, addr - at, word) < 0 ? -EFAULT : 1;
}

int linux_exchange_mem(struct target *t, struct process *p, uint64_t addr,
		       const uint8_t *was, const uint8_t *now, size_t len)
{
	uint8_t there[ARCH_TRAP_MAX];
	ssize_t n;

	if (can_poke(linux_of(t), p, addr, len))
		return exchange_poking(inferior_tid(p), addr, was, now, len);
	if (linux_read_mem(t, p, addr, there, len) != (ssize_t)len)
		return -EFAULT;
	if (memcmp(there, was, len))
		return 0;
	n = linux_write_mem(t, p, addr, now, len);
	return n == (ssize_t)len ? 1 : -EFAULT;
}
