/* The fake target does what fake.h says: tests above rest on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/mem.h"
#include "test/fake.h"

/* Three registers and a one-byte trap: enough of an instruction set. */
static const struct regdesc regs[] = {
	{ "ax", "int64", NULL, "core", 64, REGSET_GENERAL, 0, 0 },
	{ "pc", "code_ptr", NULL, "core", 64, REGSET_GENERAL, 8, 8 },
	{ "v0", "int128", NULL, "vector", 128, REGSET_EXTENDED, 0, 16 },
};

static const struct arch tiny = {
	.name = "tiny",
	.word = 8,
	.regs = regs,
	.n_regs = ARRAY_SIZE(regs),
	.regs_size = 32,
	.pc = 1,
	.trap = { 0xcc },
	.trap_len = 1,
};

static const struct resume all_cont = { { -1, -1 }, RESUME_CONT, 0, false, 0, 0 };

static struct target *start(struct fake **f)
{
	char *argv[] = { (char[]){ "prog" }, (char[]){ "arg" }, NULL };
	struct launch_spec spec = { .argv = argv };
	struct err e;

	*f = fake_new(&tiny);
	assert_int_equal(
		fake_target(*f)->ops->launch(fake_target(*f), &spec, &e),
		-ENOENT);
	assert_int_equal(fake_script(*f, "process 64"), 0);
	assert_int_equal(fake_script(*f, "thread 64.65"), 0);
	assert_int_equal(fake_script(*f, "memory 64 1000 0102 0304 05"), 0);
	assert_int_equal(
		fake_target(*f)->ops->launch(fake_target(*f), &spec, &e), 0x64);
	assert_string_equal(fake_log(*f), "launch prog arg\n");
	fake_log_clear(*f);
	return fake_target(*f);
}

static int next(struct target *t, struct stop *s)
{
	return t->ops->next_event(t, s, false);
}

static void memory_ends(void **state)
{
	struct fake *f;
	struct target *t = start(&f);
	struct process *p = process_find(t, 0x64);
	uint8_t buf[8];

	(void)state;
	assert_int_equal(t->ops->read_mem(t, p, 0x1001, buf, 8), 4);
	assert_memory_equal(buf, "\2\3\4\5", 4);
	assert_true(t->ops->read_mem(t, p, 0x2000, buf, 1) < 0);
	assert_int_equal(t->ops->write_mem(t, p, 0x1003, "ab", 2), 2);
	fake_memory_add(f, 0x64, 0x1004, "XY", 2);
	assert_int_equal(t->ops->read_mem(t, p, 0x1000, buf, 8), 6);
	assert_memory_equal(buf, "\1\2\3aXY", 6);
	t->ops->free(t);
}

