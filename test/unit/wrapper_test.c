/* The translator with nothing followed: it is not to be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/syscalls.h"
#include "test/fake.h"
#include "translate/cache.h"
#include "translate/layer.h"
#include "translate/translate.h"

#define PID 0x64

static const struct regdesc regs[] = {
	{ "ax", "int64", NULL, "core", 64, REGSET_GENERAL, 0, 0 },
	{ "v0", "int128", NULL, "vector", 128, REGSET_EXTENDED, 0, 8 },
	{ "pc", "code_ptr", NULL, "core", 64, REGSET_GENERAL, 8, 24 },
};

enum { AX, V0, PC };

static const struct arch tiny = {
	.name = "tiny",
	.word = 8,
	.regs = regs,
	.n_regs = ARRAY_SIZE(regs),
	.regs_size = 32,
	.pc = PC,
	.trap = { 0xcc },
	.trap_len = 1,
};

static const struct resume all_cont = { { -1, -1 }, RESUME_CONT, 0, false, 0, 0 };

struct rig {
	struct fake *fake;
	struct target *lower, *t;
	struct process *p;
	struct stop stop; /* the last that was told */
};

/* A process of two threads, and five bytes of memory. */
static int setup(void **state)
{
	char *argv[] = { (char[]){ "prog" }, NULL };
	struct launch_spec spec = { .argv = argv };
	struct rig *g = xcalloc(1, sizeof(*g));
	struct err e;

	g->fake = fake_new(&tiny);
	g->lower = fake_target(g->fake);
	g->t = translate_new(g->lower);
	fake_script(g->fake, "process 64");
	fake_script(g->fake, "thread 64.65");
	fake_script(g->fake, "memory 64 1000 0102 0304 05");
	assert_int_equal(g->t->ops->launch(g->t, &spec, &e), PID);
	g->p = process_find(g->t, PID);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct rig *g = *state;

	g->t->ops->free(g->t);
	free(g);
	return 0;
}

static void script(struct rig *g, const char *line)
{
	assert_int_equal(fake_script(g->fake, line), 0);
}

static bool next(struct rig *g)
{
	return g->t->ops->next_event(g->t, &g->stop, false) > 0;
}

/* Lets all run until something happens. */
static void run(struct rig *g)
{
	assert_int_equal(target_resume(g->t, &all_cont, 1), 0);
	assert_true(next(g));
}

/* A thread and its record below agree, and are not the same. */
static void assert_twins(struct rig *g, pid_t tid)
{
	struct thread *up = thread_find(g->t, tid);
	struct thread *low = thread_find(g->lower, tid);

	assert_non_null(up);
	assert_non_null(low);
	assert_ptr_not_equal(up, low);
	assert_ptr_equal(lower_thread(up), low);
	assert_ptr_equal(upper_thread(translator_of(g->t), low), up);
	assert_ptr_equal(lower_process(up->proc), low->proc);
	assert_int_equal(up->running, low->running);
	assert_int_equal(up->untold, low->untold);
	assert_int_equal(up->last.kind, low->last.kind);
}

/* --- records ------------------------------------------------------------- */

static void records_come_and_go(void **state)
{
	struct rig *g = *state;

	assert_string_equal(g->p->path, "prog");
	assert_false(g->p->attached);
	assert_ptr_equal(g->p->arch, &tiny);
	assert_twins(g, 0x64);
	assert_twins(g, 0x65);
	script(g, "thread 64.66");
	assert_twins(g, 0x66);
	script(g, "stop 64.65 thread-exit 0");
	run(g);
	assert_int_equal(g->stop.kind, STOP_THREAD_EXIT);
	assert_null(thread_find(g->t, 0x65));
	script(g, "stop 64.64 exited 3");
	assert_true(next(g));
	assert_int_equal(g->stop.kind, STOP_EXITED);
	assert_null(process_find(g->t, PID));
	assert_null(thread_find(g->t, 0x66));
}

