/* Memory that a debuggee and its tracer have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "test/unit/traced.h"

#define SIZE 0x10000u

static int64_t call(struct traced *d, long nr, const uint64_t args[6])
{
	return d->t->ops->inject->call(d->t, traced_thread(d), nr, args);
}

static int64_t call2(struct traced *d, long nr, uint64_t a, uint64_t b)
{
	return call(d, nr, (const uint64_t[6]){ a, b });
}

struct common {
	int here, there;
	volatile uint8_t *mine;
	uint64_t theirs;
};

static void common_make(struct traced *d, struct common *c)
{
	uint64_t map[6] = { 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED };
	struct err e;

	c->here = d->t->ops->share->make(d->t, traced_thread(d), "in common",
					 0, SIZE, &c->there, &e);
	if (c->here < 0)
		fail_msg("%s", e.text);
	c->mine = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c->here,
		       0);
	assert_ptr_not_equal(c->mine, MAP_FAILED);
	map[4] = (uint64_t)c->there;
	c->theirs = (uint64_t)call(d, SYS_mmap, map);
	assert_true((int64_t)c->theirs > 0);
	d->shared->v[0] = (long)c->theirs;
}

static void common_end(struct traced *d, struct common *c)
{
	munmap((void *)(uintptr_t)c->mine, SIZE);
	close(c->here);
	traced_end(d);
}

/* The first 'a' in the memory in common becomes 'b', in a forked child 'c'. */
static void answer(struct traced_shared *s)
{
	volatile uint8_t *at;
	pid_t child;

	s->ready = 1;
	traced_wait_for(&s->go);
	at = (volatile uint8_t *)s->v[0];
	if (at[SIZE - 1] != 'a')
		_exit(1);
	at[SIZE - 1] = 'b';
	child = fork();
	if (!child) {
		at[0] = 'c';
		_exit(0);
	}
	if (waitpid(child, NULL, 0) != child || at[0] != 'c')
		_exit(2);
}

static void test_both_see(void **state)
{
	struct traced *d = traced_start(answer);
	struct common c;

	(void)state;
	common_make(d, &c);
	assert_int_equal(call2(d, SYS_close, c.there, 0), 0);
	c.mine[SIZE - 1] = 'a';
	d->shared->go = 1;
	traced_ends(d);
	assert_int_equal(c.mine[SIZE - 1], 'b');
	assert_int_equal(c.mine[0], 'c');
	common_end(d, &c);
}

static void test_descriptors(void **state)
{
	struct traced *d = traced_start(answer);
	struct common c;

	(void)state;
	common_make(d, &c);
	assert_int_equal(fcntl(c.here, F_GETFD), FD_CLOEXEC);
	assert_int_equal(call2(d, SYS_fcntl, c.there, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ftruncate(c.here, SIZE + 1), -1);
	assert_int_equal(ftruncate(c.here, SIZE - 1), -1);
	assert_int_equal(call2(d, SYS_ftruncate, c.there, 0), -EPERM);
	assert_int_equal(lseek(c.here, 0, SEEK_END), SIZE);
	common_end(d, &c);
}

/* The lines of /proc/PID/maps that hold the text. */
static unsigned maps_with(pid_t pid, const char *text)
{
	struct buf b = { 0 };
	unsigned n = 0;
	const char *at;

	assert_true(file_read(&b, 1 << 20, "/proc/%d/maps", pid) > 0);
	for (at = buf_str(&b); (at = strstr(at, text)); at++)
		n++;
	buf_fini(&b);
	return n;
}

static unsigned count_maps(pid_t pid)
{
	return maps_with(pid, "\n");
}

static void test_maps(void **state)
{
	struct traced *d = traced_start(answer);
	unsigned n = count_maps(d->pid);
	struct common c;

	(void)state;
	common_make(d, &c);
	assert_int_equal(maps_with(d->pid, "/memfd:in common"), 1);
	assert_int_equal(count_maps(d->pid), n + 1);
	common_end(d, &c);
}

/* --- programs that make it hard ------------------------------------------ */

static void without_stack(struct traced_shared *s)
{
	__asm__ volatile("mov $16, %%rsp\n\t"
			 "movl $1, (%0)\n"
			 "1: jmp 1b"
			 :
			 : "a"(&s->ready)
			 : "memory");
}

static void test_without_stack(void **state)
{
	struct traced *d = traced_start(without_stack);
	struct common c;

	(void)state;
	common_make(d, &c);
	common_end(d, &c);
}

/* Where it may: another user, to whom its own files in /proc do not belong,
 * and in other namespaces. */
static void elsewhere(struct traced_shared *s)
{
	if (unshare(CLONE_NEWNS | CLONE_FILES) < 0 || setgid(65534) < 0 ||
	    setuid(65534) < 0 || unshare(CLONE_NEWUSER) < 0)
		s->v[1] = errno;
	answer(s);
}

static void test_elsewhere(void **state)
{
	struct traced *d;
	struct common c;

	(void)state;
	if (geteuid())
		skip();
	d = traced_start(elsewhere);
	common_make(d, &c);
	common_end(d, &c);
}

/* No descriptor is left, here or there, and no page. */
static void test_fails(void **state)
{
	struct traced *d = traced_start(answer);
	unsigned maps = count_maps(d->pid);
	char name[300];
	struct err e;
	int there;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(d->t->ops->share->make(d->t, traced_thread(d), name,
						0, SIZE, &there, &e),
			 -EINVAL);
	assert_true(e.text[0] != '\0');
	assert_int_equal(d->t->ops->share->make(d->t, traced_thread(d), "x", 0,
						1ull << 63, &there, &e),
			 -EINVAL);
	assert_int_equal(count_maps(d->pid), maps);
	traced_end(d);
}

static void has_name(struct traced *d, int there, const char *name)
{
	char *link = xasprintf("/memfd:%s (deleted)", name);
	char path[64], is[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)d->pid, there);
	assert_true(readlink(path, is, sizeof(is) - 1) > 0);
	assert_string_equal(is, link);
	free(link);
}

/* The name is put where there is room for it, or else in a page of its own. */
static void test_names(void **state)
{
	struct traced *d = traced_start(answer);
	uint64_t places[2];
	struct common c;
	struct err e;

	(void)state;
	common_make(d, &c);
	has_name(d, c.there, "in common");
	places[0] = c.theirs;
	places[1] = UINT64_C(1) << 62;
	for (unsigned i = 0; i < 2; i++) {
		int there = -1, here = d->t->ops->share->make(
					d->t, traced_thread(d), "more",
					places[i], SIZE, &there, &e);

		assert_true(here >= 0);
		has_name(d, there, "more");
		close(here);
	}
	assert_string_equal((const char *)c.mine, "more");
	common_end(d, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_see),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_without_stack),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
