/* Pages whose writers wait for us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/traced.h"

#define PAGE 4096u

/* Writes to a page of private memory, in a child first. */
static void write_page(struct traced_shared *s)
{
	volatile uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	s->v[0] = (long)page;
	s->ready = 1;
	traced_wait_for(&s->go);
	child = fork();
	if (!child) {
		page[0] = 'c';
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		_exit(1);
	s->v[1] = 1;
	page[0] = 'w';
	s->v[2] = page[0];
}

struct armed {
	struct traced *d;
	const struct target_protect_ops *ops;
	uint64_t page;
	int fd;
};

static void armed_make(struct armed *a, traced_fn *fn)
{
	struct err e;

	a->d = traced_start(fn);
	a->ops = a->d->t->ops->protect;
	a->page = (uint64_t)a->d->shared->v[0];
	a->fd = a->ops->make(a->d->t, traced_thread(a->d), &e);
	if (a->fd == -EPERM) {
		traced_end(a->d);
		skip();
	}
	if (a->fd < 0)
		fail_msg("%s", e.text);
	assert_int_equal(a->ops->watch(a->fd, a->page, PAGE), 0);
	assert_int_equal(a->ops->arm(a->fd, a->page, PAGE), 0);
}

static void wait_readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	int r;

	/* The target's tick interrupts. */
	do {
		r = poll(&p, 1, 30000);
	} while (r < 0 && errno == EINTR);
	assert_int_equal(r, 1);
}

static void resume_it(struct traced *d)
{
	struct resume act = { { -1, -1 }, RESUME_CONT, 0, false, 0, 0 };

	d->t->pass_signals = (sigset_t){ 0 };
	sigaddset(&d->t->pass_signals, SIGCHLD);
	assert_int_equal(target_resume(d->t, &act, 1), 0);
	d->shared->go = 1;
}

/* The child of a debuggee that is not told of is let go, which takes someone
 * who looks for events. */
static void wait_written(struct armed *a)
{
	struct pollfd p = { a->fd, POLLIN, 0 };
	struct stop ev;

	while (poll(&p, 1, 1) <= 0)
		a->d->t->ops->next_event(a->d->t, &ev, false);
	wait_readable(a->fd);
}

static void test_waits(void **state)
{
	struct armed a;
	uint64_t addr;

	(void)state;
	armed_make(&a, write_page);
	assert_int_equal(a.ops->take(a.fd, &addr), 0);
	resume_it(a.d);
	wait_written(&a);
	assert_int_equal(a.ops->take(a.fd, &addr), 1);
	assert_int_equal(addr & -(uint64_t)PAGE, a.page);
	assert_int_equal(a.d->shared->v[1], 1);
	assert_int_equal(a.d->shared->v[2], 0);
	assert_int_equal(a.ops->disarm(a.fd, a.page, PAGE), 0);
	traced_ends(a.d);
	assert_int_equal(a.d->shared->v[2], 'w');
	assert_int_equal(a.ops->take(a.fd, &addr), 0);
	close(a.fd);
	traced_end(a.d);
}

static void test_close_lets_go(void **state)
{
	struct armed a;

	(void)state;
	armed_make(&a, write_page);
	resume_it(a.d);
	wait_written(&a);
	close(a.fd);
	traced_ends(a.d);
	assert_int_equal(a.d->shared->v[2], 'w');
	traced_end(a.d);
}

/* It can be stopped while it waits, and then waits again. */
static void test_interrupt(void **state)
{
	struct armed a;
	struct stop ev;
	uint64_t addr;

	(void)state;
	armed_make(&a, write_page);
	resume_it(a.d);
	wait_written(&a);
	assert_int_equal(a.d->t->ops->halt(a.d->t), 0);
	assert_int_equal(a.d->shared->v[2], 0);
	while (a.ops->take(a.fd, &addr) > 0)
		;
	resume_it(a.d);
	while (a.d->t->ops->next_event(a.d->t, &ev, false) > 0)
		fail_msg("an event of kind %d", ev.kind);
	wait_readable(a.fd);
	assert_int_equal(a.ops->take(a.fd, &addr), 1);
	assert_int_equal(addr & -(uint64_t)PAGE, a.page);
	assert_int_equal(a.ops->disarm(a.fd, a.page, PAGE), 0);
	traced_ends(a.d);
	assert_int_equal(a.d->shared->v[2], 'w');
	close(a.fd);
	traced_end(a.d);
}

static void test_ours_alone(void **state)
{
	struct armed a;
	char path[64];

	(void)state;
	armed_make(&a, write_page);
	assert_int_equal(fcntl(a.fd, F_GETFD), FD_CLOEXEC);
	for (int fd = 3; fd < 64; fd++) {
		char to[128] = "";

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", a.d->pid, fd);
		(void)!readlink(path, to, sizeof(to) - 1);
		assert_null(strstr(to, "userfaultfd"));
	}
	close(a.fd);
	traced_end(a.d);
}

/* A page of a file's. */
static void map_file(struct traced_shared *s)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	s->v[1] = (long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			     fd, 0);
	write_page(s);
}

static void test_refused(void **state)
{
	struct armed a;

	(void)state;
	armed_make(&a, map_file);
	assert_int_equal(a.ops->watch(a.fd, (uint64_t)a.d->shared->v[1], PAGE),
			 -EINVAL);
	assert_true(a.ops->arm(a.fd, (uint64_t)a.d->shared->v[1], PAGE) < 0);
	assert_true(a.ops->watch(a.fd, 0x1000, PAGE) < 0);
	close(a.fd);
	traced_end(a.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_close_lets_go),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_ours_alone),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
