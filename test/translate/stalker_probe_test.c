/* Stalker's test of call probes, and what it leaves out. */
#include "test/translate/stalker.h"
#include "test/translate/ticking.h"

#include "translate/probe.h"
#include "translate/transform.h"

/* clang-format off */
SNIPPET(probed,
	"push %rbx\n"
	"mov %rdi, %rbx\n"
	"mov $1, %edi\n"
	"mov $2, %esi\n"
	"call probed_a\n"
"probed_first:\n"
	"mov $3, %edi\n"
	"call probed_b\n"
"probed_second:\n"
	"pop %rbx\n"
	"ret\n"
"probed_a:\n"
	"lea (%rdi,%rsi), %rax\n"
	"ret\n"
"probed_b:\n"
	"add %rdi, %rax\n"
	"jmp probed_c\n"
"probed_c:\n"
	"add $100, %rax\n"
"probed_d:\n"
	"add $1000, %rax\n"
	"ret");
/* clang-format on */

extern const char probed_a[], probed_b[], probed_c[], probed_d[];
extern const char probed_first[], probed_second[];

#define ROUNDS 10

static void run_probed(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	for (int i = 0; i < ROUNDS; i++)
		s->v[0] += snippet_call(probed, &s->v[8], 0);
}

struct hits {
	struct stalker *s;
	int number, until; /* it goes after so many; 0: never */
	int n;
	struct probe_hit last;
	uint64_t rdi;
};

static void hit(void *user, struct target *t, const struct probe_hit *h)
{
	struct hits *hits = user;

	hits->last = *h;
	hits->rdi = stalker_reg(t, h->th, "rdi");
	if (++hits->n == hits->until)
		assert_int_equal(
			translate_probe_drop(t, h->th->proc, hits->number), 0);
}

static void add(struct hits *h, struct stalker *s, const char *at, int until)
{
	*h = (struct hits){ .s = s, .until = until };
	h->number = translate_probe_add(s->d->t, s->p, (uintptr_t)at, hit, h);
	assert_true(h->number > 0);
}

static void call_probe(void **state)
{
	struct stalker *s = stalker_begin(run_probed, MODE_NONE);
	struct hits a, b, again;

	(void)state;
	add(&a, s, probed_a, 3);
	add(&b, s, probed_b, 0);
	add(&again, s, probed_a, 0);
	stalker_ends(s);
	stalker_same(s);
	assert_int_equal(a.n, 3);
	assert_int_equal(b.n, ROUNDS);
	assert_int_equal(again.n, ROUNDS);
	assert_int_equal(again.last.pc, (uintptr_t)probed_a);
	assert_int_equal(again.last.return_address, (uintptr_t)probed_first);
	assert_int_equal(again.rdi, 1);
	assert_int_equal(b.last.return_address, (uintptr_t)probed_second);
	assert_int_equal(b.last.stack, again.last.stack);
	assert_int_equal(b.rdi, 3);
	assert_int_equal(translate_stats(s->d->t)->probes, 3 + 2 * ROUNDS);
	stalker_followed(s);
	stalker_free(s);
}

/* By a jump, and from the instruction before. */
static void come_to_by_no_call(void **state)
{
	struct stalker *s = stalker_begin(run_probed, MODE_COUNT);
	struct hits c, d;

	(void)state;
	add(&d, s, probed_d, 0);
	add(&c, s, probed_c, 0);
	stalker_ends(s);
	stalker_same(s);
	assert_int_equal(c.n, ROUNDS);
	assert_int_equal(d.n, ROUNDS);
	stalker_free(s);
}

/* While it runs, and there is code for it already. */
static void added_later(void **state)
{
	struct stalker *s = stalker_begin(run_probed, MODE_NONE);
	struct hits a, c;

	(void)state;
	assert_int_equal(translate_probe_drop(s->d->t, s->p, 1), -ENOENT);
	add(&a, s, probed_a, 1);
	while (!s->d->shared->go || !a.n) {
		s->d->shared->go = 1;
		traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
		traced_stop(s->d);
		if (!a.n)
			continue;
	}
	add(&c, s, probed_c, 0);
	stalker_ends(s);
	stalker_same(s);
	assert_true(c.n <= ROUNDS);
	stalker_free(s);
}

static void change(void *user, struct target *t, const struct probe_hit *h)
{
	(void)user;
	/* As if it had been called and returned at once. */
	stalker_set_reg(t, h->th, "rax", 5);
	stalker_set_reg(t, h->th, "rsp", h->stack + 8);
	stalker_set_reg(t, h->th, "rip", h->return_address);
}

static void function_replaced(void **state)
{
	struct stalker *s = stalker_begin(run_probed, MODE_TRACE);

	(void)state;
	translate_probe_add(s->d->t, s->p, (uintptr_t)probed_a, change, NULL);
	stalker_ends(s);
	assert_int_equal(s->native[0], ROUNDS * 1106);
	assert_int_equal(s->d->shared->v[0], ROUNDS * 1108);
	stalker_free(s);
}

/* --- once, whatever stops it ---------------------------------------------- */

/* clang-format off */
SNIPPET(loop,
"loop_head:\n"
	"inc %rax\n"
	"dec %rsi\n"
	"jne loop_head\n"
	"ret");
/* clang-format on */

#define LOOPS 30000

static void run_loop(struct traced_shared *s)
{
	ticking_run(s, loop, LOOPS);
}

static void keep_all(void *user, struct transform *it)
{
	struct transform_insn i;

	(void)user;
	while (transform_next(it, &i)) {
		transform_put(it, "\x90", 1);
		transform_keep(it);
	}
}

static void hit_once_each_time(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct hits h;

	(void)state;
	translate_transform(s->d->t, keep_all, NULL);
	add(&h, s, loop, 0);
	stalker_ends(s);
	assert_int_equal(h.n, LOOPS);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_probe),
		cmocka_unit_test(come_to_by_no_call),
		cmocka_unit_test(added_later),
		cmocka_unit_test(function_replaced),
		cmocka_unit_test(hit_once_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
