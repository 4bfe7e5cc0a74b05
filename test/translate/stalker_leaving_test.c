/* Stalker's tests of leaving: unfollow, at odd moments, and what is left. */
#include "test/translate/stalker.h"

#include <pthread.h>
#include <stdio.h>

#include "translate/events.h"
#include "translate/probe.h"
#include "translate/record.h"
#include "translate/transform.h"

/* clang-format off */
SNIPPET(two_blocks,
	"mov $1, %eax\n"
	"add $2, %eax\n"
	"jmp two_blocks_second\n"
"two_blocks_second:\n"
	"add $10, %eax\n"
	"add $20, %eax\n"
	"ret");
/* clang-format on */

extern const char two_blocks_second[];

static void run_two_blocks(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < 100; i++)
		s->v[0] += snippet_call(two_blocks, NULL, 0);
	s->v[1] = getpid() == syscall(SYS_getpid);
	while (!s->v[V_END])
		;
}

/* --- from within the transformer -------------------------------------------
 */

enum moment { BEFORE, MID, AFTER };

struct leaver {
	struct stalker *s;
	const char *block;
	enum moment when;
	int left, later; /* calls of the transformer since */
};

static void leave(struct leaver *l)
{
	translate_unfollow(l->s->d->t, l->s->p);
	l->left++;
}

static void leave_in_transformer(void *user, struct transform *it)
{
	struct leaver *l = user;
	struct transform_insn i;
	bool is_it = false, first = true;

	l->later += l->left;
	while (transform_next(it, &i)) {
		is_it = is_it || (first && i.pc == (uintptr_t)l->block);
		if (is_it && first && l->when == BEFORE)
			leave(l);
		if (is_it && !first && l->when == MID && !l->left)
			leave(l);
		transform_keep(it);
		first = false;
	}
	if (is_it && l->when == AFTER && !l->left)
		leave(l);
}

static void unfollow_in(const char *block, enum moment when)
{
	struct stalker *s = stalker_begin(run_two_blocks, MODE_NONE);
	struct leaver l = { .s = s, .block = block, .when = when };
	struct stop st;

	translate_transform(s->d->t, leave_in_transformer, &l);
	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	while (!l.left)
		assert_int_equal(s->d->t->ops->next_event(s->d->t, &st, true),
				 0);
	assert_false(stalker_has_ours(s->d->pid, 0));
	s->d->shared->v[V_END] = 1;
	st = traced_event(s->d);
	assert_int_equal(st.kind, STOP_EXITED);
	assert_int_equal(st.code, 0);
	assert_int_equal(s->d->shared->v[0], 3300);
	assert_int_equal(s->d->shared->v[1], 1);
	assert_int_equal(s->native[0], 3300);
	assert_int_equal(l.left, 1);
	assert_int_equal(l.later, 0);
	stalker_free(s);
}

static void unfollow_should_be_allowed_before_first_transform(void **state)
{
	(void)state;
	unfollow_in(two_blocks, BEFORE);
}

static void unfollow_should_be_allowed_mid_first_transform(void **state)
{
	(void)state;
	unfollow_in(two_blocks, MID);
}

static void unfollow_should_be_allowed_after_first_transform(void **state)
{
	(void)state;
	unfollow_in(two_blocks, AFTER);
}

static void unfollow_should_be_allowed_before_second_transform(void **state)
{
	(void)state;
	unfollow_in(two_blocks_second, BEFORE);
}

static void unfollow_should_be_allowed_mid_second_transform(void **state)
{
	(void)state;
	unfollow_in(two_blocks_second, MID);
}

static void unfollow_should_be_allowed_after_second_transform(void **state)
{
	(void)state;
	unfollow_in(two_blocks_second, AFTER);
}

/* --- no sink
 * ------------------------------------------------------------------ */

static void follow_me_should_support_nullable_event_sink(void **state)
{
	struct translate_sink sink = {
		.mask = EVENT_CALL | EVENT_RET | EVENT_EXEC | EVENT_BLOCK |
			EVENT_COMPILE,
	};
	struct stalker *s;

	(void)state;
	/* No sink was ever set; and one that has no function. */
	s = stalker_begin(run_two_blocks, MODE_TRACE);
	stalker_ends(s);
	stalker_same(s);
	stalker_free(s);
	s = stalker_begin(run_two_blocks, -1);
	translate_set_sink(s->d->t, &sink);
	assert_int_equal(
		translate_follow(s->d->t, s->p, MODE_TRACE, &(struct err){ 0 }),
		0);
	stalker_ends(s);
	stalker_same(s);
	assert_true(translate_stats(s->d->t)->events > 100);
	stalker_free(s);
}

/* --- deep within calls
 * --------------------------------------------------------- */

#define DEPTH 500

__attribute__((noinline)) static long deep(struct traced_shared *s, int n)
{
	volatile long here = n;

	if (n == DEPTH) {
		s->v[2] = 1;
		while (!s->v[V_END])
			;
		return 0;
	}
	return deep(s, n + 1) + here;
}

static void run_deep(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = deep(s, 0);
}

/* The returns to come are all to original code. */
static void unfollow_deep(void **state)
{
	struct stalker *s = stalker_begin(run_deep, MODE_COUNT);
	struct stop st;

	(void)state;
	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	while (!s->d->shared->v[2])
		s->d->t->ops->next_event(s->d->t, &st, true);
	traced_stop(s->d);
	translate_unfollow(s->d->t, s->p);
	assert_false(stalker_has_ours(s->d->pid, 0));
	stalker_ends(s);
	assert_int_equal(s->d->shared->v[0], s->native[0]);
	stalker_free(s);
}

