/*
 * Single threads of a process are followed, the others run their original code:
 * what Stalker always does, and tests by follow_thread and create_thread alone.
 */
#include "test/translate/two_threads.h"

#include "translate/events.h"
#include "translate/inspect.h"
#include "translate/probe.h"
#include "translate/record.h"
#include "translate/transform.h"

#define N_MODES 4

static int other(int which)
{
	return which == V_FIRST ? V_SECOND : V_FIRST;
}

static bool is_followed(struct stalker *s, int which)
{
	struct translate_thread state;

	return translate_thread_state(two_thread(s, which), &state);
}

/* --- only that one ---------------------------------------------------------
 */

struct compiled {
	unsigned of[V_SECOND + 1];
};

static void note_code(void *user, struct transform *it)
{
	struct compiled *c = user;
	struct transform_insn i;

	while (transform_next(it, &i)) {
		c->of[V_FIRST] += IN_SNIPPET(first_code, i.pc);
		c->of[V_SECOND] += IN_SNIPPET(second_code, i.pc);
		transform_keep(it);
	}
}

static void one_of_two(int which, int mode)
{
	struct stalker *s = two_start(which, mode);
	struct compiled c = { 0 };

	translate_transform(s->d->t, note_code, &c);
	two_turns(s);
	assert_true(is_followed(s, which));
	assert_false(is_followed(s, other(which)));
	assert_true(c.of[which] > 0);
	assert_int_equal(c.of[other(which)], 0);
	two_halt(s);
	two_unfollow(s, which);
	assert_false(stalker_has_ours(s->d->pid, 0));
	assert_null(translate_space(s->p));
	two_run(s);
	two_turns(s);
	two_ends(s);
}

static void only_that_one(void **state)
{
	(void)state;
	for (int mode = 0; mode < N_MODES; mode++) {
		one_of_two(V_FIRST, mode);
		one_of_two(V_SECOND, mode);
	}
}

struct sources {
	pid_t first;
	unsigned n[V_SECOND + 1];
};

static void count_source(void *user, struct ptid who,
			 const struct translate_event *all, size_t n)
{
	struct sources *c = user;

	(void)all;
	c->n[who.tid == c->first ? V_FIRST : V_SECOND] += n;
}

static struct sources events_of_turns(struct stalker *s, struct sources *c)
{
	struct sources before, now;

	two_halt(s);
	translate_drain(s->d->t);
	before = *c;
	two_run(s);
	two_turns(s);
	two_halt(s);
	translate_drain(s->d->t);
	now = *c;
	two_run(s);
	now.n[V_FIRST] -= before.n[V_FIRST];
	now.n[V_SECOND] -= before.n[V_SECOND];
	return now;
}

/* One, both, the other, one by one. */
static void events_are_of_who_is_followed(void **state)
{
	struct stalker *s = two_attach();
	struct sources c = { .first = s->d->pid }, now;
	const struct translate_sink sink = { EVENT_CALL, count_source, &c };

	(void)state;
	translate_set_sink(s->d->t, &sink);
	two_follow(s, V_FIRST, MODE_TRACE, false);
	two_run(s);
	now = events_of_turns(s, &c);
	assert_true(now.n[V_FIRST] > 2 * CALLS && !now.n[V_SECOND]);
	two_halt(s);
	two_follow(s, V_SECOND, MODE_TRACE, false);
	two_run(s);
	now = events_of_turns(s, &c);
	assert_true(now.n[V_FIRST] > 2 * CALLS && now.n[V_SECOND] > 2 * CALLS);
	two_halt(s);
	two_unfollow(s, V_FIRST);
	two_run(s);
	now = events_of_turns(s, &c);
	assert_true(!now.n[V_FIRST] && now.n[V_SECOND] > 2 * CALLS);
	two_ends(s);
}

static void in_one_mode(void **state)
{
	struct stalker *s = two_attach();
	struct err e = { 0 };

	(void)state;
	two_follow(s, V_FIRST, MODE_COUNT, false);
	assert_int_equal(translate_follow_thread(s->d->t,
						 two_thread(s, V_SECOND),
						 MODE_NONE, false, &e),
			 -EEXIST);
	assert_int_equal(translate_follow(s->d->t, s->p, MODE_NONE, &e),
			 -EEXIST);
	assert_false(is_followed(s, V_SECOND));
	assert_int_equal(translate_follow(s->d->t, s->p, MODE_COUNT, &e), 0);
	assert_true(is_followed(s, V_SECOND));
	two_run(s);
	two_turns(s);
	two_ends(s);
}

/* --- code that changes -----------------------------------------------------
 */

static void changed_beside(int which, int mode)
{
	struct stalker *s = two_start(which, mode);

	two_turns(s);
	for (int i = 0; i < 2; i++) {
		two_task(s, other(which), WRITE);
		two_task(s, other(which), WRITE);
		two_task(s, other(which), PROTECT);
		two_task(s, other(which), MAP);
		two_task(s, other(which), MAP);
	}
	assert_true(translate_stats(s->d->t)->calls_beside >= 14);
	/* And the other way round. */
	two_task(s, which, MAP);
	two_task(s, which, PROTECT);
	two_task(s, other(which), PROTECT);
	two_ends(s);
}

