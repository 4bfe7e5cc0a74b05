#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace/collected.h"

static void put(struct collected *c, int64_t i)
{
	struct values v = { .who = { 7, 8 }, .rule = 1, .pc = 0x1000 };

	v.n = (uint32_t)(i % (VALUES_MAX + 1));
	v.failed = (uint32_t)i;
	for (uint32_t n = 0; n < v.n; n++)
		v.all[n] = i * 100 + n;
	collected_put(c, &v);
}

struct seen {
	uint32_t n, first, last;
};

static void see(void *user, const struct values *v)
{
	struct seen *s = user;

	if (!s->n++)
		s->first = v->failed;
	else
		assert_int_equal(v->failed, s->last + 1);
	s->last = v->failed;
	assert_int_equal(v->n, v->failed % (VALUES_MAX + 1));
	assert_int_equal(v->who.tid, 8);
	for (uint32_t n = 0; n < v->n; n++)
		assert_int_equal(v->all[n], (int64_t)v->failed * 100 + n);
}

static struct seen all(const struct collected *c)
{
	struct seen s = { 0 };

	collected_each(c, see, &s);
	return s;
}

static void nothing_is_lost_while_there_is_room(void **state)
{
	struct collected c = { .most = 1 << 20 };
	struct seen s;

	(void)state;
	for (int i = 0; i < 5000; i++)
		put(&c, i);
	s = all(&c);
	assert_int_equal(s.n, 5000);
	assert_int_equal(s.first, 0);
	assert_int_equal(c.lost, 0);
	collected_clear(&c);
	assert_int_equal(all(&c).n, 0);
}

static void the_oldest_go_when_it_is_full(void **state)
{
	struct collected c = { .most = 10001 };
	struct seen s;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		put(&c, i);
		s = all(&c);
		assert_int_equal(s.last, i);
		assert_int_equal(s.n + c.lost, i + 1);
	}
	assert_in_range(s.n, 10001 / 168 - 1, 10001 / 40);
	collected_clear(&c);
}

static void the_newest_go_if_that_is_wanted(void **state)
{
	struct collected c = { .most = 10000, .stops = true };

	(void)state;
	for (int i = 1; i < 5000; i++) {
		struct values v = { .n = 3, .failed = (uint32_t)i };

		collected_put(&c, &v);
	}
	assert_int_equal(c.lost,
			 4999 - c.n / (offsetof(struct values, all) + 24));
	assert_true(c.n <= 10000);
	collected_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_while_there_is_room),
		cmocka_unit_test(the_oldest_go_when_it_is_full),
		cmocka_unit_test(the_newest_go_if_that_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
