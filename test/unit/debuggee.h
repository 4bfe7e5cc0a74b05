/*
 * For tests that read a live program's memory: starts one of the inferiors,
 * keeps what it prints until it says "ready", and makes a target of it whose
 * only operations are reading memory and the aux vector. Include it in the
 * one file of a test.
 */
#ifndef TEST_DEBUGGEE_H
#define TEST_DEBUGGEE_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/target.h"
#include "test/unit/executes.h"

struct debuggee {
	struct target t; /* first: the operations get its address */
	struct process *p;
	pid_t pid;
	int in;		  /* its stdin; closing it ends it */
	char text[65536]; /* its stdout */
	const char *hide; /* reads show this text overwritten, or NULL */
};

static const struct arch debuggee_arch[] = {
	{ .name = "i386", .word = 4 },
	{ .name = "i386:x86-64", .word = 8 },
};

static ssize_t debuggee_read_mem(struct target *t, struct process *p,
				 uint64_t addr, void *buf, size_t len)
{
	struct debuggee *d = (struct debuggee *)t;
	struct iovec to = { buf, len };
	struct iovec from = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(p->pid, &to, 1, &from, 1, 0);
	char *at;

	if (n < 0)
		return -errno;
	while (d->hide && (at = memmem(buf, n, d->hide, strlen(d->hide))))
		*at = '?';
	return n;
}

static ssize_t debuggee_read_auxv(struct target *t, struct thread *th,
				  enum object what, uint64_t off, void *buf,
				  size_t len)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)t;
	if (what != OBJ_AUXV)
		return -ENOTSUP;
	snprintf(path, sizeof(path), "/proc/%d/auxv", th->id.pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = pread(fd, buf, len, off);
	close(fd);
	return n;
}

static const struct target_object_ops debuggee_objects = {
	.read = debuggee_read_auxv,
};

static const struct target_ops debuggee_ops = {
	.name = "debuggee",
	.read_mem = debuggee_read_mem,
	.object = &debuggee_objects,
};

/* The absolute path of an inferior. */
static inline void debuggee_path(char *out, size_t size, const char *name)
{
	const char *dir = getenv("TS_INFERIORS");
	char cwd[2048];

	if (!dir)
		dir = "build/rel/test/inferiors";
	if (*dir == '/' || !getcwd(cwd, sizeof(cwd)))
		snprintf(out, size, "%s/%s", dir, name);
	else
		snprintf(out, size, "%s/%s/%s", cwd, dir, name);
}

/* False, and says why, when the inferior was not built or cannot run. */
static inline bool debuggee_exists(const char *name)
{
	char path[8192];

	debuggee_path(path, sizeof(path), name);
	return executes(path);
}

/* Adds the records: what the kernel started tells the word size. */
static inline void debuggee_init(struct debuggee *d, pid_t pid)
{
	char path[64], ident[5] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, ident, sizeof(ident)), sizeof(ident));
	close(fd);
	target_init(&d->t, &debuggee_ops);
	d->pid = pid;
	d->p = process_add(&d->t, pid, &debuggee_arch[ident[4] == 2]);
	thread_add(&d->t, d->p, pid);
}

static inline void debuggee_listen(struct debuggee *d, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (!strstr(d->text, "ready\n")) {
		assert_int_equal(poll(&pfd, 1, 20000), 1);
		n = read(fd, d->text + len, sizeof(d->text) - 1 - len);
		assert_true(n > 0);
		len += n;
	}
}

/* argv[0] is a path. Returns when the program is ready. */
static inline struct debuggee *debuggee_start(char *const *argv)
{
	struct debuggee *d = calloc(1, sizeof(*d));
	int in[2], out[2];
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	d->in = in[1];
	debuggee_listen(d, out[0]);
	close(out[0]);
	debuggee_init(d, pid);
	return d;
}

static inline void debuggee_end(struct debuggee *d)
{
	close(d->in);
	kill(d->pid, SIGKILL);
	waitpid(d->pid, NULL, 0);
	target_fini(&d->t);
	free(d);
}

/* for every line of what it printed: s points at it, and ends at a \n */
#define debuggee_lines(s, d) \
	for (const char *s = (d)->text; *s; s = strchr(s, '\n') + 1)

#endif
