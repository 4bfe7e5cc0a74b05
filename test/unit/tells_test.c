/* What a layer above has told of single threads: their system calls, and
 * breakpoints that are not for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "test/unit/traced.h"

#define ROUNDS 50

static struct traced_shared *here;

__attribute__((noinline)) static void count(volatile long *n)
{
	__asm__ volatile("" ::: "memory");
	++*n;
}

static void *make_calls(void *arg)
{
	volatile long *n = arg;

	for (int i = 0; i < ROUNDS; i++) {
		syscall(SYS_getppid);
		syscall(SYS_getuid);
		count(n);
	}
	return NULL;
}

/* v[0] and v[1]: calls of count(), v[2]: the second's id. */
static void *second(void *arg)
{
	here->v[2] = syscall(SYS_gettid);
	traced_wait_for(&here->go);
	return make_calls(arg);
}

static void two(struct traced_shared *s)
{
	pthread_t t;

	here = s;
	pthread_create(&t, NULL, second, (void *)&s->v[1]);
	while (!s->v[2])
		usleep(100);
	s->ready = 1;
	traced_wait_for(&s->go);
	make_calls((void *)&s->v[0]);
	pthread_join(t, NULL);
}

static bool is_getppid(uint32_t number)
{
	return number == SYS_getppid;
}

struct told {
	unsigned entries, returns, points;
	struct stop last;
};

/* To its end, whatever is told of. */
static struct told run(struct traced *d)
{
	struct told n = { 0 };

	d->shared->go = 1;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	for (;;) {
		n.last = traced_event(d);
		n.entries += n.last.kind == STOP_SYSCALL_ENTRY;
		n.returns += n.last.kind == STOP_SYSCALL_RETURN;
		n.points += n.last.kind == STOP_SWBREAK;
		if (n.last.kind == STOP_EXITED)
			return n;
		if (n.last.kind == STOP_SWBREAK)
			target_points_drop(d->t, process_find(d->t, d->pid));
		else
			assert_int_equal(n.last.code, SYS_getppid);
		traced_resume(d, n.last.id, 0);
	}
}

static void ends(struct traced *d, const struct told *n)
{
	assert_int_equal(n->last.code, 0);
	assert_int_equal(d->shared->v[0], ROUNDS);
	assert_int_equal(d->shared->v[1], ROUNDS);
	traced_end(d);
}

static void test_calls_of_one(void **state)
{
	struct traced *d = traced_start(two);
	struct told n;

	(void)state;
	d->t->traps = true;
	d->t->wants_call = is_getppid;
	target_thread_options(d->t, thread_find(d->t, (pid_t)d->shared->v[2]),
			      THREAD_TELL_CALLS);
	n = run(d);
	assert_int_equal(n.entries, ROUNDS);
	assert_int_equal(n.returns, ROUNDS);
	ends(d, &n);
}

static void test_calls_of_none(void **state)
{
	struct traced *d = traced_start(two);
	struct told n;

	(void)state;
	d->t->wants_call = is_getppid;
	n = run(d);
	assert_int_equal(n.entries + n.returns, 0);
	ends(d, &n);
}

/* user is the thread's id that does not pass. */
static bool passes(void *user, struct thread *th, uint64_t addr)
{
	assert_int_equal(addr, (uintptr_t)count);
	return th->id.tid != *(pid_t *)user;
}

static void meet_point(bool wanted)
{
	struct traced *d = traced_start(two);
	pid_t who = wanted ? (pid_t)d->shared->v[2] : 0;
	struct told n;

	d->t->traps = true;
	d->t->passes_point = passes;
	d->t->trap_user = &who;
	target_point_set(d->t, process_find(d->t, d->pid), POINT_SW,
			 (uintptr_t)count, 1, NULL);
	n = run(d);
	assert_int_equal(n.points, wanted);
	ends(d, &n);
}

static void test_point_that_is_passed(void **state)
{
	(void)state;
	meet_point(false);
}

static void test_point_for_one(void **state)
{
	(void)state;
	meet_point(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_of_one),
		cmocka_unit_test(test_calls_of_none),
		cmocka_unit_test(test_point_that_is_passed),
		cmocka_unit_test(test_point_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
