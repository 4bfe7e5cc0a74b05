/* Stalker's tests of transformers, and what they leave out. */
#include "test/translate/stalker.h"
#include "test/translate/ticking.h"
#include "translate/transform.h"

#include <time.h>

/* What the transformer and its callouts are told, and have seen. */
struct seen {
	struct traced *d;
	unsigned blocks, insns, calls;
	uint64_t pc, rax, flags;
};

static void begin(struct seen *seen, struct stalker *s, transform_fn *fn)
{
	*seen = (struct seen){ .d = s->d };
	translate_transform(s->d->t, fn, seen);
}

/* --- custom_transformer -------------------------------------------------- */

/* clang-format off */
SNIPPET(sum,
	"xor %eax, %eax\n"
"sum_loop:\n"
	"add %rsi, %rax\n"
	"dec %rsi\n"
	"jne sum_loop\n"
	"ret");
/* clang-format on */

static void run_sum(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = snippet_call(sum, &s->v[8], 100);
}

static void last_callout(void *user, struct target *t, struct thread *th)
{
	struct seen *seen = user;

	seen->calls++;
	seen->pc = stalker_reg(t, th, "rip");
	seen->rax = stalker_reg(t, th, "rax");
	stalker_set_reg(t, th, "rax", 1234567);
}

/* incq (%rdi) before each instruction would change flags: these do not. */
static const uint8_t count_code[] = {
	0x4c, 0x8b, 0x1f,	/* mov (%rdi), %r11 */
	0x4d, 0x8d, 0x5b, 0x01, /* lea 1(%r11), %r11 */
	0x4c, 0x89, 0x1f,	/* mov %r11, (%rdi) */
};

static void count_all(void *user, struct transform *it)
{
	struct seen *seen = user;
	struct transform_insn i;

	seen->blocks++;
	while (transform_next(it, &i)) {
		if (IN_SNIPPET(sum, i.pc)) {
			seen->insns++;
			assert_true(i.ok);
			assert_int_equal(transform_put(it, count_code,
						       sizeof(count_code)),
					 0);
		}
		if (IN_SNIPPET(sum, i.pc) && i.in->kind == X86_RET)
			assert_int_equal(
				transform_callout(it, last_callout, seen), 0);
		transform_keep(it);
	}
}

static void custom_transformer(void **state)
{
	struct stalker *s = stalker_begin(run_sum, MODE_NONE);
	struct seen seen;

	(void)state;
	begin(&seen, s, count_all);
	stalker_ends(s);
	assert_int_equal(s->native[0], 5050);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.rax, 5050);
	assert_int_equal(seen.pc, (uintptr_t)sum_end - 1);
	assert_int_equal(s->d->shared->v[0], 1234567);
	assert_int_equal(s->d->shared->v[8], 1 + 3 * 100 + 1);
	assert_true(seen.blocks > 3 && seen.insns >= 5);
	assert_int_equal(translate_stats(s->d->t)->callouts, 1);
	stalker_followed(s);
	stalker_free(s);
}

/* --- calls ---------------------------------------------------------------- */

/* clang-format off */
SNIPPET(caller,
	"mov $10, %eax\n"
"caller_call:\n"
	"call callee\n"
"caller_behind:\n"
	"inc %rax\n"
	"ret\n"
"callee:\n"
	"mov $100, %eax\n"
	"ret");

SNIPPET(tail,
	"mov $5, %eax\n"
"tail_jump:\n"
	"jmp tail_target\n"
"tail_target:\n"
	"mov $50, %eax\n"
	"ret");
/* clang-format on */

extern const char caller_call[], caller_behind[], tail_jump[];

static void run_caller(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < 3; i++)
		s->v[i] = snippet_call(caller, &s->v[8], 0);
}

static void skip_call(void *user, struct transform *it)
{
	struct transform_insn i;

	(void)user;
	while (transform_next(it, &i)) {
		if (i.pc != (uintptr_t)caller_call)
			transform_keep(it);
	}
}

static void transformer_should_be_able_to_skip_call(void **state)
{
	struct stalker *s = stalker_begin(run_caller, MODE_NONE);

	(void)state;
	translate_transform(s->d->t, skip_call, NULL);
	stalker_ends(s);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(s->native[i], 101);
		assert_int_equal(s->d->shared->v[i], 11);
	}
	stalker_free(s);
}

