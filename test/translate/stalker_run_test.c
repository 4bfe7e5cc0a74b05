/* Stalker's group RunOnThread, and what it leaves out; each natively (traced,
 * and not followed) and followed. */
#include "test/translate/running.h"

#include <stdatomic.h>
#include <time.h>

#include "target/syscalls.h"
#include "translate/probe.h"

/* --- the four ----------------------------------------------------------------
 */

/* From the thread itself, which has come to a probe. */
struct current {
	struct told told;
	int r, calls;
	bool sync;
};

static void at_probe(void *user, struct target *t, const struct probe_hit *h)
{
	struct current *c = user;
	struct run_call call = call_of(add_six, 6);

	c->calls++;
	if (c->sync)
		c->r = translate_run_sync(t, h->th, &call, 20000,
					  &c->told.value);
	else
		c->r = translate_run(t, h->th, &call, ended, &c->told);
	if (c->sync)
		assert_int_equal(here->v[6], 1);
}

static void on_current(bool sync)
{
	struct stalker *s = stalker_begin(run_spin, MODE_NONE);
	struct current c = { .sync = sync };

	here = s->d->shared;
	translate_probe_add(s->d->t, s->p, (uintptr_t)spin, at_probe, &c);
	stalker_ends(s);
	assert_spun(s);
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.r, 0);
	assert_int_equal(c.told.value, 654321);
	assert_int_equal(s->d->shared->v[7], s->d->pid);
	assert_int_equal(s->d->shared->v[8], 1);
	stalker_followed(s);
	stalker_free(s);
}

static void run_on_thread_current(void **state)
{
	(void)state;
	on_current(false);
}

static void run_on_thread_current_sync(void **state)
{
	(void)state;
	on_current(true);
}

static void on_other(int mode)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_two, mode);
	struct told first = { 0 }, other = { 0 };
	struct thread *th;

	run_for_a_while(s, 3000);
	th = traced_thread(s->d);
	assert_int_equal(translate_run(s->d->t, th, &call, ended, &first), 0);
	th = other_thread(s);
	assert_int_equal(translate_run(s->d->t, th, &call, ended, &other), 0);
	pump_until(s, &first);
	pump_until(s, &other);
	assert_told(&first, traced_thread(s->d)->id);
	assert_told(&other, other_thread(s)->id);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->d->shared->v[6], 2);
	assert_int_equal(s->d->shared->v[8], 1);
	/* The call that it waited in was made again. */
	assert_int_equal(s->d->shared->v[1], 1);
	assert_int_equal(s->d->shared->v[2], 'x');
	stalker_free(s);
}

static void run_on_thread_other(void **state)
{
	(void)state;
	on_other(NATIVELY);
	on_other(MODE_NONE);
	on_other(MODE_COUNT);
}

static void on_other_sync(int mode)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_two, mode);
	uint64_t value = 0;

	/* Stopped, and still so afterwards. */
	assert_int_equal(translate_run_sync(s->d->t, other_thread(s), &call,
					    20000, &value),
			 0);
	assert_int_equal(value, 654321);
	assert_int_equal(s->d->shared->v[7], s->d->shared->v[5]);
	assert_false(other_thread(s)->running);
	assert_false(traced_thread(s->d)->running);
	value = 0;
	run_for_a_while(s, 3000);
	/* And while they run. */
	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    20000, &value),
			 0);
	assert_int_equal(value, 654321);
	assert_int_equal(s->d->shared->v[7], s->d->pid);
	assert_true(traced_thread(s->d)->running);
	assert_int_equal(translate_run_sync(s->d->t, other_thread(s), &call,
					    20000, &value),
			 0);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->d->shared->v[6], 3);
	assert_int_equal(s->d->shared->v[1], 1);
	stalker_free(s);
}

static void run_on_thread_other_sync(void **state)
{
	(void)state;
	on_other_sync(NATIVELY);
	on_other_sync(MODE_NONE);
	on_other_sync(MODE_TRACE);
}

/* --- what comes in between
 * ---------------------------------------------------- */

static long raises(void)
{
	raise(SIGUSR1);
	return 77;
}

static volatile sig_atomic_t signals;

static void handler(int signo)
{
	(void)signo;
	signals++;
}

static void run_handling(struct traced_shared *s)
{
	signal(SIGUSR1, handler);
	run_spin(s);
	s->v[3] = signals;
}

