/* Words that tell of a process's death: the test's child dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lifeline.h"

static struct lifeline *l; /* three, shared with the child */

static int setup(void **state)
{
	(void)state;
	l = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		 -1, 0);
	return l == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(l, 4096);
}

/* A child that has begun all three is killed once fn has been called. */
static void child_dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		lifeline_begin(&l[0], 0);
		lifeline_begin(&l[1], LIFELINE_WAITED);
		lifeline_begin(&l[2], 0);
		if (fn)
			fn();
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_killed(void **state)
{
	(void)state;
	child_dies(NULL);
	assert_int_equal(l[0].word, LIFELINE_DEAD);
	assert_int_equal(l[1].word, LIFELINE_DEAD | LIFELINE_WAITED);
	assert_int_equal(l[2].word, LIFELINE_DEAD);
}

static void end_middle(void)
{
	lifeline_end(&l[1]);
	l[1].word = 5;
}

static void test_ended(void **state)
{
	(void)state;
	child_dies(end_middle);
	assert_int_equal(l[0].word, LIFELINE_DEAD);
	assert_int_equal(l[1].word, 5);
	assert_int_equal(l[2].word, LIFELINE_DEAD);
}

/* What others write to a link breaks only what is behind it. */
static void spoil_middle(void)
{
	l[1].next = 0x123456789;
}

static void test_spoiled(void **state)
{
	(void)state;
	child_dies(spoil_middle);
	assert_int_equal(l[0].word, LIFELINE_DEAD);
	assert_int_equal(l[1].word, LIFELINE_DEAD | LIFELINE_WAITED);
	assert_int_equal(l[2].word & LIFELINE_DEAD, 0);
}

static void spoil_and_end(void)
{
	spoil_middle();
	lifeline_end(&l[1]);
}

static void test_spoiled_ended(void **state)
{
	(void)state;
	child_dies(spoil_and_end);
	assert_int_equal(l[0].word, LIFELINE_DEAD);
	assert_int_equal(l[2].word, LIFELINE_DEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spoiled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spoiled_ended, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
