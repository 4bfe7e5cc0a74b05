/* A program that is executed while nobody looks: what is asked of the process
 * before that is told concerns the new program. */
#include "test/translate/stalker.h"

#include "translate/inspect.h"

static char self[] = "/proc/self/exe", again[] = "again";
static char *arguments[] = { self, again, NULL };
static char *environment[] = { NULL };

/* Translated as a whole before it is let go, so that nobody has to see to it
 * from then on. */
/* clang-format off */
SNIPPET(executes,
	"mov %rdi, %rbx\n"
	"mov %rsi, %rdi\n"
	"mov arguments_at(%rip), %rsi\n"
	"mov environment_at(%rip), %rdx\n"
	"movq $1, 8(%rbx)\n"
"executes_waits:\n"
	"mov $59, %eax\n"
	"cmpq $0, 16(%rbx)\n"
	"je executes_waits\n"
	"syscall\n"
	"ret");
/* clang-format on */

char **arguments_at = arguments, **environment_at = environment;

enum { V_THERE = 1, V_EXEC };

static void run_program(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	if (s->v[V_END])
		return;
	snippet_call(executes, s->v, (long)self);
}

static bool has_execed(pid_t pid)
{
	char path[32], line[64];
	ssize_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "r");
	if (f)
		n = (ssize_t)fread(line, 1, sizeof(line), f);
	if (f)
		fclose(f);
	return n == sizeof(self) + sizeof(again) &&
	       !strcmp(line + sizeof(self), again);
}

/* Halted, with an exec that is yet to be told. */
static struct stalker *begin(int mode, bool programs_too)
{
	struct stalker *s = stalker_begin(run_program, mode);

	translate_follow_children(s->d->t, false, programs_too);
	s->d->t->report_exec = true;
	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	while (!s->d->shared->v[V_THERE])
		traced_goes_on(s->d);
	for (int i = 0; i < 100; i++)
		traced_goes_on(s->d);
	s->d->shared->v[V_EXEC] = 1;
	while (!has_execed(s->d->pid))
		usleep(100);
	usleep(1000);
	s->d->t->ops->halt(s->d->t);
	return s;
}

/* It is told, and the program ends as it does by itself. */
static void end(struct stalker *s, bool followed)
{
	struct stop st = traced_run(s->d, 0);

	assert_int_equal(st.kind, STOP_EXEC);
	assert_int_equal(translate_space(s->p) != NULL, followed);
	assert_int_equal(stalker_has_ours(s->d->pid, 0), followed);
	traced_ends(s->d);
	stalker_free(s);
}

static void program_is_followed(void **state)
{
	(void)state;
	end(begin(MODE_NONE, true), true);
}

static void it_can_be_let_go_of(void **state)
{
	struct stalker *s = begin(MODE_NONE, true);

	(void)state;
	translate_unfollow(s->d->t, s->p);
	end(s, false);
}

static void its_only_thread_can(void **state)
{
	struct stalker *s = begin(MODE_NONE, true);

	(void)state;
	translate_unfollow_thread(s->d->t, traced_thread(s->d));
	end(s, false);
}

static void follow(struct stalker *s, enum trace_mode mode)
{
	struct err e = { 0 };

	if (translate_follow_anew(s->d->t, s->p, mode, &e) < 0)
		fail_msg("%s", e.text);
}

static void in_another_mode(void **state)
{
	struct stalker *s = begin(MODE_NONE, true);
	uint64_t n;

	(void)state;
	follow(s, MODE_COUNT);
	n = translate_stats(s->d->t)->blocks;
	assert_int_equal(traced_run(s->d, 0).kind, STOP_EXEC);
	assert_non_null(translate_space(s->p));
	assert_int_equal(translate_mode(translate_space(s->p)), MODE_COUNT);
	traced_ends(s->d);
	assert_true(translate_stats(s->d->t)->blocks > n);
	stalker_free(s);
}

/* Programs are not followed by themselves, but this one is asked for. */
static void one_that_would_not_be(void **state)
{
	struct err e = { 0 };
	struct stalker *s;

	(void)state;
	s = begin(MODE_NONE, false);
	assert_int_equal(translate_follow(s->d->t, s->p, MODE_NONE, &e), 0);
	end(s, true);
	s = begin(MODE_NONE, false);
	end(s, false);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_is_followed),
		cmocka_unit_test(it_can_be_let_go_of),
		cmocka_unit_test(its_only_thread_can),
		cmocka_unit_test(in_another_mode),
		cmocka_unit_test(one_that_would_not_be),
	};

	if (argc > 1 && !strcmp(argv[1], again))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