/* --- threads that end
 * ------------------------------------------------------------ */

static void *short_thread(void *arg)
{
	struct traced_shared *s = arg;

	s->v[3] = syscall(SYS_gettid);
	usleep((useconds_t)s->v[4]);
	return NULL;
}

static void run_threads(struct traced_shared *s)
{
	pthread_t t;

	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < 5; i++) {
		pthread_create(&t, NULL, short_thread, s);
		pthread_join(t, NULL);
		s->v[0]++;
	}
	while (!s->v[V_END])
		;
}

static void end_threads(long delay)
{
	struct stalker *s = stalker_begin(run_threads, MODE_COUNT);
	struct stop st;

	s->d->shared->v[4] = delay;
	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	while (s->d->shared->v[0] < 5)
		s->d->t->ops->next_event(s->d->t, &st, true);
	traced_stop(s->d);
	assert_null(thread_find(s->d->t, (pid_t)s->d->shared->v[3]));
	assert_true(translate_stats(s->d->t)->threads >= 6);
	translate_unfollow(s->d->t, s->p);
	assert_false(stalker_has_ours(s->d->pid, 0));
	stalker_ends(s);
	assert_int_equal(s->d->shared->v[0], s->native[0]);
	stalker_free(s);
}

static void unfollow_should_handle_terminated_thread(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		end_threads(i % 2 ? 0 : 2000);
}

/* --- from other callbacks, and interrupts
 * ------------------------------------------- */

static void leave_at_hit(void *user, struct target *t,
			 const struct probe_hit *h)
{
	translate_unfollow(t, h->th->proc);
	++*(int *)user;
}

static void unfollow_from_a_probe(void **state)
{
	struct stalker *s = stalker_begin(run_two_blocks, MODE_TRACE);
	int hits = 0;

	(void)state;
	translate_probe_add(s->d->t, s->p, (uintptr_t)two_blocks_second,
			    leave_at_hit, &hits);
	stalker_ends(s);
	stalker_same(s);
	assert_true(hits >= 1);
	stalker_free(s);
}

static void run_until_told(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	do {
		s->v[0] = snippet_call(two_blocks, NULL, 0);
	} while (!s->v[V_END]);
}

/* Right after it was resumed, while it stops for us. */
static void interrupts_are_answered(void **state)
{
	struct stalker *s = stalker_begin(run_until_told, MODE_NONE);

	(void)state;
	s->d->shared->go = 1;
	for (int i = 0; i < 100; i++) {
		traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
		traced_stop(s->d);
		if (i % 10 == 0)
			translate_transform(s->d->t, NULL, NULL);
	}
	stalker_ends(s);
	assert_int_equal(s->d->shared->v[0], 33);
	stalker_free(s);
}

static void run_fork(struct traced_shared *s)
{
	int status;
	pid_t pid;

	s->ready = 1;
	traced_wait_for(&s->go);
	pid = fork();
	if (!pid)
		_exit(3);
	s->v[0] = waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3;
}

/* It is told. */
static struct process *child_of(struct stalker *s)
{
	struct stop st;

	translate_follow_children(s->d->t, true, true);
	s->d->t->report_fork = true;
	s->d->shared->go = 1;
	st = traced_run(s->d, 0);
	assert_int_equal(st.kind, STOP_FORK);
	return process_find(s->d->t, st.child.pid);
}

static void end_both(struct stalker *s, struct process *child)
{
	s->d->t->ops->detach(s->d->t, child, 0);
	traced_ends(s->d);
	assert_int_equal(s->d->shared->v[0], 1);
	stalker_free(s);
}

/* Nobody would take it back. */
static void child_of_a_lent_thread_is_not_followed(void **state)
{
	struct stalker *s = stalker_begin(run_fork, -1);
	struct process *child;
	struct err e;

	(void)state;
	assert_int_equal(translate_lend(s->d->t, s->p, &e), 0);
	child = child_of(s);
	assert_null(translate_space(child));
	assert_false(stalker_has_ours(child->pid, 0));
	translate_take_back(s->d->t, s->p);
	assert_null(translate_space(s->p));
	end_both(s, child);
}

static void child_of_one_that_is_followed_too_is(void **state)
{
	struct stalker *s = stalker_begin(run_fork, -1);
	struct process *child;
	struct err e;

	(void)state;
	assert_int_equal(translate_lend(s->d->t, s->p, &e), 0);
	assert_int_equal(translate_follow(s->d->t, s->p, MODE_NONE, &e), 0);
	child = child_of(s);
	assert_non_null(translate_space(child));
	translate_take_back(s->d->t, s->p);
	assert_non_null(translate_space(s->p));
	end_both(s, child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			unfollow_should_be_allowed_before_first_transform),
		cmocka_unit_test(
			unfollow_should_be_allowed_mid_first_transform),
		cmocka_unit_test(
			unfollow_should_be_allowed_after_first_transform),
		cmocka_unit_test(
			unfollow_should_be_allowed_before_second_transform),
		cmocka_unit_test(
			unfollow_should_be_allowed_mid_second_transform),
		cmocka_unit_test(
			unfollow_should_be_allowed_after_second_transform),
		cmocka_unit_test(follow_me_should_support_nullable_event_sink),
		cmocka_unit_test(unfollow_deep),
		cmocka_unit_test(unfollow_should_handle_terminated_thread),
		cmocka_unit_test(unfollow_from_a_probe),
		cmocka_unit_test(interrupts_are_answered),
		cmocka_unit_test(child_of_a_lent_thread_is_not_followed),
		cmocka_unit_test(child_of_one_that_is_followed_too_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