static void bystander_changes_code(void **state)
{
	(void)state;
	for (int mode = 0; mode < N_MODES; mode++)
		changed_beside(mode % 2 ? V_FIRST : V_SECOND, mode);
}

/* Who makes the call is followed in the midst of it, or no more. */
static void changed_as_they_change_places(void **state)
{
	struct stalker *s = two_start(V_FIRST, MODE_NONE);
	int which = V_FIRST;

	(void)state;
	for (int i = 0; i < 24; i++) {
		long n = s->d->shared->v[V_DONE] + 1;

		s->d->shared->v[V_TASK] = (i % 4 < 2 ? V_FIRST : V_SECOND)
						  << 8 |
					  (i % 3 ? MAP : PROTECT);
		two_pump(s, (unsigned)i % 10);
		two_halt(s);
		two_follow(s, other(which), MODE_NONE, false);
		two_unfollow(s, which);
		which = other(which);
		two_run(s);
		two_until(s, two_done, n);
	}
	two_ends(s);
}

/* --- what they make --------------------------------------------------------
 */

static void makes_thread(int by, bool alone, bool followed)
{
	struct stalker *s = two_attach();
	struct translate_thread state;
	struct thread *th;

	two_follow(s, V_FIRST, MODE_NONE, alone);
	two_run(s);
	two_task(s, by, MAKE_THREAD);
	while (!s->d->shared->v[V_MADE])
		two_turns(s);
	th = thread_find(s->d->t, (pid_t)s->d->shared->v[V_MADE]);
	assert_non_null(th);
	assert_int_equal(translate_thread_state(th, &state), followed);
	two_ends(s);
}

static void create_thread(void **state)
{
	(void)state;
	makes_thread(V_FIRST, false, true);
	makes_thread(V_FIRST, true, false);
	makes_thread(V_SECOND, false, false);
}

/* A child knows nothing of its parent's breakpoints, ours or not. */
static void makes_process(int by, bool excluded)
{
	struct stalker *s = two_start(V_FIRST, MODE_NONE);

	if (excluded) {
		two_halt(s);
		translate_exclude(s->d->t, s->p, (uintptr_t)both_call,
				  (uintptr_t)both_call_end, true);
		two_run(s);
	}
	two_turns(s);
	two_task(s, by, FORK);
	two_task(s, by, FORK);
	two_turns(s);
	two_ends(s);
}

static void fork_beside(void **state)
{
	(void)state;
	makes_process(V_FIRST, false);
	makes_process(V_SECOND, false);
	makes_process(V_FIRST, true);
	makes_process(V_SECOND, true);
}

/* Its program is followed if it was. */
static void executes(int by, int followed)
{
	struct stalker *s = two_start(followed, MODE_NONE);
	struct stop st;

	two_turns(s);
	s->d->shared->v[V_TASK] = (long)by << 8 | EXEC;
	st = traced_event(s->d);
	assert_int_equal(st.kind, STOP_EXITED);
	assert_int_equal(st.code, 0);
	assert_int_equal(translate_stats(s->d->t)->threads,
			 by == followed ? 2 : 1);
	stalker_free(s);
}

static void exec_of_either(void **state)
{
	(void)state;
	executes(V_FIRST, V_FIRST);
	executes(V_FIRST, V_SECOND);
	executes(V_SECOND, V_FIRST);
	executes(V_SECOND, V_SECOND);
}

/* --- stops ------------------------------------------------------------------
 */

static uint64_t pc_of(struct stalker *s, struct thread *th)
{
	return stalker_reg(s->d->t, th, "rip");
}

static void step(struct stalker *s, struct ptid id)
{
	const struct resume act = { .who = id, .kind = RESUME_STEP };
	struct stop st;

	target_resume(s->d->t, &act, 1);
	st = traced_event(s->d);
	assert_int_equal(st.kind, STOP_STEP);
	assert_int_equal(st.id.tid, id.tid);
}

/* Stops at the breakpoint until both have met it so often. */
static void hit_by_both(int which, int mode)
{
	struct stalker *s = two_start(which, mode);
	unsigned first = 0, second = 0;
	struct stop st;

	two_turns(s);
	two_halt(s);
	target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)both_call, 1,
			 NULL);
	while (first < 20 || second < 20) {
		two_run(s);
		st = traced_event(s->d);
		two_halt(s);
		assert_int_equal(st.kind, STOP_SWBREAK);
		first += st.id.tid == s->d->pid;
		second += st.id.tid == s->d->shared->v[V_TID];
		assert_int_equal(pc_of(s, thread_find(s->d->t, st.id.tid)),
				 (uintptr_t)both_call);
		target_point_clear(s->d->t, s->p, POINT_SW,
				   (uintptr_t)both_call, 1);
		step(s, st.id);
		assert_int_equal(pc_of(s, thread_find(s->d->t, st.id.tid)),
				 (uintptr_t)both_call + 4);
		target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)both_call,
				 1, NULL);
	}
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)both_call, 1);
	two_run(s);
	two_ends(s);
}

