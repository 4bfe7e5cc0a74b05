/* activate and deactivate: the cache is left for a while, and kept. */
#include "test/translate/stalker.h"
#include "test/translate/ticking.h"

#include "translate/activate.h"
#include "translate/probe.h"

/* clang-format off */
SNIPPET(work,
	"push %rbx\n"
	"xor %ebx, %ebx\n"
"work_loop:\n"
	"call work_callee\n"
	"add %rax, %rbx\n"
	"dec %rsi\n"
	"jne work_loop\n"
	"mov %rbx, %rax\n"
	"pop %rbx\n"
	"ret\n"
"work_callee:\n"
	"mov $3, %eax\n"
	"ret");
SNIPPET(excluded,
	"mov $5, %eax\n"
	"ret");
/* clang-format on */

extern const char work_loop[], work_callee[];

#define LOOPS 10000

static long round_of(volatile long *generated)
{
	return snippet_call(work, NULL, LOOPS) +
	       snippet_call(excluded, NULL, 0) +
	       snippet_call((const char *)generated, NULL, 0);
}

/* v[10]: which code is to be generated; v[11]: which has been. */
static void generate(struct traced_shared *s, uint8_t *code)
{
	long which = s->v[10];
	const uint8_t bytes[] = { 0xb8, (uint8_t)which, 0, 0, 0, 0xc3 };

	if (which == s->v[11])
		return;
	memcpy(code, bytes, sizeof(bytes));
	__builtin___clear_cache((char *)code, (char *)code + sizeof(bytes));
	s->v[11] = which;
}

static void run_rounds(struct traced_shared *s)
{
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	code[0] = 0xb8;
	code[5] = 0xc3;
	ticking_take();
	s->ready = 1;
	traced_wait_for(&s->go);
	ticking_set(700);
	do {
		generate(s, code);
		if (round_of((volatile long *)code) !=
		    3l * LOOPS + 5 + s->v[11])
			s->v[1]++;
		s->v[2]++;
	} while (!s->v[V_END]);
	ticking_set(0);
	s->v[0] = 1;
}

static struct stalker *start(int mode)
{
	struct stalker *s = stalker_begin(run_rounds, mode);

	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	return s;
}

/* It runs for so many rounds more. */
static void rounds(struct stalker *s, long n)
{
	struct pollfd pfd = { .fd = s->d->t->ops->event_fd(s->d->t),
			      .events = POLLIN };
	long until = s->d->shared->v[2] + n;
	struct stop st;

	while (s->d->shared->v[2] < until) {
		assert_int_equal(s->d->t->ops->next_event(s->d->t, &st, true),
				 0);
		poll(&pfd, 1, 1);
	}
}

static void ends(struct stalker *s)
{
	stalker_exits(s);
	assert_int_equal(s->d->shared->v[0], 1);
	assert_int_equal(s->d->shared->v[1], 0);
}

static uint64_t entries(const struct stalker *s)
{
	return translate_stats(s->d->t)->entries;
}

static void left_and_come_back(int mode)
{
	struct stalker *s = start(mode);
	uint64_t blocks, before;

	rounds(s, 5);
	translate_deactivate(s->d->t, s->p);
	translate_deactivate(s->d->t, s->p);
	before = entries(s);
	blocks = translate_stats(s->d->t)->blocks;
	rounds(s, 20);
	/* Nothing is executed in the cache, signals or not. */
	assert_int_equal(entries(s), before);
	translate_activate(s->d->t, s->p, 0);
	rounds(s, 20);
	assert_true(entries(s) > before);
	/* What was translated was used again. */
	assert_true(translate_stats(s->d->t)->blocks < blocks + blocks / 2);
	assert_int_equal(translate_stats(s->d->t)->flushes, 0);
	ends(s);
	stalker_free(s);
}

static void deactivate_and_activate(void **state)
{
	(void)state;
	left_and_come_back(MODE_NONE);
	left_and_come_back(MODE_COUNT);
	left_and_come_back(MODE_TRACE);
}

