/* What /proc says of processes and threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/linux-ptrace/lwp.h"

ssize_t proc_read(char *buf, size_t size, const char *path, ...)
{
	char name[96];
	va_list ap;
	ssize_t n;
	int fd;

	va_start(ap, path);
	vsnprintf(name, sizeof(name), path, ap);
	va_end(ap);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

/* The text after the command, which is in parentheses and may hold any. */
static const char *after_command(const char *stat)
{
	const char *p = strrchr(stat, ')');

	return p && p[1] ? p + 2 : "";
}

char proc_task_state(pid_t pid, pid_t tid)
{
	char stat[1024];

	if (proc_read(stat, sizeof(stat), "/proc/%d/task/%d/stat", pid, tid) <=
	    0)
		return 0;
	return *after_command(stat);
}

int linux_thread_core(struct target *t, struct thread *th)
{
	const int processor = 39, state = 3; /* fields, from 1: proc(5) */
	const char *p;
	char stat[1024];

	(void)t;
	if (proc_read(stat, sizeof(stat), "/proc/%d/task/%d/stat", th->id.pid,
		      th->id.tid) <= 0)
		return -1;
	p = after_command(stat);
	for (int field = state; p && field < processor; field++) {
		p = strchr(p, ' ');
		p += p != NULL;
	}
	return p && *p ? atoi(p) : -1;
}

int linux_thread_name(struct target *t, struct thread *th, char *buf,
		      size_t len)
{
	ssize_t n;

	(void)t;
	n = proc_read(buf, len, "/proc/%d/task/%d/comm", th->id.pid,
		      th->id.tid);
	if (n <= 0)
		buf[0] = '\0';
	else if (buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return n < 0 ? (int)n : 0;
}