static void attached_processes_are_let_go(void **state)
{
	struct rig *g = *state;
	struct process *p;
	struct err e;

	script(g, "process 80");
	assert_int_equal(g->t->ops->attach(g->t, 0x80, &e), 0);
	p = process_find(g->t, 0x80);
	assert_true(p->attached);
	assert_string_equal(p->path, "/fake/attached");
	assert_int_equal(g->t->ops->detach(g->t, p, 5), 0);
	assert_null(process_find(g->t, 0x80));
	assert_non_null(strstr(fake_log(g->fake), "detach 80 5\n"));
	assert_int_equal(g->t->ops->attach(g->t, 0x80, &e), 0);
	p = process_find(g->t, 0x80);
	assert_int_equal(g->t->ops->kill(g->t, p), 0);
	assert_null(process_find(g->t, 0x80));
	assert_null(thread_find(g->t, 0x80));
}

static void hidden_processes_are_gone(void **state)
{
	struct rig *g = *state;

	process_hide(g->lower, process_find(g->lower, PID));
	assert_null(process_find(g->t, PID));
	assert_null(thread_find(g->t, 0x65));
	assert_non_null(process_find(g->lower, PID));
}

static void exec_changes_the_program(void **state)
{
	static const struct arch big = {
		.name = "big",
		.word = 8,
		.regs = regs,
		.n_regs = ARRAY_SIZE(regs),
		.regs_size = 64,
		.pc = PC,
	};
	struct rig *g = *state;
	struct process *low = process_find(g->lower, PID);
	struct thread *th = thread_find(g->t, PID);

	script(g, "stop 64.64 exec /bin/other");
	run(g);
	assert_int_equal(g->stop.kind, STOP_EXEC);
	assert_string_equal(g->p->path, "/bin/other");

	/* One that is not told, of a program of another kind. */
	assert_int_equal(
		target_point_set(g->t, g->p, POINT_SW, 0x1001, 1, NULL), 0);
	target_thread_options(g->t, th, THREAD_TELL_EXIT);
	th->handle = 7;
	target_regs_all(g->t, th);
	lower_thread(th)->options = 0;
	process_set_arch(low, &big);
	process_set_points(low, NULL);
	process_execed(g->lower, low);
	assert_ptr_equal(g->p->arch, &big);
	assert_true(list_empty(&g->p->points->list));
	assert_int_equal(th->options, 0);
	assert_int_equal(th->handle, 0);
	assert_int_equal(th->fresh, 0);
	assert_null(th->regs);
}

static void stops_and_resumes_show(void **state)
{
	struct rig *g = *state;
	struct resume step = { { PID, 0x65 }, RESUME_STEP, 0, false, 0, 0 };

	assert_int_equal(target_resume(g->t, &step, 1), 0);
	assert_true(thread_find(g->t, 0x65)->running);
	assert_false(thread_find(g->t, 0x64)->running);
	assert_true(next(g));
	assert_int_equal(g->stop.kind, STOP_STEP);
	assert_twins(g, 0x65);
	assert_int_equal(thread_find(g->t, 0x65)->last.kind, STOP_STEP);

	script(g, "stop 64.64 signal b");
	run(g);
	assert_twins(g, 0x64);
	assert_twins(g, 0x65);
	assert_int_equal(thread_find(g->t, 0x64)->last.signo, 11);
	assert_true(thread_find(g->t, 0x65)->running);
	assert_int_equal(thread_find(g->t, 0x65)->last.kind, STOP_NONE);
	g->t->ops->halt(g->t);
	assert_twins(g, 0x65);
	assert_false(thread_find(g->t, 0x65)->running);
}

static void a_thread_that_is_gone_is_not_resumed(void **state)
{
	struct rig *g = *state;
	struct resume gone = { { PID, 0x99 }, RESUME_CONT, 0, false, 0, 0 };

	target_resume(g->t, &gone, 1);
	assert_false(thread_find(g->t, 0x64)->running);
	assert_false(next(g));
}

static void cloned_threads_are_told_of(void **state)
{
	struct rig *g = *state;

	script(g, "stop 64.64 cloned 70");
	run(g);
	assert_int_equal(g->stop.child.tid, 0x70);
	assert_twins(g, 0x70);
	assert_false(thread_find(g->t, 0x70)->running);
}

/* --- what the layer above wants ------------------------------------------ */