static void in_place_of_call(void *user, struct target *t, struct thread *th)
{
	struct seen *seen = user;

	seen->calls++;
	seen->pc = stalker_reg(t, th, "rip");
	stalker_set_reg(t, th, "rax", 41);
}

static void replace_call(void *user, struct transform *it)
{
	struct transform_insn i;

	while (transform_next(it, &i)) {
		if (i.pc == (uintptr_t)caller_call)
			assert_int_equal(
				transform_callout(it, in_place_of_call, user),
				0);
		else
			transform_keep(it);
	}
}

static void
transformer_should_be_able_to_replace_call_with_callout(void **state)
{
	struct stalker *s = stalker_begin(run_caller, MODE_NONE);
	struct seen seen;

	(void)state;
	begin(&seen, s, replace_call);
	stalker_ends(s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(s->d->shared->v[i], 42);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(seen.pc, (uintptr_t)caller_call);
	stalker_free(s);
}

static void run_tail(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < 3; i++)
		s->v[i] = 1000 + snippet_call(tail, &s->v[8], 0);
}

static void replace_jump(void *user, struct transform *it)
{
	struct transform_insn i;

	while (transform_next(it, &i)) {
		if (i.pc != (uintptr_t)tail_jump) {
			transform_keep(it);
			continue;
		}
		assert_int_equal(transform_callout(it, in_place_of_call, user),
				 0);
		assert_int_equal(transform_return(it), 0);
		assert_int_equal(transform_return(it), -EINVAL);
	}
}

static void
transformer_should_be_able_to_replace_tailjump_with_callout(void **state)
{
	struct stalker *s = stalker_begin(run_tail, MODE_NONE);
	struct seen seen;

	(void)state;
	begin(&seen, s, replace_jump);
	stalker_ends(s);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(s->native[i], 1050);
		assert_int_equal(s->d->shared->v[i], 1041);
	}
	assert_int_equal(seen.calls, 3);
	/* Whoever was returned to was followed there. */
	assert_int_equal(translate_stats(s->d->t)->native_steps, 0);
	stalker_free(s);
}

/* --- what is left --------------------------------------------------------- */

static void leave_all(void *user, struct transform *it)
{
	(void)it;
	++*(unsigned *)user;
}

/* Who asks for no instruction keeps them all. */
static void nothing_taken(void **state)
{
	struct stalker *s = stalker_begin(run_caller, MODE_NONE);
	unsigned blocks = 0;

	(void)state;
	translate_transform(s->d->t, leave_all, &blocks);
	stalker_ends(s);
	stalker_same(s);
	assert_true(blocks > 10);
	stalker_free(s);
}

/* The comparison that is dropped would have given the flags, so those from
 * before it count, across a call and a return. */
/* clang-format off */
SNIPPET(flags,
	"mov $7, %eax\n"
	"cmp $3, %rsi\n"
	"call flags_nothing\n"
"flags_cmp:\n"
	"cmp %rsi, %rsi\n"
	"je 1f\n"
	"mov $8, %eax\n"
"1:\n"
	"ret\n"
"flags_nothing:\n"
	"ret");
/* clang-format on */

extern const char flags_cmp[];

static void run_flags(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < 6; i++)
		s->v[i] = snippet_call(flags, &s->v[8], i);
}

static void drop_cmp(void *user, struct transform *it)
{
	struct transform_insn i;

	(void)user;
	while (transform_next(it, &i)) {
		if (i.pc != (uintptr_t)flags_cmp)
			transform_keep(it);
	}
}

static void dropped_instruction_had_flags(void **state)
{
	struct stalker *s = stalker_begin(run_flags, MODE_COUNT);

	(void)state;
	translate_transform(s->d->t, drop_cmp, NULL);
	stalker_ends(s);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(s->native[i], 7);
		assert_int_equal(s->d->shared->v[i], i == 3 ? 7 : 8);
	}
	stalker_free(s);
}

/* --- what cannot be put --------------------------------------------------- */

struct refusals {
	unsigned asked;
};

