/*
 * For tests of target/linux-ptrace: a child of the test's, which runs one of
 * its functions, attached to by a real target. Include it in the one file of a
 * test.
 */
#ifndef TEST_TRACED_H
#define TEST_TRACED_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/linux-ptrace/linux.h"

/* In memory that the child shares with the test. */
struct traced_shared {
	volatile int ready; /* the child has come to where it wants to be */
	volatile int go;    /* ... and may go on */
	volatile long v[16];
};

struct traced {
	struct target *t;
	pid_t pid;
	struct traced_shared *shared;
};

typedef void traced_fn(struct traced_shared *s);

static inline void traced_wait_for(volatile int *flag)
{
	while (!*flag)
		usleep(100);
}

/* Its only thread, by now stopped. */
static inline struct thread *traced_thread(const struct traced *d)
{
	struct thread *th = thread_find(d->t, d->pid);

	assert_non_null(th);
	return th;
}

/* fn's child: it exits with 0 when fn returns. */
static inline pid_t traced_fork(traced_fn *fn, struct traced_shared *s)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(s);
	_exit(0);
}

/* Ready, and with a target. */
static inline struct traced *traced_prepare(traced_fn *fn)
{
	struct traced *d = calloc(1, sizeof(*d));

	d->shared = mmap(NULL, sizeof(*d->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(d->shared, MAP_FAILED);
	d->pid = traced_fork(fn, d->shared);
	traced_wait_for(&d->shared->ready);
	d->t = linux_target_new();
	sigaddset(&d->t->pass_signals, SIGCHLD);
	return d;
}

static inline void traced_attach(struct traced *d)
{
	struct err e;

	if (d->t->ops->attach(d->t, d->pid, &e) < 0)
		fail_msg("%s", e.text);
}

static inline struct traced *traced_start(traced_fn *fn)
{
	struct traced *d = traced_prepare(fn);

	traced_attach(d);
	return d;
}

static inline void traced_resume(struct traced *d, struct ptid who, int signo)
{
	const struct resume act = { .who = who, .signo = signo };

	assert_int_equal(target_resume(d->t, &act, 1), 0);
}

static inline struct stop traced_event(struct traced *d)
{
	struct pollfd pfd = { .fd = d->t->ops->event_fd(d->t),
			      .events = POLLIN };
	struct stop st;

	while (!d->t->ops->next_event(d->t, &st, true))
		assert_true(poll(&pfd, 1, -1) == 1 || errno == EINTR);
	return st;
}

/* It runs, for some time and without an event: an interrupt of ours, as behind
 * a call that it was made to execute, may stop it until somebody looks. */
static inline void traced_goes_on(struct traced *d)
{
	struct stop st;

	assert_int_equal(d->t->ops->next_event(d->t, &st, false), 0);
	usleep(100);
}

/* All of it runs, to the next event. */
static inline struct stop traced_run(struct traced *d, int signo)
{
	traced_resume(d, (struct ptid){ -1, -1 }, signo);
	return traced_event(d);
}

/* It runs until the test says stop. */
static inline void traced_stop(struct traced *d)
{
	struct stop st;

	d->t->ops->interrupt(d->t, (struct ptid){ d->pid, d->pid });
	st = traced_event(d);
	assert_int_equal(st.kind, STOP_SIGNAL);
	assert_int_equal(st.signo, 0);
}

/* It ends by itself, well. */
static inline void traced_ends(struct traced *d)
{
	struct stop st = traced_run(d, 0);

	assert_int_equal(st.kind, STOP_EXITED);
	assert_int_equal(st.code, 0);
}

/* It runs on its own: how it ends. What bounds the target's waits may come into
 * this one (target/linux-ptrace/status.c). */
static inline int traced_reap(const struct traced *d)
{
	int status;
	pid_t r;

	do {
		r = waitpid(d->pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	assert_int_equal(r, d->pid);
	return status;
}

static inline void traced_end(struct traced *d)
{
	if (process_find(d->t, d->pid))
		d->t->ops->kill(d->t, process_find(d->t, d->pid));
	d->t->ops->free(d->t);
	munmap(d->shared, sizeof(*d->shared));
	free(d);
}

#endif