static void wishes_go_down(void **state)
{
	struct rig *g = *state;
	struct thread *th = thread_find(g->t, 0x65);

	g->t->report_fork = g->t->report_exec = g->t->all_stop = true;
	sigaddset(&g->t->pass_signals, SIGUSR1);
	sigdelset(&g->t->program_signals, SIGUSR2);
	g->t->core_dir = "/cores";
	assert_false(next(g));
	assert_true(g->lower->report_fork && g->lower->report_exec);
	assert_true(g->lower->all_stop);
	assert_false(g->lower->report_vfork || g->lower->report_threads);
	assert_int_equal(sigismember(&g->lower->pass_signals, SIGUSR1), 1);
	assert_int_equal(sigismember(&g->lower->program_signals, SIGUSR2), 0);
	assert_string_equal(g->lower->core_dir, "/cores");

	target_thread_options(g->t, th, THREAD_TELL_CLONE);
	target_thread_untold(g->t, th, true);
	assert_int_equal(lower_thread(th)->options, THREAD_TELL_CLONE);
	assert_twins(g, 0x65);
	target_resume(g->t, &all_cont, 1);
	assert_false(th->running);
	assert_true(thread_find(g->t, 0x64)->running);
}

static void optional_groups_are_those_of_the_lower(void **state)
{
	struct rig *g = *state;
	struct fake *f = fake_new(&tiny);
	const struct target_ops *own = fake_target(f)->ops;
	const struct target_ops bare = { .name = "bare",
					 .event_fd = own->event_fd };
	struct target *t;

	assert_non_null(g->t->ops->point);
	assert_non_null(g->t->ops->object);
	assert_non_null(g->t->ops->syscall);
	assert_non_null(g->t->ops->branch);
	assert_null(g->t->ops->core);
	assert_null(g->t->ops->idle);
	fake_target(f)->ops = &bare;
	t = translate_new(fake_target(f));
	fake_target(f)->ops = own;
	assert_null(t->ops->point);
	assert_null(t->ops->object);
	assert_null(t->ops->syscall);
	assert_null(t->ops->branch);
	t->ops->free(t);
}

static void system_calls_are_caught_below(void **state)
{
	static const uint32_t two[] = { 1, 60 };
	struct rig *g = *state;

	g->t->ops->syscall->catch (g->t, g->p, syscall_set_new(two, 2));
	assert_true(syscall_set_has(lower_process(g->p)->caught, 60));
	assert_true(syscall_set_has(g->p->caught, 60));
	g->t->ops->syscall->catch (g->t, g->p, NULL);
	assert_null(lower_process(g->p)->caught);
	assert_null(g->p->caught);
}

/* --- registers ----------------------------------------------------------- */

static void registers_pass_both_ways(void **state)
{
	struct rig *g = *state;
	struct thread *th = thread_find(g->t, 0x64);
	struct resume step = { th->id, RESUME_STEP, 0, false, 0, 0 };
	uint8_t wide[16] = { [15] = 9 };
	uint64_t v;

	fake_reg_set(g->fake, 0x64, "pc", 0x1000);
	fake_reg_set(g->fake, 0x64, "v0", 0x77);
	assert_int_equal(target_reg_u64(g->t, th, PC, &v), 0);
	assert_int_equal(v, 0x1000);
	v = 0x1002;
	target_reg_write(g->t, th, PC, &v);
	/* The other set comes up, and what was written stays. */
	assert_int_equal(target_regs_all(g->t, th)[8], 0x77);
	target_reg_write(g->t, th, V0, wide);
	target_reg_u64(g->t, th, PC, &v);
	assert_int_equal(v, 0x1002);

	target_resume(g->t, &step, 1);
	assert_int_equal(th->dirty | th->fresh, 0);
	assert_true(next(g));
	target_reg_u64(g->t, th, PC, &v);
	assert_int_equal(v, 0x1003);
	memset(wide, 0, sizeof(wide));
	target_reg_read(g->t, th, V0, wide);
	assert_int_equal(wide[15], 9);
}

static void registers_are_written_before_a_detach(void **state)
{
	struct rig *g = *state;
	struct thread *th = thread_find(g->t, 0x64);
	struct thread *low = lower_thread(th);
	uint64_t v = 5;

	target_reg_write(g->t, th, AX, &v);
	mirror_registers(translator_of(g->t), g->p);
	assert_int_equal(th->dirty, 0);
	assert_int_equal(low->dirty, 1u << REGSET_GENERAL);
	assert_int_equal(target_reg_u64(g->lower, low, AX, &v), 0);
	assert_int_equal(v, 5);
}

