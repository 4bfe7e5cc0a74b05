/* The switch callback of Stalker's observer, and redirections. */
#include "test/translate/stalker.h"

#include "translate/probe.h"
#include "translate/redirect.h"

/* Each comes to two() in another way. */
/* clang-format off */
SNIPPET(ways,
	"push %rbx\n"
	"xor %ebx, %ebx\n"
	"call two\n"			/* a direct call */
	"add %rax, %rbx\n"
	"lea two(%rip), %rdx\n"
	"call *%rdx\n"			/* an indirect one */
	"add %rax, %rbx\n"
	"call tail_of_two\n"		/* a direct jump */
	"add %rax, %rbx\n"
	"cmp %esi, %esi\n"
	"call fall_to_two\n"		/* a branch not taken */
	"add %rax, %rbx\n"
	"lea two(%rip), %rdx\n"
	"push %rdx\n"
	"lea 1f(%rip), %rdx\n"
	"xchg %rdx, (%rsp)\n"
	"push %rdx\n"
	"ret\n"				/* a return */
"1:\n"
	"add %rax, %rbx\n"
	"mov %rbx, %rax\n"
	"pop %rbx\n"
	"ret\n"
"tail_of_two:\n"
	"jmp two\n"
"fall_to_two:\n"
	"jne tail_of_two\n"
"two:\n"
	"mov $2, %eax\n"
	"ret\n"
"three:\n"
	"mov $1, %eax\n"
	"add $2, %eax\n"
"three_end:\n"
	"ret");
/* clang-format on */

extern const char two[], three[], three_end[];

#define WAYS   5
#define ROUNDS 100

static void run_ways(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < ROUNDS; i++)
		s->v[0] += snippet_call(ways, &s->v[8], i);
	s->v[1] = snippet_call(two, NULL, 0);
	s->v[2] = snippet_call(three, NULL, 0);
}

static void redirect(struct stalker *s, const char *from, const char *to)
{
	assert_int_equal(translate_redirect(s->d->t, s->p, (uintptr_t)from,
					    (uintptr_t)to),
			 0);
}

static void assert_values(struct stalker *s, long ways_each, long v1, long v2)
{
	assert_int_equal(s->native[0], ROUNDS * WAYS * 2);
	assert_int_equal(s->native[1], 2);
	assert_int_equal(s->native[2], 3);
	assert_int_equal(s->d->shared->v[0], ROUNDS * WAYS * ways_each);
	assert_int_equal(s->d->shared->v[1], v1);
	assert_int_equal(s->d->shared->v[2], v2);
	stalker_followed(s);
}

static void redirected_by_each_way(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_NONE);

	(void)state;
	redirect(s, two, three);
	stalker_ends(s);
	assert_values(s, 3, 3, 3);
	/* The links went there: nobody asked each time. */
	assert_true(translate_stats(s->d->t)->stops < ROUNDS * WAYS);
	stalker_free(s);
}

static void two_take_each_others_place(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_COUNT);

	(void)state;
	redirect(s, two, three);
	redirect(s, three, two);
	stalker_ends(s);
	assert_values(s, 3, 3, 2);
	stalker_free(s);
}

static void redirected_in_the_middle(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_TRACE);

	(void)state;
	/* From behind its second instruction to one that sets 2. */
	redirect(s, three_end, two);
	stalker_ends(s);
	assert_values(s, 2, 2, 2);
	stalker_free(s);
}

static void redirected_no_more(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_NONE);

	(void)state;
	redirect(s, two, three);
	redirect(s, two, two);
	assert_int_equal(translate_redirect(s->d->t, s->p, (uintptr_t)two, 0),
			 -EINVAL);
	stalker_ends(s);
	stalker_same(s);
	stalker_free(s);
}

/* --- whatever stops it -----------------------------------------------------
 */

static void run_for_long(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < 200000; i++) {
		s->v[0] += snippet_call(two, NULL, 0);
		s->v[1] += snippet_call(three, NULL, 0);
	}
}

static void stop_and_look(struct stalker *s)
{
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (volatile int spin = rand() % 3000; spin > 0; spin--)
		;
	s->d->t->ops->interrupt(s->d->t, (struct ptid){ s->d->pid, s->d->pid });
	if (traced_event(s->d).kind != STOP_EXITED)
		stalker_reg(s->d->t, traced_thread(s->d), "rip");
}

static void stopped_while_redirected(void **state)
{
	struct stalker *s = stalker_begin(run_for_long, MODE_NONE);

	(void)state;
	redirect(s, two, three);
	redirect(s, three, two);
	s->d->shared->go = 1;
	for (int i = 0; i < 1000 && process_find(s->d->t, s->d->pid); i++)
		stop_and_look(s);
	if (process_find(s->d->t, s->d->pid))
		traced_ends(s->d);
	assert_int_equal(s->d->shared->v[0], 3 * 200000);
	assert_int_equal(s->d->shared->v[1], 2 * 200000);
	stalker_free(s);
}

static void point_is_met_before(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_NONE);
	struct stop st;

	(void)state;
	redirect(s, two, three);
	redirect(s, three, two);
	assert_int_equal(target_point_set(s->d->t, s->p, POINT_SW,
					  (uintptr_t)two, 1, NULL),
			 0);
	s->d->shared->go = 1;
	st = traced_run(s->d, 0);
	assert_int_equal(st.kind, STOP_SWBREAK);
	assert_int_equal(stalker_reg(s->d->t, traced_thread(s->d), "rip"),
			 (uintptr_t)two);
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)two, 1);
	stalker_ends(s);
	assert_values(s, 3, 3, 2);
	stalker_free(s);
}

static void count(void *user, struct target *t, const struct probe_hit *h)
{
	(void)t, (void)h;
	++*(int *)user;
}

/* Those who are sent away do not meet it, those who are sent there do. */
static void probes_are_behind(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_NONE);
	int at_two = 0, at_three = 0;

	(void)state;
	redirect(s, two, three);
	redirect(s, three, two);
	translate_probe_add(s->d->t, s->p, (uintptr_t)two, count, &at_two);
	translate_probe_add(s->d->t, s->p, (uintptr_t)three, count, &at_three);
	stalker_ends(s);
	assert_values(s, 3, 3, 2);
	assert_int_equal(at_two, 1);
	assert_int_equal(at_three, ROUNDS * WAYS + 1);
	stalker_free(s);
}

/* --- switch_callback -------------------------------------------------------
 */

static uint64_t choose(void *user, struct target *t, pid_t pid, uint64_t pc)
{
	struct stalker *s = user;

	(void)t;
	assert_int_equal(pid, s->d->pid);
	return pc == (uintptr_t)two ? (uintptr_t)three : pc;
}

static void switch_callback(void **state)
{
	struct stalker *s = stalker_begin(run_ways, MODE_NONE);

	(void)state;
	translate_set_switch(s->d->t, choose, s);
	stalker_ends(s);
	assert_values(s, 3, 3, 3);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redirected_by_each_way),
		cmocka_unit_test(two_take_each_others_place),
		cmocka_unit_test(redirected_in_the_middle),
		cmocka_unit_test(redirected_no_more),
		cmocka_unit_test(stopped_while_redirected),
		cmocka_unit_test(point_is_met_before),
		cmocka_unit_test(probes_are_behind),
		cmocka_unit_test(switch_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
