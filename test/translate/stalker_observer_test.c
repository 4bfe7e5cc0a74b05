/* Stalker's test of the observer: which branches found no code. */
#include "test/translate/stalker.h"

/* Each kind goes somewhere for the first time. Labels on pages of their own are
 * in no batch, as nobody jumps there directly but those. */
/* clang-format off */
SNIPPET(kinds,
	"push %rbx\n"
	"lea observed_target(%rip), %rbx\n"
	"mov $1, %ecx\n"
	"call *%rbx\n"				/* call_reg */
	"lea observed_pointer(%rip), %rdx\n"
	"call *(%rdx)\n"			/* call_mem */
	"call observed_jumps\n"
	"pop %rbx\n"
	"ret\n"
"observed_jumps:\n"
	"lea 1f(%rip), %rdx\n"
	"jmp *%rdx\n"				/* jmp_reg */
	"ud2\n"
"1:\n"
	"lea observed_pointer_2(%rip), %rdx\n"
	"jmp *(%rdx)\n"				/* jmp_mem */
	"ud2\n"
"observed_2:\n"
	"mov $5, %eax\n"
	"ret\n"
"observed_target:\n"
	"mov $7, %eax\n"
	"ret\n"
	".data\n"
	".balign 8\n"
"observed_pointer: .quad observed_target\n"
"observed_pointer_2: .quad observed_2\n"
	".text\n");

/* A direct call, a jump and a conditional one to places that are far behind
 * what a batch of blocks holds: each of the loop's rounds takes one more. */
SNIPPET(long_way,
	".rept 200\n"
	"test %rsi, %rsi\n"
	"jz long_way_out\n"
	"dec %rsi\n"
	".endr\n"
"long_way_out:\n"
	"mov $9, %eax\n"
	"ret\n");
SNIPPET(straight,
	".rept 20000\n"
	"nop\n"
	".endr\n"
	"mov $9, %eax\n"
	"ret\n");
/* clang-format on */

static void run_kinds(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = (int)snippet_call(kinds, NULL, 0);
	s->v[1] = (int)snippet_call(long_way, NULL, 150);
	s->v[2] = (int)snippet_call(straight, NULL, 0);
	s->v[3] = s->v[0] + (int)snippet_call(kinds, NULL, 0);
}

static uint64_t sum(const struct translate_stats *st)
{
	return st->slow_call_imm + st->slow_call_reg + st->slow_call_mem +
	       st->slow_ret + st->slow_jmp_imm + st->slow_jmp_reg +
	       st->slow_jmp_mem + st->slow_jmp_cond + st->slow_jmp_cond_jcxz +
	       st->slow_jmp_continuation + st->slow_indirect;
}

static void observer(void **state)
{
	struct stalker *s = stalker_begin(run_kinds, MODE_NONE);
	struct translate_stats st;

	(void)state;
	translate_observe(s->d->t, true);
	stalker_ends(s);
	stalker_same(s);
	st = *translate_stats(s->d->t);
	assert_int_equal(s->native[0], 5);
	assert_int_equal(st.slow, sum(&st));
	assert_int_equal(st.slow, st.exits + st.learned + st.indirect_misses +
					  st.return_misses);
	assert_int_equal(st.slow_indirect, 0);
	assert_true(st.slow_call_reg >= 1);
	assert_true(st.slow_call_mem >= 1);
	assert_true(st.slow_jmp_reg >= 1);
	assert_true(st.slow_jmp_mem >= 1);
	assert_true(st.slow_jmp_cond >= 1);
	assert_true(st.slow_jmp_continuation >= 20000 / 128 / 40);
	assert_true(st.slow_ret >= 1);
	stalker_free(s);
}

/* The sum is right all the same. */
static void not_observed(void **state)
{
	struct stalker *s = stalker_begin(run_kinds, MODE_NONE);

	(void)state;
	stalker_ends(s);
	stalker_same(s);
	assert_int_equal(translate_stats(s->d->t)->slow,
			 sum(translate_stats(s->d->t)));
	/* A register's and a table's jumps were not told apart. */
	assert_true(translate_stats(s->d->t)->slow_indirect >= 1);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(observer),
		cmocka_unit_test(not_observed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
