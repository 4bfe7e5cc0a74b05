/*
 * What a target's watcher is told: it keeps a list, which is compared with the
 * target's own at each event, over programs that do all that begins and ends
 * threads and processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/traced.h"

#define MAX 64

struct mirror {
	struct process *p[MAX];
	struct thread *th[MAX];
	size_t n_p, n_th;
	unsigned processes, threads; /* added ever */
	unsigned execs;
	pid_t execer;
};

static bool knows(const struct mirror *m, const struct process *p)
{
	for (size_t i = 0; i < m->n_p; i++) {
		if (m->p[i] == p)
			return true;
	}
	return false;
}

static void process_added(void *user, struct process *p)
{
	struct mirror *m = user;

	assert_false(knows(m, p));
	assert_non_null(p->path);
	m->p[m->n_p++] = p;
	m->processes++;
}

static void process_gone(void *user, struct process *p)
{
	struct mirror *m = user;
	size_t i = 0;

	for (i = 0; i < m->n_th; i++)
		assert_ptr_not_equal(m->th[i]->proc, p);
	for (i = 0; i < m->n_p && m->p[i] != p; i++)
		;
	assert_true(i < m->n_p);
	m->p[i] = m->p[--m->n_p];
}

static void thread_added(void *user, struct thread *th)
{
	struct mirror *m = user;

	assert_true(knows(m, th->proc));
	m->th[m->n_th++] = th;
	m->threads++;
}

static void thread_gone(void *user, struct thread *th)
{
	struct mirror *m = user;
	size_t i;

	for (i = 0; i < m->n_th && m->th[i] != th; i++)
		;
	assert_true(i < m->n_th);
	m->th[i] = m->th[--m->n_th];
}

/* Before the threads go. */
static void process_execs_seen(void *user, struct process *p, pid_t tid)
{
	struct mirror *m = user;

	m->execer = tid;
	for (size_t i = 0; i < m->n_th; i++) {
		if (m->th[i]->id.tid == tid)
			return;
	}
	fail_msg("%d: no thread %d", p->pid, tid);
}

/* When only the leader is left, and the program is the new one. */
static void process_execed_seen(void *user, struct process *p)
{
	struct mirror *m = user;

	assert_string_equal(strrchr(p->path, '/'), "/true");
	assert_int_equal(m->n_th, 1);
	assert_ptr_equal(m->th[0]->proc, p);
	m->execs++;
}

static const struct target_watcher watcher = {
	.process_added = process_added,
	.process_gone = process_gone,
	.process_execs = process_execs_seen,
	.process_execed = process_execed_seen,
	.thread_added = thread_added,
	.thread_gone = thread_gone,
};

/* Both hold the same. */
static void check(const struct traced *d, const struct mirror *m)
{
	struct thread *th = NULL;
	struct process *p;
	size_t n = 0;

	while ((th = thread_next(d->t, th))) {
		size_t i;

		if (th->untold)
			continue;
		for (i = 0; i < m->n_th && m->th[i] != th; i++)
			;
		assert_true(i < m->n_th);
		n++;
	}
	assert_int_equal(n, m->n_th);
	n = 0;
	list_each(p, &d->t->processes, node) {
		if (p->untold)
			continue;
		assert_true(knows(m, p));
		n++;
	}
	assert_int_equal(n, m->n_p);
}

static struct traced *start(struct mirror *m, traced_fn *fn)
{
	struct traced *d = traced_prepare(fn);

	*m = (struct mirror){ 0 };
	d->t->watcher = &watcher;
	d->t->watcher_user = m;
	traced_attach(d);
	check(d, m);
	assert_int_equal(m->n_p, 1);
	d->shared->go = 1;
	return d;
}

static struct stop next(struct traced *d, struct mirror *m)
{
	struct stop st = traced_run(d, 0);

	check(d, m);
	return st;
}

/* To the event of this kind; others may come before. */
static struct stop next_kind(struct traced *d, struct mirror *m,
			     enum stop_kind kind)
{
	struct stop st;

	do {
		st = next(d, m);
		assert_true(st.kind == kind || m->n_p > 0);
	} while (st.kind != kind);
	return st;
}

/* Halted when the target has seen the next event, which is not told. */
static void halt_untold(struct traced *d, struct mirror *m)
{
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	usleep(20000); /* if it is too short nothing fails */
	d->t->ops->halt(d->t);
	check(d, m);
	assert_int_equal(m->n_p, 1);
	assert_int_equal(m->n_th, 1);
}

static void end(struct traced *d, struct mirror *m)
{
	while (next(d, m).kind != STOP_EXITED)
		;
	assert_int_equal(m->n_p, 0);
	traced_end(d);
	assert_int_equal(m->n_p, 0);
}

/* --- threads ------------------------------------------------------------- */

static void *nothing(void *arg)
{
	return arg;
}

static void ready(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
}

static void make_threads(struct traced_shared *s)
{
	pthread_t t[4];

	ready(s);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, nothing, NULL);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
}

static void test_threads(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, make_threads);

	(void)state;
	d->t->report_threads = true;
	end(d, &m);
	assert_int_equal(m.threads, 21);
}

static void test_threads_untold(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, make_threads);

	(void)state;
	end(d, &m);
	assert_int_equal(m.threads, 21);
}

/* A new thread is there with the stop that tells of it, and not before. */
static void test_cloned(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, make_threads);
	struct stop st;

	(void)state;
	traced_thread(d)->options = THREAD_TELL_CLONE;
	halt_untold(d, &m);
	st = next_kind(d, &m, STOP_CLONED);
	assert_int_equal(m.n_th, 2);
	assert_int_equal(m.th[1]->id.tid, st.child.tid);
	traced_thread(d)->options = 0;
	end(d, &m);
}