static void raise_meanwhile(int mode)
{
	struct run_call call = call_of(raises, 0);
	struct stalker *s = start(run_handling, mode);
	uint64_t value;

	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    20000, &value),
			 0);
	assert_int_equal(value, 77);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->native[3], 0);
	assert_int_equal(s->d->shared->v[3], 1);
	stalker_free(s);
}

static void signal_meanwhile(void **state)
{
	(void)state;
	raise_meanwhile(NATIVELY);
	raise_meanwhile(MODE_NONE);
}

static void stop_meanwhile(int mode, bool told)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_spin, mode);
	struct told t = { 0 };
	uint64_t value;
	struct stop st;

	target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1, NULL);
	if (told) {
		assert_int_equal(translate_run(s->d->t, traced_thread(s->d),
					       &call, ended, &t),
				 0);
		st = traced_run(s->d, 0);
	} else {
		assert_int_equal(translate_run_sync(s->d->t,
						    traced_thread(s->d), &call,
						    20000, &value),
				 -EINTR);
		st = traced_event(s->d);
	}
	assert_int_equal(st.kind, STOP_SWBREAK);
	assert_int_equal(stalker_reg(s->d->t, traced_thread(s->d), "rip"),
			 (uintptr_t)add_six);
	assert_int_equal(stalker_reg(s->d->t, traced_thread(s->d), "rdi"), 1);
	assert_int_equal(
		translate_run(s->d->t, traced_thread(s->d), &call, NULL, NULL),
		-EBUSY);
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1);
	stalker_ends(s);
	assert_spun(s);
	assert_int_equal(t.n, told);
	assert_int_equal(s->d->shared->v[6], 1);
	stalker_free(s);
}

static void breakpoint_meanwhile(void **state)
{
	(void)state;
	stop_meanwhile(NATIVELY, true);
	stop_meanwhile(MODE_NONE, true);
	stop_meanwhile(NATIVELY, false);
	stop_meanwhile(MODE_NONE, false);
}

/* Again and again, at places of chance. */
static void many_times(void **state)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_two, MODE_NONE);
	uint64_t value;
	long n = 0;

	(void)state;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (; n < 400 && process_find(s->d->t, s->d->pid); n++) {
		value = 0;
		assert_int_equal(translate_run_sync(s->d->t,
						    n % 4 ? traced_thread(s->d)
							  : other_thread(s),
						    &call, 20000, &value),
				 0);
		assert_int_equal(value, 654321);
	}
	assert_int_equal(n, 400);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->d->shared->v[1], 1);
	stalker_free(s);
}

static void run_calling(struct traced_shared *s)
{
	here = s;
	s->ready = 1;
	traced_wait_for(&s->go);
	do
		s->v[0] += syscall(SYS_getppid) < 0;
	while (!s->v[V_END]);
}

/* With others caught, each call of it is one that it may be halted at. */
static void amid_calls(int mode)
{
	const uint32_t caught = SYS_reboot;
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_calling, mode);
	struct target *t = s->d->t;

	t->ops->syscall->catch(t, s->p, syscall_set_new(&caught, 1));
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (unsigned i = 0; i < 200; i++) {
		struct told told = { 0 };

		assert_int_equal(translate_run(t, traced_thread(s->d), &call,
					       ended, &told),
				 0);
		pump_until(s, &told);
		assert_told(&told, traced_thread(s->d)->id);
	}
	stalker_exits(s);
	assert_int_equal(s->d->shared->v[0], 0);
	stalker_free(s);
}

static void calls_are_made(void **state)
{
	(void)state;
	amid_calls(NATIVELY);
	amid_calls(MODE_NONE);
}

static void refused(void **state)
{
	struct run_call call = call_of(add_six, RUN_ARGS_MAX + 1);
	struct stalker *s = start(run_spin, NATIVELY);

	(void)state;
	assert_int_equal(
		translate_run(s->d->t, traced_thread(s->d), &call, NULL, NULL),
		-EINVAL);
	stalker_ends(s);
	assert_spun(s);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_on_thread_current),
		cmocka_unit_test(run_on_thread_current_sync),
		cmocka_unit_test(run_on_thread_other),
		cmocka_unit_test(run_on_thread_other_sync),
		cmocka_unit_test(signal_meanwhile),
		cmocka_unit_test(breakpoint_meanwhile),
		cmocka_unit_test(many_times),
		cmocka_unit_test(calls_are_made),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