static void try_puts(void *user, struct transform *it)
{
	static const struct {
		const char *code;
		size_t n;
	} bad[] = {
		{ "\xeb\x00", 2 },		       /* jmp */
		{ "\xc3", 1 },			       /* ret */
		{ "\xcc", 1 },			       /* int3 */
		{ "\x0f\x05", 2 },		       /* syscall */
		{ "\x65\x48\x8b\x04\x25\0\0\0\0", 9 }, /* mov %gs:0, %rax */
		{ "\x48\x8b\x05\0\0\0\0", 7 },	       /* mov 0(%rip), %rax */
		{ "\x9d", 1 },			       /* popf */
		{ "\x48\x8b", 2 },		       /* half of one */
		{ "\x90\x06", 2 },		       /* none behind one */
	};
	struct refusals *r = user;
	struct transform_insn i;

	while (transform_next(it, &i)) {
		if (i.pc != (uintptr_t)sum) {
			transform_keep(it);
			continue;
		}
		r->asked++;
		for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++)
			assert_int_equal(
				transform_put(it, bad[n].code, bad[n].n),
				-EINVAL);
		for (int n = 0; n < 256; n++)
			assert_int_equal(transform_put(it, "\x90", 1), 0);
		assert_int_equal(transform_put(it, "\x90", 1), -ENOSPC);
		transform_keep(it);
		assert_int_equal(transform_put(it, "\x90", 1), -EINVAL);
		assert_int_equal(transform_callout(it, last_callout, NULL),
				 -EINVAL);
	}
}

static void refused(void **state)
{
	struct stalker *s = stalker_begin(run_sum, MODE_NONE);
	struct refusals r = { 0 };

	(void)state;
	translate_transform(s->d->t, try_puts, &r);
	stalker_ends(s);
	stalker_same(s);
	assert_true(r.asked >= 1);
	stalker_free(s);
}

/* --- once, whatever stops it ---------------------------------------------- */

#define LOOPS 3000000

/* Signals of timers: with a handler, and without. */
static void run_long(struct traced_shared *s)
{
	timer_t ignored;

	ticking_take();
	signal(SIGURG, SIG_DFL);
	timer_create(CLOCK_MONOTONIC,
		     &(struct sigevent){
			     .sigev_notify = SIGEV_SIGNAL,
			     .sigev_signo = SIGURG,
		     },
		     &ignored);
	s->ready = 1;
	traced_wait_for(&s->go);
	timer_settime(ignored, 0,
		      &(struct itimerspec){ { 0, 300000 }, { 0, 300000 } },
		      NULL);
	ticking_set(500);
	s->v[0] = snippet_call(sum, &s->v[8], LOOPS);
	ticking_set(0);
	s->v[1] = ticks > 0;
}

static void stop_and_look(struct stalker *s)
{
	struct thread *th;

	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (volatile int spin = rand() % 20000; spin > 0; spin--)
		;
	s->d->t->ops->interrupt(s->d->t, (struct ptid){ s->d->pid, s->d->pid });
	if (traced_event(s->d).kind == STOP_EXITED)
		return;
	th = traced_thread(s->d);
	stalker_reg(s->d->t, th, "rip");
}

static void puts_are_done_once(void **state)
{
	struct stalker *s = stalker_begin(run_long, MODE_NONE);
	struct seen seen;

	(void)state;
	begin(&seen, s, count_all);
	s->d->shared->go = 1;
	srand(1);
	for (int i = 0; i < 500 && process_find(s->d->t, s->d->pid); i++)
		stop_and_look(s);
	if (process_find(s->d->t, s->d->pid))
		traced_ends(s->d);
	assert_int_equal(s->d->shared->v[0], 1234567);
	assert_int_equal(s->d->shared->v[1], 1);
	assert_int_equal(s->d->shared->v[8], 1 + 3 * LOOPS + 1);
	assert_int_equal(seen.calls, 1);
	stalker_free(s);
}

/* Nor twice when a signal comes before the stop of the callout behind them. */
#define TICKED 20000

static void run_ticking(struct traced_shared *s)
{
	s->v[0] = ticking_run(s, sum, TICKED);
}

static void count_call(void *user, struct target *t, struct thread *th)
{
	(void)t, (void)th;
	((struct seen *)user)->calls++;
}

static void count_and_call(void *user, struct transform *it)
{
	struct transform_insn i;

	while (transform_next(it, &i)) {
		if (IN_SNIPPET(sum, i.pc) && i.in->kind == X86_JCC) {
			transform_put(it, count_code, sizeof(count_code));
			transform_callout(it, count_call, user);
		}
		transform_keep(it);
	}
}