static void *outlive(void *arg)
{
	usleep(20000);
	exit(0);
	return arg;
}

static void leader_ends(struct traced_shared *s)
{
	pthread_t t;

	ready(s);
	pthread_create(&t, NULL, outlive, NULL);
	syscall(SYS_exit, 0);
}

static void test_leader_ends(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, leader_ends);

	(void)state;
	d->t->report_threads = true;
	next_kind(d, &m, STOP_THREAD_EXIT);
	assert_int_equal(m.n_th, 1);
	end(d, &m);
}

/* --- exec ---------------------------------------------------------------- */

static void *exec_true(void *arg)
{
	struct traced_shared *s = arg;

	s->v[0] = syscall(SYS_gettid);
	execl("/bin/true", "true", NULL);
	return arg;
}

static void exec_in_thread(struct traced_shared *s)
{
	pthread_t t;

	ready(s);
	pthread_create(&t, NULL, exec_true, s);
	pthread_join(t, NULL);
}

static void test_exec(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, exec_in_thread);

	(void)state;
	d->t->report_exec = true;
	next_kind(d, &m, STOP_EXEC);
	assert_int_equal(m.processes, 1);
	assert_int_equal(m.n_th, 1);
	assert_int_equal(m.th[0]->id.tid, d->pid);
	assert_int_equal(m.execs, 1);
	assert_int_equal(m.execer, d->shared->v[0]);
	end(d, &m);
}

/* The leader, which has ended, comes back. */
static void exec_without_leader(struct traced_shared *s)
{
	pthread_t t;

	ready(s);
	pthread_create(&t, NULL, exec_true, s);
	syscall(SYS_exit, 0);
}

static void test_exec_without_leader(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, exec_without_leader);

	(void)state;
	d->t->report_exec = true;
	next_kind(d, &m, STOP_EXEC);
	assert_int_equal(m.n_th, 1);
	assert_int_equal(m.th[0]->id.tid, d->pid);
	assert_int_equal(m.execs, 1);
	assert_int_equal(m.execer, d->shared->v[0]);
	end(d, &m);
}

/* --- processes ----------------------------------------------------------- */

static void fork_some(struct traced_shared *s)
{
	ready(s);
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

static void test_fork_detached(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, fork_some);

	(void)state;
	end(d, &m);
	assert_int_equal(m.processes, 1);
	assert_int_equal(m.threads, 1);
}

static void test_fork_followed(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, fork_some);
	struct stop st;

	(void)state;
	d->t->report_fork = true;
	halt_untold(d, &m);
	st = next_kind(d, &m, STOP_FORK);
	assert_int_equal(m.n_p, 2);
	assert_int_equal(m.p[1]->pid, st.child.pid);
	assert_int_equal(m.th[1]->id.tid, st.child.tid);
	while (process_find(d->t, d->pid))
		next(d, &m);
	assert_int_equal(m.n_p, 0);
	traced_end(d);
	assert_int_equal(m.processes, 4);
	assert_int_equal(m.threads, 4);
}

/* In its parent's memory: nobody sees it, nor its threads. */
static int child_of_vfork(void *arg)
{
	struct traced_shared *s = arg;
	pthread_t t;

	s->v[0] = 1;
	pthread_create(&t, NULL, nothing, NULL);
	pthread_join(t, NULL);
	while (!s->v[1])
		usleep(1000);
	_exit(0);
}

static void vfork_one(struct traced_shared *s)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child;

	ready(s);
	child = clone(child_of_vfork, stack + sizeof(stack),
		      CLONE_VM | CLONE_VFORK | SIGCHLD, s);
	waitpid(child, NULL, 0);
}

static void test_vfork_ghost(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, vfork_one);

	(void)state;
	d->shared->v[1] = 1;
	end(d, &m);
	assert_int_equal(m.processes, 1);
	assert_int_equal(m.threads, 1);
}

/* It is let go of while it waits for its vfork child: it stays traced, but
 * none of its records is there any more. */
static void test_detach_in_vfork(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, vfork_one);
	pid_t pid = d->pid;

	(void)state;
	d->t->report_vfork = true;
	next_kind(d, &m, STOP_VFORK);
	assert_int_equal(m.n_p, 2);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	traced_wait_for((volatile int *)&d->shared->v[0]);
	assert_int_equal(d->t->ops->detach(d->t, process_find(d->t, pid), 0),
			 0);
	check(d, &m);
	assert_int_equal(m.n_p, 1);
	d->shared->v[1] = 1;
	while (m.n_p) {
		traced_event(d);
		check(d, &m);
	}
	traced_end(d);
}

static void test_kill(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, make_threads);

	(void)state;
	d->t->ops->kill(d->t, process_find(d->t, d->pid));
	check(d, &m);
	assert_int_equal(m.n_p, 0);
	assert_int_equal(m.n_th, 0);
	traced_end(d);
}

/* Who cannot be attached to never comes. */
static void test_attach_fails(void **state)
{
	struct mirror m;
	struct traced *d = start(&m, make_threads);
	struct err e;

	(void)state;
	assert_true(d->t->ops->attach(d->t, getpid(), &e) < 0);
	check(d, &m);
	assert_int_equal(m.processes, 1);
	traced_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_threads_untold),
		cmocka_unit_test(test_cloned),
		cmocka_unit_test(test_leader_ends),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exec_without_leader),
		cmocka_unit_test(test_fork_detached),
		cmocka_unit_test(test_fork_followed),
		cmocka_unit_test(test_vfork_ghost),
		cmocka_unit_test(test_detach_in_vfork),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_attach_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