/* --- memory and points --------------------------------------------------- */

static uint8_t raw_byte(struct rig *g, uint64_t addr)
{
	uint8_t byte = 0;

	g->lower->ops->read_mem(g->lower, process_find(g->lower, PID), addr,
				&byte, 1);
	return byte;
}

static int set(struct rig *g, struct point_code *code)
{
	return target_point_set(g->t, g->p, POINT_SW, 0x1002, 1, code);
}

static void points_are_set_below_and_hidden(void **state)
{
	struct rig *g = *state;
	uint8_t buf[5];

	assert_int_equal(set(g, NULL), 0);
	assert_int_equal(raw_byte(g, 0x1002), 0xcc);
	assert_int_equal(target_read(g->t, g->p, 0x1000, buf, 5), 5);
	assert_memory_equal(buf, "\1\2\3\4\5", 5);
	assert_int_equal(target_write(g->t, g->p, 0x1001, "abc", 3), 3);
	assert_int_equal(raw_byte(g, 0x1002), 0xcc);
	assert_int_equal(target_read(g->t, g->p, 0x1000, buf, 5), 5);
	assert_memory_equal(buf, "\1abc\5", 5);
	script(g, "arrive 64.64 1002");
	run(g);
	assert_int_equal(g->stop.kind, STOP_SWBREAK);
	assert_int_equal(target_point_clear(g->t, g->p, POINT_SW, 0x1002, 1),
			 0);
	assert_int_equal(raw_byte(g, 0x1002), 'b');
	assert_true(list_empty(&lower_process(g->p)->points->list));
	assert_int_equal(target_point_clear(g->t, g->p, POINT_SW, 0x1002, 1),
			 -ENOENT);
}

static unsigned inserts(struct rig *g)
{
	const char *at = fake_log(g->fake);
	unsigned n = 0;

	while ((at = strstr(at, "insert"))) {
		at++;
		n++;
	}
	return n;
}

/* It lies where it lay, or is put in again when its memory was. */
static void points_are_set_again(void **state)
{
	struct rig *g = *state;
	struct point_code *code = point_code_new();
	struct point *low;

	assert_int_equal(set(g, NULL), 0);
	assert_int_equal(set(g, code), 0);
	assert_int_equal(inserts(g), 1);
	low = point_find(lower_process(g->p), POINT_SW, 0x1002, 1);
	assert_ptr_equal(low->code, code);
	assert_int_equal(code->refs, 2);

	script(g, "memory 64 1000 0908 0706 05");
	assert_int_equal(set(g, NULL), 0);
	assert_int_equal(inserts(g), 2);
	assert_int_equal(raw_byte(g, 0x1002), 0xcc);
	target_points_drop(g->t, g->p);
	assert_int_equal(raw_byte(g, 0x1002), 7);
}

static void points_that_cannot_be_set_are_not_there(void **state)
{
	struct rig *g = *state;

	assert_true(target_point_set(g->t, g->p, POINT_SW, 0x9000, 1,
				     point_code_new()) < 0);
	for (unsigned i = 0; i < FAKE_HW_POINTS; i++)
		target_point_set(g->t, g->p, POINT_HW, 0x1000 + i, 1, NULL);
	assert_int_equal(target_point_set(g->t, g->p, POINT_HW, 0x1004, 1,
					  point_code_new()),
			 -ENOSPC);
	assert_null(point_find(g->p, POINT_SW, 0x9000, 1));
	assert_null(point_find(g->p, POINT_HW, 0x1004, 1));
	assert_null(point_find(lower_process(g->p), POINT_HW, 0x1004, 1));
}

static void a_point_that_cannot_be_set_again_is_gone(void **state)
{
	struct rig *g = *state;
	struct process *low = lower_process(g->p);

	target_point_set(g->t, g->p, POINT_HW, 0x1000, 1, NULL);
	target_points_drop(g->lower, low);
	for (unsigned i = 1; i <= FAKE_HW_POINTS; i++)
		target_point_set(g->lower, low, POINT_HW, 0x1000 + i, 1, NULL);
	assert_int_equal(target_point_set(g->t, g->p, POINT_HW, 0x1000, 1,
					  point_code_new()),
			 -ENOSPC);
	assert_true(list_empty(&g->p->points->list));
}

