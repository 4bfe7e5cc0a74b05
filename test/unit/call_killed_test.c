/*
 * A server that is killed while a program makes a call for it: the program goes
 * on as if there had been none, even if the guardian comes late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "test/unit/traced.h"

/* Of traced_shared: turns, and the time that the call takes. */
enum { V_TURNS, V_SECONDS = 2 };

static uint8_t *code; /* a page that all have at one address */

static void count(struct traced_shared *s)
{
	s->ready = 1;
	while (!s->go)
		s->v[V_TURNS]++;
}

static void serve(struct traced *d, bool in_circle)
{
	const struct target_inject_ops *inject;
	const uint64_t args[6] = { (uintptr_t)&d->shared->v[V_SECONDS] };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	d->t = linux_target_new();
	traced_attach(d);
	inject = d->t->ops->inject;
	if (in_circle)
		inject->call_at(d->t, traced_thread(d)->proc, (uintptr_t)code);
	inject->call(d->t, traced_thread(d), SYS_nanosleep, args);
	_exit(1); /* it was to be killed before */
}

static bool is_in_call(pid_t pid, long nr)
{
	char text[128];

	return file_peek(text, sizeof(text), "/proc/%d/syscall", pid) > 0 &&
	       atol(text) == nr;
}

static pid_t only_child(pid_t pid)
{
	char text[64];

	assert_true(file_peek(text, sizeof(text), "/proc/%d/task/%d/children",
			      pid, pid) > 0);
	return atoi(text);
}

static void assert_lives(const struct traced *d)
{
	int status;

	if (waitpid(d->pid, &status, WNOHANG))
		fail_msg("status %#x", status);
}

static void goes_on(const struct traced *d)
{
	long was = d->shared->v[V_TURNS];

	while (d->shared->v[V_TURNS] == was) {
		assert_lives(d);
		usleep(1000);
	}
	d->shared->go = 1;
	assert_int_equal(traced_reap(d), 0);
}

static void killed(bool in_circle)
{
	struct traced *d = traced_prepare(count);
	pid_t server, guardian;

	d->t->ops->free(d->t);
	d->shared->v[V_SECONDS] = 1;
	server = fork();
	if (!server)
		serve(d, in_circle);
	while (!is_in_call(d->pid, SYS_nanosleep)) {
		assert_lives(d);
		usleep(1000);
	}
	guardian = only_child(server);
	if (in_circle)
		kill(guardian, SIGSTOP);
	kill(server, SIGKILL);
	assert_int_equal(waitpid(server, NULL, 0), server);
	if (in_circle) {
		while (is_in_call(d->pid, SYS_nanosleep))
			usleep(1000);
		usleep(20000);
		assert_lives(d);
		kill(guardian, SIGCONT);
	}
	goes_on(d);
	munmap(d->shared, sizeof(*d->shared));
	free(d);
}

static void test_in_time(void **state)
{
	(void)state;
	killed(false);
}

static void test_late(void **state)
{
	(void)state;
	killed(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_time),
		cmocka_unit_test(test_late),
	};
	struct target *t = linux_target_new();

	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(code, t->ops->inject->call_code, CALL_CODE_BYTES);
	mprotect(code, 4096, PROT_READ | PROT_EXEC);
	t->ops->free(t);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