static void threads_run_and_stop(void **state)
{
	struct fake *f;
	struct target *t = start(&f);
	struct resume step = { { 0x64, 0x65 }, RESUME_STEP, 0, false, 0, 0 };
	struct pollfd poll_fd = { t->ops->event_fd(t), POLLIN, 0 };
	struct stop s;

	(void)state;
	fake_reg_set(f, 0x65, "pc", 0x1000);
	assert_int_equal(next(t, &s), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	t->ops->resume(t, &step, 1);
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_int_equal(next(t, &s), 1);
	assert_int_equal(s.kind, STOP_STEP);
	assert_int_equal(s.id.tid, 0x65);
	assert_false(thread_find(t, 0x65)->running);

	assert_int_equal(fake_script(f, "stop 64.64 signal b"), 0);
	assert_int_equal(next(t, &s), 0); /* it does not run yet */
	t->ops->resume(t, &all_cont, 1);
	assert_int_equal(next(t, &s), 1);
	assert_int_equal(s.signo, 11);
	assert_int_equal(next(t, &s), 0);
	assert_true(thread_find(t, 0x65)->running);
	t->ops->interrupt(t, (struct ptid){ -1, -1 });
	assert_int_equal(next(t, &s), 1);
	assert_int_equal(s.kind, STOP_SIGNAL);
	assert_int_equal(s.signo, 0);
	assert_string_equal(fake_log(f), "resume 64.65 step 0\n"
					 "resume 64.64 cont 0\n"
					 "resume 64.65 cont 0\n");
	t->ops->free(t);
}

static void points_decide_arrivals(void **state)
{
	struct fake *f;
	struct target *t = start(&f);
	struct process *p = process_find(t, 0x64);
	struct stop s;
	uint8_t byte;

	(void)state;
	assert_int_equal(target_point_set(t, p, POINT_SW, 0x1002, 1, NULL), 0);
	assert_int_equal(t->ops->read_mem(t, p, 0x1002, &byte, 1), 1);
	assert_int_equal(byte, 0xcc);
	assert_int_equal(fake_script(f, "arrive 64.64 1001"), 0);
	assert_int_equal(fake_script(f, "arrive 64.64 1002"), 0);
	t->ops->resume(t, &all_cont, 1);
	assert_int_equal(next(t, &s), 1);
	assert_int_equal(s.kind, STOP_SWBREAK);
	assert_int_equal(s.addr, 0x1002);
	target_point_clear(t, p, POINT_SW, 0x1002, 1);
	assert_int_equal(t->ops->read_mem(t, p, 0x1002, &byte, 1), 1);
	assert_int_equal(byte, 3);
	assert_non_null(strstr(fake_log(f), "insert 64 sw 1002 1\n"));
	assert_non_null(strstr(fake_log(f), "remove 64 sw 1002 1\n"));
	t->ops->free(t);
}

static void hardware_runs_out(void **state)
{
	struct fake *f;
	struct target *t = start(&f);
	struct process *p = process_find(t, 0x64);
	int i;

	(void)state;
	for (i = 0; i < FAKE_HW_POINTS; i++)
		assert_int_equal(target_point_set(t, p, POINT_WRITE,
						  0x1000 + (uint64_t)i * 8, 8,
						  NULL),
				 0);
	assert_int_equal(target_point_set(t, p, POINT_HW, 0x1000, 1, NULL),
			 -ENOSPC);
	t->ops->free(t);
}

static void processes_come_and_go(void **state)
{
	struct fake *f;
	struct target *t = start(&f);
	struct stop s;
	struct err e;

	(void)state;
	assert_int_equal(fake_script(f, "stop 64.65 fork 70"), 0);
	assert_int_equal(fake_script(f, "stop 64.65 exited 7"), 0);
	t->ops->resume(t, &all_cont, 1);
	assert_int_equal(next(t, &s), 1);
	assert_int_equal(s.kind, STOP_FORK);
	assert_int_equal(s.child.pid, 0x70);
	assert_non_null(process_find(t, 0x70));
	t->ops->detach(t, process_find(t, 0x70), 0);
	assert_null(process_find(t, 0x70));
	assert_int_equal(t->ops->attach(t, 0x70, &e), 0);
	assert_int_equal(t->ops->attach(t, 0x70, &e), -EPERM);
	assert_int_equal(t->ops->attach(t, 0x71, &e), -ESRCH);
	t->ops->resume(t, &all_cont, 1);
	assert_int_equal(next(t, &s), 1);
	assert_int_equal(s.kind, STOP_EXITED);
	assert_int_equal(s.code, 7);
	assert_null(process_find(t, 0x64));
	t->ops->free(t);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"stop",
		"stop 64.64",
		"stop 64.64 sneeze",
		"stop 64.64 break",
		"stop 64.64 step 3",
		"memory 64 0 123",
		"memory 99 0 12",
		"thread 99.1",
		"reg 64 nosuch 1",
		"processes 1",
	};
	struct fake *f;
	struct target *t = start(&f);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (fake_script(f, bad[i]) >= 0)
			fail_msg("taken: %s", bad[i]);
	t->ops->free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_ends),
		cmocka_unit_test(threads_run_and_stop),
		cmocka_unit_test(points_decide_arrivals),
		cmocka_unit_test(hardware_runs_out),
		cmocka_unit_test(processes_come_and_go),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
