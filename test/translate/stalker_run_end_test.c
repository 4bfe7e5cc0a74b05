/* Functions that threads are made to run, and that do not return, or not to what
 * they were run by; each natively (traced, and not followed) and followed. */
#include "test/translate/running.h"

#include "translate/translate.h"

/* --- functions that do not return
 * ---------------------------------------------- */

static long never_ends(void)
{
	while (here)
		here->v[6]++;
	return 0;
}

static long ends_thread(void)
{
	syscall(SYS_exit, 0);
	return 0;
}

static void time_is_up(int mode)
{
	struct run_call call = call_of(never_ends, 0);
	struct stalker *s = start(run_spin, mode);
	uint64_t value;

	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    30, &value),
			 -ETIMEDOUT);
	assert_false(traced_thread(s->d)->running);
	run_for_a_while(s, 1000);
	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    30, &value),
			 -ETIMEDOUT);
	stalker_exits(s);
	assert_spun(s);
	assert_true(s->d->shared->v[6] > 0);
	stalker_free(s);
}

static void function_never_ends(void **state)
{
	(void)state;
	time_is_up(NATIVELY);
	time_is_up(MODE_NONE);
}

static void thread_ends(int mode)
{
	struct run_call call = call_of(ends_thread, 0);
	struct stalker *s = start(run_two, mode);
	uint64_t value;

	assert_int_equal(translate_run_sync(s->d->t, other_thread(s), &call,
					    20000, &value),
			 -ESRCH);
	stalker_free(s);
}

static void thread_ends_in_function(void **state)
{
	(void)state;
	thread_ends(NATIVELY);
	thread_ends(MODE_NONE);
}

/* --- following ends meanwhile
 * ---------------------------------------------------- */

static void followed_no_more(void **state)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_spin, MODE_NONE);
	struct told t = { 0 };

	(void)state;
	target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1, NULL);
	translate_run(s->d->t, traced_thread(s->d), &call, ended, &t);
	assert_int_equal(traced_run(s->d, 0).kind, STOP_SWBREAK);
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1);
	translate_unfollow(s->d->t, s->p);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	pump_until(s, &t);
	assert_told(&t, traced_thread(s->d)->id);
	stalker_exits(s);
	assert_spun(s);
	stalker_free(s);
}

static void let_go(int mode)
{
	struct run_call call = call_of(never_ends, 0);
	struct stalker *s = start(run_spin, mode);
	struct told t = { 0 };

	translate_run(s->d->t, traced_thread(s->d), &call, ended, &t);
	run_for_a_while(s, 2000);
	s->d->t->ops->detach(s->d->t, s->p, 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.r, -ECANCELED);
	s->d->shared->v[V_END] = 1;
	/* The target may have waited for its end. */
	for (int i = 0; i < 2000 && !s->d->shared->v[V_ENDED]; i++)
		usleep(10000);
	assert_int_equal(s->d->shared->v[V_ENDED], 1);
	assert_spun(s);
	stalker_free(s);
}

static void process_is_let_go(void **state)
{
	(void)state;
	let_go(NATIVELY);
	let_go(MODE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_never_ends),
		cmocka_unit_test(thread_ends_in_function),
		cmocka_unit_test(followed_no_more),
		cmocka_unit_test(process_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