static void forked_points_are_copies(void **state)
{
	struct rig *g = *state;
	struct point_code *code = point_code_new();
	struct process *child;

	assert_int_equal(set(g, code), 0);
	script(g, "stop 64.64 fork 70");
	run(g);
	child = process_find(g->t, 0x70);
	assert_non_null(child);
	assert_twins(g, 0x70);
	assert_ptr_not_equal(child->points, g->p->points);
	assert_ptr_equal(point_find(child, POINT_SW, 0x1002, 1)->code, code);
	assert_int_equal(code->refs, 4);
	assert_int_equal(target_point_clear(g->t, child, POINT_SW, 0x1002, 1),
			 0);
	assert_int_equal(raw_byte(g, 0x1002), 0xcc);
	assert_int_equal(code->refs, 2);
}

/* As vfork has it. */
static void points_of_shared_memory_are_shared(void **state)
{
	struct rig *g = *state;
	struct process *low, *child;

	assert_int_equal(set(g, NULL), 0);
	low = process_add_untold(g->lower, 0x70, &tiny);
	assert_null(process_find(g->t, 0x70));
	process_set_points(low, lower_process(g->p));
	process_tell(g->lower, low);
	child = process_find(g->t, 0x70);
	assert_ptr_equal(child->points, g->p->points);
	process_set_points(low, NULL);
	process_execed(g->lower, low);
	assert_true(list_empty(&child->points->list));
	assert_non_null(point_find(g->p, POINT_SW, 0x1002, 1));
}

/* --- threads that are used --------------------------------------------------
 */

/* A space has calls made by one that there is, as long as there is one. */
static void no_thread_is_used_that_has_ended(void **state)
{
	struct rig *g = *state;
	struct space sp = { .tr = translator_of(g->t) };
	struct tr_process *tp = tr_process_of(g->p);

	g->t->report_threads = true;
	tp->space = &sp;
	sp.by = thread_find(g->lower, 0x65);
	script(g, "stop 64.65 thread-exit 0");
	run(g);
	assert_ptr_equal(sp.by, thread_find(g->lower, 0x64));
	thread_free(g->lower, sp.by);
	assert_null(sp.by);
	tp->space = NULL;
}

/* --- events without an end --------------------------------------------------
 */

/* Events that are none of the layer above's keep it from its client for so many
 * at most: its descriptor stays readable until they are all seen to. */
static void many_quiet_events_are_not_taken_in_one_go(void **state)
{
	struct rig *g = *state;
	struct translator *tr = translator_of(g->t);
	unsigned asked = 0;

	/* As if something had been followed: what others tell is looked at. */
	tr->stats.threads = 1;
	for (int i = 0; i < 1000; i++)
		script(g, "stop 64.64 vfork-done");
	script(g, "stop 64.64 step");
	target_resume(g->t, &all_cont, 1);
	while (!next(g)) {
		struct pollfd pfd = { .fd = g->t->ops->event_fd(g->t),
				      .events = POLLIN };

		asked++;
		assert_true(tr->more);
		assert_int_equal(poll(&pfd, 1, 0), 1);
	}
	assert_int_equal(asked, 1000 / 256);
	assert_int_equal(g->stop.kind, STOP_STEP);
	assert_false(tr->more);
	assert_true(thread_find(g->t, 0x65)->running);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(records_come_and_go),
		TEST(attached_processes_are_let_go),
		TEST(hidden_processes_are_gone),
		TEST(exec_changes_the_program),
		TEST(stops_and_resumes_show),
		TEST(a_thread_that_is_gone_is_not_resumed),
		TEST(cloned_threads_are_told_of),
		TEST(wishes_go_down),
		TEST(optional_groups_are_those_of_the_lower),
		TEST(system_calls_are_caught_below),
		TEST(registers_pass_both_ways),
		TEST(registers_are_written_before_a_detach),
		TEST(points_are_set_below_and_hidden),
		TEST(points_are_set_again),
		TEST(points_that_cannot_be_set_are_not_there),
		TEST(a_point_that_cannot_be_set_again_is_gone),
		TEST(forked_points_are_copies),
		TEST(points_of_shared_memory_are_shared),
		TEST(no_thread_is_used_that_has_ended),
		TEST(many_quiet_events_are_not_taken_in_one_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
