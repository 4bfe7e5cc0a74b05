/* Stalker's tests of invalidation, trust and prefetching. */
#include "test/translate/stalker.h"

#include "translate/inspect.h"
#include "translate/probe.h"
#include "translate/transform.h"

/* --- code that is run and changed on demand --------------------------------
 */

enum { V_RESULT, V_CODE, V_COMMAND, V_DONE, V_VALUE };
enum command { NOTHING, RUN, CHANGE };

/* clang-format off */
SNIPPET(steady,
	"mov $1, %eax\n"
	"add $2, %eax\n"
	"ret");
/* clang-format on */

/* mov $value, %eax; ret */
static void generate(uint8_t *code, long value)
{
	const uint8_t bytes[] = { 0xb8, (uint8_t)value, 0, 0, 0, 0xc3 };

	memcpy(code, bytes, sizeof(bytes));
}

static void obey(struct traced_shared *s)
{
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	generate(code, 1);
	s->v[V_CODE] = (long)code;
	s->ready = 1;
	traced_wait_for(&s->go);
	while (!s->v[V_END]) {
		if (s->v[V_COMMAND] == RUN)
			s->v[V_RESULT] = snippet_call((char *)code, NULL, 0) +
					 snippet_call(steady, NULL, 0);
		else if (s->v[V_COMMAND] == CHANGE)
			generate(code, s->v[V_VALUE]);
		else
			continue;
		s->v[V_COMMAND] = NOTHING;
		s->v[V_DONE]++;
	}
}

static struct stalker *start(int trust)
{
	struct stalker *s = calloc(1, sizeof(*s));
	struct err e = { 0 };

	stalker_attach(s, obey);
	assert_int_equal(translate_trust(s->d->t, trust), 0);
	assert_int_equal(translate_follow(s->d->t, s->p, MODE_NONE, &e), 0);
	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	return s;
}

static void command(struct stalker *s, enum command what, long value)
{
	volatile long *v = s->d->shared->v;
	long until = v[V_DONE] + 1;
	struct stop st;

	v[V_VALUE] = value;
	v[V_COMMAND] = what;
	while (v[V_DONE] < until)
		assert_int_equal(s->d->t->ops->next_event(s->d->t, &st, true),
				 0);
}

/* What the generated code returns. */
static long run(struct stalker *s)
{
	command(s, RUN, 0);
	return s->d->shared->v[V_RESULT] - 3;
}

static void ends(struct stalker *s)
{
	stalker_exits(s);
	stalker_free(s);
}

/* --- trust ------------------------------------------------------------------
 */

static void
self_modifying_code_should_be_detected_with_threshold_minus_one(void **state)
{
	struct stalker *s = start(TRUST_NEVER);

	(void)state;
	for (long i = 1; i < 20; i++) {
		command(s, CHANGE, i);
		for (int n = 0; n < 5; n++)
			assert_int_equal(run(s), i);
	}
	assert_int_equal(translate_stats(s->d->t)->trusted, 0);
	ends(s);
}

static void
self_modifying_code_should_not_be_detected_with_threshold_zero(void **state)
{
	struct stalker *s = start(0);

	(void)state;
	assert_int_equal(run(s), 1);
	command(s, CHANGE, 2);
	assert_int_equal(run(s), 1);
	/* Before it is said. */
	traced_stop(s->d);
	translate_invalidate(s->d->t, s->p, (uint64_t)s->d->shared->v[V_CODE],
			     (uint64_t)s->d->shared->v[V_CODE] + 6);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	assert_int_equal(run(s), 2);
	assert_int_equal(translate_stats(s->d->t)->gates, 0);
	ends(s);
}

static void
self_modifying_code_should_be_detected_with_threshold_one(void **state)
{
	struct stalker *s = start(1);

	(void)state;
	assert_int_equal(run(s), 1);
	/* Each time that it has changed it is to be trusted anew. */
	for (long i = 2; i < 6; i++) {
		command(s, CHANGE, i);
		assert_int_equal(run(s), i);
	}
	assert_int_equal(run(s), 5);
	command(s, CHANGE, 6);
	assert_int_equal(run(s), 5);
	assert_true(translate_stats(s->d->t)->trusted >= 1);
	ends(s);
}

static void trust_is_changed_meanwhile(void **state)
{
	struct stalker *s = start(0);

	(void)state;
	assert_int_equal(translate_trust(s->d->t, -2), -EINVAL);
	assert_int_equal(run(s), 1);
	traced_stop(s->d);
	assert_int_equal(translate_trust(s->d->t, TRUST_NEVER), 0);
	assert_int_equal(translate_get_trust(s->d->t), TRUST_NEVER);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	assert_int_equal(run(s), 1);
	command(s, CHANGE, 2);
	assert_int_equal(run(s), 2);
	ends(s);
}