static void code_changes_meanwhile(void **state)
{
	struct stalker *s = start(MODE_NONE);

	(void)state;
	for (int i = 1; i < 6; i++) {
		rounds(s, 3);
		translate_deactivate(s->d->t, s->p);
		s->d->shared->v[10] = i;
		rounds(s, 3);
		translate_activate(s->d->t, s->p, 0);
	}
	rounds(s, 3);
	assert_int_equal(s->d->shared->v[11], 5);
	ends(s);
	stalker_free(s);
}

/* Back and forth, wherever it is. */
static void many_times(void **state)
{
	struct stalker *s = start(MODE_COUNT);

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct stop st;

		if (i % 2)
			translate_activate(s->d->t, s->p, 0);
		else
			translate_deactivate(s->d->t, s->p);
		s->d->shared->v[10] = i % 7;
		for (int n = 0; n < 10; n++)
			assert_int_equal(
				s->d->t->ops->next_event(s->d->t, &st, true),
				0);
	}
	ends(s);
	stalker_free(s);
}

static void stopped_while_inactive(void **state)
{
	struct stalker *s = start(MODE_NONE);
	struct stop st;

	(void)state;
	rounds(s, 2);
	translate_deactivate(s->d->t, s->p);
	traced_stop(s->d);
	target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)work_callee, 1,
			 NULL);
	st = traced_run(s->d, 0);
	assert_int_equal(st.kind, STOP_SWBREAK);
	assert_int_equal(stalker_reg(s->d->t, traced_thread(s->d), "rip"),
			 (uintptr_t)work_callee);
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)work_callee, 1);
	translate_activate(s->d->t, s->p, 0);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	rounds(s, 2);
	translate_deactivate(s->d->t, s->p);
	traced_stop(s->d);
	translate_unfollow(s->d->t, s->p);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	rounds(s, 2);
	ends(s);
	stalker_free(s);
}

/* --- exclusions, until the target is reached -------------------------------
 */

static void hit(void *user, struct target *t, const struct probe_hit *h)
{
	(void)t, (void)h;
	++*(int *)user;
}

static void exclusions_wait_for_the_target(void **state)
{
	struct stalker *s = start(MODE_NONE);
	uint64_t calls;

	(void)state;
	translate_exclude(s->d->t, s->p, (uintptr_t)excluded,
			  (uintptr_t)excluded_end, true);
	rounds(s, 3);
	assert_true(translate_stats(s->d->t)->excluded_calls >= 2);
	translate_deactivate(s->d->t, s->p);
	rounds(s, 3);
	/* A target that is never reached. */
	translate_activate(s->d->t, s->p, (uintptr_t)traced_end);
	calls = translate_stats(s->d->t)->excluded_calls;
	rounds(s, 5);
	assert_int_equal(translate_stats(s->d->t)->excluded_calls, calls);
	/* One that is. */
	translate_activate(s->d->t, s->p, (uintptr_t)work);
	rounds(s, 5);
	assert_true(translate_stats(s->d->t)->excluded_calls > calls + 2);
	ends(s);
	stalker_free(s);
}

/* --- from a callback ---------------------------------------------------------
 */

static void leave_at_hit(void *user, struct target *t,
			 const struct probe_hit *h)
{
	int *hits = user;

	assert_int_equal(translate_deactivate(t, h->th->proc), 0);
	++*hits;
}

static void deactivated_by_a_probe(void **state)
{
	struct stalker *s = start(MODE_NONE);
	int hits = 0, others = 0;

	(void)state;
	translate_probe_add(s->d->t, s->p, (uintptr_t)work, leave_at_hit,
			    &hits);
	translate_probe_add(s->d->t, s->p, (uintptr_t)excluded, hit, &others);
	rounds(s, 10);
	assert_int_equal(hits, 1);
	assert_true(others <= 1);
	translate_activate(s->d->t, s->p, 0);
	rounds(s, 10);
	assert_int_equal(hits, 2);
	ends(s);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deactivate_and_activate),
		cmocka_unit_test(code_changes_meanwhile),
		cmocka_unit_test(many_times),
		cmocka_unit_test(stopped_while_inactive),
		cmocka_unit_test(exclusions_wait_for_the_target),
		cmocka_unit_test(deactivated_by_a_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