static void puts_before_callouts_are_done_once(void **state)
{
	struct stalker *s = stalker_begin(run_ticking, MODE_NONE);
	struct seen seen;

	(void)state;
	begin(&seen, s, count_and_call);
	stalker_ends(s);
	assert_int_equal(s->d->shared->v[0], s->native[0]);
	assert_int_equal(s->d->shared->v[8], TICKED);
	assert_int_equal(seen.calls, TICKED);
	stalker_free(s);
}

/* A callout before each round, which stops the thread each time, and takes the
 * cache away sometimes. */
static void call_and_renew(void *user, struct target *t, struct thread *th);

static void call_in_loop(void *user, struct transform *it)
{
	struct transform_insn i;

	while (transform_next(it, &i)) {
		if (IN_SNIPPET(sum, i.pc) && i.in->kind == X86_JCC) {
			transform_callout(it, call_and_renew, user);
			transform_put(it, count_code, sizeof(count_code));
		}
		transform_keep(it);
	}
}

static void call_and_renew(void *user, struct target *t, struct thread *th)
{
	struct seen *seen = user;

	stalker_reg(t, th, "rip");
	if (++seen->calls % 10 == 0)
		translate_transform(t, call_in_loop, user);
}

static void callouts_change_the_transformer(void **state)
{
	struct stalker *s = stalker_begin(run_sum, MODE_NONE);
	struct seen seen;

	(void)state;
	begin(&seen, s, call_in_loop);
	stalker_ends(s);
	assert_int_equal(s->d->shared->v[0], 5050);
	assert_int_equal(s->d->shared->v[8], 100);
	assert_int_equal(seen.calls, 100);
	assert_true(translate_stats(s->d->t)->flushes >= 10);
	stalker_free(s);
}

/* --- faults --------------------------------------------------------------- */

static struct traced_shared *handlers_shared;

/* The inserted load faults; the handler gives it an address and it is tried
 * again. */
static void mend(int signo, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)si;
	handlers_shared->v[2]++;
	handlers_shared->v[3] =
		uc->uc_mcontext.gregs[REG_RIP] - (long)(uintptr_t)tail;
	uc->uc_mcontext.gregs[REG_RSI] =
		(long)(uintptr_t)&handlers_shared->v[5];
}

static void run_fault(struct traced_shared *s)
{
	struct sigaction sa = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO };

	handlers_shared = s;
	sigaction(SIGSEGV, &sa, NULL);
	s->v[5] = 77;
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = snippet_call(tail, &s->v[8], 0);
}

static const uint8_t lea_load[] = {
	0x4c, 0x8b, 0x1f,	/* mov (%rdi), %r11 */
	0x4d, 0x8d, 0x5b, 0x01, /* lea 1(%r11), %r11 */
	0x4c, 0x89, 0x1f,	/* mov %r11, (%rdi): once */
	0x4c, 0x8b, 0x1e,	/* mov (%rsi), %r11 */
	0x4c, 0x89, 0x5f, 0x08, /* mov %r11, 8(%rdi) */
};

static void put_load(void *user, struct transform *it)
{
	struct transform_insn i;

	(void)user;
	while (transform_next(it, &i)) {
		if (i.pc == (uintptr_t)tail_jump)
			transform_put(it, lea_load, sizeof(lea_load));
		transform_keep(it);
	}
}

static void put_instruction_faults(void **state)
{
	struct stalker *s = stalker_begin(run_fault, MODE_NONE);

	(void)state;
	translate_transform(s->d->t, put_load, NULL);
	stalker_ends(s);
	assert_int_equal(s->d->shared->v[0], 50);
	assert_int_equal(s->d->shared->v[2], 1);
	assert_int_equal(s->d->shared->v[3],
			 (long)((uintptr_t)tail_jump - (uintptr_t)tail));
	assert_int_equal(s->d->shared->v[8], 1);
	assert_int_equal(s->d->shared->v[9], 77);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(custom_transformer),
		cmocka_unit_test(transformer_should_be_able_to_skip_call),
		cmocka_unit_test(
			transformer_should_be_able_to_replace_call_with_callout),
		cmocka_unit_test(
			transformer_should_be_able_to_replace_tailjump_with_callout),
		cmocka_unit_test(nothing_taken),
		cmocka_unit_test(dropped_instruction_had_flags),
		cmocka_unit_test(refused),
		cmocka_unit_test(puts_are_done_once),
		cmocka_unit_test(puts_before_callouts_are_done_once),
		cmocka_unit_test(callouts_change_the_transformer),
		cmocka_unit_test(put_instruction_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
