/* Stalker's tests of events: which there are, and their addresses. */
#include "test/translate/stalker.h"

#include "translate/events.h"

/* clang-format off */
SNIPPET(once,
	"mov $2, %eax\n"
	"nop\n"
	"jmp once_over\n"
	"ud2\n"
"once_over:\n"
	"add $1, %eax\n"
"once_ret:\n"
	"ret");

SNIPPET(calls,
	"mov $1, %eax\n"
"calls_first:\n"
	"call calls_leaf\n"
"calls_between:\n"
	"lea calls_leaf(%rip), %rdx\n"
"calls_second:\n"
	"call *%rdx\n"
"calls_behind:\n"
	"ret\n"
"calls_leaf:\n"
	"inc %eax\n"
"calls_ret:\n"
	"ret");

/* Six deep, and back. */
SNIPPET(depth,
	"mov $6, %ecx\n"
"depth_down:\n"
	"dec %ecx\n"
	"jz depth_up\n"
"depth_call:\n"
	"call depth_down\n"
"depth_up:\n"
	"ret");
/* clang-format on */

extern const char once_over[], once_ret[];
extern const char calls_first[], calls_between[], calls_second[];
extern const char calls_behind[], calls_leaf[], calls_ret[];
extern const char depth_down[], depth_call[], depth_up[];

static void run_once(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = snippet_call(once, NULL, 0);
}

static void run_calls(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = (int)snippet_call(calls, NULL, 0);
}

static void run_depth(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	snippet_call(depth, NULL, 0);
}

/* --- what was told of the snippet ----------------------------------------- */

#define SEEN_MAX 64

struct seen {
	const char *lo, *hi;
	size_t n, all;
	struct translate_event events[SEEN_MAX];
};

static void batch(void *user, struct ptid who,
		  const struct translate_event *all, size_t n)
{
	struct seen *seen = user;

	(void)who;
	seen->all += n;
	for (size_t i = 0; i < n; i++) {
		if (all[i].from < (uintptr_t)seen->lo ||
		    all[i].from >= (uintptr_t)seen->hi)
			continue;
		assert_true(seen->n < SEEN_MAX);
		seen->events[seen->n++] = all[i];
	}
}

static void run(traced_fn *fn, unsigned mask, struct seen *seen)
{
	struct stalker *s = stalker_begin(fn, -1);
	struct translate_sink sink = { mask, batch, seen };

	translate_set_sink(s->d->t, &sink);
	assert_int_equal(
		translate_follow(s->d->t, s->p, MODE_TRACE, &(struct err){ 0 }),
		0);
	stalker_ends(s);
	stalker_same(s);
	stalker_followed(s);
	stalker_free(s);
}

static void assert_event(const struct seen *seen, size_t n, uint32_t kind,
			 const char *from, const char *to)
{
	assert_true(n < seen->n);
	assert_int_equal(seen->events[n].kind, kind);
	assert_int_equal(seen->events[n].from, (uintptr_t)from);
	assert_int_equal(seen->events[n].to, (uintptr_t)to);
}

/* --- the tests -------------------------------------------------------------
 */

static void no_events(void **state)
{
	struct seen seen = { .lo = once, .hi = once_end };

	(void)state;
	run(run_once, 0, &seen);
	assert_int_equal(seen.all, 0);
}

static void call(void **state)
{
	struct seen seen = { .lo = calls, .hi = calls_end };

	(void)state;
	run(run_calls, EVENT_CALL, &seen);
	assert_int_equal(seen.n, 2);
	assert_event(&seen, 0, EVENT_CALL, calls_first, calls_leaf);
	assert_event(&seen, 1, EVENT_CALL, calls_second, calls_leaf);
}

static void ret(void **state)
{
	struct seen seen = { .lo = calls, .hi = calls_end };

	(void)state;
	run(run_calls, EVENT_RET, &seen);
	assert_int_equal(seen.n, 3);
	assert_event(&seen, 0, EVENT_RET, calls_ret, calls_between);
	assert_event(&seen, 1, EVENT_RET, calls_ret, calls_behind);
	assert_int_equal(seen.events[2].from, (uintptr_t)calls_behind);
}

static void exec(void **state)
{
	const char *const all[] = { once, once + 5, once + 6, once_over,
				    once_ret };
	struct seen seen = { .lo = once, .hi = once_end };

	(void)state;
	run(run_once, EVENT_EXEC, &seen);
	assert_int_equal(seen.n, 5);
	for (size_t i = 0; i < seen.n; i++) {
		assert_int_equal(seen.events[i].kind, EVENT_EXEC);
		assert_int_equal(seen.events[i].from, (uintptr_t)all[i]);
	}
}

static void call_depth(void **state)
{
	struct seen seen = { .lo = depth, .hi = depth_end };
	int32_t base;

	(void)state;
	run(run_depth, EVENT_CALL | EVENT_RET, &seen);
	assert_int_equal(seen.n, 5 + 6);
	base = seen.events[0].depth;
	for (size_t i = 0; i < 5; i++) {
		assert_event(&seen, i, EVENT_CALL, depth_call, depth_down);
		assert_int_equal(seen.events[i].depth, base + (int)i);
	}
	for (size_t i = 5; i < 11; i++) {
		assert_int_equal(seen.events[i].kind, EVENT_RET);
		assert_int_equal(seen.events[i].depth, base + 10 - (int)i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_events),  cmocka_unit_test(call),
		cmocka_unit_test(ret),	      cmocka_unit_test(exec),
		cmocka_unit_test(call_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