static void breakpoint_of_both(void **state)
{
	(void)state;
	for (int mode = 0; mode < N_MODES; mode++)
		hit_by_both(mode % 2 ? V_FIRST : V_SECOND, mode);
}

static void interrupts(void **state)
{
	struct stalker *s = two_start(V_SECOND, MODE_COUNT);
	struct stop st;

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct thread *th = two_thread(s, i % 2 ? V_FIRST : V_SECOND);
		struct ptid id = th->id;

		s->d->t->ops->interrupt(s->d->t, id);
		st = traced_event(s->d);
		assert_int_equal(st.id.tid, id.tid);
		assert_int_equal(st.kind, STOP_SIGNAL);
		assert_int_equal(st.signo, 0);
		assert_false(stalker_has_ours(s->d->pid, pc_of(s, th)));
		step(s, id);
		assert_false(stalker_has_ours(s->d->pid, pc_of(s, th)));
		traced_resume(s->d, id, 0);
	}
	two_turns(s);
	two_ends(s);
}

/* Breakpoints of ours, where calls into excluded code return to. */
static void excluded_beside(void **state)
{
	struct stalker *s = two_start(V_FIRST, MODE_NONE);

	(void)state;
	two_halt(s);
	translate_exclude(s->d->t, s->p, (uintptr_t)both_call,
			  (uintptr_t)both_call_end, true);
	two_follow(s, V_SECOND, MODE_NONE, false);
	two_run(s);
	two_turns(s);
	two_halt(s);
	two_unfollow(s, V_FIRST);
	two_run(s);
	two_turns(s);
	assert_true(translate_stats(s->d->t)->excluded_calls > 10);
	two_halt(s);
	two_unfollow(s, V_SECOND);
	two_run(s);
	two_turns(s);
	two_ends(s);
}

/* --- leaving ---------------------------------------------------------------
 */

static void leave_at_hit(void *user, struct target *t,
			 const struct probe_hit *h)
{
	++*(int *)user;
	translate_unfollow_thread(t, h->th);
}

static bool is_one_alone(struct stalker *s, long hits)
{
	return *(int *)hits >= 1 &&
	       is_followed(s, V_FIRST) + is_followed(s, V_SECOND) < 2;
}

static bool is_none(struct stalker *s, long unused)
{
	(void)unused;
	return !translate_space(s->p);
}

static void unfollowed_by_callbacks(void **state)
{
	struct stalker *s = two_attach();
	struct err e = { 0 };
	int hits = 0;

	(void)state;
	assert_int_equal(translate_follow(s->d->t, s->p, MODE_NONE, &e), 0);
	translate_probe_add(s->d->t, s->p, (uintptr_t)both_call, leave_at_hit,
			    &hits);
	two_run(s);
	two_until(s, is_one_alone, (long)&hits);
	two_until(s, is_none, 0);
	assert_int_equal(hits, 2);
	assert_false(stalker_has_ours(s->d->pid, 0));
	two_turns(s);
	two_ends(s);
}

static void detached(int which)
{
	struct stalker *s = two_start(which, MODE_NONE);
	struct traced_shared *shared = s->d->shared;
	long first, second_turns;

	two_turns(s);
	s->d->t->ops->detach(s->d->t, s->p, 0);
	assert_false(stalker_has_ours(s->d->pid, 0));
	first = shared->v[V_FIRST];
	second_turns = shared->v[V_SECOND];
	while (shared->v[V_FIRST] < first + 3 ||
	       shared->v[V_SECOND] < second_turns + 3)
		usleep(1000);
	assert_int_equal(shared->v[V_WRONG], 0);
	shared->v[V_END] = 1;
	stalker_free(s);
}

static void detach_of_both_kinds(void **state)
{
	(void)state;
	detached(V_FIRST);
	detached(V_SECOND);
}

/* Which of them are, by two bits, at places of chance. */
static void many_times(void **state)
{
	struct stalker *s = two_start(V_FIRST, MODE_COUNT);

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		unsigned now = (i * 7 ^ i >> 2) & 3;

		two_halt(s);
		for (int which = V_FIRST; which <= V_SECOND; which++) {
			if (now & (unsigned)which)
				two_follow(s, which, MODE_COUNT, false);
			else
				two_unfollow(s, which);
			assert_int_equal(is_followed(s, which),
					 (now & (unsigned)which) != 0);
		}
		two_run(s);
		two_pump(s, (unsigned)i % 20);
	}
	two_ends(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_that_one),
		cmocka_unit_test(events_are_of_who_is_followed),
		cmocka_unit_test(in_one_mode),
		cmocka_unit_test(bystander_changes_code),
		cmocka_unit_test(changed_as_they_change_places),
		cmocka_unit_test(create_thread),
		cmocka_unit_test(fork_beside),
		cmocka_unit_test(exec_of_either),
		cmocka_unit_test(breakpoint_of_both),
		cmocka_unit_test(interrupts),
		cmocka_unit_test(excluded_beside),
		cmocka_unit_test(unfollowed_by_callbacks),
		cmocka_unit_test(detach_of_both_kinds),
		cmocka_unit_test(many_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
