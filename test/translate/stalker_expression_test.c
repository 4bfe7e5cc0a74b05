/* Expressions of what is collected: what is compiled is what is evaluated. */
#include "test/translate/collecting.h"

#include "base/buf.h"

static unsigned seed = 1;

static unsigned dice(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void put_number(struct buf *b)
{
	static const uint64_t some[] = {
		0,   1,		 2,	    7,
		63,  64,	 65,	    255,
		256, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MIN,
		-1,  -2,	 -7,	    0x123456789abc
	};
	uint64_t v = some[dice(sizeof(some) / sizeof(*some))];

	buf_putc(b, 0x25);
	for (int i = 56; i >= 0; i -= 8)
		buf_putc(b, (char)(v >> i));
}

static void put_leaf(struct buf *b)
{
	if (dice(3)) {
		put_number(b);
		return;
	}
	buf_putc(b, 0x26);
	buf_putc(b, 0);
	buf_putc(b, (char)dice(17));
}

static void put_ref(struct buf *b)
{
	buf_put(b, "\x26\0\5", 3);
	buf_putc(b, (char)(0x17 + dice(4)));
}

/* A value more, or one of two instead of them. */
static void put_some(struct buf *b, unsigned deep)
{
	static const char two[] = "\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"
				  "\x0f\x10\x11\x13\x14\x15";

	if (!deep) {
		put_leaf(b);
		return;
	}
	switch (dice(8)) {
	case 0:
		put_ref(b);
		break;
	case 1:
		put_some(b, deep - 1);
		buf_putc(b, dice(2) ? 0x0e : 0x12);
		break;
	case 2:
		put_some(b, deep - 1);
		buf_putc(b, dice(2) ? 0x16 : 0x2a);
		buf_putc(b, (char)dice(65));
		break;
	case 3:
		put_some(b, deep - 1);
		put_some(b, deep - 1);
		buf_put(b, "\x2b\x28\x32\2\x33\x02\x02\x29", 8);
		break;
	default:
		put_some(b, deep - 1);
		put_some(b, deep - 1);
		buf_putc(b, two[dice(sizeof(two) - 1)]);
	}
}

#define RANDOM 300
#define EACH   1

static const struct collect_item *checking;

static int known_reg(void *user, unsigned n, uint64_t *v)
{
	const struct collect_hit *hit = user;

	memcpy(v, hit->parts[0].data + 8 * n, sizeof(*v));
	return 0;
}

/* The test has the same memory. */
static int known_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	(void)user;
	memcpy(buf, (const void *)(uintptr_t)addr, len);
	return 0;
}

static void check(void *user, const struct collect_hit *hit)
{
	const struct ax_env env = { .reg = known_reg,
				    .mem = known_mem,
				    .user = (void *)(uintptr_t)hit };

	assert_int_equal(hit->n_parts, EACH + 1);
	for (unsigned i = 1; i <= EACH; i++) {
		const struct collect_part *part = &hit->parts[i];
		int64_t v = 0, is = 0;
		int r = ax_eval(checking[i].code, &env, &v);

		assert_int_equal(part->error < 0, r < 0);
		if (r == 0)
			memcpy(&is, part->data, sizeof(is));
		assert_int_equal(is, v);
	}
	++*(unsigned *)user;
}

static void run_random(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	while (!s->v[V_END])
		snippet_call(loop, &s->v[8], 3);
}

static struct ax_program *random_program(void)
{
	struct buf b = { 0 };
	struct ax_program *p;

	put_some(&b, 3);
	buf_putc(&b, 0x27);
	p = program(b.data, b.len);
	buf_fini(&b);
	return p;
}

static void run_a_while(struct stalker *s, unsigned *n)
{
	struct target *t = s->d->t;
	struct pollfd pfd = { .fd = t->ops->event_fd(t), .events = POLLIN };
	struct stop st;

	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	while (!*n) {
		poll(&pfd, 1, 1);
		assert_int_equal(t->ops->next_event(t, &st, true), 0);
		translate_collect_drain(t);
	}
	traced_stop(s->d);
	translate_collect_drain(t);
}

static void random_expressions(void **state)
{
	struct stalker *s = stalker_begin(run_random, MODE_NONE);
	struct collect_item items[EACH + 1] = { { .what = COLLECT_REGISTERS,
						  .registers = 0x1ffff } };
	const struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = EACH + 1
	};
	unsigned compiled = 0, n;

	(void)state;
	checking = items;
	s->d->shared->v[8] = -0x123456789abcdef;
	s->d->shared->go = 1;
	translate_on_collect(s->d->t, check, &n);
	for (unsigned round = 0; round < RANDOM / EACH; round++) {
		bool is;
		int number;

		for (unsigned i = 1; i <= EACH; i++)
			items[i] = (struct collect_item){
				.what = COLLECT_VALUE, .code = random_program()
			};
		n = 0;
		number = translate_collect_add(s->d->t, s->p, &spec, &is);
		compiled += is;
		run_a_while(s, &n);
		translate_collect_drop(s->d->t, s->p, number);
		for (unsigned i = 1; i <= EACH; i++)
			ax_free((void *)(uintptr_t)items[i].code);
	}
	print_message("%u of %u compiled\n", compiled, RANDOM / EACH);
	assert_true(compiled > 10);
	stalker_ends(s);
	stalker_free(s);
}

/* From ten to one, and one that goes round for ever. */
static void loops(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct ax_program *sum = PROGRAM("\x22\0\x22\x0a\x28\x33\x02\x2b"
					 "\x22\1\x03\x28\x20\0\4\x29\x27");
	struct ax_program *ever = PROGRAM("\x22\1\x20\0\0\x22\5\x27");
	struct ax_program *last = PROGRAM("\x26\0\0\x23\x4e\x20\x13\x27");
	const struct collect_item items[] = {
		{ .what = COLLECT_VALUE, .code = sum },
		{ .what = COLLECT_VALUE, .code = ever },
	};
	struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 2, .when = last
	};

	(void)state;
	listen(s, 0, 0);
	add(s, &spec, true);
	stalker_ends(s);
	assert_int_equal(told.n, 1);
	assert_int_equal(word(0, 0), 55);
	assert_int_equal(told.parts[1].error, -EFAULT);
	assert_int_equal(counted(s, "callouts"), 0);
	stalker_free(s);
	ax_free(sum);
	ax_free(ever);
	ax_free(last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_expressions),
		cmocka_unit_test(loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