/* --- invalidation ----------------------------------------------------------
 */

struct seen {
	unsigned compiled, added, hits;
	bool grows;
};

/* lea 10(%rax), %eax before the return, from the second time on. */
static void transform(void *user, struct transform *it)
{
	static const uint8_t add[] = { 0x8d, 0x40, 0x0a };
	struct seen *seen = user;
	struct transform_insn i;

	while (transform_next(it, &i)) {
		seen->compiled += i.pc == (uintptr_t)steady;
		if (seen->grows && i.pc == (uintptr_t)steady_end - 1) {
			for (int n = 0; n < 100; n++)
				assert_int_equal(
					transform_put(it, add, sizeof(add)), 0);
			seen->added++;
		}
		transform_keep(it);
	}
}

static void invalidate_steady(struct target *t, struct process *p)
{
	translate_invalidate(t, p, (uintptr_t)steady, (uintptr_t)steady_end);
}

static void at_probe(void *user, struct target *t, const struct probe_hit *h)
{
	struct seen *seen = user;

	seen->hits++;
	invalidate_steady(t, h->th->proc);
}

/* By the thread itself, as it is about to run it. */
static void invalidation_for_current_thread_should_be_supported(void **state)
{
	struct stalker *s = start(TRUST_NEVER);
	struct seen seen = { 0 };
	unsigned before;

	(void)state;
	assert_int_equal(run(s), 1);
	translate_probe_add(s->d->t, s->p, (uintptr_t)steady, at_probe, &seen);
	translate_transform(s->d->t, transform, &seen);
	assert_int_equal(run(s), 1);
	before = seen.compiled;
	assert_int_equal(run(s), 1);
	assert_int_equal(run(s), 1);
	assert_int_equal(seen.hits, 3);
	assert_true(seen.compiled >= before + 2);
	ends(s);
}

/* For one that is stopped: there is one cache for all. */
static void invalidation_for_specific_thread_should_be_supported(void **state)
{
	struct stalker *s = start(TRUST_NEVER);
	struct seen seen = { 0 };
	unsigned before;

	(void)state;
	translate_transform(s->d->t, transform, &seen);
	assert_int_equal(run(s), 1);
	before = seen.compiled;
	assert_int_equal(run(s), 1);
	assert_int_equal(seen.compiled, before);
	for (unsigned i = 1; i < 10; i++) {
		traced_stop(s->d);
		invalidate_steady(s->d->t, s->p);
		traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
		assert_int_equal(run(s), 1);
		assert_true(seen.compiled >= before + i);
	}
	ends(s);
}

static void invalidation_should_allow_block_to_grow(void **state)
{
	struct stalker *s = start(TRUST_NEVER);
	struct seen seen = { 0 };

	(void)state;
	translate_transform(s->d->t, transform, &seen);
	assert_int_equal(run(s), 1);
	traced_stop(s->d);
	seen.grows = true;
	invalidate_steady(s->d->t, s->p);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	assert_int_equal(run(s), 1001);
	assert_true(seen.added > 0);
	ends(s);
}

/* --- prefetching ------------------------------------------------------------
 */

static bool is_translated(struct stalker *s)
{
	struct translate_code code;

	return translate_inspect(s->d->t, s->p, (uintptr_t)steady, &code) == 0;
}

static void prefetch(void **state)
{
	struct stalker *s = start(TRUST_NEVER);
	struct seen seen = { 0 };

	(void)state;
	translate_transform(s->d->t, transform, &seen);
	traced_stop(s->d);
	translate_flush(s->d->t, s->p);
	seen.compiled = 0;
	assert_false(is_translated(s));
	assert_int_equal(translate_prefetch(s->d->t, s->p, (uintptr_t)steady),
			 0);
	assert_true(is_translated(s));
	assert_int_equal(seen.compiled, 1);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	assert_int_equal(run(s), 1);
	assert_int_equal(seen.compiled, 1);
	ends(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			self_modifying_code_should_be_detected_with_threshold_minus_one),
		cmocka_unit_test(
			self_modifying_code_should_not_be_detected_with_threshold_zero),
		cmocka_unit_test(
			self_modifying_code_should_be_detected_with_threshold_one),
		cmocka_unit_test(trust_is_changed_meanwhile),
		cmocka_unit_test(
			invalidation_for_current_thread_should_be_supported),
		cmocka_unit_test(
			invalidation_for_specific_thread_should_be_supported),
		cmocka_unit_test(invalidation_should_allow_block_to_grow),
		cmocka_unit_test(prefetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
